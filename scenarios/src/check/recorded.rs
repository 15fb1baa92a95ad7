//! Conditions on what the history recorded: events, calls, log lines, runs of containers. How many, how far apart, in which order.

use std::time::Duration;

use super::{Mismatch, Scene, Verdict, expand_tree, interval::intervals};
use crate::{
    format::{
        condition::{ANY, Bounds, Count, EventPattern, Pattern, RunPattern},
        length::Length,
        place::Place,
        tree::Tree,
    },
    history::{Call, Entry, What},
    matcher::{self, Difference},
};

/// A pattern with its texts expanded.
pub(super) enum Ready {
    Event(EventPattern),
    Call { rpc: String, with: Option<Tree>, code: Option<Tree> },
    Log(String),
    Run(RunPattern),
}

impl Ready {
    /// Expands the texts of a pattern.
    pub(super) async fn new(pattern: &Pattern, scene: &mut Scene<'_>) -> Result<Self, String> {
        Ok(match pattern {
            Pattern::Event(event) => Self::Event(event.clone()),
            Pattern::Log(part) => Self::Log(super::expand(part, scene).await?),
            Pattern::Run(run) => Self::Run(run.clone()),
            Pattern::Call { rpc, with, code } => {
                let with = match with {
                    Some(with) => Some(expand_tree(with, scene).await?),
                    None => None,
                };
                Self::Call { rpc: rpc.clone(), with, code: code.clone() }
            }
        })
    }

    /// Whether the entry is meant.
    pub(super) fn fits(&self, what: &What) -> bool {
        match (self, what) {
            (Self::Event(pattern), What::Event(event)) => {
                pattern.pod.as_ref().is_none_or(|name| event.is_about(name))
                    && pattern.reason.as_ref().is_none_or(|reason| event.reason == *reason)
                    && pattern.r#type.as_ref().is_none_or(|kind| event.kind == *kind)
                    && pattern.contains.as_ref().is_none_or(|part| event.message.contains(part))
            }
            (Self::Call { rpc, .. }, What::Call(call)) => {
                (call.rpc == *rpc || rpc == ANY) && self.call_differences(call).is_empty()
            }
            (Self::Log(part), What::Log(line)) => line.contains(part),
            _ => false,
        }
    }

    fn call_differences(&self, call: &Call) -> Vec<Difference> {
        let Self::Call { with, code, .. } = self else { return Vec::new() };
        let mut found = with.as_ref().map_or_else(Vec::new, |with| matcher::differences(with, Some(&call.request)));
        if let Some(code) = code {
            found.extend(super::named("code", matcher::differences(code, Some(&call.code.clone().into()))));
        }
        found
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Event(p) => {
                let words =
                    [("reason", &p.reason), ("pod", &p.pod), ("type", &p.r#type), ("message with", &p.contains)];
                let words =
                    words.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value:?}")));
                format!("an event with {}", words.collect::<Vec<_>>().join(", "))
            }
            Self::Call { rpc, with: None, .. } => format!("a call of {rpc}"),
            Self::Call { rpc, .. } => format!("a call of {rpc} with such a request"),
            Self::Log(part) => format!("a log line with {part:?}"),
            Self::Run(RunPattern { pod, container }) => {
                let container = container.as_ref().map_or_else(|| "a container".to_owned(), |name| format!("`{name}`"));
                let pod = pod.as_ref().map_or_else(String::new, |name| format!(" in pod `{name}`"));
                format!("a run of {container}{pod}")
            }
        }
    }

    /// Why the target cannot record such entries, if it cannot.
    pub(super) fn unseen(&self, scene: &Scene<'_>) -> Option<String> {
        match self {
            Self::Call { .. } if !scene.target.sees_calls() => Some("this runtime's calls are not recorded".to_owned()),
            Self::Event(_) if !scene.target.sees_events() => Some("this kubelet's events are not recorded".to_owned()),
            Self::Run(_) if !scene.target.sees_facts() => Some("this runtime's containers are not watched".to_owned()),
            _ => None,
        }
    }

    /// Of the entries that almost fit, the nearest and what is wrong with it.
    fn nearest(&self, entries: &[Entry]) -> Vec<Difference> {
        let calls = entries.iter().filter_map(|entry| match (&entry.what, self) {
            (What::Call(call), Self::Call { rpc, .. }) if call.rpc == *rpc => Some(self.call_differences(call)),
            _ => None,
        });
        calls.min_by_key(Vec::len).unwrap_or_default()
    }
}

