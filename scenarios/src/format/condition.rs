//! What a scenario can say about a kubelet: as written (one flat mapping) and as checked. Not how it is found out: that is `check`.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    heads::one_head,
    length::Length,
    place::{At, Place},
    problem::Complaint,
    step::parse_mode,
    tree::Tree,
};

mod count;
mod several;

pub use count::{Bounds, Count};
pub use several::Conditions;

/// The answer to a request that is wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expectation {
    /// The status. 200 if it is not given.
    pub status: Option<u16>,
    /// The whole body.
    pub body: Option<Tree>,
    /// A part of the body.
    pub contains: Option<Tree>,
    /// A subset of the body, read as JSON.
    pub json: Option<Tree>,
    /// Headers, each with its whole value.
    pub headers: BTreeMap<String, Tree>,
    /// That nobody answers.
    pub refused: bool,
}

/// Which events are meant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EventPattern {
    /// The name of the pod, with or without the node's name behind it.
    pub pod: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// `Normal` or `Warning`.
    pub r#type: Option<String>,
    /// A part of the message.
    pub contains: Option<String>,
}

/// Which runs of containers are meant: each from the start of its program to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RunPattern {
    /// The name of the pod, with or without the node's name behind it.
    pub pod: Option<String>,
    /// The name of the container.
    pub container: Option<String>,
}

/// One condition, as written. Exactly one of the keys that say what it is about is there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Condition")]
pub struct ConditionForm {
    /// The name of a pod that `/pods` shows, with or without the node's name behind it.
    pod: Option<String>,
    /// pod: a subset of the object.
    is: Option<Tree>,
    /// The name of a pod that `/pods` does not show.
    no_pod: Option<String>,
    /// Events.
    event: Option<EventPattern>,
    /// The name of a CRI call, such as StartContainer; `any` for all of them.
    call: Option<String>,
    /// call: a subset of the request, by the names of the protocol's fields.
    with: Option<Tree>,
    /// call: the gRPC code of the answer, such as OK or NOT_FOUND.
    code: Option<Tree>,
    /// A part of a line that the kubelet logged.
    log: Option<String>,
    /// Runs of containers, as they really were.
    run: Option<RunPattern>,
    /// Events, calls and log lines of which each comes after the one before.
    order: Option<Vec<At<ConditionForm>>>,
    /// event, call, log, run: exactly that many.
    times: Option<usize>,
    /// event, call, log, run: at least that many. 1 if no number is given.
    at_least: Option<usize>,
    /// event, call, log, run: at most that many.
    at_most: Option<usize>,
    /// at-most: in any time that long.
    per: Option<Length>,
    /// event, call, log, run: only those after this mark.
    since: Option<String>,
    /// event, call, log, run: only those before this mark.
    until: Option<String>,
    /// event, call, log, run: all of them have ended before the first of these begins.
    before: Option<Box<At<ConditionForm>>>,
    /// event, call, log, run: one of them and one of these go on at the same moment.
    overlaps: Option<Box<At<ConditionForm>>>,
    /// event, call, log, run: none of them goes on while one of these does.
    apart_from: Option<Box<At<ConditionForm>>>,
    /// event, call, log, run: the times between one and the next.
    spacing: Option<Vec<Length>>,
    /// spacing: how far off a time may be. Nothing in simulation, 2s against a real process.
    give_or_take: Option<Length>,
    /// A path that is there.
    file: Option<String>,
    /// A path that is not there.
    no_file: Option<String>,
    /// file: permission bits in octal.
    mode: Option<String>,
    /// file: the whole content.
    text: Option<String>,
    /// file: a part of the content; kubelet: a part of what it said.
    contains: Option<String>,
    /// A URL; with `expect`.
    get: Option<String>,
    /// get: the answer wanted.
    expect: Option<Expectation>,
    /// That the runtime holds no sandbox, container, address or file of a pod that is gone.
    no_leaks: Option<bool>,
    /// running, exited or crashed: the kubelet.
    kubelet: Option<KubeletState>,
}

/// In place of the name of a call: every one.
pub const ANY: &str = "any";

/// Whether the kubelet runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KubeletState {
    /// It runs.
    Running,
    /// It ended by itself.
    Exited,
    /// It was killed at the call that a step said.
    Crashed,
}

/// An entry of the history.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// An event.
    Event(EventPattern),
    /// A CRI call.
    Call {
        /// Its name.
        rpc: String,
        /// A subset of its request.
        with: Option<Tree>,
        /// The code of its answer.
        code: Option<Tree>,
    },
    /// A log line.
    Log(String),
    /// The run of a container.
    Run(RunPattern),
}

/// How entries of one kind lie to those of another. A call lasts until its reply, a run until its program ends, all else is a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// All of the first have ended before the first of the second begins.
    Before,
    /// Two of them go on at one moment.
    Overlaps,
    /// No two of them do.
    ApartFrom,
}

