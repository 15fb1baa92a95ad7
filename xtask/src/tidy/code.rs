//! Rust text with comments and the insides of strings blanked, line by line, and which lines are test code. Not a parser: it finds
//! where code is, so that a rule about code does not trip over a word in a comment.

/// One file's code.
#[derive(Debug, Default)]
pub struct Code {
    /// As written.
    pub text: String,
    /// Same lines and columns (in bytes), with blanks for comments and the insides of strings and characters.
    pub blanked: String,
    test: Vec<bool>,
    test_modules: Vec<String>,
}

impl Code {
    /// Blanked lines with their numbers from 1, without test code.
    pub fn lines_outside_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.blanked.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(n, _)| !self.is_test_line(*n))
    }

    /// Whether the line (from 1) is test code.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.test.get(line - 1).copied().unwrap_or(false)
    }

    /// Names of the modules in other files that are declared for tests only.
    pub fn test_modules(&self) -> impl Iterator<Item = &str> {
        self.test_modules.iter().map(String::as_str)
    }

    /// Says that the whole file is test code.
    pub fn mark_all_as_test(&mut self) {
        self.test.fill(true);
    }

    /// The line (from 1) of a place in the blanked text.
    pub fn line_at(&self, at: usize) -> usize {
        self.blanked[..at].matches('\n').count() + 1
    }
}

/// Reads a file.
pub fn read(text: &str) -> Code {
    let blanked = blank(text);
    let mut code =
        Code { text: text.to_owned(), test: vec![false; text.lines().count()], test_modules: Vec::new(), blanked };
    let mut from = 0;
    while let Some(found) = code.blanked[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(&code.blanked, start);
        let item = &code.blanked[start..end];
        let module = item.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
        code.test_modules.extend(module.map(|name| name.trim().to_owned()));
        let (first, last) = (code.line_at(start), code.line_at(end));
        code.test[first - 1..last].fill(true);
        from = end;
    }
    code
}

/// Where the item that starts at `start` ends: after its `;`, or after the brace that closes it.
fn item_end(blanked: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in blanked.bytes().enumerate().skip(start) {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    blanked.len()
}

fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let inside = match rest {
            [b'/', b'/', ..] => Some((at, at + line_length(rest))),
            [b'/', b'*', ..] => Some((at, at + comment_length(rest))),
            [b'"', ..] => Some((at + 1, at + string_length(rest) - 1)),
            [b'r', b'"' | b'#', ..] if !follows_name(bytes, at) => {
                raw_string(rest).map(|(open, length)| (at + open, at + length - open + 1))
            }
            [b'\'', ..] => character_length(rest).map(|length| (at + 1, at + length - 1)),
            _ => None,
        };
        let Some((start, end)) = inside else {
            at += 1;
            continue;
        };
        let end = end.clamp(start, bytes.len());
        out[start..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        // Past the closing quote, or the whole comment.
        at = if rest[0] == b'/' { end } else { end + if rest[0] == b'r' { (start - at).saturating_sub(1) } else { 1 } };
        at = at.max(start);
    }
    String::from_utf8(out).expect("only whole comments and strings were replaced, by blanks")
}

fn follows_name(bytes: &[u8], at: usize) -> bool {
    // `br"…"` is a raw string too.
    let before = at.checked_sub(1).map(|i| bytes[i]).filter(|b| *b != b'b');
    before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
}

fn comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// With both quotes.
fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len() + 1
}

/// Length of what opens the raw string (`r##"`), and of all of it.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let open = hashes + 2;
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = rest[open..].windows(close.len()).position(|w| w == close)?;
    Some((open, open + body + close.len()))
}

/// With both quotes; nothing if it is a lifetime.
fn character_length(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|b| *b == b'\'').map(|i| i + 4);
    }
    // One character of one to four bytes.
    (2..=5).find(|i| rest.get(*i) == Some(&b'\'')).filter(|i| *i == 2 || rest[1] >= 0x80).map(|i| i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blank() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y") + g"#, r#"f("    ") + g"#),
            (r##"r#"a"b"# + c"##, r##"r#"   "# + c"##),
            (r#"r"ab" + c"#, r#"r"  " + c"#),
            ("'a' 'b x", "' ' 'b x"),
            (r"'\n' + '\'' + x", r"'  ' + '  ' + x"),
            ("b\"q\" r", "b\" \" r"),
            ("'\"' + \"x\"", "' ' + \" \""),
        ];
        for (text, blanked) in cases {
            assert_eq!(blank(text), blanked, "{text}");
        }
    }

    #[test]
    fn every_line_keeps_its_place() {
        let text = include_str!("code.rs");
        let blanked = blank(text);
        assert_eq!(blanked.len(), text.len());
        assert_eq!(blanked.lines().count(), text.lines().count());
        assert!(blanked.trim_end().ends_with('}'));
    }

    #[test]
    fn test_code_is_known() {
        let code =
            read("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\n");
        let outside: Vec<usize> = code.lines_outside_tests().map(|(n, _)| n).collect();
        assert_eq!(outside, [1, 6]);
        assert_eq!(code.test_modules().collect::<Vec<_>>(), ["more"]);
    }
}
