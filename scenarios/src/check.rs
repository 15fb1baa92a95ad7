//! Whether a condition holds: now, or over a stretch of the history. Waits for nothing and changes nothing.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    format::{
        condition::{Check, Condition, Expectation, KubeletState},
        place::Place,
        tree::Tree,
    },
    history::{What, is_named},
    http::{self, Answer, Url},
    matcher::{self, Difference},
    target::{Kubelet, Target, TargetError},
};

mod expand;
mod interval;
mod recorded;
mod stretch;

pub use expand::{expand, expand_tree};
pub use stretch::{Stretched, over};

/// How much of a file a condition looks at.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// A moment that the scenario named: how far the history was, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Entries before it.
    pub index: usize,
    /// When.
    pub at: Duration,
}

/// Why a condition does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, in one line.
    pub title: String,
    /// Where exactly values differ.
    pub differences: Vec<Difference>,
}

impl Mismatch {
    fn new(place: Place, title: impl Into<String>) -> Self {
        Self { place, title: title.into(), differences: Vec::new() }
    }
}

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not.
    Fails(Mismatch),
    /// The target cannot tell; why.
    Unknown(String),
}

/// What conditions are looked at with.
pub struct Scene<'a> {
    /// The target.
    pub target: &'a mut dyn Target,
    /// Moments by name.
    pub marks: &'a BTreeMap<String, Mark>,
    /// What `/pods` shows, once it was asked at this moment.
    pods: Option<Result<Vec<Value>, String>>,
}

/// Where the pods are asked for.
const PODS: &str = "http://localhost:10255/pods";

impl<'a> Scene<'a> {
    /// A look at the target as it is now.
    pub fn now(target: &'a mut dyn Target, marks: &'a BTreeMap<String, Mark>) -> Self {
        Self { target, marks, pods: None }
    }

    /// What `/pods` shows; asked at most once.
    pub async fn pods(&mut self) -> Result<Vec<Value>, String> {
        if self.pods.is_none() {
            self.pods = Some(self.ask_for_pods().await);
        }
        self.pods.clone().unwrap_or_else(|| Ok(Vec::new()))
    }