/// One condition, as checked.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Where it stands.
    pub place: Place,
    /// What it says.
    pub check: Check,
}

/// What a condition says.
#[derive(Clone, Debug)]
pub enum Check {
    /// A pod is there and looks like this.
    Pod {
        /// Its name.
        name: String,
        /// A subset of the object.
        is: Option<Tree>,
    },
    /// A pod is not there.
    NoPod(String),
    /// Entries of the history are there.
    Recorded(Pattern, Count),
    /// Entries of the history lie so to others.
    Related(Pattern, Relation, Pattern, Bounds),
    /// Entries of the history come in this order.
    Order(Vec<(Place, Pattern)>),
    /// A path is there.
    File {
        /// The path.
        path: String,
        /// Its permission bits.
        mode: Option<u32>,
        /// Its whole content.
        text: Option<String>,
        /// A part of its content.
        contains: Option<String>,
    },
    /// A path is not there.
    NoFile(String),
    /// A URL answers like this.
    Get {
        /// The URL.
        url: String,
        /// The answer.
        expect: Expectation,
    },
    /// Nothing is left behind.
    NoLeaks,
    /// The kubelet runs, or ended saying this.
    Kubelet {
        /// Which.
        state: KubeletState,
        /// Its exit code.
        code: Option<Tree>,
        /// A part of what it said.
        contains: Option<String>,
    },
}

macro_rules! with_count {
    ($($more:literal),*) => {
        &[$($more,)* "times", "at-least", "at-most", "per", "since", "until", "spacing", "give-or-take", "before", "overlaps", "apart-from"]
    };
}

const COUNTED: &[&str] = with_count!();

/// Which further keys go with what a condition is about.
const KEYS: [(&str, &[&str]); 12] = [
    ("pod", &["is"]),
    ("no-pod", &[]),
    ("event", COUNTED),
    ("call", with_count!("with", "code")),
    ("log", COUNTED),
    ("run", COUNTED),
    ("order", &[]),
    ("file", &["mode", "text", "contains"]),
    ("no-file", &[]),
    ("get", &["expect"]),
    ("no-leaks", &[]),
    ("kubelet", &["code", "contains"]),
];

impl ConditionForm {
    fn present(&self) -> IndexMap<&'static str, bool> {
        IndexMap::from([
            ("pod", self.pod.is_some()),
            ("is", self.is.is_some()),
            ("no-pod", self.no_pod.is_some()),
            ("event", self.event.is_some()),
            ("call", self.call.is_some()),
            ("with", self.with.is_some()),
            ("code", self.code.is_some()),
            ("log", self.log.is_some()),
            ("run", self.run.is_some()),
            ("order", self.order.is_some()),
            ("times", self.times.is_some()),
            ("at-least", self.at_least.is_some()),
            ("at-most", self.at_most.is_some()),
            ("per", self.per.is_some()),
            ("since", self.since.is_some()),
            ("until", self.until.is_some()),
            ("before", self.before.is_some()),
            ("overlaps", self.overlaps.is_some()),
            ("apart-from", self.apart_from.is_some()),
            ("spacing", self.spacing.is_some()),
            ("give-or-take", self.give_or_take.is_some()),
            ("file", self.file.is_some()),
            ("no-file", self.no_file.is_some()),
            ("mode", self.mode.is_some()),
            ("text", self.text.is_some()),
            ("contains", self.contains.is_some()),
            ("get", self.get.is_some()),
            ("expect", self.expect.is_some()),
            ("no-leaks", self.no_leaks.is_some()),
            ("kubelet", self.kubelet.is_some()),
        ])
    }

    fn pattern(&mut self) -> Option<Pattern> {
        if let Some(event) = self.event.take() {
            return Some(Pattern::Event(event));
        }
        if let Some(rpc) = self.call.take() {
            return Some(Pattern::Call { rpc, with: self.with.take(), code: self.code.take() });
        }
        if let Some(run) = self.run.take() {
            return Some(Pattern::Run(run));
        }
        self.log.take().map(Pattern::Log)
    }

    fn bounds(&self) -> Bounds {
        Bounds { since: self.since.clone(), until: self.until.clone() }
    }

    /// How it lies to something else, if it says so.
    fn relation(&mut self, place: Place) -> Result<Option<(Relation, Pattern)>, Complaint> {
        let all = [
            (Relation::Before, self.before.take()),
            (Relation::Overlaps, self.overlaps.take()),
            (Relation::ApartFrom, self.apart_from.take()),
        ];
        let mut said = all.into_iter().filter_map(|(relation, other)| Some((relation, other?)));
        let Some((relation, other)) = said.next() else { return Ok(None) };
        if said.next().is_some() {
            let help = "make two conditions of it".to_owned();
            return Err(Complaint::new(place, "this condition compares twice", Some(help)));
        }
        let counts = [self.times.is_some(), self.at_least.is_some(), self.at_most.is_some(), self.spacing.is_some()];
        if counts.contains(&true) {
            let help = "make two conditions of it: one that counts, and one that compares".to_owned();
            return Err(Complaint::new(place, "this condition counts and compares", Some(help)));
        }
        let at = other.place;
        match other.check()?.check {
            Check::Recorded(pattern, count) if count.is_plain() => Ok(Some((relation, pattern))),
            _ => {
                let help = "write an event, call, log or run, and nothing more".to_owned();
                Err(Complaint::new(at, "this cannot be compared with", Some(help)))
            }
        }
    }
}

