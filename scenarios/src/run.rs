//! Runs scenarios: each on a fresh target, several at a time, and hands the results out in the order of the list. Prints nothing.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::time::Instant;
use world::{
    Tasks,
    sim::{Limits, SimError, SimWorld},
};

use crate::{
    check::Mismatch,
    corpus::Shelf,
    format::{Scenario, TargetKind, place::Place},
    history::{Entry, History},
    needs,
    play::{Ending, Failure, Outcome, play},
    target::{TargetError, sim::SimTarget},
};

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Against what.
    pub target: TargetKind,
    /// Where files beside scenarios are.
    pub shelf: Shelf,
    /// Instead of each scenario's own seed.
    pub seed: Option<u64>,
    /// process: the kubelet's binary.
    pub kubelet: Option<PathBuf>,
    /// process: the socket of a runtime that runs already.
    pub cri: Option<String>,
    /// process: those that take longer in simulation are skipped.
    pub longest: Option<Duration>,
    /// process: how much later than the scenario says things may happen.
    pub slack: Duration,
    /// How many scenarios at a time.
    pub jobs: NonZeroUsize,
}

impl Options {
    /// Scenarios' own seeds, no kubelet, our own runtime, however long it takes.
    pub fn new(target: TargetKind, shelf: Shelf, jobs: NonZeroUsize) -> Self {
        Self { target, shelf, seed: None, kubelet: None, cri: None, longest: None, slack: SLACK, jobs }
    }
}

/// By how much things may be late in wall time: on a machine that has more to do.
pub const SLACK: Duration = Duration::from_secs(2);

/// How one scenario went.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The seed it had.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// All that happened.
    pub entries: Vec<Entry>,
    /// How long it took on the wall clock.
    pub wall: Duration,
}

/// How long a simulation may take on the wall clock.
const WALL_LIMIT: Duration = Duration::from_secs(60);

/// Runs one scenario.
pub fn run_one(scenario: &Arc<Scenario>, options: &Options) -> RunResult {
    let started = Instant::now();
    let seed = options.seed.unwrap_or(scenario.seed);
    let run = || {
        if let Some(why) = needs::unmet(scenario, options) {
            return (skipped(why), Vec::new());
        }
        match options.target {
            TargetKind::Sim => simulate(scenario, seed, options.shelf.clone()),
            TargetKind::Process => match lasts_too_long(scenario, seed, options) {
                Some(why) => (skipped(why), Vec::new()),
                None => crate::target::process::run(scenario, seed, options),
            },
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(run));
    let (outcome, entries) = ran.unwrap_or_else(|panic| (broken(panicked(&*panic)), Vec::new()));
    RunResult { scenario: scenario.clone(), seed, outcome, entries, wall: started.elapsed() }
}

/// Why a scenario lasts too long to be played in real time, if it does. Simulation, which takes milliseconds, is what tells.
fn lasts_too_long(scenario: &Arc<Scenario>, seed: u64, options: &Options) -> Option<String> {
    options.longest?;
    let (outcome, _) = simulate(scenario, seed, options.shelf.clone());
    needs::too_long(outcome.took, options.longest)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("(no message)"))
}

pub(crate) fn broken(why: String) -> Outcome {
    Outcome { end: Ending::Broken(why), notes: Vec::new(), took: Duration::ZERO }
}

fn skipped(why: String) -> Outcome {
    Outcome { end: Ending::Skipped(why), notes: Vec::new(), took: Duration::ZERO }
}

/// An outcome from what kept a target from being set up.
pub(crate) fn not_set_up(error: TargetError) -> Outcome {
    match error {
        TargetError::Unsupported(why) => skipped(why),
        TargetError::Scenario(title) => {
            let place = Place { line: 1, column: 1, ..Place::default() };
            let mismatch = Mismatch { place, title, differences: Vec::new() };
            let failure = Failure { place, mismatch, label: String::new(), at: Duration::ZERO, notes: Vec::new() };
            Outcome { end: Ending::Wrong(failure), notes: Vec::new(), took: Duration::ZERO }
        }
        error => broken(error.to_string()),
    }
}

fn simulate(scenario: &Arc<Scenario>, seed: u64, shelf: Shelf) -> (Outcome, Vec<Entry>) {
    let limits = Limits { virtual_time: scenario.limit, real_time: WALL_LIMIT };
    // The history is looked at even when the simulation never comes back.
    let slot: Arc<Mutex<Option<History>>> = Arc::default();
    let (played, given) = (scenario.clone(), slot.clone());
    let result = world::sim::run(seed, limits, move |sim: SimWorld, tasks: Tasks| async move {
        let mut target = match SimTarget::new(&played, sim, tasks).await {
            Ok(target) => target,
            Err(error) => return not_set_up(error),
        };
        *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(crate::target::Target::history(&target).clone());
        let _logs = target.capture_logs();
        play(&played, &mut target, &|path| shelf.read(path)).await
    });
    let history = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let entries = history.map(|history| history.since(0)).unwrap_or_default();
    let last = entries.last().map_or(Duration::ZERO, |entry| entry.at);
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(SimError::VirtualTime { limit, alive, .. }) => {
            let place = last_step(scenario, &entries);
            let title = format!("the scenario's limit of {} is over", crate::format::length::Length(limit));
            let mismatch = Mismatch { place, title, differences: Vec::new() };
            let notes = vec![format!("alive: {}", alive.join(", "))];
            let failure = Failure { place, mismatch, label: "when the limit was reached".to_owned(), at: limit, notes };
            Outcome { end: Ending::Failed(failure), notes: Vec::new(), took: limit }
        }
        Err(error) => Outcome { end: Ending::Broken(error.to_string()), notes: Vec::new(), took: last },
    };
    (outcome, entries)
}

/// The place of the step that was being done last.
fn last_step(scenario: &Scenario, entries: &[Entry]) -> Place {
    let line = entries.iter().rev().find_map(|entry| match &entry.what {
        crate::history::What::Step { line, .. } => Some(*line),
        _ => None,
    });
    let step = scenario.steps.iter().find(|step| Some(step.place.line) == line);
    step.or(scenario.steps.first()).map(|step| step.place).unwrap_or_default()
}

/// Runs all scenarios and gives each result to `done`, in the order of the list.
pub fn run_all(scenarios: &[Arc<Scenario>], options: &Options, mut done: impl FnMut(RunResult)) {
    let next = Mutex::new(0usize);
    let (to, from) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..options.jobs.get().min(scenarios.len()) {
            let (to, next) = (to.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = {
                        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                        *next += 1;
                        *next - 1
                    };
                    let Some(scenario) = scenarios.get(index) else { return };
                    // Nobody listens when the receiver panicked.
                    let _ = to.send((index, run_one(scenario, options)));
                }
            });
        }
        drop(to);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        while let Ok((index, result)) = from.recv() {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&due) {
                done(result);
                due += 1;
            }
        }
    });
}
