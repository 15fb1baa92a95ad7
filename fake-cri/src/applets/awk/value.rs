//! Awk's values: numbers, texts, and what is either as it comes from outside.

use super::{super::printf, syntax::Operator};

/// A value.
#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    /// Nothing was ever put there: empty, and zero.
    #[default]
    Nothing,
    Number(f64),
    Text(String),
    /// From outside: a number if it looks like one.
    Input(String),
}

/// The number that a text begins with, and whether that is all of it.
fn leading(text: &str) -> (f64, bool) {
    let text = text.trim();
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    end = digits(end);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        if after > end + 1 + sign {
            end = after;
        }
    }
    match text[..end].parse() {
        Ok(number) => (number, end == text.len()),
        Err(_) => (0.0, false),
    }
}

impl Value {
    pub fn number(&self) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Number(number) => *number,
            Self::Text(text) | Self::Input(text) => leading(text).0,
        }
    }

    /// As a text; numbers that are no integers in the form `CONVFMT` or `OFMT`.
    pub fn text(&self, form: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Number(number) => shown(*number, form),
            Self::Text(text) | Self::Input(text) => text.clone(),
        }
    }

    pub fn held(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Input(text) => match leading(text) {
                (number, true) => number != 0.0,
                _ => !text.is_empty(),
            },
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Nothing => Some(0.0),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
            Self::Input(text) => Some(leading(text)).filter(|(_, whole)| *whole).map(|(number, _)| number),
        }
    }
}

fn shown(number: f64, form: &str) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.fract() == 0.0 && number.abs() < 1e16 {
        return format!("{number:.0}");
    }
    let mut rest = form.strip_prefix('%').unwrap_or(".6g");
    let layout = printf::layout(&mut rest, || 0);
    layout.real(number, rest.chars().next().unwrap_or('g'))
}

/// Whether a comparison holds: of numbers if both are, else of texts.
pub(super) fn compare(operator: Operator, left: &Value, right: &Value, form: &str) -> bool {
    let order = match (left.as_number(), right.as_number()) {
        (Some(l), Some(r)) => l.partial_cmp(&r).unwrap_or(std::cmp::Ordering::Equal),
        _ => left.text(form).cmp(&right.text(form)),
    };
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// Fills a `printf` format with values.
pub(super) fn format(form: &str, values: &[Value], convert: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = form;
    let mut values = values.iter();
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        let layout = printf::layout(&mut rest, || values.next().map_or(0, |value| value.number() as i64));
        rest = rest.trim_start_matches(['l', 'h', 'q', 'L', 'z', 'j', 't']);
        let Some(kind) = rest.chars().next() else { return Err("bad format".to_owned()) };
        rest = &rest[kind.len_utf8()..];
        let nothing = Value::Nothing;
        let value = values.next().unwrap_or(&nothing);
        text.push_str(&match kind {
            's' => layout.text(&value.text(convert)),
            'c' => match value {
                Value::Number(number) => layout.text(&char::from_u32(*number as u32).unwrap_or('?').to_string()),
                other => layout.text(&other.text(convert).chars().take(1).collect::<String>()),
            },
            'd' | 'i' => layout.integer(value.number() as i64, 'd'),
            'u' | 'x' | 'X' | 'o' => layout.integer(value.number() as i64, kind),
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => layout.real(value.number(), kind),
            _ => return Err("bad format".to_owned()),
        });
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Value::Number(3.0), "3")]
    #[case(Value::Number(0.1 + 0.2), "0.3")]
    #[case(Value::Number(-0.0), "0")]
    #[case(Value::Number(1e6), "1000000")]
    #[case(Value::Number(1.234_567_8), "1.23457")]
    #[case(Value::Input("0x1f".to_owned()), "0x1f")]
    fn texts(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(value.text("%.6g"), expected);
    }

    #[rstest]
    #[case(Value::Input("10".to_owned()), Value::Number(9.0), true)]
    #[case(Value::Text("10".to_owned()), Value::Number(9.0), false)]
    #[case(Value::Input("abc".to_owned()), Value::Number(9.0), true)]
    fn input_that_looks_like_a_number_is_one(#[case] left: Value, #[case] right: Value, #[case] greater: bool) {
        assert_eq!(compare(Operator::Greater, &left, &right, "%.6g"), greater);
    }
}
