//! Embeds the corpus: every file of the folders beside this one that hold scenarios. Not the code below `src`.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// Folders that hold something else.
const OTHERS: &[&str] = &["src", "tests", "target"];

#[expect(clippy::disallowed_methods, reason = "a build script has no World, and sorts what it lists")]
fn main() -> io::Result<()> {
    let home = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let mut files = Vec::new();
    for entry in fs::read_dir(&home)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !name.starts_with('.') && !OTHERS.contains(&name.as_str()) {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, &mut files)?;
        }
    }
    println!("cargo::rerun-if-changed={}", home.display());
    files.sort();
    let mut code = String::from("&[\n");
    for path in &files {
        let name = path.strip_prefix(&home).map_err(io::Error::other)?;
        writeln!(code, "    ({:?}, include_bytes!({:?})),", name.display().to_string(), path.display().to_string())
            .map_err(io::Error::other)?;
    }
    code.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("corpus.rs"), code)
}

#[expect(clippy::disallowed_methods, reason = "a build script has no World, and sorts what it lists")]
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
