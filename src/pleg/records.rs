//! Which events follow from two listings of a pod. Pure; as upstream's `generateEvents`, sandboxes counted as containers.

use std::collections::BTreeMap;

use crate::{
    pleg::PlegEventKind,
    runtime::observed::{ContainerState, ListedPod},
};

/// State of a container or sandbox as far as events tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Runs, or is READY.
    Running,
    /// Has ended, or is NOTREADY.
    Exited,
    /// Created, or not known.
    Unknown,
}

/// States of all containers and sandboxes of a pod by id.
pub type Record = BTreeMap<String, State>;

/// What a listing says of a pod.
pub fn record(pod: &ListedPod) -> Record {
    let sandboxes = pod
        .sandboxes
        .iter()
        .map(|sandbox| (sandbox.id.clone(), if sandbox.ready { State::Running } else { State::Exited }));
    let containers = pod.containers.iter().map(|container| {
        let state = match container.state {
            ContainerState::Running => State::Running,
            ContainerState::Exited => State::Exited,
            ContainerState::Created | ContainerState::Unknown => State::Unknown,
        };
        (container.id.id.clone(), state)
    });
    sandboxes.chain(containers).collect()
}

/// A difference between two listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The container's or sandbox's id.
    pub id: String,
    /// What to tell; `None` for a change that only makes the pod be read again.
    pub kind: Option<PlegEventKind>,
}

/// The differences, by id.
pub fn differences(old: &Record, new: &Record) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut tell = |id: &str, kind| all.push(Difference { id: id.to_owned(), kind });
    let ids: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for id in ids {
        match (old.get(id), new.get(id)) {
            (before, Some(after)) if before == Some(after) => {}
            (_, Some(State::Running)) => tell(id, Some(PlegEventKind::ContainerStarted)),
            (_, Some(State::Exited)) => tell(id, Some(PlegEventKind::ContainerDied)),
            (_, Some(State::Unknown)) => tell(id, None),
            (Some(State::Exited), None) => tell(id, Some(PlegEventKind::ContainerRemoved)),
            (Some(_), None) => {
                tell(id, Some(PlegEventKind::ContainerDied));
                tell(id, Some(PlegEventKind::ContainerRemoved));
            }
            (None, None) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use PlegEventKind::{ContainerDied, ContainerRemoved, ContainerStarted};
    use State::{Exited, Running, Unknown};

    #[rstest]
    #[case(None, Some(Running), &[Some(ContainerStarted)])]
    #[case(None, Some(Exited), &[Some(ContainerDied)])]
    #[case(None, Some(Unknown), &[None])]
    #[case(Some(Unknown), Some(Running), &[Some(ContainerStarted)])]
    #[case(Some(Running), Some(Running), &[])]
    #[case(Some(Running), Some(Exited), &[Some(ContainerDied)])]
    #[case(Some(Running), Some(Unknown), &[None])]
    #[case(Some(Exited), Some(Running), &[Some(ContainerStarted)])]
    #[case(Some(Exited), None, &[Some(ContainerRemoved)])]
    #[case(Some(Running), None, &[Some(ContainerDied), Some(ContainerRemoved)])]
    #[case(Some(Unknown), None, &[Some(ContainerDied), Some(ContainerRemoved)])]
    fn changes(#[case] old: Option<State>, #[case] new: Option<State>, #[case] told: &[Option<PlegEventKind>]) {
        let record = |state: Option<State>| state.map(|s| ("c".to_owned(), s)).into_iter().collect();
        let kinds: Vec<_> = differences(&record(old), &record(new)).into_iter().map(|d| d.kind).collect();
        assert_eq!(kinds, told);
    }
}
