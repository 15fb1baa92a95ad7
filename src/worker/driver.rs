//! The task of one worker: waits for a reason to run, runs the step of its phase, and settles when it runs again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{
    Workers,
    state::{Phase, Subject},
    sync::{self, Outcome},
};
use crate::{
    api::identity,
    pleg::Stamp,
    pods::admission::{self, Neighbours},
};

/// Waiting after an error, before it is stretched.
const BACK_OFF: Duration = Duration::from_secs(10);

/// Waiting for the network, before it is stretched.
const NETWORK: Duration = Duration::from_secs(1);

/// Runs a worker to its end.
pub(super) async fn run(workers: &Workers, uid: &str) {
    let ended = workers.table().ended.remove(uid);
    let mut synced = if ended { workers.parts().pleg.now() } else { Stamp::default() };
    loop {
        if !rouse(workers, uid).await {
            return;
        }
        let Some((phase, subject)) = view(workers, uid) else { return };
        if phase == Phase::Finished {
            workers.finished(uid);
            return;
        }
        if phase == Phase::Sync && !may_start(workers, uid, &subject) {
            continue;
        }
        let outcome = step(workers, uid, phase, &subject, synced).await;
        synced = workers.parts().pleg.now();
        settle(workers, uid, phase, outcome);
    }
}

/// Waits until the worker is woken or due. `false` if it is gone.
async fn rouse(workers: &Workers, uid: &str) -> bool {
    loop {
        let (wake, due) = {
            let mut table = workers.table();
            let Some(slot) = table.slots.get_mut(uid) else { return false };
            if std::mem::take(&mut slot.woken) || slot.due.is_some_and(|due| due <= Instant::now()) {
                slot.due = None;
                return true;
            }
            (slot.wake.clone(), slot.due)
        };
        match due {
            Some(due) => {
                tokio::select! {
                    biased;
                    () = wake.notified() => {}
                    () = sleep_until(due) => {}
                }
            }
            None => wake.notified().await,
        }
    }
}

fn view(workers: &Workers, uid: &str) -> Option<(Phase, Subject)> {
    let table = workers.table();
    let state = &table.slots.get(uid)?.state;
    Some((state.phase(), state.subject().clone()))
}

/// Whether no namesake is in the way, and no pod that still ends has a port of the node that this one wants; admission does not count
/// those that end. If one is, the worker is woken when that has ended.
fn may_start(workers: &Workers, uid: &str, subject: &Subject) -> bool {
    let Subject::Wanted(pod) = subject else { return true };
    let mut table = workers.table();
    let table = &mut *table;
    let slots = &table.slots;
    let alive = |other: &str| slots.get(other).is_some_and(|slot| slot.state.phase() == Phase::Sync);
    if !table.names.try_start(&identity::full_name(pod), uid, alive) {
        return false;
    }
    let ending = slots.values().filter_map(|slot| match slot.state.subject() {
        Subject::Wanted(other) if slot.state.phase() == Phase::Terminating => Some(other.clone()),
        _ => None,
    });
    let began = slots.get(uid).is_some_and(|slot| slot.state.began());
    if !began && admission::wants_ports(pod) && ending.collect::<Neighbours>().conflict(pod) {
        table.wait_for_ports.insert(uid.to_owned());
        return false;
    }
    if let Some(slot) = table.slots.get_mut(uid) {
        slot.state.begin();
    }
    true
}

async fn step(workers: &Workers, uid: &str, phase: Phase, subject: &Subject, synced: Stamp) -> Outcome {
    let (terminating, hurry, grace) = {
        let table = workers.table();
        match table.slots.get(uid) {
            Some(slot) => (slot.terminating.clone(), slot.hurry.clone(), slot.state.grace()),
            None => return Outcome::Interrupted,
        }
    };
    match (phase, subject) {
        (Phase::Sync, Subject::Wanted(pod)) => {
            tokio::select! {
                biased;
                () = terminating.cancelled() => Outcome::Interrupted,
                outcome = sync::sync(workers, pod, synced, &terminating) => outcome,
            }
        }
        (Phase::Terminating, Subject::Wanted(pod)) => {
            tokio::select! {
                biased;
                () = hurry.cancelled() => Outcome::Interrupted,
                outcome = sync::terminate(workers, pod, synced, grace) => outcome,
            }
        }
        (Phase::Terminating, Subject::Orphan(pod)) => sync::terminate_orphan(workers, pod, grace).await,
        (Phase::Terminated, Subject::Wanted(pod)) => sync::clean_up(workers, pod).await,
        _ => Outcome::Done,
    }
}

/// Settles the next phase and when the worker runs again.
fn settle(workers: &Workers, uid: &str, phase: Phase, outcome: Outcome) {
    let wait = match &outcome {
        // A long back-off is looked at on the way, as upstream does: its waiting state shows then.
        Outcome::Done | Outcome::Failed(Some(_)) if phase == Phase::Sync => {
            Some(workers.jitter(workers.parts().sync_frequency))
        }
        Outcome::NetworkNotReady => Some(workers.jitter(NETWORK)),
        Outcome::Failed(None) => Some(workers.jitter(BACK_OFF).min(workers.parts().sync_frequency.mul_f64(1.5))),
        _ => None,
    };
    // Whatever else it waits for, a pod ends when it has been active for long enough.
    let deadline = match view(workers, uid) {
        Some((Phase::Sync, Subject::Wanted(pod))) if phase == Phase::Sync => {
            // A sync that could not even look at the pod is not tried again at once.
            sync::deadline(workers, &pod).map(|at| at.max(Instant::now() + Duration::from_secs(1)))
        }
        _ => None,
    };
    let mut table = workers.table();
    let Some(slot) = table.slots.get_mut(uid) else { return };
    match outcome {
        Outcome::Ended if phase == Phase::Sync => slot.state.ended_by_itself(),
        Outcome::Done if phase != Phase::Sync => slot.state.advance(),
        _ => {}
    }
    slot.follow();
    if slot.state.phase() != phase {
        slot.due = None;
        slot.wake();
        table.ports_are_free();
        return;
    }
    slot.due = match outcome {
        Outcome::Failed(Some(at)) => Some(wait.map_or(at, |wait| at.min(Instant::now() + wait))),
        Outcome::Interrupted => Some(Instant::now()),
        _ => wait.map(|wait| Instant::now() + wait),
    };
    slot.due = [slot.due, deadline].into_iter().flatten().min();
}
