//! Quoting texts so that a shell would read them back: for `set -x`, `set`, `export -p` and `trap`, in busybox's form.

/// Words of the language, which a trace quotes where they are arguments.
pub(super) const KEYWORDS: [&str; 16] = [
    "!", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "then", "until", "while",
    "{",
];

/// A text in single quotes; what is a single quote itself stands in double ones.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut rest = text;
    loop {
        let (plain, after) = match rest.find('\'') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if !plain.is_empty() || text.is_empty() {
            quoted.push('\'');
            quoted.push_str(plain);
            quoted.push('\'');
        }
        let quotes = after.len() - after.trim_start_matches('\'').len();
        if quotes == 0 {
            return quoted;
        }
        quoted.push('"');
        quoted.push_str(&after[..quotes]);
        quoted.push('"');
        rest = &after[quotes..];
        if rest.is_empty() {
            return quoted;
        }
    }
}

/// A text, in quotes if a shell would not read it as one plain word.
pub(super) fn quote_if_needed(text: &str) -> String {
    let special = |b: u8| b < b'+' || (b';'..=b'?').contains(&b) || matches!(b, b'`' | b'[' | b'\\') || b > b'z';
    if text.is_empty() || KEYWORDS.contains(&text) || text.bytes().any(special) { quote(text) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::quote_if_needed;

    #[rstest]
    #[case("plain-1.2/x", "plain-1.2/x")]
    #[case("", "''")]
    #[case("a b", "'a b'")]
    #[case("it's", "'it'\"'\"'s'")]
    #[case("'", "\"'\"")]
    #[case("[", "'['")]
    #[case("]", "]")]
    #[case("=", "'='")]
    #[case("in", "'in'")]
    fn what_needs_quotes_gets_them(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quote_if_needed(text), expected);
    }
}
