//! What a scenario can say about a kubelet: as written (one flat mapping) and as checked. Not how it is found out: that is `check`.

use std::{collections::BTreeMap, time::Duration};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_saphyr::Spanned;

use super::{
    heads::one_head,
    length::Length,
    place::{At, Place},
    problem::Complaint,
    step::parse_mode,
    tree::Tree,
};

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
    /// The name of a CRI call, such as StartContainer.
    call: Option<String>,
    /// call: a subset of the request, by the names of the protocol's fields.
    with: Option<Tree>,
    /// call: the gRPC code of the answer, such as OK or NOT_FOUND.
    code: Option<Tree>,
    /// A part of a line that the kubelet logged.
    log: Option<String>,
    /// Events, calls and log lines of which each comes after the one before.
    order: Option<Vec<At<ConditionForm>>>,
    /// event, call, log: exactly that many.
    times: Option<usize>,
    /// event, call, log: at least that many. 1 if neither is given.
    at_least: Option<usize>,
    /// event, call, log: only those after this mark.
    since: Option<String>,
    /// event, call, log: the times between one and the next.
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
    /// running or exited: the kubelet.
    kubelet: Option<KubeletState>,
}

/// Whether the kubelet runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KubeletState {
    /// It runs.
    Running,
    /// It ended by itself.
    Exited,
}

/// Which entries of the history, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Exactly that many.
    pub times: Option<usize>,
    /// At least that many.
    pub at_least: usize,
    /// Only those after this mark.
    pub since: Option<String>,
    /// The times between one and the next.
    pub spacing: Option<Vec<Duration>>,
    /// How far off those may be.
    pub give_or_take: Option<Duration>,
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

const COUNTED: &[&str] = &["times", "at-least", "since", "spacing", "give-or-take"];

/// Which further keys go with what a condition is about.
const KEYS: [(&str, &[&str]); 11] = [
    ("pod", &["is"]),
    ("no-pod", &[]),
    ("event", COUNTED),
    ("call", &["with", "code", "times", "at-least", "since", "spacing", "give-or-take"]),
    ("log", COUNTED),
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
            ("order", self.order.is_some()),
            ("times", self.times.is_some()),
            ("at-least", self.at_least.is_some()),
            ("since", self.since.is_some()),
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
        self.log.take().map(Pattern::Log)
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
            "event" | "call" | "log" => {
                let pattern = form.pattern().expect("one of the three heads is present");
                pattern.check(place)?;
                let count = Count {
                    times: form.times,
                    at_least: form.at_least.unwrap_or(1),
                    since: form.since,
                    spacing: form.spacing.map(|all| all.into_iter().map(|length| length.0).collect()),
                    give_or_take: form.give_or_take.map(|length| length.0),
                };
                Check::Recorded(pattern, count)
            }
            "order" => {
                let mut patterns = Vec::new();
                for item in form.order.unwrap_or_default() {
                    let place = item.place;
                    match item.check()?.check {
                        Check::Recorded(pattern, _) => patterns.push((place, pattern)),
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
        if crate::calls::NAMES.contains(&rpc.as_str()) {
            return Ok(());
        }
        let help = super::problem::suggestion(rpc, crate::calls::NAMES.iter().copied());
        let help = help.map(|name| format!("did you mean `{name}`?"));
        Err(Complaint::new(place, format!("CRI has no call named `{rpc}`"), help))
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
            Check::Recorded(_, count) if !always && *count == Count::default() => Ok(()),
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

impl Default for Count {
    fn default() -> Self {
        Self { times: None, at_least: 1, since: None, spacing: None, give_or_take: None }
    }
}

/// One condition, or a list of them.
#[derive(Clone, Debug)]
pub struct Conditions(Vec<At<ConditionForm>>);

impl Conditions {
    /// Checks all of them.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(this: Option<Self>) -> Result<Vec<Condition>, Complaint> {
        this.map(|all| all.0).unwrap_or_default().into_iter().map(At::<ConditionForm>::check).collect()
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<OneOrMore>::deserialize(deserializer)?;
        Ok(Self(match spanned.value {
            OneOrMore::One(form) => vec![At { place: spanned.referenced.into(), value: *form }],
            OneOrMore::More(all) => all,
        }))
    }
}

enum OneOrMore {
    One(Box<ConditionForm>),
    More(Vec<At<ConditionForm>>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a condition or a list of conditions")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore, A::Error> {
                ConditionForm::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(OneOrMore::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMore, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = seq.next_element()? {
                    all.push(item);
                }
                Ok(OneOrMore::More(all))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Conditions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<ConditionForm>();
        schemars::json_schema!({ "oneOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
