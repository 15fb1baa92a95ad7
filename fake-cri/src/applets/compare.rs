//! Applets that compare: cmp, diff (unified form, as busybox's), comm.

use world::files::FileKind;

use super::{Options, bad_option, complain, streams::slurp, text::lines};
use crate::os::{Code, Process};

/// Most lines of a file whose differences are looked for.
const LINE_LIMIT: usize = 5000;

/// `cmp [-s] [-l] FILE1 [FILE2]`.
pub(super) async fn cmp(process: Process) -> Code {
    let options = match Options::read(&process.args(), "sl", "n") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(first) = options.rest.first() else {
        process.err("Usage: cmp [-ls] [-n NUM] FILE1 [FILE2]\n").await;
        return 1;
    };
    let second = options.rest.get(1).map_or("-", String::as_str);
    let (Some(left), Some(right)) = (slurp(&process, "cmp", first).await, slurp(&process, "cmp", second).await) else {
        return 2;
    };
    let Some(at) = left.iter().zip(&right).position(|(l, r)| l != r) else {
        if left.len() == right.len() {
            return 0;
        }
        if !options.has('s') {
            let short = if left.len() < right.len() { first } else { second };
            process.err(format!("cmp: EOF on {short}\n")).await;
        }
        return 1;
    };
    if options.has('s') {
        return 1;
    }
    if options.has('l') {
        let pairs = left.iter().zip(&right).enumerate().filter(|(_, (l, r))| l != r);
        let text: String = pairs.map(|(i, (l, r))| format!("{:4} {l:3o} {r:3o}\n", i + 1)).collect();
        let _ = process.out(text).await;
        return 1;
    }
    let line = left[..at].iter().filter(|b| **b == b'\n').count() + 1;
    let _ = process.out(format!("{first} {second} differ: char {}, line {line}\n", at + 1)).await;
    1
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The shortest way from one list of lines to another, what goes before what comes.
fn edits(old: &[String], new: &[String]) -> Vec<Edit> {
    let same_start = old.iter().zip(new).take_while(|(o, n)| o == n).count();
    let (old_rest, new_rest) = (&old[same_start..], &new[same_start..]);
    let same_end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(o, n)| o == n).count();
    let (a, b) = (&old_rest[..old_rest.len() - same_end], &new_rest[..new_rest.len() - same_end]);
    let width = b.len() + 1;
    // The length of the longest common part from each pair of places on.
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let mut way = vec![Edit::Keep; same_start];
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            way.push(Edit::Keep);
            (i, j) = (i + 1, j + 1);
        } else if j >= b.len() || i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            way.push(Edit::Remove);
            i += 1;
        } else {
            way.push(Edit::Add);
            j += 1;
        }
    }
    way.extend(std::iter::repeat_n(Edit::Keep, same_end));
    way
}

/// The hunks of a unified difference with so many lines around each change.
fn unified(old: &[String], new: &[String], around: usize) -> String {
    let way = edits(old, new);
    let changed: Vec<usize> = (0..way.len()).filter(|i| way[*i] != Edit::Keep).collect();
    let mut text = String::new();
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for at in changed {
        let (from, to) = (at.saturating_sub(around), (at + around + 1).min(way.len()));
        match groups.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => groups.push((from, to)),
        }
    }
    for (from, to) in groups {
        let count = |kind: Edit, range: &[Edit]| range.iter().filter(|e| **e == Edit::Keep || **e == kind).count();
        let (old_from, new_from) = (count(Edit::Remove, &way[..from]), count(Edit::Add, &way[..from]));
        let (old_count, new_count) = (count(Edit::Remove, &way[from..to]), count(Edit::Add, &way[from..to]));
        let range = |start: usize, length: usize| match length {
            0 => format!("{start},0"),
            1 => (start + 1).to_string(),
            _ => format!("{},{length}", start + 1),
        };
        text.push_str(&format!("@@ -{} +{} @@\n", range(old_from, old_count), range(new_from, new_count)));
        let (mut i, mut j) = (old_from, new_from);
        for edit in &way[from..to] {
            match edit {
                Edit::Keep => text.push_str(&format!(" {}\n", old[i])),
                Edit::Remove => text.push_str(&format!("-{}\n", old[i])),
                Edit::Add => text.push_str(&format!("+{}\n", new[j])),
            }
            i += usize::from(*edit != Edit::Add);
            j += usize::from(*edit != Edit::Remove);
        }
    }
    text
}

