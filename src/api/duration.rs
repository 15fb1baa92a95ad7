//! Durations in Go's notation: `1m20s`, `10s`, `1.5s`, `300ms`. Whole nanoseconds in an `i64`, as Go's `time.Duration`.

use std::fmt;
use std::time::Duration;

/// A span in nanoseconds, printed as Go's `Duration.String`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(pub i64);

/// Why a duration could not be read. Display is Go's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a duration at all, or too large.
    #[error("time: invalid duration {0}")]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0}")]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error("time: unknown unit {0} in duration {1}")]
    UnknownUnit(String, String),
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// From whole seconds; saturates at Go's limits (about 292 years).
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// From a standard duration; saturates.
    pub fn from_std(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// As a standard duration; nothing for negative spans.
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

/// Reads a Go duration (`time.ParseDuration`): an optional sign, then one or more decimal numbers with units.
///
/// # Errors
/// [`DurationError`], in Go's words.
pub fn parse(text: &str) -> Result<GoDuration, DurationError> {
    let quoted = || quoted(text);
    let invalid = || DurationError::Invalid(quoted());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(GoDuration(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    // Go adds up in uint64 and allows 1<<63 for the most negative value only.
    let limit: u128 = 1 << 63;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut tail) = rest.split_at(digits);
        let value: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        if value > limit {
            return Err(invalid());
        }
        let mut fraction = "";
        if let Some(after) = tail.strip_prefix('.') {
            let count = after.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, tail) = after.split_at(count);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(quoted()));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit(self::quoted(unit), quoted()));
        };
        total += value.checked_mul(u128::from(*scale)).filter(|span| *span <= limit).ok_or_else(invalid)?;
        total += fraction_nanos(fraction, *scale);
        if total > limit {
            return Err(invalid());
        }
        rest = next;
    }
    let total = i128::try_from(total).map_err(|_| invalid())?;
    let signed = if negative { -total } else { total };
    i64::try_from(signed).map(GoDuration).map_err(|_| invalid())
}

/// Nanoseconds of a decimal fraction of a unit, cut to whole ones; digits beyond what an `i64` holds do not count. In floating point, as
/// Go does it: the last nanosecond depends on that.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as Go does")]
fn fraction_nanos(digits: &str, scale: u64) -> u128 {
    const MOST: u64 = 1 << 63;
    let (mut value, mut power) = (0_u64, 1_f64);
    for digit in digits.bytes() {
        let next = if value > (MOST - 1) / 10 { MOST + 1 } else { value * 10 + u64::from(digit - b'0') };
        if next > MOST {
            break;
        }
        value = next;
        power *= 10.0;
    }
    u128::from((value as f64 * (scale as f64 / power)) as u64)
}

/// In quotes, with what is not printable ASCII in escapes byte by byte, as Go's `time` package does it; `strconv` does otherwise.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='\x7f' => out.push(character),
            _ => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\x{byte:02x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                let (hours, minutes) = (minutes / 60, minutes % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", decimal(nanos % 60_000_000_000, 1_000_000_000))
            }
        }
    }
}

/// `nanos / unit` with the fraction's trailing zeros cut.
fn decimal(nanos: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let text = format!("{}.{:0width$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", 0, "0s")]
    #[case("10s", 10_000_000_000, "10s")]
    #[case("1m20s", 80_000_000_000, "1m20s")]
    #[case("1.5s", 1_500_000_000, "1.5s")]
    #[case("300ms", 300_000_000, "300ms")]
    #[case("1h", 3_600_000_000_000, "1h0m0s")]
    #[case("2us", 2_000, "2µs")]
    #[case("1.5µs", 1_500, "1.5µs")]
    #[case("7ns", 7, "7ns")]
    #[case("-1m", -60_000_000_000, "-1m0s")]
    #[case(".5h", 1_800_000_000_000, "30m0s")]
    #[case("2562047h47m16.854775807s", i64::MAX, "2562047h47m16.854775807s")]
    #[case("-2562047h47m16.854775808s", i64::MIN, "-2562047h47m16.854775808s")]
    fn durations_read_and_print_as_in_go(#[case] text: &str, #[case] nanos: i64, #[case] printed: &str) {
        assert_eq!(parse(text), Ok(GoDuration(nanos)));
        assert_eq!(GoDuration(nanos).to_string(), printed);
    }

    #[rstest]
    #[case("", "time: invalid duration \"\"")]
    #[case("10", "time: missing unit in duration \"10\"")]
    #[case("10x", "time: unknown unit \"x\" in duration \"10x\"")]
    #[case(".s", "time: invalid duration \".s\"")]
    #[case("-", "time: invalid duration \"-\"")]
    #[case("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\"")]
    fn bad_durations_are_refused_in_gos_words(#[case] text: &str, #[case] error: &str) {
        assert_eq!(parse(text).expect_err("bad").to_string(), error);
    }

    /// Texts made up at random, with what Go says of each: nanoseconds and how it prints them, or `!` and the error.
    #[test]
    fn random_texts_are_read_as_go_reads_them() {
        for line in include_str!("duration/go.tsv").lines() {
            let [text, nanos, told] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            match parse(text) {
                Ok(span) => {
                    assert_eq!((span.0.to_string().as_str(), span.to_string().as_str()), (nanos, told), "{text}")
                }
                Err(error) => assert_eq!(("!", error.to_string().as_str()), (nanos, told), "{text}"),
            }
        }
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(nanos in any::<i64>()) {
            prop_assert_eq!(parse(&GoDuration(nanos).to_string()), Ok(GoDuration(nanos)));
        }

        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