/// Whether as many entries are there as are wanted, as far apart as is wanted.
pub(super) async fn count(
    scene: &mut Scene<'_>,
    place: Place,
    pattern: &Pattern,
    count: &Count,
) -> Result<Verdict, String> {
    let ready = Ready::new(pattern, scene).await?;
    if let Some(why) = ready.unseen(scene) {
        return Ok(Verdict::Unknown(why));
    }
    let entries = within(scene, &count.bounds);
    let mut times: Vec<Duration> = match &ready {
        Ready::Run(_) => intervals(scene, &ready, &count.bounds).iter().map(|run| run.from.0).collect(),
        _ => entries.iter().filter(|entry| ready.fits(&entry.what)).map(|entry| entry.at).collect(),
    };
    let wanted = match count {
        Count { times: Some(n), .. } if *n != times.len() => format!("exactly {n}"),
        Count { at_least, times: None, .. } if times.len() < *at_least => format!("at least {at_least}"),
        Count { at_most: Some(most), per: None, .. } if times.len() > *most => format!("at most {most}"),
        Count { at_most: Some(most), per: Some(per), .. } if crowd(&times, *most, *per).is_some() => {
            times = crowd(&times, *most, *per).unwrap_or_default();
            format!("at most {most} in any {}", Length(*per))
        }
        _ => {
            let give_or_take = scene.target.tolerance(count.give_or_take);
            return Ok(count
                .spacing
                .as_ref()
                .map_or(Verdict::Holds, |gaps| spacing(place, &ready, gaps, &times, give_or_take)));
        }
    };
    let shown = lengths(times.get(..SHOWN).unwrap_or(&times));
    let more = if times.len() > SHOWN { " …" } else { "" };
    let when = if times.is_empty() { String::new() } else { format!(" (at {shown}{more})") };
    let title = format!("{}: {} recorded{when}, wanted {wanted}", ready.describe(), times.len());
    let differences = if times.is_empty() { ready.nearest(&entries) } else { Vec::new() };
    Ok(Verdict::Fails(Mismatch { place, title, differences }))
}

/// Of so many times, how many are told.
const SHOWN: usize = 20;

/// The first of these times that are more than `most` within `per`.
fn crowd(times: &[Duration], most: usize, per: Duration) -> Option<Vec<Duration>> {
    let crowds = times.windows(most + 1);
    crowds.into_iter().find(|some| some[most].saturating_sub(some[0]) < per).map(<[Duration]>::to_vec)
}

/// The entries between two marks.
fn within(scene: &Scene<'_>, bounds: &Bounds) -> Vec<Entry> {
    let index = |mark: &Option<String>| mark.as_ref().and_then(|mark| scene.marks.get(mark)).map(|mark| mark.index);
    let first = index(&bounds.since).unwrap_or(0);
    let mut entries = scene.target.history().since(first);
    if let Some(end) = index(&bounds.until) {
        entries.truncate(end.saturating_sub(first));
    }
    entries
}

fn spacing(place: Place, ready: &Ready, wanted: &[Duration], times: &[Duration], give_or_take: Duration) -> Verdict {
    let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let near = |a: &Duration, b: &Duration| a.abs_diff(*b) <= give_or_take;
    if gaps.len() >= wanted.len() && wanted.iter().zip(&gaps).all(|(a, b)| near(a, b)) {
        return Verdict::Holds;
    }
    let mut mismatch = Mismatch::new(place, format!("{}: not as far apart as expected", ready.describe()));
    mismatch.differences.push(Difference {
        path: "spacing".to_owned(),
        place,
        expected: format!("{} (give or take {})", lengths(wanted), Length(give_or_take)),
        actual: lengths(&gaps),
    });
    Verdict::Fails(mismatch)
}

fn lengths(all: &[Duration]) -> String {
    all.iter().map(|length| Length(*length).to_string()).collect::<Vec<_>>().join(", ")
}

/// Whether entries are there that fit the patterns one after another.
pub(super) async fn order(
    scene: &mut Scene<'_>,
    place: Place,
    patterns: &[(Place, Pattern)],
) -> Result<Verdict, String> {
    let mut all = Vec::new();
    for (place, pattern) in patterns {
        let ready = Ready::new(pattern, scene).await?;
        if let Some(why) = ready.unseen(scene) {
            return Ok(Verdict::Unknown(why));
        }
        all.push((*place, ready));
    }
    let entries = scene.target.history().since(0);
    let mut next = 0;
    for (index, (at, ready)) in all.iter().enumerate() {
        match entries.iter().skip(next).position(|entry| ready.fits(&entry.what)) {
            Some(found) => next += found + 1,
            None => {
                let before = index.checked_sub(1).and_then(|i| all.get(i)).map(|(_, ready)| ready.describe());
                let after = before.map_or_else(String::new, |before| format!(" after {before}"));
                let title = format!("{} did not come{after}", ready.describe());
                let differences = ready.nearest(entries.get(next..).unwrap_or_default());
                let place = if at.line > 0 { *at } else { place };
                return Ok(Verdict::Fails(Mismatch { place, title, differences }));
            }
        }
    }
    Ok(Verdict::Holds)
}