    async fn ask_for_pods(&self) -> Result<Vec<Value>, String> {
        let answer = self.ask(PODS).await.map_err(|e| format!("{PODS}: {e}"))?;
        let body: Value = serde_json::from_str(&answer.body)
            .map_err(|e| format!("{PODS}: status {}, and the body is not JSON: {e}", answer.status))?;
        let items = match body.get("items") {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::Null) => Vec::new(),
            _ => return Err(format!("{PODS}: the body has no items")),
        };
        self.target.saw_pods(&items);
        Ok(items)
    }

    async fn ask(&self, url: &str) -> Result<Answer, String> {
        let url: Url = url.parse()?;
        let address = self.target.address(&url);
        let answer = http::get(&self.target.world().net, &address, &url).await.map_err(|e| e.to_string())?;
        Ok(Answer { body: self.target.history().known(answer.body), ..answer })
    }

    /// Whether `condition` holds now. Answers of servers are recorded if `record`.
    pub async fn check(&mut self, condition: &Condition, record: bool) -> Verdict {
        match self.try_check(condition, record).await {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Fails(Mismatch::new(condition.place, why)),
        }
    }

    async fn try_check(&mut self, condition: &Condition, record: bool) -> Result<Verdict, String> {
        let place = condition.place;
        let verdict = match &condition.check {
            Check::Pod { name, is } => {
                let pods = self.pods().await?;
                let found = pods.iter().rev().find(|pod| is_named(pod, name));
                let Some(pod) = found else {
                    let names: Vec<_> = pods.iter().filter_map(|pod| pod.pointer("/metadata/name")?.as_str()).collect();
                    let there = if names.is_empty() { "no pod at all".to_owned() } else { names.join(", ") };
                    return Ok(Verdict::Fails(Mismatch::new(
                        place,
                        format!("/pods does not show `{name}` but {there}"),
                    )));
                };
                let Some(is) = is else { return Ok(Verdict::Holds) };
                let is = expand_tree(is, self).await?;
                differ(place, &format!("pod `{name}` is not as expected"), matcher::differences(&is, Some(pod)))
            }
            Check::NoPod(name) => match self.pods().await?.iter().find(|pod| is_named(pod, name)) {
                None => Verdict::Holds,
                Some(_) => Verdict::Fails(Mismatch::new(place, format!("/pods still shows `{name}`"))),
            },
            Check::Recorded(pattern, count) => recorded::count(self, place, pattern, count).await?,
            Check::Related(one, relation, other, bounds) => {
                interval::related(self, place, (one, *relation, other), bounds).await?
            }
            Check::Order(patterns) => recorded::order(self, place, patterns).await?,
            Check::File { path, mode, text, contains } => {
                let path = crate::setup::path(&expand(path, self).await?);
                self.file(place, Path::new(&path), *mode, text.as_deref(), contains.as_deref())
            }
            Check::NoFile(path) => {
                let path = crate::setup::path(&expand(path, self).await?);
                match self.target.world().files.symlink_metadata(Path::new(&path)) {
                    Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                        Verdict::Holds
                    }
                    Err(e) => Verdict::Fails(Mismatch::new(place, format!("{path}: {e}"))),
                    Ok(_) => Verdict::Fails(Mismatch::new(place, format!("{path} is there"))),
                }
            }
            Check::Get { url, expect } => {
                let url = expand(url, self).await?;
                let answer = self.ask(&url).await;
                if record {
                    let (status, body) = match &answer {
                        Ok(answer) => (Ok(answer.status), answer.body.clone()),
                        Err(error) => (Err(error.clone()), String::new()),
                    };
                    self.target.history().push(What::Answer { url: url.clone(), status, body });
                }
                self.answer(place, &url, expect, answer).await?
            }
            Check::NoLeaks => self.leaks(place).await,
            Check::Kubelet { state, code, contains } => {
                kubelet(place, &self.target.kubelet(), *state, code.as_ref(), contains.as_deref())
            }
        };
        Ok(verdict)
    }

    async fn leaks(&mut self, place: Place) -> Verdict {
        let pods = self.pods().await.unwrap_or_default();
        let uid = |pod: &Value| Some(pod.pointer("/metadata/uid")?.as_str()?.to_owned());
        let wanted: Vec<String> = pods.iter().filter_map(uid).collect();
        match self.target.leaks(&wanted).await {
            Ok(left) if left.is_empty() => Verdict::Holds,
            Ok(left) => Verdict::Fails(Mismatch::new(place, format!("left behind: {}", left.join("; ")))),
            Err(TargetError::Unsupported(why)) => Verdict::Unknown(why),
            Err(e) => Verdict::Fails(Mismatch::new(place, e.to_string())),
        }
    }

    fn file(
        &self,
        place: Place,
        path: &Path,
        mode: Option<u32>,
        text: Option<&str>,
        contains: Option<&str>,
    ) -> Verdict {
        let files = &self.target.world().files;
        let facts = match files.metadata(path) {
            Ok(facts) => facts,
            Err(e) => return Verdict::Fails(Mismatch::new(place, format!("{}: {e}", path.display()))),
        };
        let mut found = Vec::new();
        let mut differs = |path: &str, expected: String, actual: String| {
            found.push(Difference { path: path.to_owned(), place, expected, actual });
        };
        if let Some(mode) = mode.filter(|mode| *mode != facts.mode) {
            differs("mode", format!("{mode:04o}"), format!("{:04o}", facts.mode));
        }
        if text.is_some() || contains.is_some() {
            match files.read_to_string(path, FILE_LIMIT) {
                Err(e) => differs("content", "a text".to_owned(), e.to_string()),
                Ok(content) => {
                    if let Some(text) = text.filter(|text| *text != content) {
                        differs("content", format!("{text:?}"), format!("{content:?}"));
                    }
                    if let Some(part) = contains.filter(|part| !content.contains(*part)) {
                        differs("content", format!("a text with {part:?}"), format!("{content:?}"));
                    }
                }
            }
        }
        differ(place, &format!("{} is not as expected", path.display()), found)
    }

    async fn answer(
        &mut self,
        place: Place,
        url: &str,
        expect: &Expectation,
        answer: Result<Answer, String>,
    ) -> Result<Verdict, String> {
        let answer = match answer {
            Err(_) if expect.refused => return Ok(Verdict::Holds),
            Err(error) => return Ok(Verdict::Fails(Mismatch::new(place, format!("{url}: {error}")))),
            Ok(answer) if expect.refused => {
                let title = format!("{url} answered {}, but nobody should", answer.status);
                return Ok(Verdict::Fails(Mismatch::new(place, title)));
            }
            Ok(answer) => answer,
        };
        let mut found = Vec::new();
        let status = expect.status.unwrap_or(200);
        if answer.status != status {
            found.push(Difference {
                path: "status".to_owned(),
                place,
                expected: status.to_string(),
                actual: answer.status.to_string(),
            });
        }
        let body = Value::String(answer.body.clone());
        if let Some(wanted) = &expect.body {
            found.extend(named("body", matcher::differences(&expand_tree(wanted, self).await?, Some(&body))));
        }
        if let Some(part) = &expect.contains {
            let part = expand_tree(part, self).await?;
            let wanted = part.as_str().unwrap_or_default().to_owned();
            if !answer.body.contains(&wanted) {
                let expected = format!("a text with {wanted:?}");
                found.push(Difference {
                    path: "body".to_owned(),
                    place: part.place,
                    expected,
                    actual: body.to_string(),
                });
            }
        }
        if let Some(json) = &expect.json {
            match serde_json::from_str::<Value>(&answer.body) {
                Ok(value) => {
                    found.extend(named("json", matcher::differences(&expand_tree(json, self).await?, Some(&value))))
                }
                Err(e) => {
                    let expected = "a body of JSON".to_owned();
                    found.push(Difference {
                        path: "body".to_owned(),
                        place: json.place,
                        expected,
                        actual: format!("{e}: {body}"),
                    });
                }
            }
        }
        for (name, wanted) in &expect.headers {
            let actual = answer.headers.get(&name.to_ascii_lowercase()).map(|value| Value::String(value.clone()));
            found.extend(named(name, matcher::differences(wanted, actual.as_ref())));
        }
        Ok(differ(place, &format!("{url} did not answer as expected"), found))
    }
}

