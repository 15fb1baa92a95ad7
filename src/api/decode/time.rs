//! RFC 3339 timestamps with the error texts of Go's `time.Parse`. Only says whether a text is one; the value is read by
//! the typed decoder.

use crate::api::gojson;

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
/// Layout elements in order, with the width of the digits and their range; separators have width 0.
const ELEMENTS: [(&str, usize, u32, u32, &str); 11] = [
    ("2006", 4, 0, 9999, ""),
    ("-", 0, 0, 0, ""),
    ("01", 2, 1, 12, "month"),
    ("-", 0, 0, 0, ""),
    ("02", 2, 1, 31, "day"),
    ("T", 0, 0, 0, ""),
    ("15", 2, 0, 23, "hour"),
    (":", 0, 0, 0, ""),
    ("04", 2, 0, 59, "minute"),
    (":", 0, 0, 0, ""),
    ("05", 2, 0, 59, "second"),
];

/// Checks a timestamp.
///
/// # Errors
/// Go's text: `parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`.
pub(super) fn check(text: &str) -> Result<(), String> {
    let quoted = gojson::go_quoted(text);
    let cannot = |rest: &str, element: &str| {
        Err(format!("parsing time {quoted} as \"{LAYOUT}\": cannot parse {} as \"{element}\"", gojson::go_quoted(rest)))
    };
    let mut rest = text;
    for (element, width, low, high, name) in ELEMENTS {
        if width == 0 {
            match rest.strip_prefix(element) {
                Some(next) => rest = next,
                None => return cannot(rest, element),
            }
            continue;
        }
        let digits = rest.get(..width).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = digits.and_then(|digits| digits.parse::<u32>().ok()) else {
            return cannot(rest, element);
        };
        if !(low..=high).contains(&number) {
            return Err(format!("parsing time {quoted}: {name} out of range"));
        }
        rest = &rest[width..];
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            rest = &fraction[digits..];
        }
    }
    let zone = |rest: &str| {
        let bytes = rest.as_bytes();
        rest.len() == 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5].iter().all(|at| bytes[*at].is_ascii_digit())
    };
    if rest == "Z" || zone(rest) {
        return text
            .parse::<jiff::Timestamp>()
            .map(|_| ())
            .map_err(|_| format!("parsing time {quoted}: day out of range"));
    }
    match rest.strip_prefix('Z') {
        Some(extra) => Err(format!("parsing time {quoted}: extra text: {}", gojson::go_quoted(extra))),
        None => cannot(rest, "Z07:00"),
    }
}
