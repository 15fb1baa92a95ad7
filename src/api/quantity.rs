//! Resource quantities as Go's `resource.Quantity`: parsing, canonical printing, rounding up, arithmetic. Values are held
//! in whole nano-units; no floating point. What a quantity is for is not known here.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

/// The suffix family a quantity was written in; printing keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `m`, none, `k`, `M`, `G` …
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, `Gi` …
    BinarySi,
    /// `e3`, `e6` …
    DecimalExponent,
}

/// A resource amount. Compared by value: `1Ki` equals `1024`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a quantity could not be read. Display is Go's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The shape is wrong.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The shape is right and the number is not.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The shape is right and the suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANO: i128 = 1_000_000_000;
/// No sum or product goes beyond this; upstream caps parsed values at the largest `i64` and so do sums here.
const CAP: i128 = i128::MAX / 2;
const DECIMAL: [(&str, i32); 9] =
    [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Zero, in decimal units.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A whole amount in decimal units.
    pub const fn from_value(value: i64) -> Self {
        Self { nanos: value as i128 * NANO, format: Format::DecimalSi }
    }

    /// A whole amount in binary units.
    pub const fn from_bytes(value: i64) -> Self {
        Self { nanos: value as i128 * NANO, format: Format::BinarySi }
    }

    /// An amount in thousandths.
    pub const fn from_milli(milli: i64) -> Self {
        Self { nanos: milli as i128 * 1_000_000, format: Format::DecimalSi }
    }

    /// Reads the API's text form.
    ///
    /// # Errors
    /// [`QuantityError`], in Go's words.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = unsigned.split_at(digits(unsigned));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", rest),
        };
        let letters = suffix.bytes().take_while(|byte| b"eEinumkKMGTP".contains(byte)).count();
        let exponent = suffix[letters..].strip_prefix(['+', '-']).unwrap_or(&suffix[letters..]);
        if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        let (base, power, format) = interpret(suffix).ok_or(QuantityError::Suffix)?;
        // A point alone is nothing, and Go takes it.
        if whole.is_empty() && fraction.is_empty() && !rest.starts_with('.') {
            return Err(QuantityError::Numeric);
        }
        let magnitude = magnitude(whole, fraction, base, power);
        let format =
            if format == Format::BinarySi && magnitude > 0 && magnitude < NANO { Format::DecimalSi } else { format };
        Ok(Self { nanos: if negative { -magnitude } else { magnitude }, format })
    }

    /// Reads the API type; an unreadable one counts as zero (decoding has refused those).
    pub fn of(quantity: &ApiQuantity) -> Self {
        Self::parse(&quantity.0).unwrap_or(Self::ZERO)
    }

    /// As Go shows it: what it reads quickly and finds canonical it leaves as it is written, signs and leading zeros included.
    pub fn shown(text: &str) -> String {
        let text = text.trim();
        match Self::parse(text) {
            Err(_) => text.to_owned(),
            Ok(_) if is_left_as_written(text) => text.to_owned(),
            Ok(parsed) => parsed.to_string(),
        }
    }

    /// The API type, in canonical form.
    pub fn to_api(self) -> ApiQuantity {
        ApiQuantity(self.to_string())
    }

    /// The amount in whole units, rounded away from zero; capped at the limits of an `i64`.
    pub fn value(self) -> i64 {
        clamp(div_away(self.nanos, NANO))
    }

    /// The amount in thousandths, rounded away from zero; capped at the limits of an `i64`.
    pub fn milli_value(self) -> i64 {
        clamp(div_away(self.nanos, 1_000_000))
    }

    /// Rounded away from zero to whole thousandths, as defaulting does to every resource list.
    pub fn round_up_milli(self) -> Self {
        Self { nanos: div_away(self.nanos, 1_000_000) * 1_000_000, ..self }
    }

    /// Whether it is a whole number of thousandths.
    pub fn is_whole_milli(self) -> bool {
        self.nanos % 1_000_000 == 0
    }

    /// Whether it is a whole number of units.
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Zero, whatever the suffix.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// -1, 0 or 1.
    pub fn sign(self) -> i32 {
        self.nanos.signum() as i32
    }

    /// The suffix family.
    pub fn format(self) -> Format {
        self.format
    }

    /// The sum; keeps this one's suffix family unless this one is zero.
    pub fn plus(self, other: Self) -> Self {
        self.with((self.nanos + other.nanos).clamp(-CAP, CAP), other)
    }

    /// The difference; keeps this one's suffix family unless this one is zero.
    pub fn minus(self, other: Self) -> Self {
        self.with((self.nanos - other.nanos).clamp(-CAP, CAP), other)
    }

    /// The larger; this one when equal.
    pub fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// `value / divisor` rounded up to a whole number, as the downward API shows resources. The divisor is at least one
    /// thousandth; zero counts as one.
    pub fn ceil_div(self, divisor: Self) -> i64 {
        let divisor = if divisor.is_zero() { NANO } else { divisor.nanos };
        clamp(div_away(self.nanos, divisor))
    }

    fn with(self, nanos: i128, other: Self) -> Self {
        Self { nanos, format: if self.is_zero() { other.format } else { self.format } }
    }

    /// Mantissa without trailing zeros and a power of ten that is a multiple of three, at most `most`.
    fn decimal_parts(self, most: i32) -> (i128, i32) {
        let (mut mantissa, mut exponent) = (self.nanos, -9);
        if mantissa == 0 {
            return (0, 0);
        }
        while mantissa % 1000 == 0 && exponent < most {
            mantissa /= 1000;
            exponent += 3;
        }
        (mantissa, exponent)
    }
}