/// `diff [-qurbN] [-U N] FILE1 FILE2`.
pub(super) async fn diff(process: Process) -> Code {
    let options = match Options::read(&process.args(), "abdiqrsuwBNTt", "ULS") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let [first, second] = options.rest.as_slice() else {
        process.err("Usage: diff [-abBdiNqrTstw] [-L LABEL] [-S FILE] [-U LINES] FILE1 FILE2\n").await;
        return 2;
    };
    let mut code = 0;
    let mut waiting = vec![(first.clone(), second.clone())];
    while let Some((left, right)) = waiting.pop() {
        let mut kinds = Vec::new();
        for name in [&left, &right] {
            if name == "-" {
                kinds.push(FileKind::File);
                continue;
            }
            match process.files().stat(&process.absolute(name)) {
                Ok(facts) => kinds.push(facts.kind),
                Err(error) => {
                    complain(&process, "diff", &format!("can't stat '{name}'"), error).await;
                    return 2;
                }
            }
        }
        if kinds == [FileKind::Directory, FileKind::Directory] {
            code |= directories(&process, (&left, &right), options.has('r'), &mut waiting).await;
            continue;
        }
        let inputs = [left.clone(), right.clone()];
        let (Some(old), Some(new)) =
            (lines(&process, "diff", &inputs[..1]).await, lines(&process, "diff", &inputs[1..]).await)
        else {
            return 2;
        };
        if old == new {
            continue;
        }
        code |= 1;
        let around = options.value('U').and_then(|n| n.parse().ok()).unwrap_or(3);
        let text = if options.has('q') || old.len().max(new.len()) > LINE_LIMIT {
            format!("Files {left} and {right} differ\n")
        } else {
            format!("--- {left}\n+++ {right}\n{}", unified(&old, &new, around))
        };
        let _ = process.out(text).await;
    }
    code
}

async fn directories(
    process: &Process,
    (left, right): (&str, &str),
    recursive: bool,
    waiting: &mut Vec<(String, String)>,
) -> Code {
    let names = |path: &str| -> Vec<String> {
        let entries = process.files().list(&process.absolute(path), &process.credentials()).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect()
    };
    let (here, there) = (names(left), names(right));
    let mut all: Vec<&String> = here.iter().chain(&there).collect();
    all.sort();
    all.dedup();
    let mut code = 0;
    let mut both = Vec::new();
    for name in all {
        let alone = match (here.contains(name), there.contains(name)) {
            (true, true) => {
                let pair = (format!("{left}/{name}"), format!("{right}/{name}"));
                let is_dir =
                    process.files().stat(&process.absolute(&pair.0)).is_ok_and(|f| f.kind == FileKind::Directory);
                if recursive || !is_dir {
                    both.push(pair);
                }
                continue;
            }
            (true, false) => left,
            _ => right,
        };
        let _ = process.out(format!("Only in {alone}: {name}\n")).await;
        code = 1;
    }
    waiting.extend(both.into_iter().rev());
    code
}

/// `comm [-123] FILE1 FILE2`: lines of sorted files that only one has, or both.
pub(super) async fn comm(process: Process) -> Code {
    let options = match Options::read(&process.args(), "123z", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let [first, second] = options.rest.as_slice() else {
        process.err("Usage: comm [-123] FILE1 FILE2\n").await;
        return 1;
    };
    let (Some(left), Some(right)) = (
        lines(&process, "comm", std::slice::from_ref(first)).await,
        lines(&process, "comm", std::slice::from_ref(second)).await,
    ) else {
        return 1;
    };
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < left.len() || j < right.len() {
        let order = match (left.get(i), right.get(j)) {
            (Some(l), Some(r)) => l.cmp(r),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        let (column, line) = match order {
            std::cmp::Ordering::Less => ('1', &left[i]),
            std::cmp::Ordering::Greater => ('2', &right[j]),
            std::cmp::Ordering::Equal => ('3', &left[i]),
        };
        i += usize::from(!order.is_gt());
        j += usize::from(!order.is_lt());
        if !options.has(column) {
            let tabs = ['1', '2'].iter().filter(|c| **c < column && !options.has(**c)).count();
            text.push_str(&format!("{}{line}\n", "\t".repeat(tabs)));
        }
    }
    i32::from(process.out(text).await.is_err())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a b c", "a B c", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n")]
    #[case("a b c", "a c", "@@ -1,3 +1,2 @@\n a\n-b\n c\n")]
    #[case("", "a", "@@ -0,0 +1 @@\n+a\n")]
    #[case("1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n")]
    fn differences(#[case] old: &str, #[case] new: &str, #[case] expected: &str) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(unified(&words(old), &words(new), 3), expected);
    }
}
