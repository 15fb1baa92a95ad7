//! At which CRI call a kubelet is to die, as written in a step and as checked. Not how it dies: that is the target's business.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    place::Place,
    problem::{Complaint, suggestion},
};

/// Calls that change what the runtime holds, which are those that a crash can come between.
pub const CHANGES: [&str; 9] = [
    "RunPodSandbox",
    "StopPodSandbox",
    "RemovePodSandbox",
    "CreateContainer",
    "StartContainer",
    "StopContainer",
    "RemoveContainer",
    "PullImage",
    "RemoveImage",
];

/// On which side of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The runtime has the call and has done nothing.
    Before,
    /// The call has had its effect, and the kubelet has not heard of it.
    #[default]
    After,
}

/// The keys of a step that say at which call.
#[derive(Clone, Debug, Default)]
pub(super) struct CrashForm {
    pub call: Option<String>,
    pub pod: Option<String>,
    pub container: Option<String>,
    pub nth: Option<u64>,
    pub when: Option<When>,
    pub or_not: Option<bool>,
}

/// At which call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// Its name; every one that changes something if there is none.
    pub call: Option<String>,
    /// The pod that it is about.
    pub pod: Option<String>,
    /// The container that it is about.
    pub container: Option<String>,
    /// Which of these calls, from 1.
    pub nth: u64,
    /// On which side of it.
    pub when: When,
    /// Whether it need not come.
    pub or_not: bool,
}

impl CrashForm {
    /// Checks that there can be such a call.
    pub(super) fn check(self, place: Place) -> Result<CrashPoint, Complaint> {
        if let Some(call) = &self.call {
            known(call, place)?;
        }
        if self.nth == Some(0) {
            let help = "calls are counted from 1, and from this step on".to_owned();
            return Err(Complaint::new(place, "there is no call number 0", Some(help)));
        }
        let image = ["PullImage", "RemoveImage", "ImageStatus", "ListImages"];
        if self.container.is_some() && self.call.as_ref().is_some_and(|call| image.contains(&call.as_str())) {
            let help = "say which by `nth`".to_owned();
            return Err(Complaint::new(place, "a call about an image is about no container", Some(help)));
        }
        Ok(CrashPoint {
            call: self.call,
            pod: self.pod,
            container: self.container,
            nth: self.nth.unwrap_or(1),
            when: self.when.unwrap_or_default(),
            or_not: self.or_not.unwrap_or(false),
        })
    }

    /// Refuses keys of a crash where there is none.
    pub(super) fn check_empty(&self, place: Place) -> Result<(), Complaint> {
        let keys = [
            ("call", self.call.is_some()),
            ("pod", self.pod.is_some()),
            ("container", self.container.is_some()),
            ("nth", self.nth.is_some()),
            ("when", self.when.is_some()),
            ("or-not", self.or_not.is_some()),
        ];
        match keys.iter().find(|(_, there)| *there) {
            None => Ok(()),
            Some((key, _)) => {
                let help = "only a crash waits for a call; everything else is done at once".to_owned();
                Err(Complaint::new(place, format!("`{key}` goes with `kubelet: crash`"), Some(help)))
            }
        }
    }
}

/// Refuses the name of a call that CRI does not have.
pub(super) fn known(call: &str, place: Place) -> Result<(), Complaint> {
    if crate::calls::NAMES.contains(&call) {
        return Ok(());
    }
    let help = suggestion(call, crate::calls::NAMES.iter().copied()).map(|name| format!("did you mean `{name}`?"));
    Err(Complaint::new(place, format!("CRI has no call named `{call}`"), help))
}

impl CrashPoint {
    /// In words: `before its 2nd StartContainer of web`.
    pub fn describe(&self) -> String {
        let side = if self.when == When::Before { "before" } else { "after" };
        let call = self.call.as_deref().unwrap_or("call that changes something");
        let about: String =
            [&self.container, &self.pod].into_iter().flatten().map(|name| format!(" of {name}")).collect();
        format!("{side} {call}{about}, number {}", self.nth)
    }
}
