//! Lengths of time (`1m30s`) and sizes (`11Mi`) as scenarios write them: in the notation of Go and Kubernetes.

use std::{fmt, str::FromStr, time::Duration};

use jiff::SignedDuration;
use kubelet::api::duration::{self, GoDuration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

/// A length of time, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Duration);

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = "write a length of time such as 500ms, 10s or 1m30s";
        let length = duration::parse(text).map_err(|_| format!("{text:?} is no length of time: {hint}"))?;
        length.to_std().map(Self).ok_or_else(|| format!("{text:?} is negative: {hint}"))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", GoDuration(i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// How far a clock is moved: forward or back, not nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift(pub SignedDuration);

impl FromStr for Shift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = "write how far the clock moves, such as +1h or -90s";
        let shift = duration::parse(text).map_err(|_| format!("{text:?} is no length of time: {hint}"))?;
        if shift.0 == 0 {
            return Err(format!("{text:?} moves nothing: {hint}"));
        }
        Ok(Self(SignedDuration::from_nanos(shift.0)))
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_negative() { "-" } else { "+" };
        write!(f, "{sign}{}", Length(self.0.unsigned_abs()))
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let factor = match unit {
            "" => Some(1u64),
            "Ki" => Some(1 << 10),
            "Mi" => Some(1 << 20),
            _ => None,
        };
        let size = digits.parse::<u64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
        size.filter(|size| *size <= 64 << 20)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no size: write bytes, Ki or Mi (at most 64Mi), such as 11Mi"))
    }
}

fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Shift {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$",
            "description": "A length of time in Go's notation: 500ms, 10s, 1m30s."
        })
    }
}

impl JsonSchema for Shift {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Shift".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[-+]?([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$",
            "description": "How far a clock moves, in Go's notation: +1h, -90s."
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+(Ki|Mi)?$", "description": "A size: bytes, Ki or Mi." })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10s", Some(10_000))]
    #[case("1m30s", Some(90_000))]
    #[case("500ms", Some(500))]
    #[case("0", Some(0))]
    #[case("10", None)]
    #[case("-1s", None)]
    #[case("soon", None)]
    fn lengths(#[case] text: &str, #[case] milliseconds: Option<u64>) {
        assert_eq!(text.parse::<Length>().ok().map(|l| l.0), milliseconds.map(Duration::from_millis));
    }

    #[rstest]
    #[case("+1h", Some((3600, "+1h0m0s")))]
    #[case("-90s", Some((-90, "-1m30s")))]
    #[case("5m", Some((300, "+5m0s")))]
    #[case("0s", None)]
    #[case("an hour", None)]
    fn shifts(#[case] text: &str, #[case] wanted: Option<(i64, &str)>) {
        let shift = text.parse::<Shift>().ok().map(|shift| (shift.0.as_secs(), shift.to_string()));
        assert_eq!(shift.as_ref().map(|(seconds, text)| (*seconds, text.as_str())), wanted);
    }

    #[rstest]
    #[case("11Mi", Some(11 << 20))]
    #[case("5", Some(5))]
    #[case("2Ki", Some(2048))]
    #[case("1Gi", None)]
    #[case("65Mi", None)]
    #[case("Mi", None)]
    fn sizes(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(text.parse::<Size>().ok().map(|s| s.0), bytes);
    }
}