/// Differences with a name in front of their path.
fn named(name: &str, found: Vec<Difference>) -> Vec<Difference> {
    let rename = |mut d: Difference| {
        d.path = if d.path == "(the whole)" { name.to_owned() } else { format!("{name}: {}", d.path) };
        d
    };
    found.into_iter().map(rename).collect()
}

fn differ(place: Place, title: &str, differences: Vec<Difference>) -> Verdict {
    if differences.is_empty() {
        return Verdict::Holds;
    }
    Verdict::Fails(Mismatch { place, title: title.to_owned(), differences })
}

fn kubelet(
    place: Place,
    actual: &Kubelet,
    state: KubeletState,
    code: Option<&Tree>,
    contains: Option<&str>,
) -> Verdict {
    let fails = |title: String| Verdict::Fails(Mismatch::new(place, title));
    match (state, actual) {
        (KubeletState::Running, Kubelet::Running) => Verdict::Holds,
        (KubeletState::Running, Kubelet::Stopped) => fails("the kubelet does not run".to_owned()),
        (KubeletState::Running, Kubelet::Exited { code, message }) => {
            fails(format!("the kubelet exited with code {code}: {message}"))
        }
        (KubeletState::Exited, Kubelet::Exited { code: actual, message }) => {
            let mut found = code
                .map_or_else(Vec::new, |code| named("code", matcher::differences(code, Some(&Value::from(*actual)))));
            if let Some(part) = contains.filter(|part| !message.contains(*part)) {
                let expected = format!("a text with {part:?}");
                found.push(Difference { path: "message".to_owned(), place, expected, actual: format!("{message:?}") });
            }
            differ(place, "the kubelet exited, but not as expected", found)
        }
        (KubeletState::Running, Kubelet::Crashed) => fails("the kubelet was killed at its call".to_owned()),
        (KubeletState::Crashed, Kubelet::Crashed) => Verdict::Holds,
        (KubeletState::Crashed, _) => fails("the kubelet has not come to the call at which it is to die".to_owned()),
        (KubeletState::Exited, _) => fails("the kubelet has not exited".to_owned()),
    }
}
