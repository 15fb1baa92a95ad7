//! `sort`: by keys, each with its own way of comparing.

use std::cmp::Ordering;

use super::{Options, bad_option, complain, text::lines};
use crate::os::{Code, OpenMode, Process};

/// Where a key begins and ends, by fields and letters from 1, and how it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Key {
    from: (usize, usize),
    /// Nothing: to the end of the line.
    to: Option<(usize, usize)>,
    flags: String,
}

impl Key {
    /// Reads `2`, `2n`, `2.3,4r`.
    fn read(text: &str) -> Option<Self> {
        let mut flags = String::new();
        let mut end = |text: &str| -> Option<(usize, usize)> {
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            flags.push_str(&text[digits.len()..]);
            let (field, letter) = digits.split_once('.').unwrap_or((digits, "0"));
            Some((field.parse().ok()?, letter.parse().ok()?))
        };
        let (from, to) = match text.split_once(',') {
            Some((from, to)) => (end(from)?, Some(end(to)?)),
            None => (end(text)?, None),
        };
        (from.0 > 0).then_some(Self { from, to, flags })
    }

    /// The part of a line that it is.
    fn of<'t>(&self, line: &'t str, separator: Option<&str>) -> &'t str {
        let fields = fields(line, separator);
        let place = |(field, letter): (usize, usize), end: bool| -> usize {
            let Some(&(start, stop)) = fields.get(field - 1) else { return line.len() };
            match (letter, end) {
                (0, true) => stop,
                (0, false) => start,
                (n, _) => {
                    line[start..stop].char_indices().nth(if end { n } else { n - 1 }).map_or(stop, |(at, _)| start + at)
                }
            }
        };
        let from = place(self.from, false);
        let to = self.to.filter(|to| to.0 > 0).map_or(line.len(), |to| place(to, true));
        line.get(from..to.max(from)).unwrap_or_default()
    }
}

/// Where the fields of a line are; without a separator the blanks before a field belong to it.
fn fields(line: &str, separator: Option<&str>) -> Vec<(usize, usize)> {
    let mut fields = Vec::new();
    let mut start = 0;
    match separator.filter(|s| !s.is_empty()) {
        Some(separator) => {
            for (at, _) in line.match_indices(separator) {
                fields.push((start, at));
                start = at + separator.len();
            }
        }
        None => {
            let mut word = false;
            for (at, c) in line.char_indices() {
                let blank = c == ' ' || c == '\t';
                if blank && word {
                    fields.push((start, at));
                    start = at;
                }
                word = !blank;
            }
        }
    }
    fields.push((start, line.len()));
    fields
}

fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let signed = usize::from(text.starts_with('-'));
    let end = text[signed..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text.len(), |at| at + signed);
    text[..end].parse().unwrap_or(0.0)
}

/// A size with its unit: `1K`, `2.5M`.
fn size(text: &str) -> f64 {
    let text = text.trim_start();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-').chars().next();
    let power = unit.and_then(|unit| "KMGTPE".find(unit.to_ascii_uppercase())).map_or(0, |at| at as i32 + 1);
    number(text) * 1024_f64.powi(power)
}

/// Versions: runs of digits by value, the rest by letter.
fn version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let text = |s: &str| s.find(|c: char| c.is_ascii_digit()).unwrap_or(s.len());
        let (ta, tb) = (text(a), text(b));
        let order = a[..ta].cmp(&b[..tb]);
        if order.is_ne() || a.is_empty() && b.is_empty() {
            return order;
        }
        (a, b) = (&a[ta..], &b[tb..]);
        let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (da, db) = (digits(a), digits(b));
        let value = |s: &str| s.parse::<u128>().unwrap_or(0);
        let order = value(&a[..da]).cmp(&value(&b[..db]));
        if order.is_ne() {
            return order;
        }
        (a, b) = (&a[da..], &b[db..]);
    }
}

fn month(text: &str) -> usize {
    const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let name: String = text.trim_start().chars().take(3).collect::<String>().to_ascii_uppercase();
    MONTHS.iter().position(|month| *month == name).map_or(0, |at| at + 1)
}

