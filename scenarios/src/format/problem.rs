//! What is wrong with a scenario file, shown as rustc shows it: title, the line with a caret, help. Not failures of a run: those are
//! `report`'s.

use std::{fmt, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::place::Place;

/// A file as it was read: its name for people, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name shown to people: the path as given.
    pub path: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Shows `place` under `title`, with a word at the caret, and help below. `styled` adds colours.
    pub fn show(&self, title: &str, place: Option<Place>, label: &str, help: Option<&str>, styled: bool) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(title));
        let snippet = Snippet::source(self.text.as_ref()).path(self.path.as_ref());
        if let Some(place) = place {
            group = group.element(snippet.annotation(AnnotationKind::Primary.span(self.caret(place)).label(label)));
        } else {
            group = group.element(annotate_snippets::Origin::path(self.path.as_ref()));
        }
        if let Some(help) = help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// What to underline: the part of the place that is on its first line.
    fn caret(&self, place: Place) -> std::ops::Range<usize> {
        let end = self.text.len();
        let mut start = place.offset.min(end);
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let line = self.text.get(start..).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default();
        let length = if place.length == 0 { line.trim_end().len() } else { place.length.min(line.trim_end().len()) };
        let mut stop = start + length.max(1).min(end - start);
        while !self.text.is_char_boundary(stop) {
            stop += 1;
        }
        start..stop
    }
}

/// One thing that is wrong with a scenario file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The file.
    pub source_file: Source,
    /// Where, if it is about one place.
    pub place: Option<Place>,
    /// What is wrong, in one line.
    pub title: String,
    /// What to write at the caret.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// The problem as people see it.
    pub fn render(&self, styled: bool) -> String {
        self.source_file.show(&self.title, self.place, &self.label, self.help.as_deref(), styled)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// What a check says of one place, before the file's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where.
    pub place: Place,
    /// What is wrong, in one line.
    pub title: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Complaint {
    /// A complaint.
    pub fn new(place: Place, title: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self { place, title: title.into(), help: help.into() }
    }
}

/// The one of `known` that `word` probably means.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|k| (strsim::damerau_levenshtein(word, k), k)).min()?;
    (best.0 <= 1 + word.len() / 4).then_some(best.1)
}
