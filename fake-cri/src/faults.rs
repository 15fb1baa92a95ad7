//! What goes wrong, as data: which calls, when, and how. Errors before the effect, replies lost after it, hangs, delays, cuts.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{duration::Span, shell};

/// A fault: the calls it is about, and what happens to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// The rpc: `StopContainer`; a shell pattern. `*` is every call.
    pub rpc: String,
    /// Name of the pod that the call is about; a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of the container that the call is about; a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Image that the call is about; a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// From when on, after the fault was set.
    #[serde(default)]
    pub after: Span,
    /// For how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#for: Option<Span>,
    /// Share of the matching calls that it hits, from 0 to 1, drawn from the seed; all of them if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// What happens, call by call: `2x error UNAVAILABLE no disk, 1x delay 5s, then ok`. A last term without a count lasts for ever.
    ///
    /// Terms: `ok`, `error [CODE] [text]` (before the effect), `fail [CODE] [text]` (after the effect), `delay D` (before), `late D` (after),
    /// `lost` (effect done, no reply ever), `hang` (no effect, no reply), `cut` (the connection breaks), `twice` (the effect twice over, as of a
    /// message delivered twice); of lists `stale` (the answer before), `shuffled`, `missing` (an item, drawn, is left out); of PullImage `half`
    /// (fails half way) and `full` (fails for want of room; what came stays on the disk); of a CNI plugin's DEL, `cni.bridge.DEL`, `leak` (says
    /// that it is done and has done nothing).
    #[serde(rename = "do")]
    pub script: String,
}

/// One thing that happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Ok,
    /// An error and no effect.
    Error(Code, String),
    /// The effect, then an error.
    Fail(Code, String),
    /// Waits first.
    Delay(Duration),
    /// The effect, then waits.
    Late(Duration),
    /// The effect, and no reply.
    Lost,
    /// No effect and no reply.
    Hang,
    /// The connection breaks, with no effect.
    Cut,
    /// The effect twice over.
    Twice,
    /// A list as it was answered before.
    Stale,
    /// A list in another order.
    Shuffled,
    /// A list with an item left out.
    Missing,
    /// A pull that fails half way.
    Half,
    /// A pull that fills the disk.
    Full,
    /// A plugin that says it has cleaned up and has not.
    Leak,
}

/// A term of a script: how often, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    left: Option<u64>,
    action: Action,
}

fn code(text: &str) -> Option<Code> {
    Some(match text {
        "CANCELLED" => Code::Cancelled,
        "UNKNOWN" => Code::Unknown,
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "PERMISSION_DENIED" => Code::PermissionDenied,
        "RESOURCE_EXHAUSTED" => Code::ResourceExhausted,
        "FAILED_PRECONDITION" => Code::FailedPrecondition,
        "ABORTED" => Code::Aborted,
        "OUT_OF_RANGE" => Code::OutOfRange,
        "UNIMPLEMENTED" => Code::Unimplemented,
        "INTERNAL" => Code::Internal,
        "UNAVAILABLE" => Code::Unavailable,
        "DATA_LOSS" => Code::DataLoss,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        _ => return None,
    })
}

/// What a term of a script can say.
const VERBS: [&str; 15] = [
    "ok", "error", "fail", "delay", "late", "lost", "hang", "cut", "twice", "stale", "shuffled", "missing", "half",
    "full", "leak",
];

