//! `podlab check`: what is wrong with scenarios, and what the kubelet makes of manifests, told apart by content. Not the rules:
//! those are the kubelet's and the format's.

use std::{fmt::Write as _, io, path::Path};

use kubelet::findings::{self, Finding};
use world::Files;

use super::{Surroundings, Which};
use crate::corpus;

mod marks;

use marks::Marks;

/// The largest manifest, as the kubelet has it.
const LIMIT: u64 = 10 << 20;

/// Checks files; gives the exit code: that of scenarios, or 1 if a manifest would be refused.
pub(super) fn check(which: Which, around: &mut Surroundings<'_>) -> io::Result<u8> {
    let files = Files::real("/");
    let Which { paths, filter } = which;
    let (mut manifests, mut scenarios) = (Vec::new(), Vec::new());
    for path in &paths {
        let mut found = Vec::new();
        // What cannot be listed is told with the scenarios.
        let listed = corpus::list(&files, path, &mut found);
        if listed.is_err() || found.is_empty() {
            scenarios.push(path.clone());
        }
        for file in found {
            match read(&files, &file) {
                Ok(bytes) if is_manifest(&bytes) => manifests.push((file, bytes)),
                _ => scenarios.push(file),
            }
        }
    }
    let mut refused = false;
    for (path, bytes) in &manifests {
        let found = findings::manifest(bytes);
        refused |= findings::refuse(&found);
        around.out.write_all(render(path, bytes, &found).as_bytes())?;
    }
    let mut code = 0;
    if manifests.is_empty() || !scenarios.is_empty() {
        let mut count = 0;
        code = Which { paths: scenarios, filter }.each(around, |_| {
            count += 1;
            String::new()
        })?;
        if code == 0 {
            writeln!(around.out, "{count} scenarios are well-formed")?;
        }
    }
    Ok(if code == 0 { u8::from(refused) } else { code })
}

fn read(files: &Files, path: &Path) -> io::Result<Vec<u8>> {
    files.read(&std::path::absolute(path)?, LIMIT)
}

/// Whether the bytes are meant as an object of Kubernetes: they start as JSON, or have words of it where they belong. A file with nothing
/// in it that could be a scenario's is the kubelet's to refuse, too.
fn is_manifest(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let starts = |word: &str| text.lines().any(|line| line.starts_with(word));
    let keyless = !text.lines().any(|line| line.starts_with(char::is_alphabetic) && line.contains(':'));
    keyless
        || text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
        || ["kind:", "apiVersion:", "metadata:", "spec:"].into_iter().any(starts) && !starts("steps:")
}

/// `file:line: path: weight: text` by line, and a line that sums up.
fn render(path: &Path, bytes: &[u8], found: &[Finding]) -> String {
    let marks = Marks::of(&String::from_utf8_lossy(bytes));
    let line = |finding: &Finding| finding.line.or_else(|| marks.line(&finding.path));
    let mut rows: Vec<(Option<usize>, &Finding)> = found.iter().map(|finding| (line(finding), finding)).collect();
    rows.sort_by_key(|(line, _)| *line);
    let mut out = String::new();
    let name = path.display();
    for (line, finding) in rows {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let field = if finding.path.is_empty() { String::new() } else { format!(" {}:", finding.path) };
        writeln!(out, "{name}{line}:{field} {}: {}", finding.weight.words(), finding.text).expect("a String takes all");
    }
    if found.is_empty() {
        writeln!(out, "{name}: nothing to say: every field has its effect").expect("a String takes all");
    }
    out
}

/// Paths as tests give them.
#[cfg(test)]
fn shown(name: &str, text: &str) -> String {
    render(Path::new(name), text.as_bytes(), &findings::manifest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
