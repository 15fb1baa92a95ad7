//! Tabs where Go's YAML reader takes none: before what a line of block style begins with. Other readers pass over most of them.

use std::ops::Range;

use granit_parser::ScalarStyle;

/// A part of the text inside which tabs are somebody else's matter: a scalar, or a flow collection.
#[derive(Debug)]
pub(super) struct Covered {
    pub(super) range: Range<usize>,
    /// Of a scalar.
    pub(super) style: Option<ScalarStyle>,
}

/// A collection ends: one in flow style covers all from its bracket on.
pub(super) fn close(text: &str, covered: &mut [Covered], end: usize) {
    let open = |each: &&mut Covered| {
        each.style.is_none() && text.get(each.range.clone()).is_some_and(|all| !all.ends_with([']', '}']))
    };
    let closes = text.get(..end).is_some_and(|all| all.ends_with([']', '}']));
    if closes && let Some(open) = covered.iter_mut().rev().find(open) {
        open.range.end = end;
    }
}

/// The first stray tab: its line, from 1, and what Go says of it.
pub(super) fn stray(text: &str, covered: &[Covered]) -> Option<(usize, &'static str)> {
    let mut begin = 0;
    let mut indent = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let blank = line.trim().is_empty();
        if let Some(column) = tab_before_content(line) {
            let at = begin + column;
            let inside = covered.iter().any(|each| each.range.start < at && at < each.range.end);
            let before = covered.iter().filter(|each| each.range.end <= at).max_by_key(|each| each.range.end);
            let style = before.and_then(|each| each.style);
            // Behind a plain scalar it may be the start of more of it.
            let harmless = inside || (style == Some(ScalarStyle::Plain) && blank && column > indent);
            if !harmless {
                let what = match style {
                    Some(ScalarStyle::Plain) => "found a tab character that violates indentation",
                    Some(ScalarStyle::Literal | ScalarStyle::Folded) => {
                        "found a tab character where an indentation space is expected"
                    }
                    _ => "found character that cannot start any token",
                };
                return Some((number + 1, what));
            }
        }
        if !blank {
            indent = line.len() - line.trim_start_matches(' ').len();
        }
        begin += line.len();
    }
    None
}

/// The column of a tab among the blanks and indicators at the start of a line.
fn tab_before_content(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    for (column, byte) in bytes.iter().enumerate() {
        match byte {
            b'\t' => return Some(column),
            b' ' => {}
            b'-' | b'?' | b':' if matches!(bytes.get(column + 1), Some(b' ' | b'\t')) => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::api::decode;

    #[rstest]
    #[case("\ta: 1\n", false)]
    #[case("a:\n\t\nb: 1\n", false)]
    #[case("a: 'x'\n\t\nb: 1\n", false)]
    #[case("a: x\n\t\nb: 1\n", false)]
    #[case("a: x\n \t\nb: 1\n", true)]
    #[case("a: x\n \ty\nb: 1\n", true)]
    #[case("a:\n  b: 1\n  \t\n  c: 2\n", false)]
    #[case("a: |\n  x\n\t\nb: 1\n", false)]
    #[case("a: |\n  x\n  \ty\nb: 1\n", true)]
    #[case("a: [1,\n\t2]\nb: 1\n", true)]
    #[case("a: \"x\n\ty\"\n", true)]
    #[case("a:\t1\t# c\n", true)]
    #[case("-\t1\n", false)]
    #[case("?\ta\n: 1\n", false)]
    #[case("a:\n  - b\n\t# c\n", false)]
    fn tabs(#[case] text: &str, #[case] good: bool) {
        assert_eq!(decode::document(text.as_bytes()).is_ok(), good, "{:?}", decode::document(text.as_bytes()));
    }
}
