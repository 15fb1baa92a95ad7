//! One-shot tokens: what a streaming URL stands for until somebody uses it. Not the URLs themselves. As upstream's request cache.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cri_proto::v1;
use indexmap::IndexMap;
use rand::Rng as _;
use tokio::time::Instant;
use tonic::Status;

/// How long a token is good.
pub(super) const TTL: Duration = Duration::from_secs(60);

/// Most tokens at a time.
pub(super) const IN_FLIGHT: usize = 1000;

/// What a token stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// A command in a container.
    Exec(v1::ExecRequest),
    /// A container's own input and output.
    Attach(v1::AttachRequest),
    /// Ports of a sandbox.
    PortForward(v1::PortForwardRequest),
}

impl Asked {
    /// The id of the container or sandbox that is meant.
    pub(super) fn target(&self) -> &str {
        match self {
            Self::Exec(request) => &request.container_id,
            Self::Attach(request) => &request.container_id,
            Self::PortForward(request) => &request.pod_sandbox_id,
        }
    }
}

/// Tokens that nobody has used yet.
#[derive(Debug)]
pub(crate) struct Tokens {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: world::Rng,
    /// Oldest first.
    waiting: IndexMap<String, (Asked, Instant)>,
}

impl Tokens {
    /// No tokens; new ones are drawn from `random`.
    pub(crate) fn new(random: world::Rng) -> Self {
        Self { state: Mutex::new(State { random, waiting: IndexMap::new() }) }
    }

    /// A token for a request: eight letters that fit into a URL. `ResourceExhausted` if too many wait.
    pub(crate) fn issue(&self, asked: Asked) -> Result<String, Status> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let expired = state.waiting.values().take_while(|(_, until)| now > *until).count();
        state.waiting.drain(..expired);
        if state.waiting.len() >= IN_FLIGHT {
            return Err(Status::resource_exhausted("maximum number of in-flight requests exceeded"));
        }
        let mut bytes = [0; 6];
        loop {
            state.random.fill_bytes(&mut bytes);
            let token = URL_SAFE_NO_PAD.encode(bytes);
            if !state.waiting.contains_key(&token) {
                state.waiting.insert(token.clone(), (asked, now + TTL));
                return Ok(token);
            }
        }
    }

    /// What a token stands for. It is used up by this; `None` if it is unknown, used or too old.
    pub(crate) fn redeem(&self, token: &str) -> Option<Asked> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, until) = state.waiting.shift_remove(token)?;
        (Instant::now() <= until).then_some(asked)
    }

    /// Forgets all: the runtime has crashed.
    pub(crate) fn clear(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(world::random::Random::from_seed(1).fork("tokens"))
    }

    fn forward() -> Asked {
        Asked::PortForward(v1::PortForwardRequest { pod_sandbox_id: "a".to_owned(), port: vec![] })
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_once_and_for_a_minute() {
        let tokens = tokens();
        let (one, two) = (tokens.issue(forward()).expect("one"), tokens.issue(forward()).expect("two"));
        assert_eq!((one.len(), one != two), (8, true));
        assert_eq!(tokens.redeem(&one), Some(forward()));
        assert_eq!(tokens.redeem(&one), None);
        tokio::time::advance(TTL + Duration::from_millis(1)).await;
        assert_eq!(tokens.redeem(&two), None);
        assert_eq!(tokens.redeem("nothing!"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_wait_and_no_more_until_they_are_old() {
        let tokens = tokens();
        for _ in 0..IN_FLIGHT {
            tokens.issue(forward()).expect("room");
        }
        let refused = tokens.issue(forward()).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert_eq!(refused.message(), "maximum number of in-flight requests exceeded");
        tokio::time::advance(TTL + Duration::from_millis(1)).await;
        tokens.issue(forward()).expect("room again");
    }
}
