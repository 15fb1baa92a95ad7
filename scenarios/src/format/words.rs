//! Steps and conditions in words, for histories, `explain` and progress. Not for machines.

use super::{
    condition::{Check, Condition, Count, KubeletState, Pattern, Relation, RunPattern},
    length::Length,
    step::{Action, Content, KubeletAction, NodeAction, RuntimeAction, Step, Stretch},
};

impl Step {
    /// What the step does, in one line.
    pub fn describe(&self) -> String {
        let text = match &self.action {
            Action::Put { path, content, .. } => format!("put {path}: {}", content.describe()),
            Action::Move { from, to } => format!("rename {from} to {to}"),
            Action::Change { path, .. } => format!("change {path}"),
            Action::Remove(path) => format!("remove {path}"),
            Action::Get(condition) => condition.describe(),
            Action::Eventually(all, within) => format!("within {}: {}", Length(*within), list(all)),
            Action::Assert(all) => format!("now: {}", list(all)),
            Action::Always(all, stretch) => format!("always {}: {}", stretch.describe(), list(all)),
            Action::Never(all, stretch) => format!("never {}: {}", stretch.describe(), list(all)),
            Action::Mark(name) => format!("this moment is `{name}`"),
            Action::Wait(length) => format!("wait {}", Length(*length)),
            Action::Kubelet(action) => format!(
                "{} the kubelet",
                match action {
                    KubeletAction::Start => "start",
                    KubeletAction::Stop => "stop",
                    KubeletAction::Kill => "kill",
                    KubeletAction::Restart => "restart",
                    KubeletAction::Crash => "crash",
                }
            ),
            Action::Crash(point) => format!("the kubelet is to die {}", point.describe()),
            Action::Node(NodeAction::Stop) => "the node loses power".to_owned(),
            Action::Node(NodeAction::Start) => "start the node".to_owned(),
            Action::Node(NodeAction::Reboot) => "reboot the node".to_owned(),
            Action::Clock(by, None) => format!("move the clock by {by}"),
            Action::Clock(by, Some(after)) => format!("in {} move the clock by {by}", Length(*after)),
            Action::Runtime(RuntimeAction::Start) => "start the runtime".to_owned(),
            Action::Runtime(RuntimeAction::Stop) => "stop the runtime".to_owned(),
            Action::Runtime(RuntimeAction::Crash) => "crash the runtime".to_owned(),
            Action::Runtime(RuntimeAction::CrashKeepingSandboxes) => {
                "crash the runtime, which keeps its sandboxes".to_owned()
            }
            Action::Runtime(RuntimeAction::CrashKeepingNothing) => "crash the runtime, which keeps nothing".to_owned(),
            Action::Runtime(RuntimeAction::Restart) => "restart the runtime".to_owned(),
            Action::Faults(faults) if faults.is_empty() => "clear the runtime's faults".to_owned(),
            Action::Faults(faults) => format!("set {} faults of the runtime", faults.len()),
        };
        match &self.name {
            Some(name) => format!("{name} ({text})"),
            None => text,
        }
    }
}

fn list(all: &[Condition]) -> String {
    all.iter().map(Condition::describe).collect::<Vec<_>>().join("; ")
}

impl Content {
    /// What the file is to hold, in a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Manifest(tree) => {
                let part = |key: &str| tree.get(key).and_then(|t| t.as_str()).unwrap_or("manifest").to_owned();
                let name = tree.get("metadata").and_then(|m| m.get("name")).and_then(|n| n.as_str());
                name.map_or_else(|| part("kind"), |name| format!("{} {name}", part("kind")))
            }
            Self::Text(text) => format!("{} bytes of text", text.len()),
            Self::From(name) => format!("the content of {name}"),
            Self::Filler(size) => format!("{size} bytes of filler"),
            Self::Directory => "a directory".to_owned(),
            Self::Link(target) => format!("a link to {target}"),
        }
    }
}

impl Stretch {
    fn describe(&self) -> String {
        match self {
            Self::Next(length) => format!("for {}", Length(*length)),
            Self::Since(mark) => format!("since `{mark}`"),
        }
    }
}

impl Condition {
    /// What the condition says, in a few words.
    pub fn describe(&self) -> String {
        match &self.check {
            Check::Pod { name, is: None } => format!("pod {name} is shown"),
            Check::Pod { name, is: Some(is) } => format!("pod {name} is {}", brief(&is.to_json())),
            Check::NoPod(name) => format!("no pod {name}"),
            Check::Recorded(pattern, count) => format!("{}{}", pattern.describe(), count.describe()),
            Check::Related(one, relation, other, _) => {
                let word = match relation {
                    Relation::Before => "before",
                    Relation::Overlaps => "overlaps",
                    Relation::ApartFrom => "apart from",
                };
                format!("{} {word} {}", one.describe(), other.describe())
            }
            Check::Order(patterns) => {
                patterns.iter().map(|(_, pattern)| pattern.describe()).collect::<Vec<_>>().join(", then ")
            }
            Check::File { path, .. } => format!("{path} is there"),
            Check::NoFile(path) => format!("no {path}"),
            Check::Get { url, expect } if expect.refused => format!("{url} is refused"),
            Check::Get { url, expect } => format!("{url} answers {}", expect.status.unwrap_or(200)),
            Check::NoLeaks => "nothing is left behind".to_owned(),
            Check::Kubelet { state: KubeletState::Running, .. } => "the kubelet runs".to_owned(),
            Check::Kubelet { state: KubeletState::Exited, .. } => "the kubelet has exited".to_owned(),
            Check::Kubelet { state: KubeletState::Crashed, .. } => "the kubelet has died at its call".to_owned(),
        }
    }
}

impl Pattern {
    fn describe(&self) -> String {
        match self {
            Self::Event(event) => {
                let words = [&event.r#type, &event.reason, &event.pod].into_iter().flatten();
                format!("event {}", words.map(String::as_str).collect::<Vec<_>>().join(" "))
            }
            Self::Call { rpc, with: None, .. } => rpc.clone(),
            Self::Call { rpc, with: Some(with), .. } => format!("{rpc} {}", brief(&with.to_json())),
            Self::Log(part) => format!("log {part:?}"),
            Self::Run(RunPattern { pod, container }) => {
                format!("run of {} in {}", container.as_deref().unwrap_or("any"), pod.as_deref().unwrap_or("any pod"))
            }
        }
    }
}

impl Count {
    fn describe(&self) -> String {
        let mut text = match (self.times, self.at_least) {
            (Some(n), _) => format!(" exactly {n} times"),
            (None, 0 | 1) => String::new(),
            (None, n) => format!(" at least {n} times"),
        };
        if let Some(most) = self.at_most {
            text.push_str(&format!(" at most {most} times"));
        }
        if let Some(per) = self.per {
            text.push_str(&format!(" in any {}", Length(per)));
        }
        if let Some(gaps) = &self.spacing {
            let gaps: Vec<_> = gaps.iter().map(|gap| Length(*gap).to_string()).collect();
            text.push_str(&format!(" {} apart", gaps.join(", ")));
        }
        if let Some(mark) = &self.bounds.since {
            text.push_str(&format!(" since `{mark}`"));
        }
        if let Some(mark) = &self.bounds.until {
            text.push_str(&format!(" until `{mark}`"));
        }
        text
    }
}

/// A value short enough for a line.
fn brief(value: &serde_json::Value) -> String {
    let text = value.to_string().replace('"', "");
    let short: String = text.chars().take(100).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
