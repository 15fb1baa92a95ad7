//! Scripts that nobody would write, run to an end: what fuzzers and tests call. Whatever the bytes are, it returns.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use world::{Files, Tasks, sim};

use crate::{
    catalogue::ImageKind,
    os::{
        Credentials, Descriptor, FileTree, Kernel, Launch, Mount, Namespaces, Signal, Surroundings,
        namespaces::Beginning,
        overlay::Overlay,
        pipe::{Null, Sink},
    },
    rootfs,
};

/// Virtual time that a script gets before it is killed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Real time after which a script counts as one that never ends: far more than any takes, in a debug build on a busy machine.
const WATCHDOG: Duration = Duration::from_secs(180);

/// Pieces of shell language that go wrong in interesting ways when they meet.
pub const FRAGMENTS: &[&str] = &[
    "echo",
    "$x",
    "${x}",
    "${x:-",
    "${x:=a}",
    "${x:?",
    "${x#*",
    "${x%%",
    "${#x}",
    "}",
    "$(",
    ")",
    "$((",
    "))",
    "`",
    "\"",
    "'",
    "\\",
    ";",
    ";;",
    "&",
    "&&",
    "||",
    "|",
    "\n",
    " ",
    "x=",
    "x=$x$x",
    "if",
    "then",
    "elif",
    "else",
    "fi",
    "while",
    "until",
    "do",
    "done",
    "for",
    "in",
    "case",
    "esac",
    "{",
    "(",
    "f()",
    "return",
    "break 9",
    "continue",
    "exit",
    "trap",
    "eval",
    "exec",
    "set -e",
    "set --",
    "shift",
    "wait",
    "kill -9 $$",
    "<<E\n",
    "\nE\n",
    "<",
    ">",
    ">>",
    "2>&1",
    ">&-",
    "/dev/null",
    "*",
    "?",
    "[a-",
    "]",
    "~",
    "!",
    "$?",
    "$!",
    "$@",
    "\"$@\"",
    "$*",
    "1",
    "-1",
    "99999999999999999999",
    "/0",
    "%0",
    "<<63",
    "**",
    "a",
    "b",
    "0",
    "true",
    "false",
    "cat",
    "yes",
    "head -c 9",
    "seq 1 9",
    "printf '%s %d %q'",
    "test -f",
    "[ a = ]",
    "local y",
    "unset x",
    "read x",
    "sed 's/",
    "/",
    "grep '\\(",
    "tr a-z",
    "sleep 1",
    "sleep 9 &",
    ". /x",
    "alias",
    "getopts ab:",
    "export",
    "readonly x",
    "$-",
    "\0",
    "é",
    "\u{7f}",
];

/// Most bytes of what a script wrote that are kept.
const KEPT: usize = 4096;

/// What came of a script.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Bytes that it wrote.
    pub written: usize,
    /// The first of them.
    pub text: Vec<u8>,
    /// Bytes that its shells still hold after all of them ended.
    pub held: usize,
}

/// Runs a script as `sh -c` in a container of its own, and kills it when it takes too long.
///
/// # Panics
/// Where the interpreter does, or where it keeps the machine busy without time going by.
pub fn run(script: &str) -> Outcome {
    let script = script.to_owned();
    let limits = sim::Limits { virtual_time: Duration::from_secs(60), real_time: WATCHDOG };
    let outcome = sim::run(1, limits, move |world, tasks: Tasks| async move {
        let around = Surroundings {
            world: world.world.clone(),
            namespaces: Namespaces::new(Beginning { hostname: "box".to_owned(), ..Beginning::default() }),
            addresses: Vec::new(),
        };
        let files =
            Files::new(Overlay::new(rootfs::build(ImageKind::Busybox, &world.world.clock), world.world.clock.clone()));
        let root = PathBuf::from("/");
        let files = FileTree::new(Mount { at: root.clone(), files, root, read_only: false, kind: "overlay" });
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let seen = outcome.clone();
        let sink: Descriptor = Arc::new(Sink(move |bytes: &[u8]| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.written += bytes.len();
            let room = KEPT.saturating_sub(seen.text.len()).min(bytes.len());
            seen.text.extend_from_slice(bytes.get(..room).unwrap_or_default());
            Ok(())
        }));
        let launch = Launch {
            args: vec!["sh".to_owned(), "-c".to_owned(), script],
            env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned()), ("x".to_owned(), "a b*".to_owned())]),
            cwd: "/".to_owned(),
            credentials: Credentials::default(),
            files,
            descriptors: BTreeMap::from([(0, Arc::new(Null) as Descriptor), (1, sink.clone()), (2, sink)]),
            dispositions: BTreeMap::new(),
            confinement: Arc::default(),
        };
        let kernel = Kernel::new(tasks.child("box"), around, None);
        if let Some(process) = kernel.launch(None, launch, Box::new(super::main))
            && tokio::time::timeout(PATIENCE, process.wait()).await.is_err()
        {
            kernel.signal_all(Signal::KILL);
            process.wait().await;
        }
        // What it left in the background.
        kernel.signal_all(Signal::KILL);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut outcome = outcome.lock().map(|mut seen| std::mem::take(&mut *seen)).unwrap_or_default();
        outcome.held = kernel.memory().held();
        outcome
    });
    outcome.unwrap_or_else(|error| panic!("the script does not end: {error}"))
}