/// Reads a script; the error says which term is wrong and why.
fn parse(script: &str) -> Result<VecDeque<Term>, String> {
    let mut terms = VecDeque::new();
    for text in script.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        let text = text.strip_prefix("then ").unwrap_or(text).trim();
        let (left, rest) = match text.split_once(' ') {
            Some((count, rest))
                if count.ends_with(['x', '*']) && count[..count.len() - 1].bytes().all(|b| b.is_ascii_digit()) =>
            {
                let count =
                    count[..count.len() - 1].parse().map_err(|_| format!("{text:?}: the count is not a number"))?;
                (Some(count), rest.trim())
            }
            _ => (None, text),
        };
        let (verb, arguments) = rest.split_once(' ').map_or((rest, ""), |(v, a)| (v, a.trim()));
        let duration = || Span::parse(arguments).map(|s| s.0).map_err(|e| format!("{text:?}: {e}"));
        let status = || {
            let (first, message) = arguments.split_once(' ').unwrap_or((arguments, ""));
            match code(first) {
                Some(code) => (code, message.trim().to_owned()),
                None => (Code::Unknown, arguments.to_owned()),
            }
        };
        let injected = |message: String| if message.is_empty() { "injected fault".to_owned() } else { message };
        let action = match verb {
            "ok" => Action::Ok,
            "error" => {
                let (code, message) = status();
                Action::Error(code, injected(message))
            }
            "fail" => {
                let (code, message) = status();
                Action::Fail(code, injected(message))
            }
            "delay" => Action::Delay(duration()?),
            "late" => Action::Late(duration()?),
            "lost" => Action::Lost,
            "hang" => Action::Hang,
            "cut" => Action::Cut,
            "twice" => Action::Twice,
            "stale" => Action::Stale,
            "shuffled" => Action::Shuffled,
            "missing" => Action::Missing,
            "half" => Action::Half,
            "full" => Action::Full,
            "leak" => Action::Leak,
            other => {
                return Err(format!("{other:?} is not something that can go wrong: write one of {}", VERBS.join(", ")));
            }
        };
        terms.push_back(Term { left, action });
    }
    if terms.is_empty() { Err("a fault needs something to do".to_owned()) } else { Ok(terms) }
}

/// Refuses what can never happen to the calls that a fault is about.
fn check(fault: &Fault, terms: &VecDeque<Term>) -> Result<(), String> {
    let about = |rpc: &str| shell::matches(&fault.rpc, rpc);
    for term in terms {
        match term.action {
            Action::Half | Action::Full if !about("PullImage") => {
                return Err(format!("{:?}: half and full happen to PullImage, not to {}", fault.script, fault.rpc));
            }
            Action::Stale | Action::Shuffled | Action::Missing
                if !["ListContainers", "ListPodSandbox", "ListImages"].iter().any(|rpc| about(rpc)) =>
            {
                return Err(format!(
                    "{:?}: stale, shuffled and missing happen to lists, not to {}",
                    fault.script, fault.rpc
                ));
            }
            Action::Leak if !fault.rpc.starts_with("cni.") || !fault.rpc.ends_with(['L', '*']) => {
                return Err(format!("{:?}: a leak happens to DEL of CNI plugins, not to {}", fault.script, fault.rpc));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a call is about, for matching.
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    /// Its rpc.
    pub rpc: &'a str,
    /// Name of the pod.
    pub pod: Option<&'a str>,
    /// Name of the container.
    pub container: Option<&'a str>,
    /// Image.
    pub image: Option<&'a str>,
}

struct Armed {
    fault: Fault,
    since: Instant,
    terms: VecDeque<Term>,
    hits: u64,
}

/// The faults that are set.
pub struct Faults(Mutex<(Vec<Armed>, world::Rng)>);

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Faults({})", self.lock().0.len())
    }
}

impl Faults {
    /// No faults; chances are drawn from `rng`.
    pub fn new(rng: world::Rng) -> Self {
        Self(Mutex::new((Vec::new(), rng)))
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Armed>, world::Rng)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all faults; on an error nothing changes.
    pub fn set(&self, faults: Vec<Fault>) -> Result<(), String> {
        let mut armed = Vec::new();
        for fault in faults {
            let terms = parse(&fault.script)?;
            check(&fault, &terms)?;
            armed.push(Armed { terms, since: Instant::now(), hits: 0, fault });
        }
        self.lock().0 = armed;
        Ok(())
    }

    /// How many calls each fault has hit.
    pub fn hits(&self) -> Vec<u64> {
        self.lock().0.iter().map(|armed| armed.hits).collect()
    }

    /// A generator for what a fault draws.
    pub(crate) fn rng(&self) -> world::Rng {
        use rand::SeedableRng as _;
        world::Rng::seed_from_u64(self.lock().1.random())
    }

    /// What happens to a call: the first fault that matches decides.
    pub fn decide(&self, call: &Call<'_>) -> Action {
        let mut guard = self.lock();
        let (armed, rng) = &mut *guard;
        let held = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|p| text.is_some_and(|text| shell::matches(p, text)))
        };
        for fault in armed.iter_mut() {
            let rule = &fault.fault;
            let since = fault.since.elapsed();
            let timely = since >= rule.after.0 && rule.r#for.is_none_or(|d| since < rule.after.0 + d.0);
            // A rule for every rpc is not one for network plugins: those are asked for by name.
            let plugin = call.rpc.starts_with("cni.") && !rule.rpc.starts_with("cni");
            if !timely
                || plugin
                || !shell::matches(&rule.rpc, call.rpc)
                || !held(&rule.pod, call.pod)
                || !held(&rule.container, call.container)
                || !held(&rule.image, call.image)
                || rule.chance.is_some_and(|chance| rng.random::<f64>() >= chance)
            {
                continue;
            }
            let Some(term) = fault.terms.front_mut() else { continue };
            let action = term.action.clone();
            if let Some(left) = &mut term.left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    fault.terms.pop_front();
                }
            }
            if action != Action::Ok {
                fault.hits += 1;
            }
            return action;
        }
        Action::Ok
    }
}

