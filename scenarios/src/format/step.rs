//! The steps of a scenario: as written (one flat mapping, so that editors can complete it) and as checked (one thing to do).

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    condition::{Condition, Conditions, Expectation},
    crash::{CrashForm, CrashPoint, When},
    length::{Length, Shift, Size},
    place::{At, Place},
    problem::Complaint,
    tree::Tree,
};

/// One step, as written. Exactly one of the keys that name an action is there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Step")]
pub struct StepForm {
    /// What the step is for, shown in reports.
    name: Option<String>,
    /// Writes a file: a path, or a bare name for one in the manifest directory. With one of manifest, text, from, size, directory, link.
    put: Option<String>,
    /// put: the content, as YAML.
    manifest: Option<Tree>,
    /// put: the content, as text, byte for byte.
    text: Option<String>,
    /// put: a file beside the scenario that has the content.
    from: Option<String>,
    /// put: that much filler (`11Mi`).
    size: Option<Size>,
    /// put: a directory instead of a file.
    directory: Option<bool>,
    /// put: a symbolic link that says this.
    link: Option<String>,
    /// put: permission bits in octal (`0644`).
    mode: Option<String>,
    /// Renames a file; with `to`.
    r#move: Option<String>,
    /// move: the new name.
    to: Option<String>,
    /// Changes a YAML file by a merge patch; with `patch`.
    change: Option<String>,
    /// change: what to merge. Null removes a key; lists of things with names merge by name, other lists are replaced.
    patch: Option<Tree>,
    /// Removes a file or a directory.
    remove: Option<String>,
    /// Asks for a URL once; with `expect`.
    get: Option<At<String>>,
    /// get: the answer wanted. Without it, status 200.
    expect: Option<Expectation>,
    /// Waits until all conditions hold at one moment; with `within`.
    eventually: Option<Conditions>,
    /// eventually: how long to wait at most. 30s if it is not given.
    within: Option<Length>,
    /// Conditions that hold now.
    assert: Option<Conditions>,
    /// Conditions that hold all the time; with `for` or `since`.
    always: Option<Conditions>,
    /// Conditions none of which holds at any time; with `for` or `since`.
    never: Option<Conditions>,
    /// always, never: lets that much time pass and looks at it.
    r#for: Option<Length>,
    /// always, never: looks at the time since this mark (or `start`) until now.
    since: Option<String>,
    /// Names this moment.
    mark: Option<String>,
    /// Lets time pass.
    wait: Option<Length>,
    /// start, stop (as SIGTERM), kill (as SIGKILL), restart: the kubelet; crash: it is killed at a CRI call that is still to come.
    kubelet: Option<KubeletAction>,
    /// kubelet, crash: the name of the call, such as StartContainer. Every call that changes something if it is not given.
    call: Option<String>,
    /// kubelet, crash: only calls about this pod, with or without the node's name behind it.
    pod: Option<String>,
    /// kubelet, crash: only calls about containers of this name.
    container: Option<String>,
    /// kubelet, crash: at which of these calls from now on. The first if it is not given.
    nth: Option<u64>,
    /// kubelet, crash: before the call has its effect, or after it and before the kubelet hears of it (if it is not given).
    when: Option<When>,
    /// kubelet, crash: whether the call need not come. What next starts or ends the kubelet calls such a crash off.
    or_not: Option<bool>,
    /// start, stop, crash, restart: the runtime. Containers survive a stop, not a crash.
    runtime: Option<RuntimeAction>,
    /// start, stop (power is lost), reboot: the node with its runtime, and the kubelet if it ran.
    node: Option<NodeAction>,
    /// Moves the node's wall clock, forward (`+1h`) or back (`-90s`). Time itself goes on as before.
    clock: Option<Shift>,
    /// clock: not now but after this time, while the next steps are done.
    after: Option<Length>,
    /// The faults of the runtime that are in force from here on; an empty list clears them.
    faults: Option<Vec<Tree>>,
}

/// What to do to the kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KubeletAction {
    /// Starts it and waits until it answers or ends.
    Start,
    /// Asks it to end, as systemd does, and waits until it has.
    Stop,
    /// Ends it on the spot.
    Kill,
    /// Stop, then start.
    Restart,
    /// Kill, at a call that is still to come.
    Crash,
}

/// What to do to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeAction {
    /// Serves its socket again.
    Start,
    /// Stops serving its socket; containers go on.
    Stop,
    /// Ends with everything it runs, as a node's crash does.
    Crash,
    /// The same, and when it starts again it knows its sandboxes only.
    CrashKeepingSandboxes,
    /// The same, and when it starts again it knows nothing of what it ran.
    CrashKeepingNothing,
    /// Stop, then start.
    Restart,
}

