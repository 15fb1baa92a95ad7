//! Plays a scenario on a target: sets the node up, does the steps one after another, and stops at the first that fails. Knows no
//! particular target and prints nothing.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::Value;
use world::net::Address;

use crate::{
    check::{Mark, Mismatch, Scene, Stretched, Verdict, expand, over},
    format::{
        Scenario,
        condition::{Check, Condition, KubeletState},
        parse::yaml,
        place::Place,
        step::{Action, Content, Step, Stretch},
        tree::Tree,
    },
    history::What,
    http::Url,
    invariants::{Broken, Invariants, node_looks},
    patch, setup,
    target::{Kubelet, Target, TargetError},
};

mod machine;

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every step did what it should.
    Passed,
    /// An expectation failed.
    Failed(Failure),
    /// The scenario asks for something that cannot be: a file that is not there, a fault that nobody knows.
    Wrong(Failure),
    /// The target failed.
    Broken(String),
    /// It cannot be played here; why.
    Skipped(String),
}

impl Ending {
    /// Whether somebody has to look at it.
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Self::Passed | Self::Skipped(_))
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to point at: the condition or the step.
    pub place: Place,
    /// What was not as expected.
    pub mismatch: Mismatch,
    /// What was being done: `eventually, within 30s`.
    pub label: String,
    /// When.
    pub at: Duration,
    /// Further things to know.
    pub notes: Vec<String>,
}

/// How a scenario went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: Ending,
    /// Conditions that the target could not tell, and why.
    pub notes: Vec<String>,
    /// How long it took in its own time.
    pub took: Duration,
}

/// Files larger than this are not changed by a step.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// When a runtime is looked at again if nothing else happens: at first.
const SOON: Duration = Duration::from_millis(100);
/// And at most.
const LATE: Duration = Duration::from_secs(3);

enum Stop {
    Fails(Box<Failure>),
    Wrong(Box<Failure>),
    Target(TargetError),
}

impl From<TargetError> for Stop {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// Plays `scenario` on `target`, which is set up for it but has nothing started but the runtime. `beside` reads files beside the scenario.
pub async fn play(
    scenario: &Scenario,
    target: &mut dyn Target,
    beside: &dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
) -> Outcome {
    // Without facts there is nothing to hold the kubelet's words against.
    let invariants = target.sees_facts().then(|| Invariants::new(scenario, target.sees_every_status()));
    let mut player = Player {
        scenario,
        target,
        beside,
        marks: BTreeMap::new(),
        notes: Vec::new(),
        exit_expected: false,
        crash: None,
        crash_may_come: false,
        dark: None,
        invariants,
    };
    player.marks.insert("start".to_owned(), Mark::default());
    let played = player.all().await;
    let took = player.target.history().now();
    let notes = std::mem::take(&mut player.notes);
    let ended = target.finish().await;
    let end = match (played, ended) {
        (Ok(()), Ok(())) => Ending::Passed,
        (Err(Stop::Fails(failure)), _) => Ending::Failed(*failure),
        (Err(Stop::Wrong(failure)), _) => Ending::Wrong(*failure),
        (Err(Stop::Target(TargetError::Unsupported(why))), _) => Ending::Skipped(why),
        (Err(Stop::Target(error)), _) | (Ok(()), Err(error)) => Ending::Broken(error.to_string()),
    };
    Outcome { end, notes, took }
}

struct Player<'a> {
    scenario: &'a Scenario,
    target: &'a mut dyn Target,
    beside: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
    marks: BTreeMap<String, Mark>,
    notes: Vec<String>,
    /// Whether the scenario has said that the kubelet exits.
    exit_expected: bool,
    /// The step that said at which call the kubelet dies, if it has not yet.
    crash: Option<Place>,
    /// Whether the kubelet may die at a call that need not come.
    crash_may_come: bool,
    /// Whether the kubelet ran when the node lost power; `None` while it has power.
    dark: Option<bool>,
    /// What must hold whatever the scenario is about.
    invariants: Option<Invariants>,
}

