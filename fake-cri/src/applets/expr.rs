//! `expr`: integers, comparisons and matches by precedence, as busybox has them.

use super::Regex;
use crate::os::{Code, Process};

/// Deepest nesting of brackets.
const DEPTH_LIMIT: usize = 100;

/// `expr WORD…`: 1 if the result is empty or zero, 2 if there is none.
pub(super) async fn expr(process: Process) -> Code {
    let args = process.args();
    let words = args.get(1..).unwrap_or_default();
    if words.is_empty() {
        process.err("expr: too few arguments\n").await;
        return 2;
    }
    let mut reader = Reader { words, at: 0, depth: 0 };
    let result =
        reader.either().and_then(|value| if reader.at < words.len() { Err("syntax error") } else { Ok(value) });
    match result {
        Ok(value) => {
            let _ = process.out(format!("{value}\n")).await;
            i32::from(is_nothing(&value))
        }
        Err(error) => {
            process.err(format!("expr: {error}\n")).await;
            2
        }
    }
}

fn is_nothing(value: &str) -> bool {
    value.is_empty() || value.parse() == Ok(0)
}

struct Reader<'a> {
    words: &'a [String],
    at: usize,
    depth: usize,
}

type Value = Result<String, &'static str>;

fn number(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "non-numeric argument")
}

impl Reader<'_> {
    fn operator(&mut self, known: &[&'static str]) -> Option<&'static str> {
        let word = self.words.get(self.at)?;
        let found = known.iter().find(|k| **k == word)?;
        self.at += 1;
        Some(found)
    }

    fn either(&mut self) -> Value {
        let mut left = self.both()?;
        while self.operator(&["|"]).is_some() {
            let right = self.both()?;
            if is_nothing(&left) {
                left = right;
            }
        }
        Ok(left)
    }

    fn both(&mut self) -> Value {
        let mut left = self.comparison()?;
        while self.operator(&["&"]).is_some() {
            let right = self.comparison()?;
            if is_nothing(&left) || is_nothing(&right) {
                left = "0".to_owned();
            }
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Value {
        let mut left = self.sum()?;
        while let Some(operator) = self.operator(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum()?;
            let order = match (left.parse::<i64>(), right.parse::<i64>()) {
                (Ok(l), Ok(r)) => l.cmp(&r),
                _ => left.cmp(&right),
            };
            let held = match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                ">" => order.is_gt(),
                _ => order.is_eq(),
            };
            left = i32::from(held).to_string();
        }
        Ok(left)
    }

    fn sum(&mut self) -> Value {
        let mut left = self.product()?;
        while let Some(operator) = self.operator(&["+", "-"]) {
            let (l, r) = (number(&left)?, number(&self.product()?)?);
            left = if operator == "+" { l.wrapping_add(r) } else { l.wrapping_sub(r) }.to_string();
        }
        Ok(left)
    }

    fn product(&mut self) -> Value {
        let mut left = self.matching()?;
        while let Some(operator) = self.operator(&["*", "/", "%"]) {
            let (l, r) = (number(&left)?, number(&self.matching()?)?);
            left = match operator {
                "*" => l.wrapping_mul(r),
                _ if r == 0 => return Err("division by zero"),
                "/" => l.wrapping_div(r),
                _ => l.wrapping_rem(r),
            }
            .to_string();
        }
        Ok(left)
    }

    fn matching(&mut self) -> Value {
        let mut left = self.primary()?;
        while self.operator(&[":"]).is_some() {
            let pattern = self.primary()?;
            left = matched(&left, &pattern)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Value {
        let word = self.words.get(self.at).ok_or("syntax error")?.clone();
        self.at += 1;
        match word.as_str() {
            "(" => {
                self.depth += 1;
                if self.depth > DEPTH_LIMIT {
                    return Err("syntax error");
                }
                let value = self.either()?;
                self.operator(&[")"]).ok_or("syntax error")?;
                Ok(value)
            }
            "match" if self.at + 1 < self.words.len() => {
                let (text, pattern) = (self.primary()?, self.primary()?);
                matched(&text, &pattern)
            }
            "length" if self.at < self.words.len() => Ok(self.primary()?.chars().count().to_string()),
            "index" if self.at + 1 < self.words.len() => {
                let (text, set) = (self.primary()?, self.primary()?);
                Ok(text.chars().position(|c| set.contains(c)).map_or(0, |at| at + 1).to_string())
            }
            "substr" if self.at + 2 < self.words.len() => {
                let text = self.primary()?;
                let (from, length) = (number(&self.primary()?)?, number(&self.primary()?)?);
                let Ok(skip) = usize::try_from(from - 1) else { return Ok(String::new()) };
                Ok(text.chars().skip(skip).take(usize::try_from(length).unwrap_or(0)).collect())
            }
            "quote" if self.at < self.words.len() => {
                self.at += 1;
                Ok(self.words[self.at - 1].clone())
            }
            _ => Ok(word),
        }
    }
}

/// What a pattern that is held to the beginning takes of a text: its group, or how many characters.
fn matched(text: &str, pattern: &str) -> Value {
    let regex = Regex::new(&format!("^{}", pattern.trim_start_matches('^')), false, false, false).ok_or("bad regex")?;
    match regex.groups(text) {
        Some((whole, Some(group))) => {
            let _ = whole;
            Ok(group)
        }
        Some((whole, None)) if !pattern.contains("\\(") => Ok(whole.chars().count().to_string()),
        None if !pattern.contains("\\(") => Ok("0".to_owned()),
        _ => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1 + 2 * 3", Ok("7"))]
    #[case("( 1 + 2 ) * 3", Ok("9"))]
    #[case("7 / 0", Err("division by zero"))]
    #[case("a + 1", Err("non-numeric argument"))]
    #[case("10 > 9", Ok("1"))]
    #[case("b > a", Ok("1"))]
    #[case("0 | 4", Ok("4"))]
    #[case("3 & 0", Ok("0"))]
    #[case("abc : a\\(.\\)c", Ok("b"))]
    #[case("abc : ab", Ok("2"))]
    #[case("abc : x", Ok("0"))]
    #[case("length abc", Ok("3"))]
    #[case("substr hello 2 3", Ok("ell"))]
    #[case("1 +", Err("syntax error"))]
    fn values(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let mut reader = Reader { words: &words, at: 0, depth: 0 };
        assert_eq!(reader.either().as_deref().map_err(|e| *e), expected);
    }
}
