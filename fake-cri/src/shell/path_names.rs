//! Path name expansion: the files that a field with `*`, `?` or `[` stands for.

use world::files::FileKind;

use super::{FIELD_LIMIT, expand::Field, pattern::matches, state::Shell};

impl Shell {
    /// Adds what a field stands for; the field itself if no file does.
    pub(super) fn path_names(&self, field: Field, all: &mut Vec<String>) -> Result<(), String> {
        let special =
            field.pattern.contains(['*', '?', '[']) && field.pattern != field.text.replace(['*', '?', '['], "");
        let unquoted = special && has_open_special(&field.pattern);
        if self.options.noglob || !unquoted {
            all.push(field.text);
            return Ok(());
        }
        let mut found = Vec::new();
        let start = if field.pattern.starts_with('/') { "/".to_owned() } else { String::new() };
        let mut parts: Vec<&str> = field.pattern.split('/').filter(|p| !p.is_empty()).collect();
        if field.pattern.ends_with('/') {
            parts.push("");
        }
        self.walk(&start, &parts, &mut found);
        if found.is_empty() {
            all.push(field.text);
        } else {
            found.sort();
            all.extend(found);
        }
        if all.len() > FIELD_LIMIT {
            return Err("argument list too long".to_owned());
        }
        Ok(())
    }

    fn walk(&self, before: &str, parts: &[&str], found: &mut Vec<String>) {
        let Some((part, rest)) = parts.split_first() else { return };
        if part.is_empty() {
            let facts = self.process.files().stat(&self.process.absolute(before));
            if facts.is_ok_and(|facts| facts.kind == FileKind::Directory) {
                found.push(before.to_owned());
            }
            return;
        }
        if found.len() > FIELD_LIMIT {
            return;
        }
        let who = self.process.credentials();
        let step = |name: &str, found: &mut Vec<String>| {
            let path = format!("{before}{name}");
            if rest.is_empty() {
                found.push(path);
            } else {
                self.walk(&format!("{path}/"), rest, found);
            }
        };
        if has_open_special(part) {
            let directory = if before.is_empty() { self.process.cwd() } else { self.process.absolute(before) };
            let listed = self.process.files().list(&directory, &who).unwrap_or_default();
            let dots = [".", ".."].into_iter().map(str::to_owned);
            for name in dots.chain(listed.into_iter().map(|entry| entry.name)) {
                if (!name.starts_with('.') || part.starts_with('.')) && matches(part, &name) {
                    step(&name, found);
                }
            }
        } else {
            let name: String = unescape_pattern(part);
            if self.process.files().lstat(&self.process.absolute(&format!("{before}{name}"))).is_ok() {
                step(&name, found);
            }
        }
    }
}

fn has_open_special(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|c| {
        let open = !escaped && matches!(c, '*' | '?' | '[');
        escaped = !escaped && c == '\\';
        open
    })
}

fn unescape_pattern(pattern: &str) -> String {
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    text
}
