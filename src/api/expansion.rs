//! `$(VAR)` references in commands, arguments and environment values, as upstream's third_party expansion package reads
//! them. Where the variables come from is the caller's business.

/// What a request to the runtime can hold: 16 MiB. Variables that double each other grow past every bound; once a text is this long,
/// references in it stay as they are written, and whoever asked finds it too long to send.
pub const LIMIT: usize = 16 << 20;

/// Expands `$(NAME)` in `input`. `lookup` gives a variable's value; an unknown reference stays as it is written.
/// `$$` stands for one `$` (so `$$(NAME)` comes out as `$(NAME)`); an unterminated `$(` and any other `$x` stay.
pub fn expand<F>(input: &str, mut lookup: F) -> String
where
    F: FnMut(&str) -> Option<String>,
{
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    // Once no reference ends, none further on does.
    let mut closed = true;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(tail) = after.strip_prefix('(') {
            let end = if closed { tail.find(')') } else { None };
            closed = end.is_some();
            match end {
                Some(end) => {
                    let name = &tail[..end];
                    match lookup(name).filter(|value| out.len() + value.len() <= LIMIT) {
                        Some(value) => out.push_str(&value),
                        None => {
                            out.push_str("$(");
                            out.push_str(name);
                            out.push(')');
                        }
                    }
                    rest = &tail[end + 1..];
                }
                None => {
                    out.push_str("$(");
                    rest = tail;
                }
            }
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn known(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "REF" => Some("$(A)".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[rstest]
    #[case("$(A)", "a")]
    #[case("x$(A)y$(A)", "xaya")]
    #[case("$(REF)", "$(A)")]
    #[case("[$(EMPTY)]", "[]")]
    #[case("$(NOPE)-$(A)", "$(NOPE)-a")]
    #[case("$$(A)", "$(A)")]
    #[case("$$$(A)", "$a")]
    #[case("$$$$(A)", "$$(A)")]
    #[case("$(A", "$(A")]
    #[case("$(A$(A)", "$(A$(A)")]
    #[case("$A ${A} $", "$A ${A} $")]
    #[case("$()", "$()")]
    #[case("$(A)$", "a$")]
    fn references_expand(#[case] input: &str, #[case] want: &str) {
        assert_eq!(expand(input, known), want);
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_stays(text in "[^$]*") {
            prop_assert_eq!(expand(&text, known), text);
        }

        #[test]
        fn doubled_dollars_always_come_back(text in ".*") {
            prop_assert_eq!(expand(&text.replace('$', "$$"), known), text);
        }
    }
}
