//! Where the first document of a text begins and ends: markers and directives, as Go's YAML library takes them.

/// The text up to the second document. A document marker stands at the start of a line, whatever surrounds it; so do directives.
pub(super) fn first_document(text: &str) -> &str {
    let mut at = 0;
    let mut content = false;
    for line in text.split_inclusive('\n') {
        let directive = marks(line, "%YAML") || marks(line, "%TAG");
        if content && (marks(line, "---") || marks(line, "...") || directive) {
            return &text[..at];
        }
        let bare = line.trim_start();
        // A marker opens the document even when nothing follows it.
        content |= marks(line, "---") || !(bare.is_empty() || bare.starts_with('#') || line.starts_with('%'));
        at += line.len();
    }
    text
}

/// What is wrong before the first document begins: the line, from 1, and what Go says of it.
pub(super) fn complaint(text: &str) -> Option<(usize, &'static str)> {
    for (number, line) in text.split('\n').enumerate() {
        let bare = line.trim();
        if marks(line, "...") {
            return Some((number + 1, "did not find expected node content"));
        }
        if let Some(directive) = line.strip_prefix('%') {
            let mut words = directive.split([' ', '\t', '\r']);
            let why = match words.next().unwrap_or_default() {
                "TAG" => continue,
                "YAML" if words.find(|word| !word.is_empty()) == Some("1.1") => continue,
                "YAML" => "found incompatible YAML document",
                "" => "could not find expected directive name",
                _ => "found unknown directive name",
            };
            return Some((number + 1, why));
        }
        if !(bare.is_empty() || bare.starts_with('#')) {
            return None;
        }
    }
    None
}

fn marks(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a: 1\n---\nb: 2\n", "a: 1\n")]
    #[case("# c\n---\na: 1\n...\nb: 2\n", "# c\n---\na: 1\n")]
    #[case("%YAML 1.1\n---\na: 1\n%YAML 1.1\n---\nb: 2\n", "%YAML 1.1\n---\na: 1\n")]
    fn a_document_ends_at_a_marker_or_a_directive(#[case] text: &str, #[case] first: &str) {
        assert_eq!(first_document(text), first);
    }

    #[rstest]
    #[case("...\na: 1\n", Some((1, "did not find expected node content")))]
    #[case("# c\n\n...\n", Some((3, "did not find expected node content")))]
    #[case("%YAML 1.2\n---\na: 1\n", Some((1, "found incompatible YAML document")))]
    #[case("%FOO\n---\n", Some((1, "found unknown directive name")))]
    #[case("% x\n---\n", Some((1, "could not find expected directive name")))]
    #[case("%YAML 1.1\n%TAG ! x\n---\na: 1\n...\n", None)]
    fn prologues_are_looked_through(#[case] text: &str, #[case] want: Option<(usize, &str)>) {
        assert_eq!(complaint(text), want);
    }
}
