//! POSIX regular expressions as grep, sed and pgrep take them, carried out by the `regex` crate. Back-references within a pattern are
//! not supported.

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Regex(regex::Regex);

/// Most memory that one expression may take.
const SIZE_LIMIT: usize = 1 << 20;

/// A POSIX expression in the crate's syntax. What is special unescaped in one kind is special escaped in the other.
fn translate(pattern: &str, extended: bool) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    // At the start of an expression or a group: there `*` and, in the basic kind, `^` mean something else.
    let mut start = true;
    while let Some(c) = chars.next() {
        let was_start = std::mem::replace(&mut start, false);
        match c {
            '\\' => match chars.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) if !extended => {
                    out.push(special);
                    start = matches!(special, '(' | '|');
                }
                Some(class @ ('w' | 'W' | 's' | 'S' | 'b' | 'B')) => out.extend(['\\', class]),
                Some('<' | '>') => out.push_str("\\b"),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' if !extended => out.extend(['\\', c]),
            '*' if was_start => out.push_str("\\*"),
            '^' if !extended && !was_start => out.push_str("\\^"),
            '$' if !extended && chars.peek().is_some() && !rest_closes(&mut chars.clone()) => out.push_str("\\$"),
            '[' => set(&mut chars, &mut out),
            other => {
                out.push(other);
                start = matches!(other, '(' | '|' | '^');
            }
        }
    }
    out
}

/// Whether what follows ends a group or a branch of the basic kind.
fn rest_closes(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    chars.next() == Some('\\') && matches!(chars.next(), Some(')' | '|'))
}

/// A bracket expression, whose `[` is read: only classes are special in it, and a first `]` stands for itself.
fn set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    if chars.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    while let Some(c) = chars.next() {
        match c {
            ']' => break,
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | '\\' | '&' | '~' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out.push(']');
}

impl Regex {
    /// Reads an expression: basic, `extended`, or `fixed` text. `None` if it is none.
    pub(crate) fn new(pattern: &str, extended: bool, fixed: bool, ignore_case: bool) -> Option<Self> {
        let pattern = if fixed { regex::escape(pattern) } else { translate(pattern, extended) };
        let mut builder = regex::RegexBuilder::new(&pattern);
        builder.case_insensitive(ignore_case).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT);
        builder.build().ok().map(Self)
    }

    /// Whether it matches somewhere.
    pub(super) fn groups(&self, line: &str) -> Option<(String, Option<String>)> {
        let captures = self.0.captures(line)?;
        Some((captures[0].to_owned(), captures.get(1).map(|group| group.as_str().to_owned())))
    }

    /// Where it is first held by a line, from an offset on.
    pub(super) fn place(&self, line: &str, from: usize) -> Option<(usize, usize)> {
        self.0.find_at(line, from).map(|found| (found.start(), found.end()))
    }

    /// Whether it is held by a line.
    pub(crate) fn held(&self, line: &str) -> bool {
        self.0.is_match(line)
    }

    /// All matches that do not overlap.
    pub(super) fn matches<'t>(&'t self, line: &'t str) -> impl Iterator<Item = &'t str> {
        self.0.find_iter(line).map(|m| m.as_str()).filter(|m| !m.is_empty())
    }

    /// Whether it matches the whole line.
    pub(super) fn whole(&self, line: &str) -> bool {
        self.0.find_iter(line).any(|m| m.len() == line.len())
    }

    /// Whether a match has no word beside it: `grep -w`.
    pub(super) fn word(&self, line: &str) -> bool {
        let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        self.0
            .find_iter(line)
            .any(|m| !part(line[..m.start()].chars().next_back()) && !part(line[m.end()..].chars().next()))
    }

    /// The line with the match of that number from 1, or all from it on, replaced: `&` and `\1` to `\9` stand for what matched. Whether anything changed.
    pub(super) fn substitute_from(&self, line: &str, with: &str, number: usize, global: bool) -> (String, bool) {
        let fill = |found: &regex::Captures<'_>| {
            let mut text = String::new();
            let mut chars = with.chars();
            while let Some(c) = chars.next() {
                match c {
                    '&' => text.push_str(&found[0]),
                    '\\' => match chars.next() {
                        Some(digit @ '0'..='9') => {
                            let number = digit.to_digit(10).unwrap_or(0) as usize;
                            text.push_str(found.get(number).map_or("", |m| m.as_str()));
                        }
                        Some('n') => text.push('\n'),
                        Some('t') => text.push('\t'),
                        Some(other) => text.push(other),
                        None => {}
                    },
                    other => text.push(other),
                }
            }
            text
        };
        let (mut text, mut from, mut changed) = (String::new(), 0, false);
        for (at, found) in self.0.captures_iter(line).enumerate() {
            if at + 1 < number {
                continue;
            }
            if at + 1 > number && !global {
                break;
            }
            let whole = found.get(0).map_or(0..0, |whole| whole.range());
            text.push_str(&line[from..whole.start]);
            text.push_str(&fill(&found));
            from = whole.end;
            changed = true;
        }
        text.push_str(&line[from..]);
        (text, changed)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a.c", false, "xabcx", true)]
    #[case("^b", false, "abc", false)]
    #[case("c$", false, "abc", true)]
    #[case("a$b", false, "a$b", true)]
    #[case("a^b", false, "a^b", true)]
    #[case("*a", false, "*a", true)]
    #[case("a+", false, "a+", true)]
    #[case("a+", true, "aaa", true)]
    #[case("a\\+b", false, "aab", true)]
    #[case("\\(ab\\)\\{2\\}", false, "abab", true)]
    #[case("(a|b)c", true, "bc", true)]
    #[case("a\\|b", false, "b", true)]
    #[case("[]x]", false, "]", true)]
    #[case("[[:digit:]]*x", false, "12x", true)]
    #[case("a{2}", false, "a{2}", true)]
    #[case("[0-9][0-9]*", false, "port 80", true)]
    #[case("a*a*a*a*a*b", false, "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false)]
    fn posix(#[case] pattern: &str, #[case] extended: bool, #[case] text: &str, #[case] held: bool) {
        assert_eq!(Regex::new(pattern, extended, false, false).map(|r| r.held(text)), Some(held));
    }

    #[rstest]
    #[case("o", "[&]", true, "foo boo", "f[o][o] b[o][o]")]
    #[case("o", "0", false, "foo", "f0o")]
    #[case("\\([a-z]*\\)=\\(.*\\)", "\\2 \\1", false, "a=b", "b a")]
    #[case("x*", "-", true, "abc", "-a-b-c-")]
    #[case("o", "\\&", false, "foo", "f&o")]
    fn substitution(
        #[case] pattern: &str,
        #[case] with: &str,
        #[case] global: bool,
        #[case] line: &str,
        #[case] new: &str,
    ) {
        let regex = Regex::new(pattern, false, false, false).expect("an expression");
        assert_eq!(regex.substitute_from(line, with, 1, global).0, new);
    }

    #[test]
    fn what_is_none_is_refused() {
        assert!(Regex::new("(", true, false, false).is_none());
        assert!(Regex::new("a{99999}{99999}", true, false, false).is_none(), "too large");
    }
}
