//! From a file's text to a checked scenario, or to what is wrong with it.

use std::path::{Path, PathBuf};

use serde_saphyr::Error;

use super::{
    LIMIT, Problem, Scenario, ScenarioForm, Source, TargetKind,
    place::Place,
    problem::{Complaint, suggestion},
    step::Content,
    tree::Tree,
};

/// Reads a scenario. `path` is what people see and where files beside it are looked for.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(path: &str, text: &str) -> Result<Scenario, Box<Problem>> {
    let source = Source::new(path, text);
    let form: ScenarioForm = match serde_saphyr::from_str_with_options(text, options()) {
        Ok(form) => form,
        Err(error) => return Err(Box::new(explain(&source, error.without_snippet()))),
    };
    check(&source, form).map_err(|complaint| {
        let Complaint { place, title, help } = complaint;
        Box::new(Problem { source_file: source, place: Some(place), title, label: String::new(), help })
    })
}

fn options() -> serde_saphyr::Options {
    // A key that stands twice is an error already; what is left is reading booleans as people write them in Kubernetes.
    serde_saphyr::options! { strict_booleans: true, with_snippet: false }
}

fn check(source: &Source, form: ScenarioForm) -> Result<Scenario, Complaint> {
    let id = source.path.trim_start_matches("./").trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
    let stem = id.rsplit('/').next().unwrap_or(&id).to_owned();
    if form.steps.is_empty() {
        let help = "write at least one step: a scenario without steps shows nothing".to_owned();
        return Err(Complaint::new(Place { line: 1, column: 1, ..Place::default() }, "there are no steps", help));
    }
    if let Some(number) = form.except_invariants.keys().find(|number| !(1..=38).contains(*number)) {
        let help = "invariants have the numbers 1 to 38; `podlab invariants` lists them".to_owned();
        let title = format!("there is no invariant {number}");
        return Err(Complaint::new(Place { line: 1, column: 1, ..Place::default() }, title, help));
    }
    let mut marks = vec!["start".to_owned()];
    let mut steps = Vec::new();
    for step in form.steps {
        let step = step.check()?;
        marks_known(&step, &marks)?;
        if let super::step::Action::Mark(name) = &step.action {
            marks.push(name.clone());
        }
        steps.push(step);
    }
    let texts = form.files.into_iter().map(|(path, text)| (path, Content::Text(text)));
    let manifests = form.manifests.into_iter().map(|(path, tree)| (path, Content::Manifest(tree)));
    let folder = Path::new(source.path.as_ref()).parent().map_or_else(PathBuf::new, Path::to_owned);
    Ok(Scenario {
        source: source.clone(),
        folder,
        id,
        name: form.name.unwrap_or(stem),
        description: form.description,
        upstream: form.upstream,
        known_upstream_bug: form.known_upstream_bug,
        tags: form.tags,
        seed: form.seed.unwrap_or(1),
        limit: form.limit.map_or(LIMIT, |length| length.0),
        targets: form.targets.unwrap_or_else(|| vec![TargetKind::Sim, TargetKind::Process]),
        except: form.except_invariants,
        kubelet: form.kubelet,
        runtime: form.runtime,
        files: texts.chain(manifests).collect(),
        busy_ports: form.busy_ports,
        steps,
    })
}

/// Refuses a mark that is not set before it is used.
fn marks_known(step: &super::step::Step, marks: &[String]) -> Result<(), Complaint> {
    use super::{
        condition::Check,
        step::{Action, Stretch},
    };
    let conditions = match &step.action {
        Action::Eventually(all, _) | Action::Assert(all) | Action::Always(all, _) | Action::Never(all, _) => {
            all.as_slice()
        }
        _ => &[],
    };
    let bounds = conditions.iter().filter_map(|condition| match &condition.check {
        Check::Recorded(_, count) => Some((condition.place, &count.bounds)),
        Check::Related(_, _, _, bounds) => Some((condition.place, bounds)),
        _ => None,
    });
    let bounds = bounds.flat_map(|(place, bounds)| [(place, &bounds.since), (place, &bounds.until)]);
    let counted = bounds.filter_map(|(place, mark)| Some((place, mark.as_ref()?)));
    let stretch = match &step.action {
        Action::Always(_, Stretch::Since(mark)) | Action::Never(_, Stretch::Since(mark)) => Some((step.place, mark)),
        _ => None,
    };
    for (place, mark) in counted.chain(stretch) {
        if !marks.contains(mark) {
            let help = suggestion(mark, marks.iter().map(String::as_str)).map(|m| format!("did you mean `{m}`?"));
            return Err(Complaint::new(place, format!("no step before this one sets the mark `{mark}`"), help));
        }
    }
    Ok(())
}

/// A tree as a YAML document.
pub fn yaml(tree: &Tree) -> String {
    serde_yaml::to_string(&tree.to_json()).expect("JSON is YAML")
}

/// What the YAML reader says, in our words, with a suggestion where a word is unknown.
fn explain(source: &Source, error: &Error) -> Problem {
    let place = error.location().map(Place::from).filter(|place| place.line > 0);
    let list = |known: &[&str]| format!("known are {}", known.join(", "));
    let (title, label, help) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let help = suggestion(field, expected.iter().copied()).map(|word| format!("did you mean `{word}`?"));
            (format!("unknown key `{field}`"), "not known here", Some(help.unwrap_or_else(|| list(expected))))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let help = suggestion(variant, expected.iter().copied()).map(|word| format!("did you mean `{word}`?"));
            (format!("unknown word `{variant}`"), "not known here", Some(help.unwrap_or_else(|| list(expected))))
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("this is {unexpected}, wanted is {expected}"), "wrong kind of value", None)
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("of a mapping");
            (format!("the key `{key}` stands twice"), "second one", Some("remove one of the two".to_owned()))
        }
        other => {
            let text = other.to_string();
            // The reader puts the place in front of its message; the snippet says it better.
            let line = text.lines().next().unwrap_or_default();
            let line = line.rfind(" at line ").and_then(|at| line.get(..at)).unwrap_or(line);
            match line.split_once(": write ") {
                Some((title, help)) => (title.to_owned(), "", Some(format!("write {help}"))),
                None => (line.to_owned(), "", None),
            }
        }
    };
    Problem { source_file: source.clone(), place, title, label: label.to_owned(), help }
}
