//! Flat mappings of which one key says what they are: finds that key and refuses keys that do not go with it. Knows no key itself.

use indexmap::IndexMap;

use super::{place::Place, problem::Complaint};

/// The one key of `table` that is present, given that all other present keys are among those that go with it. `name` is always welcome.
pub(super) fn one_head(
    place: Place,
    what: &str,
    table: &[(&'static str, &[&str])],
    present: &IndexMap<&'static str, bool>,
) -> Result<&'static str, Complaint> {
    let present: Vec<&str> = present.iter().filter(|(_, there)| **there).map(|(key, _)| *key).collect();
    let heads: Vec<_> = table.iter().filter(|(head, _)| present.contains(head)).collect();
    let all = || table.iter().map(|(head, _)| *head).collect::<Vec<_>>().join(", ");
    let (head, further) = match heads.as_slice() {
        [one] => one,
        [] => {
            let for_key = |key: &str| {
                table.iter().filter(|(_, keys)| keys.contains(&key)).map(|(head, _)| *head).collect::<Vec<_>>()
            };
            let help = match present.first() {
                Some(key) => format!("`{key}` goes with {}", for_key(key).join(", ")),
                None => format!("write one of {}", all()),
            };
            return Err(Complaint::new(place, format!("this {what} does not say what it is"), Some(help)));
        }
        [(one, _), (two, _), ..] => {
            let help = Some(format!("make two {what}s of it"));
            return Err(Complaint::new(place, format!("this {what} is both `{one}` and `{two}`"), help));
        }
    };
    match present.iter().find(|key| *key != head && !further.contains(*key)) {
        None => Ok(head),
        Some(key) => {
            let help = if further.is_empty() {
                format!("nothing goes with `{head}`")
            } else {
                format!("with `{head}` go {}", further.join(", "))
            };
            Err(Complaint::new(place, format!("`{key}` does not go with `{head}`"), Some(help)))
        }
    }
}
