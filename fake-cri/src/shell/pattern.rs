//! Shell patterns: `*`, `?`, `[…]`, and a backslash before what is meant literally.

/// Whether `text` matches the whole of `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    glob(&pattern, &text)
}

/// Iterative matching with one point to return to: linear in practice, never exponential.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(_), Some(&c)) => one(&pattern[p..], c),
            _ => None,
        };
        match (step, star) {
            (Some(width), _) => {
                p += width;
                t += 1;
            }
            (None, Some((after, from))) if from < text.len() => {
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            _ => return false,
        }
    }
}

/// How many pattern characters match the one character `c`, if they do.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern[0] {
        '?' => Some(1),
        '\\' => (pattern.get(1) == Some(&c)).then_some(2),
        '[' => match bracket(pattern, c) {
            Some((width, true)) => Some(width),
            Some((_, false)) => None,
            None => (c == '[').then_some(1),
        },
        literal => (literal == c).then_some(1),
    }
}

/// A bracket expression: its width and whether it holds `c`. `None` if it is not closed.
fn bracket(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let mut i = 1;
    let negated = matches!(pattern.get(i), Some('!' | '^'));
    if negated {
        i += 1;
    }
    let first = i;
    let mut held = false;
    loop {
        let mut low = *pattern.get(i)?;
        if low == ']' && i > first {
            return Some((i + 1, held != negated));
        }
        if low == '[' && pattern.get(i + 1) == Some(&':') {
            let close = (i + 2..pattern.len()).find(|&j| pattern[j] == ':' && pattern.get(j + 1) == Some(&']'))?;
            let name: String = pattern[i + 2..close].iter().collect();
            held |= class(&name, c);
            i = close + 2;
            continue;
        }
        if low == '\\' {
            i += 1;
            low = *pattern.get(i)?;
        }
        let high = match (pattern.get(i + 1), pattern.get(i + 2)) {
            (Some('-'), Some(&high)) if high != ']' => {
                i += 2;
                high
            }
            _ => low,
        };
        held |= (low..=high).contains(&c);
        i += 1;
    }
}

fn class(name: &str, c: char) -> bool {
    match name {
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_ascii_alphanumeric(),
        "upper" => c.is_ascii_uppercase(),
        "lower" => c.is_ascii_lowercase(),
        "space" => c.is_ascii_whitespace(),
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::matches;

    #[rstest]
    #[case("*", "", true)]
    #[case("a*c", "abbbc", true)]
    #[case("a*c", "abbb", false)]
    #[case("?", "", false)]
    #[case("[a-c]x", "bx", true)]
    #[case("[!a-c]x", "bx", false)]
    #[case("[[:digit:]]*", "7up", true)]
    #[case("\\*", "*", true)]
    #[case("\\*", "x", false)]
    #[case("[", "[", true)]
    #[case("*.log", "0.log", true)]
    #[case("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false)]
    fn cases(#[case] pattern: &str, #[case] text: &str, #[case] wanted: bool) {
        assert_eq!(matches(pattern, text), wanted);
    }
}