/// What to do to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeAction {
    /// Power is lost: kubelet, runtime and all processes end at once. Mounts are gone, and what is in `/run`.
    Stop,
    /// It boots: with a new boot id, the runtime, and the kubelet if it ran before.
    Start,
    /// Stop, ten seconds of nothing, start.
    Reboot,
}

/// What a file is to hold.
#[derive(Clone, Debug)]
pub enum Content {
    /// YAML.
    Manifest(Tree),
    /// Text.
    Text(String),
    /// The content of a file beside the scenario.
    From(String),
    /// Filler of that many bytes.
    Filler(u64),
    /// Not a file but a directory.
    Directory,
    /// Not a file but a link that says this.
    Link(String),
}

/// Which stretch of the history `always` and `never` look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// From now on, for that long.
    Next(Duration),
    /// From a mark to now.
    Since(String),
}

/// One step, as checked.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// What it is for, if the author said so.
    pub name: Option<String>,
    /// What to do.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Writes a file.
    Put {
        /// Path, or a name in the manifest directory.
        path: String,
        /// What it holds.
        content: Content,
        /// Permission bits.
        mode: u32,
    },
    /// Renames a file.
    Move {
        /// Old path.
        from: String,
        /// New path.
        to: String,
    },
    /// Merges a patch into a YAML file.
    Change {
        /// Path.
        path: String,
        /// The patch.
        patch: Tree,
    },
    /// Removes a file.
    Remove(String),
    /// Asks for a URL.
    Get(Box<Condition>),
    /// Waits until all hold.
    Eventually(Vec<Condition>, Duration),
    /// All hold now.
    Assert(Vec<Condition>),
    /// All hold during a stretch.
    Always(Vec<Condition>, Stretch),
    /// None holds during a stretch.
    Never(Vec<Condition>, Stretch),
    /// Names the moment.
    Mark(String),
    /// Lets time pass.
    Wait(Duration),
    /// Does something to the kubelet.
    Kubelet(KubeletAction),
    /// Kills the kubelet at a call that is still to come.
    Crash(CrashPoint),
    /// Does something to the runtime.
    Runtime(RuntimeAction),
    /// Does something to the node.
    Node(NodeAction),
    /// Moves the wall clock, now or later.
    Clock(Shift, Option<Duration>),
    /// Sets the runtime's faults.
    Faults(Vec<Tree>),
}

/// Which further keys go with which action.
const KEYS: [(&str, &[&str]); 16] = [
    ("put", &["manifest", "text", "from", "size", "directory", "link", "mode"]),
    ("move", &["to"]),
    ("change", &["patch"]),
    ("remove", &[]),
    ("get", &["expect"]),
    ("eventually", &["within"]),
    ("assert", &[]),
    ("always", &["for", "since"]),
    ("never", &["for", "since"]),
    ("mark", &[]),
    ("wait", &[]),
    ("kubelet", &["call", "pod", "container", "nth", "when", "or-not"]),
    ("runtime", &[]),
    ("node", &[]),
    ("clock", &["after"]),
    ("faults", &[]),
];

/// How long `eventually` waits when nothing is said.
pub const PATIENCE: Duration = Duration::from_secs(30);

