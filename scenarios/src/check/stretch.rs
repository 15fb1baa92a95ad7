//! Conditions over a stretch of the history: whether one held all the time, or never did. Looks at every change, not at samples.

use serde_json::Value;

use super::{Mark, Mismatch, Scene, Verdict, expand_tree, recorded::Ready};
use crate::{
    format::{
        condition::{Check, Condition},
        length::Length,
        tree::Tree,
    },
    history::{Entry, What, is_named},
    matcher,
};

/// Which of the two is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretched {
    /// It holds at every moment.
    Always,
    /// It holds at no moment.
    Never,
}

/// Whether a condition held always or never from `from` until now.
pub async fn over(scene: &mut Scene<'_>, condition: &Condition, which: Stretched, from: Mark) -> Verdict {
    let verdict = match &condition.check {
        Check::Pod { name, is } => pod(scene, condition, name, is.as_ref(), which, from, true).await,
        Check::NoPod(name) => pod(scene, condition, name, None, which, from, false).await,
        Check::Recorded(pattern, _) => match Ready::new(pattern, scene).await {
            Err(why) => Err(why),
            Ok(ready) => match ready.unseen(scene) {
                Some(why) => return Verdict::Unknown(why),
                None => Ok(moments(scene, condition, &ready, from)),
            },
        },
        _ => Err("the history does not hold this".to_owned()),
    };
    verdict.unwrap_or_else(|why| Verdict::Fails(Mismatch::new(condition.place, why)))
}

fn moments(scene: &Scene<'_>, condition: &Condition, ready: &Ready, from: Mark) -> Verdict {
    let entries = scene.target.history().since(from.index);
    match entries.iter().find(|entry| ready.fits(&entry.what)) {
        None => Verdict::Holds,
        Some(entry) => {
            let line = crate::history::trace::line(entry);
            let title = format!("{} was recorded: {}", ready.describe(), line.trim());
            Verdict::Fails(Mismatch::new(condition.place, title))
        }
    }
}

/// The states of a pod during the stretch: the one it begins with, and every later one. `None` is not being there.
fn states<'a>(entries: &'a [Entry], name: &str, from: Mark) -> Vec<(std::time::Duration, Option<&'a Value>)> {
    let mut states = vec![(from.at, None)];
    for (index, entry) in entries.iter().enumerate() {
        let state = match &entry.what {
            What::Pod(pod) if is_named(pod, name) => Some(&**pod),
            What::PodGone { uid, .. } => {
                // Of two pods of one name, the end of the old one does not end the new one.
                let current = states.last().and_then(|(_, state)| *state);
                match current.and_then(|pod: &Value| pod.pointer("/metadata/uid")).and_then(Value::as_str) {
                    Some(shown) if shown == uid => None,
                    _ => continue,
                }
            }
            _ => continue,
        };
        if index < from.index {
            states[0] = (from.at, state);
        } else {
            states.push((entry.at, state));
        }
    }
    states
}

async fn pod(
    scene: &mut Scene<'_>,
    condition: &Condition,
    name: &str,
    is: Option<&Tree>,
    which: Stretched,
    from: Mark,
    present: bool,
) -> Result<Verdict, String> {
    let is = match is {
        Some(is) => Some(expand_tree(is, scene).await?),
        None => None,
    };
    let entries = scene.target.history().since(0);
    for (at, state) in states(&entries, name, from) {
        let found = match (&is, state) {
            (Some(is), Some(pod)) => matcher::differences(is, Some(pod)),
            _ => Vec::new(),
        };
        let holds = state.is_some() == present && found.is_empty();
        if holds == (which == Stretched::Always) {
            continue;
        }
        let when = Length(std::time::Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)));
        let title = match (which, state) {
            (Stretched::Never, Some(_)) if present => format!("pod `{name}` was like this at {when}"),
            (Stretched::Never, _) => format!("pod `{name}` was not there at {when}"),
            (_, None) => format!("pod `{name}` was not there at {when}"),
            (_, Some(_)) if present => format!("pod `{name}` was otherwise at {when}"),
            (_, Some(_)) => format!("pod `{name}` was there at {when}"),
        };
        return Ok(Verdict::Fails(Mismatch { place: condition.place, title, differences: found }));
    }
    Ok(Verdict::Holds)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::json;

    use super::*;

    fn entry(at: u64, what: What) -> Entry {
        Entry { at: Duration::from_secs(at), what }
    }

    fn shown(at: u64, uid: &str, ready: bool) -> Entry {
        entry(
            at,
            What::Pod(Arc::new(
                json!({"metadata": {"name": "web-n1", "uid": uid}, "spec": {"nodeName": "n1"}, "ready": ready}),
            )),
        )
    }

    fn gone(at: u64, uid: &str) -> Entry {
        entry(at, What::PodGone { namespace: "default".into(), name: "web-n1".into(), uid: uid.into() })
    }

    fn readiness(entries: &[Entry], index: usize) -> Vec<Option<bool>> {
        let states = states(entries, "web", Mark { index, at: Duration::ZERO });
        states.into_iter().map(|(_, state)| state.map(|pod| pod["ready"] == json!(true))).collect()
    }

    #[test]
    fn a_stretch_begins_with_the_state_before_it() {
        let entries = [shown(1, "a", false), shown(2, "a", true), shown(3, "a", false), gone(4, "a")];
        assert_eq!(readiness(&entries, 0), [None, Some(false), Some(true), Some(false), None]);
        assert_eq!(readiness(&entries, 2), [Some(true), Some(false), None]);
        assert_eq!(readiness(&entries, 4), [None]);
    }

    #[test]
    fn the_end_of_an_old_pod_does_not_end_the_new_one() {
        let entries = [shown(1, "a", true), shown(2, "b", true), gone(3, "a"), gone(4, "b")];
        assert_eq!(readiness(&entries, 0), [None, Some(true), Some(true), None]);
    }
}
