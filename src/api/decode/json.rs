//! JSON as text: where it breaks, in the words of Go's scanner, and how a value is spelt. Only asked about what is odd; the reading itself
//! is serde's.

/// What Go says of the text; nothing if its scanner would let it pass.
pub(super) fn complaint(text: &str) -> Option<String> {
    let mut scan = Scan { rest: text.trim_start_matches(SPACE), depth: 0 };
    let end = scan.value().and_then(|()| match scan.peek() {
        None => Ok(()),
        Some(found) => Err(Broken::At(found, "after top-level value".to_owned())),
    });
    match end {
        Ok(()) => None,
        Err(Broken::End) => Some("unexpected end of JSON input".to_owned()),
        Err(Broken::Deep) => Some("exceeded max depth".to_owned()),
        Err(Broken::At(found, context)) => Some(format!("invalid character {} {context}", quoted(found))),
    }
}

/// A value's own text: in sound JSON, under these keys, and of a list the item. Of one key twice the last counts.
pub(super) fn spelt<'t>(text: &'t str, path: &[(&str, Option<usize>)]) -> Option<&'t str> {
    let mut here = text;
    for (name, index) in path {
        here = under(here, name)?;
        if let Some(index) = index {
            here = item(here, *index)?;
        }
    }
    let mut scan = Scan { rest: here, depth: 0 };
    scan.peek()?;
    let start = scan.rest;
    scan.value().ok()?;
    start.get(..start.len() - scan.rest.len())
}

fn under<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut scan = Scan { rest: text, depth: 0 };
    let mut found = None;
    let mut next = (scan.peek()? == '{').then_some('{');
    while let Some('{' | ',') = next {
        scan.skip();
        scan.peek()?;
        let start = scan.rest;
        scan.string().ok()?;
        let key: String = serde_json::from_str(start.get(..start.len() - scan.rest.len())?).ok()?;
        scan.peek().filter(|c| *c == ':')?;
        scan.skip();
        if key == name {
            found = Some(scan.rest);
        }
        scan.value().ok()?;
        next = scan.peek();
    }
    found
}

fn item(text: &str, index: usize) -> Option<&str> {
    let mut scan = Scan { rest: text, depth: 0 };
    scan.peek().filter(|c| *c == '[')?;
    scan.skip();
    for _ in 0..index {
        scan.value().ok()?;
        scan.peek().filter(|c| *c == ',')?;
        scan.skip();
    }
    Some(scan.rest)
}

/// The text, sound JSON, with other numbers in the place of those that are too large for a float.
pub(super) fn with_floats(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut scan = Scan { rest: text, depth: 0 };
    while let Some(next) = scan.rest.chars().next() {
        let before = scan.rest;
        let number = next == '-' || next.is_ascii_digit();
        let read = match next {
            '"' => scan.string(),
            _ if number => scan.number(),
            _ => scan.take().map(|_| ()),
        };
        let token = before.get(..before.len() - scan.rest.len()).filter(|_| read.is_ok()).unwrap_or(before);
        let huge = number && token.parse::<f64>().is_ok_and(f64::is_infinite);
        out.push_str(if huge { "1e300" } else { token });
        if read.is_err() {
            break;
        }
    }
    out
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
/// Go's own bound.
const DEEPEST: usize = 10_000;

enum Broken {
    End,
    Deep,
    At(char, String),
}

struct Scan<'a> {
    rest: &'a str,
    depth: usize,
}

