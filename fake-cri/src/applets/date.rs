//! `date` and the texts that stand for a time, as busybox reads and writes them.

use jiff::{
    Timestamp, Zoned,
    civil::{Date, DateTime, Time},
    fmt::strtime::BrokenDownTime,
    tz::TimeZone,
};

use super::{Options, bad_option};
use crate::os::{Code, Process};

/// The zone of a process: `TZ` if it is one, else UTC, as in a container without zone files.
pub(super) fn zone(process: &Process) -> TimeZone {
    let text = process.var("TZ").unwrap_or_default();
    if text.is_empty() || text.starts_with("UTC") && text.len() == 3 {
        return TimeZone::UTC;
    }
    TimeZone::posix(&text).unwrap_or(TimeZone::UTC)
}

/// Reads `@SECONDS`, `2020-01-02 03:04:05`, `2020.01.02-03:04`, `03:04`, `MMDDhhmm[[CC]YY][.ss]` in a zone.
pub(super) fn parse(text: &str, now: &Zoned) -> Option<Zoned> {
    let zone = now.time_zone().clone();
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok().map(|t| t.to_zoned(zone));
    }
    let text = text.trim();
    let spaced = text.replacen('T', " ", usize::from(text.contains('-'))).replace('.', "-");
    let spaced = spaced.trim_end_matches('Z');
    let clock = |text: &str| -> Option<Time> {
        let mut parts = text.split(':');
        let hour = parts.next()?.parse().ok()?;
        let minute = parts.next()?.parse().ok()?;
        let second = parts.next().map_or(Some(0), |s| s.parse().ok())?;
        Time::new(hour, minute, second, 0).ok().filter(|_| parts.next().is_none())
    };
    let day = |text: &str| -> Option<Date> {
        let mut parts = text.split('-');
        let (y, m, d) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Date::new(y, m, d).ok().filter(|_| parts.next().is_none())
    };
    let local: DateTime = if let Some(set) = digits(text, now) {
        set
    } else if let Some(time) = clock(spaced) {
        now.date().to_datetime(time)
    } else if let Some(date) = day(spaced) {
        date.to_datetime(Time::midnight())
    } else {
        let (date, time) = spaced.split_once(' ').or_else(|| spaced.rsplit_once('-'))?;
        day(date)?.to_datetime(clock(time.trim())?)
    };
    local.to_zoned(zone).ok()
}

/// `MMDDhhmm`, with `YY` or `CCYY` after it, and `.ss`: as `date` is set.
fn digits(text: &str, now: &Zoned) -> Option<DateTime> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "0"));
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !(8..=12).contains(&digits.len()) {
        return None;
    }
    let pair = |at: usize| digits.get(at..at + 2).and_then(|p| p.parse::<i8>().ok());
    let year = match digits.len() {
        8 => now.year(),
        10 => 2000 + i16::from(pair(8)?),
        12 => digits[8..].parse().ok()?,
        _ => return None,
    };
    let date = Date::new(year, pair(0)?, pair(2)?).ok()?;
    Some(date.to_datetime(Time::new(pair(4)?, pair(6)?, seconds.parse().ok()?, 0).ok()?))
}

/// `[[CC]YY]MMDDhhmm[.ss]`: as `touch -t` has it.
pub(super) fn parse_stamp(text: &str, now: &Zoned) -> Option<Zoned> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "0"));
    let (year, rest) = match digits.len() {
        8 => (now.year(), digits),
        10 => (2000 + digits.get(..2)?.parse::<i16>().ok()?, digits.get(2..)?),
        12 => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2).and_then(|p| p.parse::<i8>().ok());
    let date = Date::new(year, pair(0)?, pair(2)?).ok()?;
    let time = Time::new(pair(4)?, pair(6)?, seconds.parse().ok()?, 0).ok()?;
    date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()
}

/// A time in `strftime`'s form.
pub(super) fn shown(at: &Zoned, format: &str) -> Option<String> {
    BrokenDownTime::from(at).to_string(format.as_bytes()).ok()
}

/// The zone's short name: `UTC`, or what `TZ` calls it.
fn zone_name(at: &Zoned) -> String {
    let info = at.time_zone().to_offset_info(at.timestamp());
    info.abbreviation().to_owned()
}

/// `date [-u] [-d TIME] [-D FORMAT] [-r FILE] [-R] [-I[SPEC]] [+FORMAT]`.
pub(super) async fn date(process: Process) -> Code {
    let mut args = process.args();
    // What follows -I is part of it.
    let iso = args.iter().position(|a| a.starts_with("-I")).map(|at| args.remove(at)[2..].to_owned());
    let options = match Options::read(&args, "uRks", "dDr") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let zone = if options.has('u') { TimeZone::UTC } else { zone(&process) };
    let now = process.kernel().surroundings().world.clock.now().to_zoned(zone.clone());
    let at = if let Some(path) = options.value('r') {
        match process.files().stat(&process.absolute(path)) {
            Ok(facts) => facts.modified.to_zoned(zone),
            Err(error) => return super::complain(&process, "date", path, error).await,
        }
    } else {
        match (options.value('d'), options.value('D')) {
            (None, _) => now,
            (Some(text), form) => {
                let read = match form {
                    None => parse(text, &now),
                    Some(form) => BrokenDownTime::parse(form, text).ok().and_then(|b| {
                        let date = b.to_date().unwrap_or(now.date());
                        date.to_datetime(b.to_time().unwrap_or(Time::midnight())).to_zoned(zone).ok()
                    }),
                };
                let Some(at) = read else {
                    process.err(format!("date: invalid date '{text}'\n")).await;
                    return 1;
                };
                at
            }
        }
    };
    let format = match options.rest.first().map(String::as_str) {
        Some(word) => match word.strip_prefix('+') {
            Some(format) => format.to_owned(),
            None => {
                process.err(format!("date: invalid date '{word}'\n")).await;
                return 1;
            }
        },
        None if options.has('R') => "%a, %d %b %Y %H:%M:%S %z".to_owned(),
        None => match iso.as_deref() {
            Some("seconds") => "%Y-%m-%dT%H:%M:%S%:z".to_owned(),
            Some("minutes") => "%Y-%m-%dT%H:%M%:z".to_owned(),
            Some("hours") => "%Y-%m-%dT%H%:z".to_owned(),
            Some(_) => "%Y-%m-%d".to_owned(),
            None => "%a %b %e %H:%M:%S %Z %Y".to_owned(),
        },
    };
    let format = format.replace("%Z", &zone_name(&at));
    match shown(&at, &format) {
        Some(text) => i32::from(process.out(text + "\n").await.is_err()),
        None => {
            process.err(format!("date: invalid format '{format}'\n")).await;
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("@0", Some(0))]
    #[case("2020-01-02 03:04:05", Some(1_577_934_245))]
    #[case("2020-01-02T03:04:05Z", Some(1_577_934_245))]
    #[case("2020.01.02-03:04:05", Some(1_577_934_245))]
    #[case("2020-01-02 03:04", Some(1_577_934_240))]
    #[case("2020-01-02", Some(1_577_923_200))]
    #[case("00:01", Some(60))]
    #[case("010203042020.05", Some(1_577_934_245))]
    #[case("nonsense", None)]
    #[case("99:99", None)]
    fn times(#[case] text: &str, #[case] expected: Option<i64>) {
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        assert_eq!(parse(text, &now).map(|at| at.timestamp().as_second()), expected);
    }
}
