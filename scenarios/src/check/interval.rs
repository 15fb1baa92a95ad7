//! What lasts in a history, from when to when: calls until their replies, runs of containers until their programs end. How those of one
//! kind lie to those of another. Not how many there are.

use std::{collections::BTreeMap, time::Duration};

use fake_cri::truth::Fact;

use super::{Mismatch, Scene, Verdict, recorded::Ready};
use crate::{
    format::{
        condition::{Bounds, Pattern, Relation, RunPattern},
        length::Length,
        place::Place,
    },
    history::{Entry, What},
};

/// A moment, and how many entries were there before it: what tells moments of one instant apart.
type Moment = (Duration, usize);

/// Something that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    /// Its begin.
    pub from: Moment,
    /// Its end; `None` if it has not ended.
    pub to: Option<Moment>,
}

impl Interval {
    fn moment(at: Moment) -> Self {
        Self { from: at, to: Some(at) }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, other: &Self| one.to.is_some_and(|to| to < other.from);
        !ends_before(self, other) && !ends_before(other, self)
    }

    fn describe(&self) -> String {
        let short = |at: Duration| Length(Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)));
        match self.to {
            Some(to) => format!("{} to {}", short(self.from.0), short(to.0)),
            None => format!("{} on", short(self.from.0)),
        }
    }
}

/// All that fit and begin between the marks, in order of their begins.
pub(super) fn intervals(scene: &Scene<'_>, ready: &Ready, bounds: &Bounds) -> Vec<Interval> {
    let index = |mark: &Option<String>| mark.as_ref().and_then(|mark| scene.marks.get(mark)).map(|mark| mark.index);
    let (first, end) = (index(&bounds.since).unwrap_or(0), index(&bounds.until).unwrap_or(usize::MAX));
    let mut found = scene.target.history().read(|entries| match ready {
        Ready::Run(pattern) => runs(entries, pattern),
        _ => {
            let fitting = entries.iter().enumerate().filter(|(_, entry)| ready.fits(&entry.what));
            fitting.map(|(index, entry)| lasting(index, entry)).collect()
        }
    });
    // A call is recorded when it ends, so it may have begun before the mark: it counts where it was recorded.
    found
        .retain(|one| (first..end).contains(&one.to.filter(|_| !matches!(ready, Ready::Run(_))).unwrap_or(one.from).1));
    found.sort_by_key(|one| one.from);
    found
}

fn lasting(index: usize, entry: &Entry) -> Interval {
    match &entry.what {
        What::Call(call) if !call.took.is_zero() => {
            let begun = entry.at.saturating_sub(call.took);
            // Where between the entries of that instant it began is not known: what ended then had ended before.
            Interval { from: (begun, usize::MAX), to: Some((entry.at, index)) }
        }
        _ => Interval::moment((entry.at, index)),
    }
}

/// The runs of containers that fit.
fn runs(entries: &[Entry], pattern: &RunPattern) -> Vec<Interval> {
    let mut pods: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wanted: BTreeMap<&str, bool> = BTreeMap::new();
    let mut open: BTreeMap<&str, Moment> = BTreeMap::new();
    let mut done = Vec::new();
    let named =
        |full: &str, name: &str| full == name || full.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    for (index, entry) in entries.iter().enumerate() {
        let What::Fact(fact) = &entry.what else { continue };
        let now = (entry.at, index);
        match fact {
            Fact::SandboxReady { id, name, .. } => drop(pods.insert(id, name)),
            Fact::ContainerCreated { id, sandbox, name, .. } => {
                let pod = pods.get(sandbox.as_str()).copied().unwrap_or_default();
                let fits = pattern.container.as_ref().is_none_or(|wanted| wanted == name)
                    && pattern.pod.as_ref().is_none_or(|wanted| named(pod, wanted));
                wanted.insert(id, fits);
            }
            Fact::ContainerStarted { id } if wanted.get(id.as_str()) == Some(&true) => drop(open.insert(id, now)),
            Fact::ContainerExited { id, .. } | Fact::ContainerRemoved { id } => {
                done.extend(open.remove(id.as_str()).map(|from| Interval { from, to: Some(now) }));
            }
            Fact::PowerLost { .. } => {
                done.extend(std::mem::take(&mut open).into_values().map(|from| Interval { from, to: Some(now) }));
            }
            _ => {}
        }
    }
    done.extend(open.into_values().map(|from| Interval { from, to: None }));
    done
}

