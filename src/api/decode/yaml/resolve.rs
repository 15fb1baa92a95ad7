//! What a YAML scalar means: a boolean, a number, nothing, or text, by YAML 1.1 as Go's library has it. Not how it is written.

use serde_json::Value;

/// Where the tags of YAML itself live.
pub(super) const PREFIX: &str = "tag:yaml.org,2002:";

/// The first number that is too large for an `i64`.
const BEYOND_INT: f64 = 9_223_372_036_854_775_808.0;

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// What does not fit an [`Scalar::Int`].
    Uint(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// As JSON. Go prints a float without a fraction as an integer, and reads it back as one.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(number) => Value::from(number),
            Self::Uint(number) => Value::from(number),
            Self::Float(number) => match number {
                _ if number.fract() != 0.0 => Value::from(number),
                _ if number.abs() < BEYOND_INT => Value::from(number as i64),
                _ if (0.0..2.0 * BEYOND_INT).contains(&number) => Value::from(number as u64),
                _ => Value::from(number),
            },
            Self::Text(text) => Value::String(text),
        }
    }

    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Uint(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
        }
    }
}

/// A scalar without quotes and tag.
pub(super) fn plain(text: &str) -> Scalar {
    meaning(text).unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

/// A scalar with a tag. The error is Go's.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Scalar, String> {
    let own = || Scalar::Text(text.to_owned());
    let Some(wanted) = tag.strip_prefix(PREFIX) else { return Ok(own()) };
    let found = match wanted {
        "str" => return Ok(own()),
        "binary" => return binary(text),
        "bool" | "int" | "float" | "null" => plain(text),
        "timestamp" if is_timestamp(text) => return Ok(own()),
        "timestamp" => plain(text),
        _ => return Ok(own()),
    };
    match (wanted, found) {
        ("float", Scalar::Int(number)) => Ok(Scalar::Float(number as f64)),
        (_, found) if found.tag() == wanted => Ok(found),
        (_, found) => Err(format!("cannot decode !!{} `{text}` as a !!{wanted}", found.tag())),
    }
}

fn binary(text: &str) -> Result<Scalar, String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let clean: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = STANDARD.decode(clean).map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
    Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

fn meaning(text: &str) -> Option<Scalar> {
    let known = match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => match text.as_bytes().first()? {
            b'.' => return float(text),
            b'+' | b'-' | b'0'..=b'9' => return number(&text.replace('_', "")),
            _ => return None,
        },
    };
    Some(known)
}

fn number(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(size) = integer(digits) {
        let signed = i64::try_from(size).ok().map(|size| if negative { -size } else { size });
        match signed {
            Some(number) => return Some(Scalar::Int(number)),
            None if negative && size == 1 << 63 => return Some(Scalar::Int(i64::MIN)),
            // Go reads unsigned numbers without a sign only.
            None if digits.len() == text.len() => return Some(Scalar::Uint(size)),
            None => {}
        }
    }
    float(text)
}

/// An unsigned number in Go's notation: 0x, 0o, 0b, and 0 alone for octal.
fn integer(digits: &str) -> Option<u64> {
    let (radix, rest) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // The standard library takes a sign here.
    if rest.starts_with(['+', '-']) { None } else { u64::from_str_radix(rest, radix).ok() }
}

/// A number with a point or an exponent; one that is too large is text.
fn float(text: &str) -> Option<Scalar> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let well_formed = all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && all_digits(exponent));
    let number: f64 = text.parse().ok().filter(|_| well_formed)?;
    number.is_finite().then_some(Scalar::Float(number))
}