impl Player<'_> {
    async fn all(&mut self) -> Result<(), Stop> {
        let files = self.target.world().files.clone();
        let make = |path: &str| files.create_dir_all(Path::new(path), 0o755).map_err(|e| TargetError::io(path, e));
        make(setup::MANIFESTS)?;
        for (path, content) in &self.scenario.files {
            let path = setup::path(path);
            let bytes = match content {
                Content::Manifest(tree) => self.manifest(tree).into_bytes(),
                Content::Text(text) => text.clone().into_bytes(),
                _ => Vec::new(),
            };
            if let Some(folder) = Path::new(&path).parent().and_then(Path::to_str) {
                make(folder)?;
            }
            files.write(Path::new(&path), &bytes, 0o644).map_err(|e| TargetError::io(&path, e))?;
            self.changed(Path::new(&path));
        }
        let mut busy = Vec::new();
        for port in &self.scenario.busy_ports {
            let url = Url { host: "localhost".to_owned(), port: *port, path: "/".to_owned() };
            let address = match self.target.address(&url) {
                Address::Tcp { port, .. } => Address::tcp("127.0.0.1", port),
                unix => unix,
            };
            let listener = self.target.world().net.listen(&address).await;
            busy.push(listener.map_err(|e| TargetError::io(format!("take port {port}"), e))?);
        }
        if self.scenario.kubelet.start.unwrap_or(true) {
            self.start_kubelet().await?;
        }
        for step in &self.scenario.steps {
            let text = step.describe();
            self.target.history().push(What::Step { line: step.place.line, text });
            let done = self.step(step).await;
            self.invariants_hold(step.place)?;
            done?;
        }
        if let (Kubelet::Exited { code, message }, false) = (self.target.kubelet(), self.exit_expected) {
            let place = self.scenario.steps.last().map(|step| step.place).unwrap_or_default();
            let title = format!("the kubelet exited with code {code}, which no step expects: {message}");
            return Err(self.fails(Mismatch { place, title, differences: Vec::new() }, "by the end"));
        }
        self.crash_has_come()?;
        self.looks().await
    }

    /// Notes what a file of the manifest directory holds now.
    fn changed(&self, path: &Path) {
        let Some(text) = path.to_str().filter(|path| path.starts_with(setup::MANIFESTS)) else { return };
        let files = &self.target.world().files;
        let content = files.symlink_metadata(path).is_ok().then(|| {
            let read = files.read_to_string(path, FILE_LIMIT);
            read.ok().map(std::sync::Arc::from)
        });
        self.target.history().push(What::File { path: text.to_owned(), content });
    }

    /// Looks at what happened since the last look.
    fn invariants_hold(&mut self, place: Place) -> Result<(), Stop> {
        let Some(broken) = self.invariants.as_mut().and_then(|rules| rules.catch_up(self.target.history())) else {
            return Ok(());
        };
        Err(self.broke(&broken, place))
    }

    fn broke(&self, broken: &Broken, place: Place) -> Stop {
        let mismatch = Mismatch { place, title: broken.to_string(), differences: Vec::new() };
        let label = "must hold at every moment";
        match self.fails(mismatch, label) {
            Stop::Fails(failure) => Stop::Fails(Box::new(Failure { at: broken.at, ..*failure })),
            stop => stop,
        }
    }

    /// Asks the node, when all steps are done, what a history does not tell.
    async fn looks(&mut self) -> Result<(), Stop> {
        let place = self.scenario.steps.last().map(|step| step.place).unwrap_or_default();
        let Some(mut rules) = self.invariants.take() else { return Ok(()) };
        let history = self.target.history().clone();
        if let Some(broken) = rules.catch_up(&history) {
            return Err(self.broke(&broken, place));
        }
        if !rules.node_is_whole() {
            return Ok(());
        }
        let mut shown = || {
            rules.catch_up(&history);
            rules.shown()
        };
        let found = node_looks::look(self.scenario, self.target, &mut shown).await?;
        let found = found.into_iter().find(|broken| !rules.excepts(broken.number));
        found.map_or(Ok(()), |broken| Err(self.broke(&broken, place)))
    }

    fn fails(&self, mismatch: Mismatch, label: &str) -> Stop {
        let mut notes = Vec::new();
        if let (Kubelet::Exited { code, message }, false) = (self.target.kubelet(), mismatch.title.contains("exited")) {
            notes.push(format!("the kubelet exited with code {code}: {message}"));
        }
        let place = mismatch.place;
        Stop::Fails(Box::new(Failure {
            place,
            mismatch,
            label: label.to_owned(),
            at: self.target.history().now(),
            notes,
        }))
    }

    fn wrong(&self, step: &Step, title: String) -> Stop {
        let mismatch = Mismatch { place: step.place, title, differences: Vec::new() };
        let at = self.target.history().now();
        Stop::Wrong(Box::new(Failure { place: step.place, mismatch, label: String::new(), at, notes: Vec::new() }))
    }

    async fn step(&mut self, step: &Step) -> Result<(), Stop> {
        let files = self.target.world().files.clone();
        match &step.action {
            Action::Put { path, content, mode } => self.put(step, path, content, *mode).await?,
            Action::Move { from, to } => {
                let (from, to) = (setup::path(from), setup::path(to));
                files
                    .rename(Path::new(&from), Path::new(&to))
                    .map_err(|e| self.wrong(step, format!("{from} to {to}: {e}")))?;
                self.changed(Path::new(&from));
                self.changed(Path::new(&to));
            }
            Action::Change { path, patch } => {
                let path = setup::path(path);
                let read = files
                    .read_to_string(Path::new(&path), FILE_LIMIT)
                    .map_err(|e| self.wrong(step, format!("{path}: {e}")))?;
                let value: Tree =
                    serde_saphyr::from_str(&read).map_err(|e| self.wrong(step, format!("{path} is not YAML: {e}")))?;
                let mut value = value.to_json();
                patch::merge(&mut value, &self.target.manifest(patch.to_json()));
                let text = yaml(&Tree::from(value));
                files
                    .write(Path::new(&path), text.as_bytes(), 0o644)
                    .map_err(|e| self.wrong(step, format!("{path}: {e}")))?;
                self.changed(Path::new(&path));
            }
            Action::Remove(path) => {
                let text = setup::path(path);
                let path = Path::new(&text);
                let directory =
                    files.symlink_metadata(path).is_ok_and(|facts| facts.kind == world::files::FileKind::Directory);
                let removed = if directory { files.remove_dir_all(path) } else { files.remove_file(path) };
                removed.map_err(|e| self.wrong(step, format!("{text}: {e}")))?;
                self.changed(path);
            }
            Action::Get(condition) => self.now(std::slice::from_ref(&**condition), "asked once").await?,
            Action::Assert(conditions) => self.now(conditions, "now").await?,
            Action::Eventually(conditions, within) => self.eventually(conditions, *within).await?,
            Action::Always(conditions, stretch) => self.stretch(conditions, stretch, Stretched::Always).await?,
            Action::Never(conditions, stretch) => self.stretch(conditions, stretch, Stretched::Never).await?,
            Action::Mark(name) => {
                let mark = self.mark();
                self.marks.insert(name.clone(), mark);
            }
            Action::Wait(length) => tokio::time::sleep(*length).await,
            Action::Kubelet(action) => self.kubelet(*action).await?,
            Action::Crash(point) => self.crash(step.place, point).await?,
            Action::Node(action) => self.node(*action).await?,
            Action::Clock(by, after) => self.target.step_clock(*by, after.unwrap_or_default())?,
            Action::Runtime(action) => self.target.runtime(*action).await.map_err(|e| self.scenario_error(step, e))?,
            Action::Faults(faults) => {
                let faults = faults.iter().map(Tree::to_json).collect::<Vec<Value>>();
                self.target.set_faults(faults).await.map_err(|e| self.scenario_error(step, e))?;
            }
        }
        Ok(())
    }

    fn scenario_error(&self, step: &Step, error: TargetError) -> Stop {
        match error {
            TargetError::Scenario(title) => self.wrong(step, title),
            error => Stop::Target(error),
        }
    }

    async fn put(&mut self, step: &Step, path: &str, content: &Content, mode: u32) -> Result<(), Stop> {
        let files = self.target.world().files.clone();
        let text = {
            let mut scene = Scene::now(self.target, &self.marks);
            expand(&setup::path(path), &mut scene).await
        };
        let text = text.map_err(|e| self.wrong(step, e))?;
        let path = Path::new(&text);
        let done = match content {
            Content::Manifest(tree) => files.write(path, self.manifest(tree).as_bytes(), mode),
            Content::Text(text) => files.write(path, text.as_bytes(), mode),
            Content::Filler(size) => files.write(path, &vec![b'#'; usize::try_from(*size).unwrap_or(0)], mode),
            Content::Directory => files.create_dir(path, 0o755),
            Content::Link(target) => files.symlink(Path::new(target), path),
            Content::From(name) => {
                let bytes = (self.beside)(&self.scenario.folder.join(name))
                    .map_err(|e| self.wrong(step, format!("{name}: {e}")))?;
                files.write(path, &bytes, mode)
            }
        };
        done.map_err(|e| self.wrong(step, format!("{text}: {e}")))?;
        self.changed(path);
        Ok(())
    }

    /// A manifest's text as it is to be on this target.
    fn manifest(&self, tree: &Tree) -> String {
        yaml(&Tree::from(self.target.manifest(tree.to_json())))
    }

    async fn now(&mut self, conditions: &[Condition], label: &str) -> Result<(), Stop> {
        if let Some(mismatch) = self.first_failing(conditions, true).await {
            return Err(self.fails(mismatch, label));
        }
        Ok(())
    }

    /// The first condition that does not hold now.
    async fn first_failing(&mut self, conditions: &[Condition], record: bool) -> Option<Mismatch> {
        let mut unknown = Vec::new();
        let mut failing = None;
        let mut scene = Scene::now(self.target, &self.marks);
        for condition in conditions {
            match scene.check(condition, record).await {
                Verdict::Holds => {}
                Verdict::Unknown(why) => unknown.push((condition.place.line, why)),
                Verdict::Fails(mismatch) => {
                    failing = Some(mismatch);
                    break;
                }
            }
        }
        for (line, why) in unknown {
            self.note(line, &why);
        }
        if failing.is_none() && conditions.iter().any(expects_exit) {
            self.exit_expected = true;
        }
        failing
    }

    fn note(&mut self, line: u64, why: &str) {
        let note = format!("line {line} was not checked: {why}");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    async fn eventually(&mut self, conditions: &[Condition], within: Duration) -> Result<(), Stop> {
        let history = self.target.history().clone();
        let end = tokio::time::Instant::now() + self.target.patience(within);
        let mut quiet = SOON;
        loop {
            if let Some(first) = conditions.first() {
                self.invariants_hold(first.place)?;
            }
            let known = history.len();
            let Some(mismatch) = self.first_failing(conditions, false).await else { return Ok(()) };
            if tokio::time::Instant::now() >= end {
                let label = format!("not within {}", crate::format::length::Length(within));
                return Err(self.fails(mismatch, &label));
            }
            // A look at the runtime is itself a call that is recorded: that alone is no reason to look again at once.
            let busy = history.len() > known;
            // The longer nothing else happens, the longer it may take until something does.
            let pace = if busy { quiet } else { self.target.pace() };
            let known = history.len();
            let pace = (tokio::time::Instant::now() + pace).min(end);
            tokio::select! {
                biased;
                () = history.grown_beyond(known) => quiet = SOON,
                () = tokio::time::sleep_until(pace) => quiet = (quiet * 2).min(LATE),
            }
        }
    }

    fn mark(&self) -> Mark {
        let history = self.target.history();
        Mark { index: history.len(), at: history.now() }
    }

    async fn stretch(&mut self, conditions: &[Condition], stretch: &Stretch, which: Stretched) -> Result<(), Stop> {
        let from = match stretch {
            Stretch::Since(mark) => self.marks.get(mark).copied().unwrap_or_default(),
            Stretch::Next(length) => {
                let from = self.mark();
                tokio::time::sleep(*length).await;
                from
            }
        };
        let mut found = Vec::new();
        for condition in conditions {
            let mut scene = Scene::now(self.target, &self.marks);
            found.push((condition.place.line, over(&mut scene, condition, which, from).await));
        }
        let word = if which == Stretched::Always { "always" } else { "never" };
        for (line, verdict) in found {
            match verdict {
                Verdict::Holds => {}
                Verdict::Unknown(why) => self.note(line, &why),
                Verdict::Fails(mismatch) => return Err(self.fails(mismatch, word)),
            }
        }
        Ok(())
    }
}

fn expects_exit(condition: &Condition) -> bool {
    matches!(condition.check, Check::Kubelet { state: KubeletState::Exited, .. })
}