/// Whether entries of one kind lie to those of another as is wanted.
pub(super) async fn related(
    scene: &mut Scene<'_>,
    place: Place,
    (one, relation, other): (&Pattern, Relation, &Pattern),
    bounds: &Bounds,
) -> Result<Verdict, String> {
    let one = Ready::new(one, scene).await?;
    let other = Ready::new(other, scene).await?;
    if let Some(why) = one.unseen(scene).or_else(|| other.unseen(scene)) {
        return Ok(Verdict::Unknown(why));
    }
    let fails = |title: String| Ok(Verdict::Fails(Mismatch::new(place, title)));
    let (these, those) = (intervals(scene, &one, bounds), intervals(scene, &other, bounds));
    for (all, ready) in [(&these, &one), (&those, &other)] {
        if all.is_empty() {
            return fails(format!("there was not {} to compare", ready.describe()));
        }
    }
    let pair = these.iter().find_map(|a| those.iter().find(|b| *b != a && a.overlaps(b)).map(|b| (a, b)));
    let (one, other) = (one.describe(), other.describe());
    match (relation, pair) {
        (Relation::Overlaps, Some(_)) | (Relation::ApartFrom, None) => Ok(Verdict::Holds),
        (Relation::Overlaps, None) => {
            let list = |all: &[Interval]| all.iter().map(Interval::describe).collect::<Vec<_>>().join(", ");
            fails(format!("{one} ({}) never overlaps {other} ({})", list(&these), list(&those)))
        }
        (Relation::ApartFrom, Some((a, b))) => {
            fails(format!("{one} ({}) overlaps {other} ({})", a.describe(), b.describe()))
        }
        (Relation::Before, _) => {
            let late = these.iter().find(|a| a.to.is_none_or(|to| those.first().is_some_and(|b| to > b.from)));
            match (late, those.first()) {
                (Some(a), Some(b)) => {
                    fails(format!("{one} ({}) had not ended before {other} ({})", a.describe(), b.describe()))
                }
                _ => Ok(Verdict::Holds),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(second: u64, fact: Fact) -> Entry {
        Entry { at: Duration::from_secs(second), what: What::Fact(fact) }
    }

    fn started(second: u64, id: &str) -> Entry {
        at(second, Fact::ContainerStarted { id: id.to_owned() })
    }

    fn exited(second: u64, id: &str) -> Entry {
        at(second, Fact::ContainerExited { id: id.to_owned(), code: 0 })
    }

    fn made(id: &str, name: &str) -> Entry {
        let (id, sandbox, name) = (id.to_owned(), "s".to_owned(), name.to_owned());
        at(0, Fact::ContainerCreated { id, sandbox, name, attempt: 0, image: String::new() })
    }

    fn sandbox() -> Entry {
        let text = |text: &str| text.to_owned();
        at(
            0,
            Fact::SandboxReady {
                id: text("s"),
                namespace: text("default"),
                name: text("web-node1"),
                uid: text("u"),
                attempt: 0,
                addresses: Vec::new(),
                host_ports: Vec::new(),
            },
        )
    }

    fn pattern(pod: &str, container: &str) -> RunPattern {
        RunPattern { pod: Some(pod.to_owned()), container: Some(container.to_owned()) }
    }

    #[test]
    fn runs_begin_and_end_with_programs() {
        let power = Fact::PowerLost { containers_forgotten: false, sandboxes_forgotten: false };
        let entries = [
            sandbox(),
            made("1", "a"),
            made("2", "b"),
            started(1, "1"),
            started(1, "2"),
            exited(3, "1"),
            at(9, power),
            made("3", "a"),
            started(11, "3"),
        ];
        let times = |container: &str| -> Vec<(u64, Option<u64>)> {
            let runs = runs(&entries, &pattern("web", container));
            runs.iter().map(|run| (run.from.0.as_secs(), run.to.map(|to| to.0.as_secs()))).collect()
        };
        assert_eq!(times("a"), [(1, Some(3)), (11, None)]);
        assert_eq!(times("b"), [(1, Some(9))]);
        assert_eq!(runs(&entries, &pattern("we", "a")), []);
    }

    #[rstest]
    #[case::one_after_the_other((1, 1), Some((2, 5)), (2, 6), None, false)]
    #[case::in_one_instant((1, 1), Some((2, 6)), (2, 5), None, true)]
    #[case::moment_within((1, 1), Some((5, 9)), (3, 4), Some((3, 4)), true)]
    #[case::both_go_on((1, 1), None, (3, 4), None, true)]
    fn overlap(
        #[case] from: (u64, usize),
        #[case] to: Option<(u64, usize)>,
        #[case] other: (u64, usize),
        #[case] end: Option<(u64, usize)>,
        #[case] wanted: bool,
    ) {
        let moment = |(second, index): (u64, usize)| (Duration::from_secs(second), index);
        let one = Interval { from: moment(from), to: to.map(moment) };
        let other = Interval { from: moment(other), to: end.map(moment) };
        assert_eq!((one.overlaps(&other), other.overlaps(&one)), (wanted, wanted));
    }
}