impl Action {
    /// Its name in the journal; `None` for nothing.
    pub fn name(&self) -> Option<String> {
        Some(match self {
            Self::Ok => return None,
            Self::Error(code, text) => format!("error {code:?} {text}"),
            Self::Fail(code, text) => format!("fail {code:?} {text}"),
            Self::Delay(d) => format!("delay {}ms", d.as_millis()),
            Self::Late(d) => format!("late {}ms", d.as_millis()),
            Self::Lost => "lost".to_owned(),
            Self::Hang => "hang".to_owned(),
            Self::Cut => "cut".to_owned(),
            Self::Twice => "twice".to_owned(),
            Self::Stale => "stale".to_owned(),
            Self::Shuffled => "shuffled".to_owned(),
            Self::Missing => "missing".to_owned(),
            Self::Half => "half".to_owned(),
            Self::Leak => "leak".to_owned(),
            Self::Full => "full".to_owned(),
        })
    }

    /// What happens before the effect. An error means that there is none.
    pub async fn before(&self) -> Result<(), Status> {
        match self {
            Self::Error(code, text) => Err(Status::new(*code, text.clone())),
            Self::Cut => Err(Status::unavailable("connection cut")),
            Self::Delay(wait) => {
                tokio::time::sleep(*wait).await;
                Ok(())
            }
            Self::Hang => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// What happens after the effect.
    pub async fn after(&self) -> Result<(), Status> {
        match self {
            Self::Fail(code, text) => Err(Status::new(*code, text.clone())),
            Self::Late(wait) => {
                tokio::time::sleep(*wait).await;
                Ok(())
            }
            Self::Lost => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use world::Random;

    use super::*;

    fn faults(script: &str) -> Faults {
        let faults = Faults::new(Random::from_seed(1).fork("faults"));
        faults
            .set(vec![Fault { rpc: "Stop*".to_owned(), script: script.to_owned(), ..Fault::default() }])
            .expect("a script");
        faults
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_is_played_call_by_call() {
        let faults = faults("2x error UNAVAILABLE no disk, 1x delay 5s, then ok");
        let call = Call { rpc: "StopContainer", ..Call::default() };
        assert_eq!(faults.decide(&Call { rpc: "Version", ..Call::default() }), Action::Ok);
        let error = Action::Error(Code::Unavailable, "no disk".to_owned());
        let expected = [error.clone(), error, Action::Delay(Duration::from_secs(5)), Action::Ok, Action::Ok];
        for action in expected {
            assert_eq!(faults.decide(&call), action);
        }
        assert_eq!(faults.hits(), [3]);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        assert!(parse("explode").unwrap_err().contains("explode"));
        assert!(parse("delay soon").unwrap_err().contains("duration"));
        assert!(parse("").is_err());
    }
}
