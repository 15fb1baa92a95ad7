//! How many entries of the history there are to be, and in which stretch of it: as checked. Not which entries.

use std::time::Duration;

use super::ConditionForm;
use crate::format::{place::Place, problem::Complaint};

/// A stretch of the history, by marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Only what comes after this mark.
    pub since: Option<String>,
    /// Only what comes before this one.
    pub until: Option<String>,
}

/// How many entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Exactly that many.
    pub times: Option<usize>,
    /// At least that many.
    pub at_least: usize,
    /// At most that many.
    pub at_most: Option<usize>,
    /// at most: in any time that long.
    pub per: Option<Duration>,
    /// Where.
    pub bounds: Bounds,
    /// The times between one and the next.
    pub spacing: Option<Vec<Duration>>,
    /// How far off those may be.
    pub give_or_take: Option<Duration>,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            times: None,
            at_least: 1,
            at_most: None,
            per: None,
            bounds: Bounds::default(),
            spacing: None,
            give_or_take: None,
        }
    }
}

impl Count {
    /// Checks that such a number can be.
    pub(super) fn check(form: &ConditionForm, place: Place) -> Result<Self, Complaint> {
        let wrong = |title: String, help: &str| Err(Complaint::new(place, title, Some(help.to_owned())));
        if form.times.is_some() && (form.at_least.is_some() || form.at_most.is_some()) {
            return wrong(
                "`times` leaves nothing open".to_owned(),
                "write `times`, or one or both of `at-least` and `at-most`",
            );
        }
        if let (Some(least), Some(most)) = (form.at_least, form.at_most)
            && least > most
        {
            return wrong(format!("at least {least} and at most {most} cannot be"), "turn them round");
        }
        if form.per.is_some_and(|per| per.0.is_zero()) {
            return wrong("nothing happens in no time".to_owned(), "write a length of time, such as `per: 1m`");
        }
        if form.per.is_some() && form.at_most.is_none() {
            return wrong("`per` needs `at-most`".to_owned(), "write how many there may be in any time that long");
        }
        Ok(Self {
            times: form.times,
            // A budget may be left alone.
            at_least: form.at_least.unwrap_or(usize::from(form.at_most.is_none())),
            at_most: form.at_most,
            per: form.per.map(|length| length.0),
            bounds: form.bounds(),
            spacing: form.spacing.as_ref().map(|all| all.iter().map(|length| length.0).collect()),
            give_or_take: form.give_or_take.map(|length| length.0),
        })
    }

    /// Whether it says nothing but that something is there.
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