/// Whether Go takes it for a date, with or without a time.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((&text[at..=at], &text[at + 1..]))),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let within = |text: &str, longest: usize, from: u32, to: u32| {
        let fits = (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits && text.parse().is_ok_and(|number: u32| (from..=to).contains(&number))
    };
    if year.len() != 4 || !within(year, 4, 0, 9999) || !within(month, 2, 1, 12) || !within(day, 2, 1, 31) {
        return false;
    }
    let Some((separator, time)) = time else { return true };
    let time = match (separator, time.strip_suffix('Z'), time.rfind(['+', '-'])) {
        (" ", None, None) => time,
        (" ", ..) => return false,
        (_, Some(time), _) => time,
        (_, None, Some(at)) => {
            let zone: Vec<&str> = time[at + 1..].split(':').collect();
            let [hours, minutes] = zone[..] else { return false };
            let two = |text: &str, to| text.len() == 2 && within(text, 2, 0, to);
            if !two(hours, 24) || !two(minutes, 60) {
                return false;
            }
            &time[..at]
        }
        _ => return false,
    };
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return false };
    within(hours, 2, 0, 23)
        && within(minutes, 2, 0, 59)
        && within(seconds, 2, 0, 59)
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A float as the key of a map: the shortest text of its single-precision value, as Go's `%g`.
pub(super) fn float_key(number: f64) -> String {
    let single = number as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Go's shortest form has no exponent between these.
    if (-4..6).contains(&exponent) {
        format!("{single}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("~", Scalar::Null)]
    #[case("y", Scalar::Bool(true))]
    #[case("Off", Scalar::Bool(false))]
    #[case("yEs", Scalar::Text("yEs".into()))]
    #[case("0777", Scalar::Int(511))]
    #[case("0o17", Scalar::Int(15))]
    #[case("08", Scalar::Float(8.0))]
    #[case("0x1F", Scalar::Int(31))]
    #[case("-0b11", Scalar::Int(-3))]
    #[case("1_000", Scalar::Int(1000))]
    #[case("+12", Scalar::Int(12))]
    #[case("--1", Scalar::Text("--1".into()))]
    #[case("0x+1", Scalar::Text("0x+1".into()))]
    #[case("9223372036854775808", Scalar::Uint(1 << 63))]
    #[case("-9223372036854775808", Scalar::Int(i64::MIN))]
    #[case("+9223372036854775808", Scalar::Float(9_223_372_036_854_775_808.0))]
    #[case("1e3", Scalar::Float(1000.0))]
    #[case("1e999", Scalar::Text("1e999".into()))]
    #[case(".5", Scalar::Float(0.5))]
    #[case("1.", Scalar::Float(1.0))]
    #[case(".", Scalar::Text(".".into()))]
    #[case("1.2.3", Scalar::Text("1.2.3".into()))]
    #[case("2001-01-01", Scalar::Text("2001-01-01".into()))]
    #[case("1:30", Scalar::Text("1:30".into()))]
    #[case("infinity", Scalar::Text("infinity".into()))]
    fn plain_scalars(#[case] text: &str, #[case] meaning: Scalar) {
        assert_eq!(plain(text), meaning);
    }

    #[rstest]
    #[case("str", "5", Ok(Scalar::Text("5".into())))]
    #[case("int", "5", Ok(Scalar::Int(5)))]
    #[case("float", "5", Ok(Scalar::Float(5.0)))]
    #[case("int", "x", Err("cannot decode !!str `x` as a !!int"))]
    #[case("null", "0", Err("cannot decode !!int `0` as a !!null"))]
    #[case("binary", "aGk=", Ok(Scalar::Text("hi".into())))]
    #[case("binary", "?", Err("!!binary value contains invalid base64 data"))]
    #[case("timestamp", "2001-1-2", Ok(Scalar::Text("2001-1-2".into())))]
    #[case("timestamp", "soon", Err("cannot decode !!str `soon` as a !!timestamp"))]
    #[case("set", "5", Ok(Scalar::Text("5".into())))]
    fn tagged_scalars(#[case] tag: &str, #[case] text: &str, #[case] want: Result<Scalar, &str>) {
        assert_eq!(tagged(&format!("{PREFIX}{tag}"), text), want.map_err(str::to_owned));
    }

    #[rstest]
    #[case(1.5, "1.5")]
    #[case(1.0, "1")]
    #[case(100_000.0, "100000")]
    #[case(1_000_000.0, "1e+06")]
    #[case(1_234_567.0, "1.234567e+06")]
    #[case(0.0001, "0.0001")]
    #[case(0.00001, "1e-05")]
    fn float_keys(#[case] number: f64, #[case] text: &str) {
        assert_eq!(float_key(number), text);
    }
}