/// A script of fragments, chosen by bytes.
pub fn compose(bytes: &[u8]) -> String {
    let mut script = String::new();
    for pair in bytes.chunks(2) {
        script.push_str(FRAGMENTS[usize::from(pair[0]) % FRAGMENTS.len()]);
        // Mostly words of their own, now and then glued together.
        if pair.get(1).is_none_or(|glue| glue % 4 != 0) {
            script.push(' ');
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case("while :; do x=$x$x; done")]
    #[case("f() { f | f & }; f")]
    #[case("x=$(yes)")]
    #[case("while :; do :; done")]
    #[case("yes a long line of text that fills what there is >> /tmp/file")]
    #[case("yes > missing/")]
    #[case("echo {1..999999999}")]
    #[case("seq 1 99999999 | sort | tail -n 1")]
    #[case("printf '%999999999d' 1")]
    #[case("trap 'kill -TERM $$' TERM; kill -TERM $$")]
    #[case("set -- $(seq 1 60000); while :; do set -- \"$@\" \"$@\"; done")]
    #[case("eval \"$(printf '%020000d' 0 | tr 0 '(')\"")]
    #[case(
        "cat <<E\n${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% ${x%% $( \nE\n"
    )]
    #[case("((((((((((((((((((((((((((((((((((213")]
    #[case("for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for ((for (((")]
    #[case("trap> ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( (seq 1 9 > ")]
    #[case("alias a='a a'; a; alias b='c;c' c='b;b'; b")]
    #[case("awk 'BEGIN { while (1) x = x \"ab\" }'")]
    #[case("awk 'function f(n) { if (n > 0) { while (1) { return 1 + f(n - 1) } } return 0 } BEGIN { print f(1000) }'")]
    #[case("awk \"BEGIN { print 1$(printf '+1%.0s' $(seq 5000)) }\"")]
    #[case("awk \"BEGIN { print $(printf '(%.0s' $(seq 5000))1 }\"")]
    #[case("awk \"BEGIN { $(printf 'if(1){%.0s' $(seq 5000)) }\"")]
    #[case("awk 'BEGIN { while (1) a[n++] = n }'")]
    #[case("find . $(printf '! %.0s' $(seq 5000)) -name x")]
    #[case("find . $(printf '( %.0s' $(seq 5000)) -name x")]
    #[case("expr $(printf '( %.0s' $(seq 5000)) 1")]
    #[case("echo x | sed ':a;s/$/xx/;ta'")]
    #[case("yes | tar cf - -T - 2>&1; yes | gzip | zcat | head -c 100; yes | xargs")]
    #[case("printf 'a%.0s\\n' $(seq 20000) | sort | uniq -c | diff - /dev/null")]
    #[case("cat <<\"\" # no line follows")]
    #[case(") case ` for break 9`then ${x:=a}for <<63$( & ( a set -e ")]
    #[case("esac continue / \nE\ngetopts ab: <<63$(( ) /0 99999999999999999999 done${x} echo   ")]
    fn greedy_scripts_end(#[case] script: &str) {
        run(script);
    }

    /// Three million bytes in `x`, not exported.
    const LARGE: &str = "unset x; x=$(head -c 3000000 /dev/zero | tr '\\0' a); ";

    #[rstest::rstest]
    #[case::parameters("set -- a; while :; do set -- \"$*$*\"; done", "out of memory")]
    #[case::arguments("f() { f $*$*; }; f a", "out of memory")]
    #[case::variables("while :; do n=$((n + 1)); eval \"v$n=\\$x\"; done", "out of memory")]
    #[case::background("while sleep 9 & do :; done", "can't fork")]
    #[case::here_documents("f() { f <<E\n$x\nE\n}; f", "out of memory")]
    #[case::substitutions("f() { echo $(f & sleep 9; echo $x) $(f & sleep 9); }; f & f & f & sleep 1", "can't fork")]
    #[case::pipelines("f() { f | f | f; }; f", "can't fork")]
    #[case::replacement("y=$(seq 100); echo ${y//1/$x}", "out of memory")]
    #[case::environment("export x; sleep 1", "sleep: Argument list too long")]
    #[case::one_argument("/bin/echo $x", "/bin/echo: Argument list too long")]
    fn what_multiplies_ends_in_an_error_and_gives_all_back(#[case] script: &str, #[case] said: &str) {
        let outcome = run(&format!("{LARGE}{script}"));
        let text = String::from_utf8_lossy(&outcome.text).into_owned();
        assert!(text.contains(said), "{text}");
        assert_eq!(outcome.held, 0, "held after the end");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn fragments_in_any_order_end(bytes in proptest::collection::vec(any::<u8>(), 1..60)) {
            run(&compose(&bytes));
        }

        #[test]
        fn any_text_ends(text in ".{0,120}") {
            run(&text);
        }
    }
}