fn compare(a: &str, b: &str, flags: &str) -> Ordering {
    let has = |flag: char| flags.contains(flag);
    let (a, b) = if has('b') { (a.trim_start(), b.trim_start()) } else { (a, b) };
    let order = if has('n') {
        number(a).total_cmp(&number(b))
    } else if has('g') {
        a.trim().parse().unwrap_or(f64::NEG_INFINITY).total_cmp(&b.trim().parse().unwrap_or(f64::NEG_INFINITY))
    } else if has('h') {
        size(a).total_cmp(&size(b))
    } else if has('V') {
        version(a, b)
    } else if has('M') {
        month(a).cmp(&month(b))
    } else {
        let kept = |text: &str| -> String {
            let dictionary = |c: &char| !has('d') || c.is_alphanumeric() || c.is_whitespace();
            text.chars().filter(dictionary).map(|c| if has('f') { c.to_ascii_uppercase() } else { c }).collect()
        };
        kept(a).cmp(&kept(b))
    };
    if has('r') { order.reverse() } else { order }
}

/// `sort [-nrugMhVcszbdfi] [-t CHAR] [-k KEY]… [-o FILE] [FILE…]`.
pub(super) async fn sort(process: Process) -> Code {
    let options = match Options::read(&process.args(), "nrugMhVcszbdfim", "ktoST") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let global: String = options.letters.iter().map(|(l, _)| *l).filter(|l| "nrgMhVbdfi".contains(*l)).collect();
    let mut keys = Vec::new();
    for (_, text) in options.letters.iter().filter(|(l, _)| *l == 'k') {
        let Some(mut key) = Key::read(text.as_deref().unwrap_or_default()) else {
            process.err("sort: bad field specification\n").await;
            return 2;
        };
        if key.flags.is_empty() {
            key.flags.clone_from(&global);
        }
        keys.push(key);
    }
    let Some(mut all) = lines(&process, "sort", &options.rest).await else { return 1 };
    let separator = options.value('t').map(super::unescaped);
    let by_keys = |a: &String, b: &String| {
        if keys.is_empty() {
            return compare(a, b, &global);
        }
        let mut orders = keys.iter().map(|key| {
            let separator = separator.as_deref();
            compare(key.of(a, separator), key.of(b, separator), &key.flags)
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    if options.has('c') {
        let wrong = all.windows(2).position(|pair| {
            let order = by_keys(&pair[0], &pair[1]);
            order.is_gt() || options.has('u') && order.is_eq()
        });
        return match wrong {
            None => 0,
            Some(at) => {
                process.err(format!("Check line {}\n", at + 1)).await;
                1
            }
        };
    }
    let reverse = global.contains('r');
    all.sort_by(|a, b| {
        by_keys(a, b).then_with(|| {
            // Ties go by the whole line, unless the order of the input is to stay.
            match options.has('s') || options.has('u') {
                true => Ordering::Equal,
                false if reverse => b.cmp(a),
                false => a.cmp(b),
            }
        })
    });
    if options.has('u') {
        all.dedup_by(|a, b| by_keys(b, a).is_eq());
    }
    let text: String = all.iter().map(|line| format!("{line}\n")).collect();
    match options.value('o') {
        None => i32::from(process.out(text).await.is_err()),
        Some(path) => match process.files().open(&process.absolute(path), OpenMode::WRITE, &process.credentials()) {
            Ok(file) => i32::from(file.write(text.as_bytes()).await.is_err()),
            Err(error) => complain(&process, "sort", &format!("can't open '{path}'"), error).await,
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2", "b 2", " 2")]
    #[case("2b,2", "b 2 z", " 2")]
    #[case("1,1", "a b", "a")]
    #[case("1.2,1.3", "abcd", "bc")]
    fn keys(#[case] key: &str, #[case] line: &str, #[case] expected: &str) {
        assert_eq!(Key::read(key).expect("a key").of(line, None), expected);
    }

    #[rstest]
    #[case("1.9", "1.10", "V", Ordering::Less)]
    #[case("9", "10", "n", Ordering::Less)]
    #[case("9", "10", "", Ordering::Greater)]
    #[case("1K", "2", "h", Ordering::Greater)]
    #[case("b", "A", "f", Ordering::Greater)]
    #[case("JAN", "feb", "M", Ordering::Less)]
    #[case("a", "b", "r", Ordering::Greater)]
    fn orders(#[case] a: &str, #[case] b: &str, #[case] flags: &str, #[case] expected: Ordering) {
        assert_eq!(compare(a, b, flags), expected);
    }
}