impl Scan<'_> {
    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches(SPACE);
        self.rest.chars().next()
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    /// The next character as it stands.
    fn take(&mut self) -> Result<char, Broken> {
        let next = self.rest.chars().next().ok_or(Broken::End)?;
        self.skip();
        Ok(next)
    }

    /// Objects and arrays are walked without recursion: text may be as deep as it is long.
    fn value(&mut self) -> Result<(), Broken> {
        let mut open: Vec<char> = Vec::new();
        loop {
            // A value stands here.
            match self.peek().ok_or(Broken::End)? {
                kind @ ('{' | '[') => {
                    self.skip();
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err(Broken::Deep);
                    }
                    let close = if kind == '{' { '}' } else { ']' };
                    if self.peek() == Some(close) {
                        self.skip();
                        self.depth -= 1;
                    } else {
                        if kind == '{' {
                            self.key()?;
                        }
                        open.push(kind);
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            // A value has ended here.
            loop {
                let Some(&kind) = open.last() else { return Ok(()) };
                let after = if kind == '{' { "after object key:value pair" } else { "after array element" };
                match self.peek().ok_or(Broken::End)? {
                    ',' => {
                        self.skip();
                        if kind == '{' {
                            self.peek().ok_or(Broken::End)?;
                            self.key()?;
                        }
                        break;
                    }
                    close if close == (if kind == '{' { '}' } else { ']' }) => {
                        self.skip();
                        open.pop();
                        self.depth -= 1;
                    }
                    found => return Err(Broken::At(found, after.to_owned())),
                }
            }
        }
    }

    fn key(&mut self) -> Result<(), Broken> {
        match self.peek().ok_or(Broken::End)? {
            '"' => self.string()?,
            found => return Err(Broken::At(found, "looking for beginning of object key string".to_owned())),
        }
        match self.peek().ok_or(Broken::End)? {
            ':' => self.skip(),
            found => return Err(Broken::At(found, "after object key".to_owned())),
        }
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Broken> {
        match self.peek().ok_or(Broken::End)? {
            '"' => self.string(),
            't' => self.literal("true"),
            'f' => self.literal("false"),
            'n' => self.literal("null"),
            '-' | '0'..='9' => self.number(),
            found => Err(Broken::At(found, "looking for beginning of value".to_owned())),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Broken> {
        for wanted in word.chars() {
            let found = self.take()?;
            if found != wanted {
                return Err(Broken::At(found, format!("in literal {word} (expecting {})", quoted(wanted))));
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Broken> {
        self.skip();
        loop {
            match self.take()? {
                '"' => return Ok(()),
                '\\' => match self.take()? {
                    'b' | 'f' | 'n' | 'r' | 't' | '\\' | '/' | '"' => {}
                    'u' => {
                        for _ in 0..4 {
                            let found = self.take()?;
                            if !found.is_ascii_hexdigit() {
                                return Err(Broken::At(found, "in \\u hexadecimal character escape".to_owned()));
                            }
                        }
                    }
                    found => return Err(Broken::At(found, "in string escape code".to_owned())),
                },
                found if found < ' ' => return Err(Broken::At(found, "in string literal".to_owned())),
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.rest.starts_with('-') {
            self.skip();
            let found = self.rest.chars().next().ok_or(Broken::End)?;
            if !found.is_ascii_digit() {
                return Err(Broken::At(found, "in numeric literal".to_owned()));
            }
        }
        if self.rest.starts_with('0') {
            self.skip()
        } else {
            self.digits()
        }
        if self.rest.starts_with('.') {
            self.skip();
            self.some_digits("after decimal point in numeric literal")?;
        }
        if self.rest.starts_with(['e', 'E']) {
            self.skip();
            if self.rest.starts_with(['+', '-']) {
                self.skip();
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
    }

    fn some_digits(&mut self, context: &str) -> Result<(), Broken> {
        match self.rest.chars().next().ok_or(Broken::End)? {
            digit if digit.is_ascii_digit() => {
                self.digits();
                Ok(())
            }
            found => Err(Broken::At(found, context.to_owned())),
        }
    }
}

fn quoted(found: char) -> String {
    match found {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => {
            let text = crate::api::gojson::go_quoted(&other.to_string());
            format!("'{}'", text.trim_matches('"'))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// As Go 1.26 says them.
    #[rstest]
    #[case("{apiVersion: v1}", "invalid character 'a' looking for beginning of object key string")]
    #[case("{\"a\" 1}", "invalid character '1' after object key")]
    #[case("{\"a\": x}", "invalid character 'x' looking for beginning of value")]
    #[case("{\"a\": 1 \"b\"}", "invalid character '\"' after object key:value pair")]
    #[case("{\"a\": 1,}", "invalid character '}' looking for beginning of object key string")]
    #[case("[1 2]", "invalid character '2' after array element")]
    #[case("{} x", "invalid character 'x' after top-level value")]
    #[case("{\"a\": tru}", "invalid character '}' in literal true (expecting 'e')")]
    #[case("{\"a\": \"\n\"}", "invalid character '\\n' in string literal")]
    #[case("{\"a\": \"\\x\"}", "invalid character 'x' in string escape code")]
    #[case("{\"a\": \"\\u12g\"}", "invalid character 'g' in \\u hexadecimal character escape")]
    #[case("{\"a\": 1.}", "invalid character '}' after decimal point in numeric literal")]
    #[case("{\"a\": 01}", "invalid character '1' after object key:value pair")]
    #[case("{\"a\": -x}", "invalid character 'x' in numeric literal")]
    #[case("{\"a\": 1e}", "invalid character '}' in exponent of numeric literal")]
    #[case("{\"a\": 'x'}", "invalid character '\\'' looking for beginning of value")]
    #[case("{\"a\": [", "unexpected end of JSON input")]
    fn complaints(#[case] text: &str, #[case] says: &str) {
        assert_eq!(complaint(text).as_deref(), Some(says));
    }

    #[rstest]
    #[case(&[("a", None)], Some("1.50"))]
    #[case(&[("b", Some(1)), ("c", None)], Some("{\"d\": 1e3}"))]
    #[case(&[("b", Some(1)), ("c", None), ("d", None)], Some("1e3"))]
    #[case(&[("b", Some(2))], None)]
    #[case(&[("x", None)], None)]
    fn values_as_they_are_spelt(#[case] path: &[(&str, Option<usize>)], #[case] want: Option<&str>) {
        let text = " {\"\\u0061\": 2, \"b\" : [ [], {\"c\": {\"d\": 1e3} }], \"a\": 1.50 }";
        assert_eq!(spelt(text, path), want);
    }

    #[test]
    fn numbers_too_large_for_a_float_are_made_smaller() {
        assert_eq!(
            with_floats(r#"{"1e400": [1e400, -1e999,1.5, "1e400"]}"#),
            r#"{"1e400": [1e300, 1e300,1.5, "1e400"]}"#
        );
    }

    #[test]
    fn what_is_sound_or_endless_is_not_complained_about_for_long() {
        assert_eq!(complaint(" {\"a\": [1, -0.5e+3, \"\\u00e9\", null, {}, []]} \n"), None);
        assert_eq!(complaint(&"[".repeat(200_000)).as_deref(), Some("exceeded max depth"));
    }
}
