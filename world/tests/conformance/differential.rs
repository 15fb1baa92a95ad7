//! Random operations on the host's files and in memory: every outcome and what is left must be the same.

use std::{
    io,
    path::{Path, PathBuf},
};

use rand::RngExt as _;
use world::{
    Files, Random, Rng, WallClock,
    files::{FileKind, FileSystem as _},
    sim::MemoryFiles,
};

const ROUNDS: u64 = 300;
const STEPS: usize = 60;

/// A path of few names, so that operations meet.
fn path(rng: &mut Rng) -> PathBuf {
    let mut path = PathBuf::from("/");
    for _ in 0..rng.random_range(1..4) {
        path.push(["a", "b", "c", "a", "b", ".."][rng.random_range(0..6)]);
    }
    path
}

/// What an operation says: its result or the kind of its error.
fn said<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(e) => format!("{:?}", e.kind()),
    }
}

type Operate = Box<dyn Fn(&Files) -> String>;

/// One random operation, and how it reads in a failure.
fn step(rng: &mut Rng) -> (String, Operate) {
    let (one, two) = (path(rng), path(rng));
    // The owner may do everything with all of them: memory does not check permissions, and the host does for whoever is not root.
    let mode = [0o700, 0o744, 0o755, 0o1777][rng.random_range(0..4)];
    let content = vec![b'x'; rng.random_range(0..9)];
    let kind = rng.random_range(0..17);
    let text = format!("{kind} {} {} {mode:o} {}", one.display(), two.display(), content.len());
    let operate: Operate = match kind {
        0 => Box::new(move |f| said(f.read(&one, 5))),
        1 => Box::new(move |f| said(f.read_tail(&one, 3))),
        2 | 3 => Box::new(move |f| said(f.write(&one, &content, mode))),
        4 => Box::new(move |f| said(f.append(&one, mode).and_then(|mut log| log.append(&content)))),
        5 | 6 => Box::new(move |f| said(f.create_dir(&one, mode))),
        7 => Box::new(move |f| said(f.create_dir_all(&one, mode))),
        8 => Box::new(move |f| said(f.read_dir(&one))),
        9 => Box::new(move |f| said(f.metadata(&one).map(|facts| (facts.kind, facts.mode)))),
        10 => Box::new(move |f| said(f.symlink(&two, &one))),
        // A link that says where from here.
        11 => Box::new(move |f| said(f.symlink(two.strip_prefix("/").unwrap_or(&two), &one))),
        12 | 13 => Box::new(move |f| said(f.rename(&one, &two))),
        14 => Box::new(move |f| said(f.remove_file(&one))),
        15 => Box::new(move |f| said(f.set_mode(&one, mode))),
        _ => Box::new(move |f| said(if mode == 0o700 { f.remove_dir_all(&one) } else { f.remove_dir(&one) })),
    };
    (text, operate)
}

/// All there is, with what can be compared.
fn tree(files: &Files, at: &Path, into: &mut Vec<String>) {
    for entry in files.read_dir(at).unwrap() {
        let path = at.join(&entry.name);
        let facts = files.symlink_metadata(&path).unwrap();
        let content = match entry.kind {
            FileKind::File => said(files.read(&path, 1000)),
            FileKind::Symlink => said(files.read_link(&path)),
            _ => String::new(),
        };
        into.push(format!("{} {:?} {:o} {content}", path.display(), facts.kind, facts.mode));
        if entry.kind == FileKind::Directory {
            tree(files, &path, into);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_operations_agree() {
    for round in 0..ROUNDS {
        let mut rng = Random::from_seed(round).fork("operations");
        let directory = tempfile::tempdir().unwrap();
        let host = Files::real(directory.path());
        // The umask of this process may be any.
        host.set_mode(Path::new("/"), 0o755).unwrap();
        let memory = MemoryFiles::new(WallClock::simulated());
        for entry in memory.read_dir(Path::new("/")).unwrap() {
            memory.remove_dir_all(&Path::new("/").join(entry.name)).unwrap();
        }
        let memory = Files::new(memory);
        let mut history = Vec::new();
        for _ in 0..STEPS {
            let (text, operate) = step(&mut rng);
            let (on_host, in_memory) = (operate(&host), operate(&memory));
            history.push(format!("{text} -> {on_host}"));
            assert_eq!(in_memory, on_host, "seed {round}, after:\n{}", history.join("\n"));
        }
        let (mut on_host, mut in_memory) = (Vec::new(), Vec::new());
        tree(&host, Path::new("/"), &mut on_host);
        tree(&memory, Path::new("/"), &mut in_memory);
        assert_eq!(in_memory, on_host, "seed {round}, after:\n{}", history.join("\n"));
    }
}