impl At<ConditionForm> {
    /// Checks that the condition is about one thing.
    ///
    /// # Errors
    /// It is not.
    pub fn check(self) -> Result<Condition, Complaint> {
        let place = self.place;
        let head = one_head(place, "condition", &KEYS, &self.value.present())?;
        let mut form = self.value;
        for tree in [&form.is, &form.with, &form.code].into_iter().flatten() {
            crate::matcher::check_operators(tree)?;
        }
        let check = match head {
            "pod" => Check::Pod { name: form.pod.unwrap_or_default(), is: form.is },
            "no-pod" => Check::NoPod(form.no_pod.unwrap_or_default()),
            "event" | "call" | "log" | "run" => {
                let pattern = form.pattern().expect("one of the four heads is present");
                pattern.check(place)?;
                if let Some((relation, other)) = form.relation(place)? {
                    return Ok(Condition { place, check: Check::Related(pattern, relation, other, form.bounds()) });
                }
                let count = Count::check(&form, place)?;
                Check::Recorded(pattern, count)
            }
            "order" => {
                let mut patterns = Vec::new();
                for item in form.order.unwrap_or_default() {
                    let place = item.place;
                    match item.check()?.check {
                        Check::Recorded(pattern, _) if !matches!(pattern, Pattern::Run(_)) => {
                            patterns.push((place, pattern));
                        }
                        _ => return Err(Complaint::new(place, "`order` takes events, calls and log lines only", None)),
                    }
                }
                Check::Order(patterns)
            }
            "file" => Check::File {
                path: form.file.unwrap_or_default(),
                mode: parse_mode(place, form.mode.as_deref())?,
                text: form.text,
                contains: form.contains,
            },
            "no-file" => Check::NoFile(form.no_file.unwrap_or_default()),
            "get" => return Ok(Condition::get(place, form.get.unwrap_or_default(), form.expect)),
            "no-leaks" => Check::NoLeaks,
            _ => Check::Kubelet {
                state: form.kubelet.expect("the head is present"),
                code: form.code,
                contains: form.contains,
            },
        };
        Ok(Condition { place, check })
    }
}

impl Pattern {
    /// Refuses the name of a call that CRI does not have.
    fn check(&self, place: Place) -> Result<(), Complaint> {
        let Self::Call { rpc, .. } = self else { return Ok(()) };
        if rpc == ANY { Ok(()) } else { super::crash::known(rpc, place) }
    }
}

impl Condition {
    /// That a URL answers as expected.
    pub fn get(place: Place, url: String, expect: Option<Expectation>) -> Self {
        Self { place, check: Check::Get { url, expect: expect.unwrap_or_default() } }
    }

    /// Refuses what the history does not record.
    ///
    /// # Errors
    /// `always` or `never` could not be told of this condition.
    pub(super) fn check_recorded(&self, always: bool) -> Result<(), Complaint> {
        let word = if always { "always" } else { "never" };
        match &self.check {
            Check::Pod { .. } | Check::NoPod(_) => Ok(()),
            Check::Recorded(Pattern::Run(_), _) => {
                let help = "say with `assert` and `times` how often".to_owned();
                Err(Complaint::new(self.place, format!("`{word}` cannot tell a run"), Some(help)))
            }
            Check::Recorded(_, count) if !always && count.is_plain() => Ok(()),
            Check::Recorded(..) if !always => {
                let help = "a `never` counts nothing: one is one too many".to_owned();
                Err(Complaint::new(self.place, "this condition has a count", Some(help)))
            }
            Check::Recorded(..) => {
                let help = "say with `never` what must not be, or with `assert` and `times` how often".to_owned();
                Err(Complaint::new(
                    self.place,
                    "an event, call or log line is a moment: it cannot be there always",
                    Some(help),
                ))
            }
            _ => {
                let help =
                    "it looks at the history, which holds pods, events, calls and log lines; use `assert`".to_owned();
                Err(Complaint::new(self.place, format!("`{word}` cannot tell this condition"), Some(help)))
            }
        }
    }
}
