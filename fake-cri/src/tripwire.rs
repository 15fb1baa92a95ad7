//! A look at each call just before its effect and just after it, for whoever wants to do something between the two: end the client, say. Not
//! a fault: the call itself goes no further if the looker says so, and nothing else changes.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::faults::Call;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The runtime has it and has done nothing.
    Before,
    /// It has had its effect, or has failed, and no reply is sent.
    After,
}

/// A call that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// Its number, from 1, in the order in which calls began.
    pub seq: u64,
    /// Its rpc.
    pub rpc: &'a str,
    /// Name of the pod that it is about.
    pub pod: Option<&'a str>,
    /// Name of the container that it is about.
    pub container: Option<&'a str>,
    /// Where it is.
    pub moment: Moment,
}

/// Looks at a call; whether it goes no further: no effect if it has had none, and no reply.
pub type Look = Arc<dyn Fn(&Passing<'_>) -> bool + Send + Sync>;

/// The one who looks, if there is one.
#[derive(Default)]
pub(crate) struct Tripwire(Mutex<Option<Look>>);

impl fmt::Debug for Tripwire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tripwire")
    }
}

impl Tripwire {
    pub(crate) fn set(&self, look: Option<Look>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }

    /// Does not come back if the call goes no further.
    pub(crate) async fn pass(&self, seq: u64, call: &Call<'_>, moment: Moment) {
        let look = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let passing = Passing { seq, rpc: call.rpc, pod: call.pod, container: call.container, moment };
        if look.is_some_and(|look| look(&passing)) {
            std::future::pending::<()>().await;
        }
    }
}