/// Base, power and family of a suffix.
fn interpret(suffix: &str) -> Option<(u32, i64, Format)> {
    if suffix.is_empty() {
        return Some((10, 0, Format::DecimalSi));
    }
    if let Some(index) = BINARY.iter().position(|each| *each == suffix) {
        return Some((2, 10 * (index as i64 + 1), Format::BinarySi));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(each, _)| *each == suffix) {
        return Some((10, i64::from(*power), Format::DecimalSi));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    exponent.parse::<i64>().ok().map(|power| (10, power, Format::DecimalExponent))
}

/// Go's shortcut: up to 18 digits, a power that is a multiple of three (or ten, of two), and neither zeros to strip nor a zero in front.
fn is_left_as_written(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, suffix) = unsigned.split_at(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let Some((base, power, _)) = interpret(suffix) else { return false };
    let digits = i64::try_from(whole.len() + fraction.len()).unwrap_or(i64::MAX);
    if base == 2 {
        let room = 15 - digits - power * 3 / 10 - 1;
        let value = whole.parse::<i64>().unwrap_or(0);
        return fraction.is_empty() && room >= 0 && value & 7 != 0;
    }
    let scale = power.saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX));
    let shifted = format!("{whole}{fraction}");
    digits <= 18 && scale >= -9 && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
}

/// The unsigned amount in nano-units, rounded up and capped.
fn magnitude(whole: &str, fraction: &str, base: u32, power: i64) -> i128 {
    let cap = i128::from(i64::MAX) * NANO;
    let digits = || whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0'));
    if digits().all(|digit| digit == 0) {
        return 0;
    }
    let mut scale = if base == 10 { power.saturating_add(9) } else { 9 }.saturating_sub(fraction.len() as i64);
    let mut value: i128 = 0;
    let mut lost = false;
    let mut full = false;
    for digit in digits() {
        if full || value > i128::MAX / 10 - 10 {
            // Beyond 38 digits: the rest only scales, and counts for rounding.
            full = true;
            scale = scale.saturating_add(1);
            lost |= digit != 0;
        } else {
            value = value * 10 + digit;
        }
    }
    if base == 2 {
        match value.checked_mul(1i128 << power) {
            Some(product) => value = product,
            None => return cap,
        }
    }
    while scale > 0 {
        scale -= 1;
        match value.checked_mul(10) {
            Some(product) if product <= CAP => value = product,
            _ => return cap,
        }
    }
    while scale < 0 && value > 0 {
        scale += 1;
        lost |= value % 10 != 0;
        value /= 10;
    }
    value += i128::from(lost);
    // Upstream caps only what does not fit its fast path of 18 digits; every amount it lets through fits here.
    if whole.trim_start_matches('0').len() + fraction.len() > 18 || base == 2 { value.min(cap) } else { value.min(CAP) }
}

fn div_away(value: i128, by: i128) -> i128 {
    let (quotient, rest) = (value / by, value % by);
    if rest == 0 { quotient } else { quotient + value.signum() * by.signum() }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl fmt::Display for Quantity {
    /// Go's canonical form: no fraction, the largest suffix that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let small = self.nanos.abs() < 1024 * NANO;
        if self.format == Format::BinarySi && !small && self.nanos % NANO == 0 {
            let (mut mantissa, mut power) = (self.nanos / NANO, 0);
            while mantissa % 1024 == 0 && power < BINARY.len() {
                mantissa /= 1024;
                power += 1;
            }
            return write!(f, "{mantissa}{}", if power == 0 { "" } else { BINARY[power - 1] });
        }
        if self.format == Format::DecimalExponent {
            let (mantissa, exponent) = self.decimal_parts(i32::MAX);
            return if exponent == 0 { write!(f, "{mantissa}") } else { write!(f, "{mantissa}e{exponent}") };
        }
        let (mantissa, exponent) = self.decimal_parts(18);
        let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent).map_or("", |(name, _)| *name);
        write!(f, "{mantissa}{suffix}")
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

#[cfg(test)]
mod tests;
