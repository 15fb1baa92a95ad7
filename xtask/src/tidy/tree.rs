//! The files under version control, and which of them are tests. Judges nothing.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context as _, bail};

use super::code::{self, Code};

/// The repository's text files by path.
#[derive(Debug, Default)]
pub struct Tree {
    texts: BTreeMap<String, String>,
    sources: BTreeMap<String, Code>,
}

impl Tree {
    /// What git tracks, and what it would if asked to.
    pub fn tracked() -> anyhow::Result<Self> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(top)
            .output()
            .context("git ls-files")?;
        if !output.status.success() {
            bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
        }
        let names = String::from_utf8(output.stdout).context("paths are UTF-8")?;
        let mut texts = BTreeMap::new();
        for name in names.split('\0').filter(|n| !n.is_empty()) {
            // A deleted file is still listed; a binary one has no lines to judge.
            if let Some(text) = fs::read(top.join(name)).ok().and_then(|b| String::from_utf8(b).ok()) {
                texts.insert(name.to_owned(), text);
            }
        }
        Ok(Self::new(texts))
    }

    fn new(texts: BTreeMap<String, String>) -> Self {
        let rust = |path: &&String| path.ends_with(".rs") && !path.contains("/fixtures/");
        let mut sources: BTreeMap<String, Code> =
            texts.keys().filter(rust).map(|path| (path.clone(), code::read(&texts[path]))).collect();
        mark_tests(&mut sources);
        Self { texts, sources }
    }

    /// Every text file, sorted by path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// One text file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Every Rust file, sorted by path.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Code)> {
        self.sources.iter().map(|(path, code)| (path.as_str(), code))
    }
}

/// Marks files that only tests see: by place, by name, or since a `#[cfg(test)] mod` names them or a module above them.
fn mark_tests(sources: &mut BTreeMap<String, Code>) {
    let mut modules = Vec::new();
    for (path, code) in sources.iter() {
        let folder = module_folder(path);
        modules.extend(code.test_modules().map(|name| format!("{folder}/{name}")));
    }
    for (path, code) in sources.iter_mut() {
        let placed = path.starts_with("tests/")
            || path.contains("/tests/")
            || path.contains("benches/")
            || path.ends_with("/tests.rs");
        let named = modules
            .iter()
            .any(|m| path.strip_prefix(m.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')));
        if placed || named {
            code.mark_all_as_test();
        }
    }
}

/// Where the files of a file's child modules are.
fn module_folder(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

/// A tree of given files, for the rules' own tests.
#[cfg(test)]
pub fn sample(files: &[(&str, &str)]) -> Tree {
    Tree::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_see_is_marked() {
        let tree = sample(&[
            ("src/lib.rs", "#[cfg(test)]\nmod replay;\nmod rules;\n"),
            ("src/replay.rs", "x"),
            ("src/replay/deeper.rs", "x"),
            ("src/rules.rs", "#[cfg(test)]\nmod cases;\nfn f() {}\n"),
            ("src/rules/cases.rs", "x"),
            ("src/rules/other.rs", "x"),
            ("world/tests/a.rs", "x"),
        ]);
        let marked: Vec<&str> =
            tree.sources().filter(|(_, c)| c.is_test_line(c.text.lines().count())).map(|(p, _)| p).collect();
        assert_eq!(marked, ["src/replay.rs", "src/replay/deeper.rs", "src/rules/cases.rs", "world/tests/a.rs"]);
    }
}