impl StepForm {
    /// Which keys are there.
    fn present(&self) -> IndexMap<&'static str, bool> {
        IndexMap::from([
            ("put", self.put.is_some()),
            ("manifest", self.manifest.is_some()),
            ("text", self.text.is_some()),
            ("from", self.from.is_some()),
            ("size", self.size.is_some()),
            ("directory", self.directory.is_some()),
            ("link", self.link.is_some()),
            ("mode", self.mode.is_some()),
            ("move", self.r#move.is_some()),
            ("to", self.to.is_some()),
            ("change", self.change.is_some()),
            ("patch", self.patch.is_some()),
            ("remove", self.remove.is_some()),
            ("get", self.get.is_some()),
            ("expect", self.expect.is_some()),
            ("eventually", self.eventually.is_some()),
            ("within", self.within.is_some()),
            ("assert", self.assert.is_some()),
            ("always", self.always.is_some()),
            ("never", self.never.is_some()),
            ("for", self.r#for.is_some()),
            ("since", self.since.is_some()),
            ("mark", self.mark.is_some()),
            ("wait", self.wait.is_some()),
            ("kubelet", self.kubelet.is_some()),
            ("call", self.call.is_some()),
            ("pod", self.pod.is_some()),
            ("container", self.container.is_some()),
            ("nth", self.nth.is_some()),
            ("when", self.when.is_some()),
            ("or-not", self.or_not.is_some()),
            ("runtime", self.runtime.is_some()),
            ("node", self.node.is_some()),
            ("clock", self.clock.is_some()),
            ("after", self.after.is_some()),
            ("faults", self.faults.is_some()),
        ])
    }
}

impl At<StepForm> {
    /// Checks that the step does one thing and says all that it needs.
    ///
    /// # Errors
    /// It does not.
    pub fn check(self) -> Result<Step, Complaint> {
        let place = self.place;
        let action = super::heads::one_head(place, "step", &KEYS, &self.value.present())?;
        let form = self.value;
        let needs = |what: &str| Complaint::new(place, format!("`{action}` needs {what}"), None);
        let action = match action {
            "put" => {
                let mode = parse_mode(place, form.mode.as_deref())?.unwrap_or(0o644);
                let content = [
                    form.manifest.map(Content::Manifest),
                    form.text.map(Content::Text),
                    form.from.map(Content::From),
                    form.size.map(|size| Content::Filler(size.0)),
                    form.directory.filter(|yes| *yes).map(|_| Content::Directory),
                    form.link.map(Content::Link),
                ];
                let mut content = content.into_iter().flatten();
                match (form.put, content.next(), content.next()) {
                    (Some(path), Some(content), None) => Action::Put { path, content, mode },
                    _ => return Err(needs("exactly one of manifest, text, from, size, directory: true and link")),
                }
            }
            "move" => match (form.r#move, form.to) {
                (Some(from), Some(to)) => Action::Move { from, to },
                _ => return Err(needs("`to`: the new name")),
            },
            "change" => match (form.change, form.patch) {
                (Some(path), Some(patch)) => Action::Change { path, patch },
                _ => return Err(needs("`patch`: what to merge into the file")),
            },
            "get" => match form.get {
                Some(url) => Action::Get(Box::new(Condition::get(place, url.value, form.expect))),
                None => return Err(needs("a URL")),
            },
            "eventually" => {
                let within = form.within.map_or(PATIENCE, |length| length.0);
                Action::Eventually(Conditions::check(form.eventually)?, within)
            }
            "assert" => Action::Assert(Conditions::check(form.assert)?),
            "always" | "never" => {
                let stretch = match (form.r#for, form.since) {
                    (Some(length), None) => Stretch::Next(length.0),
                    (None, Some(mark)) => Stretch::Since(mark),
                    _ => return Err(needs("one of `for: 10s` (from now on) and `since: MARK` (up to now)")),
                };
                let always = action == "always";
                let conditions = Conditions::check(if always { form.always } else { form.never })?;
                for condition in &conditions {
                    condition.check_recorded(always)?;
                }
                if always { Action::Always(conditions, stretch) } else { Action::Never(conditions, stretch) }
            }
            "remove" => Action::Remove(form.remove.unwrap_or_default()),
            "mark" => Action::Mark(form.mark.unwrap_or_default()),
            "wait" => Action::Wait(form.wait.map_or(Duration::ZERO, |length| length.0)),
            "kubelet" => {
                let crash = CrashForm {
                    call: form.call,
                    pod: form.pod,
                    container: form.container,
                    nth: form.nth,
                    when: form.when,
                    or_not: form.or_not,
                };
                match form.kubelet.ok_or_else(|| needs("an action"))? {
                    KubeletAction::Crash => Action::Crash(crash.check(place)?),
                    action => {
                        crash.check_empty(place)?;
                        Action::Kubelet(action)
                    }
                }
            }
            "node" => Action::Node(form.node.ok_or_else(|| needs("an action"))?),
            "clock" => Action::Clock(
                form.clock.ok_or_else(|| needs("how far it moves: +1h or -90s"))?,
                form.after.map(|length| length.0),
            ),
            "runtime" => Action::Runtime(form.runtime.ok_or_else(|| needs("an action"))?),
            _ => Action::Faults(form.faults.unwrap_or_default()),
        };
        Ok(Step { place, name: form.name, action })
    }
}

/// Permission bits from their octal text.
pub(super) fn parse_mode(place: Place, mode: Option<&str>) -> Result<Option<u32>, Complaint> {
    let Some(text) = mode else { return Ok(None) };
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(Some(mode)),
        _ => Err(Complaint::new(
            place,
            format!("{text:?} is no mode"),
            Some("write octal digits in quotes: \"0644\"".into()),
        )),
    }
}
