//! Lengths of time in Go's notation: `1m30s`, `100ms`, `-1s`. Reads what Go's `time.ParseDuration` reads, writes what its `String`
//! writes.

use std::time::Duration;

/// A length of time in nanoseconds, which may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub i64);

impl GoDuration {
    /// From whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// As std's type; negative becomes zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// As std's type if it is above zero.
    pub fn positive(self) -> Option<Duration> {
        (self.0 > 0).then(|| self.to_std())
    }
}

/// The text is not a length of time. The words are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number, or text where a number should be.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number with nothing behind it.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// Something other than h, m, s, ms, us, µs, ns.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// All of it.
        text: String,
    },
}

impl std::str::FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (whole, after) = rest.split_at(digits);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => {
                    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                    after.split_at(digits)
                }
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let scale: i128 = match unit {
                "" => return Err(DurationError::MissingUnit(text.to_owned())),
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() }),
            };
            let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            total = whole.checked_mul(scale).and_then(|n| total.checked_add(n)).ok_or_else(invalid)?;
            let mut part = scale;
            for digit in fraction.bytes() {
                part /= 10;
                total += part * i128::from(digit - b'0');
            }
            rest = after;
        }
        i64::try_from(if negative { -total } else { total }).map(Self).map_err(|_| invalid())
    }
}

impl std::fmt::Display for GoDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        match nanos {
            0..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(f, "{seconds}s"),
                    (0, m) => write!(f, "{m}m{seconds}s"),
                    (h, m) => write!(f, "{h}h{m}m{seconds}s"),
                }
            }
        }
    }
}

/// `nanos / unit` as a decimal without trailing zeros.
fn decimal(nanos: u64, unit: u64) -> String {
    let (whole, rest) = (nanos / unit, nanos % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{rest:0width$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("20s", 20_000_000_000, "20s")]
    #[case("1m", 60_000_000_000, "1m0s")]
    #[case("1h15m30.918s", 4_530_918_000_000, "1h15m30.918s")]
    #[case("100ms", 100_000_000, "100ms")]
    #[case("1.5us", 1_500, "1.5µs")]
    #[case("-90s", -90_000_000_000, "-1m30s")]
    #[case("0", 0, "0s")]
    #[case("7ns", 7, "7ns")]
    #[case(".5s", 500_000_000, "500ms")]
    #[case("4h", 14_400_000_000_000, "4h0m0s")]
    fn reads_and_writes_as_go(#[case] text: &str, #[case] nanos: i64, #[case] written: &str) {
        let parsed: GoDuration = text.parse().unwrap();
        assert_eq!(parsed, GoDuration(nanos));
        assert_eq!(parsed.to_string(), written);
        assert_eq!(written.parse(), Ok(parsed));
    }

    #[rstest]
    #[case("20", "time: missing unit in duration \"20\"")]
    #[case("abc", "time: invalid duration \"abc\"")]
    #[case("", "time: invalid duration \"\"")]
    #[case("3d", "time: unknown unit \"d\" in duration \"3d\"")]
    #[case("9999999999h", "time: invalid duration \"9999999999h\"")]
    fn refuses_with_gos_words(#[case] text: &str, #[case] error: &str) {
        assert_eq!(text.parse::<GoDuration>().unwrap_err().to_string(), error);
    }
}
