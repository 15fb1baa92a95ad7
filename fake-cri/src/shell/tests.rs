//! Scripts with the output, error output and status that busybox's ash gives them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use rstest::rstest;
use world::{Files, Tasks, sim};

use crate::{
    applets,
    catalogue::ImageKind,
    os::{
        Credentials, Descriptor, FileTree, Kernel, Launch, Mount, Namespaces, Process, Signal, Surroundings,
        namespaces::Beginning,
        overlay::Overlay,
        pipe::{Null, Sink},
        proc::{self, Proc},
    },
    rootfs,
};

type Text = Arc<Mutex<Vec<u8>>>;

/// Runs `script` as the first process of a busybox container; `during` may send signals.
fn run_with<F>(script: &str, during: F) -> (i32, String, String, Duration)
where
    F: AsyncFn(&Process) + Send + 'static,
{
    run_args(["sh", "-c", script].map(str::to_owned).to_vec(), during)
}

/// Runs a shell with these arguments as the first process of a busybox container.
fn run_args<F>(args: Vec<String>, during: F) -> (i32, String, String, Duration)
where
    F: AsyncFn(&Process) + Send + 'static,
{
    sim::run(1, sim::Limits::default(), move |world, tasks: Tasks| async move {
        let surroundings = Surroundings {
            world: world.world.clone(),
            namespaces: Namespaces::new(Beginning { hostname: "box".to_owned(), ..Beginning::default() }),
            addresses: vec!["10.85.0.2".parse().expect("an address")],
        };
        let node = Surroundings { addresses: Vec::new(), ..surroundings.clone() };
        let node = Kernel::new(tasks.child("node"), node, None);
        let kernel = Kernel::new(tasks.child("box"), surroundings, Some(node));
        let lower = rootfs::build(ImageKind::Busybox, &world.world.clock);
        let tree = FileTree::new(Mount {
            at: PathBuf::from("/"),
            files: Files::new(Overlay::new(lower, world.world.clock.clone())),
            root: PathBuf::from("/"),
            read_only: false,
            kind: "overlay",
        });
        tree.mount(Mount {
            at: PathBuf::from("/proc"),
            files: Files::new(Proc::new(&kernel, false)),
            root: PathBuf::from("/"),
            read_only: false,
            kind: proc::KIND,
        });
        let (out, err) = (Text::default(), Text::default());
        let sink = |text: &Text| -> Descriptor {
            let text = text.clone();
            Arc::new(Sink(move |bytes: &[u8]| {
                text.lock().expect("not poisoned").extend_from_slice(bytes);
                Ok(())
            }))
        };
        let launch = Launch {
            args,
            env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned()), ("HOME".to_owned(), "/root".to_owned())]),
            cwd: "/".to_owned(),
            credentials: Credentials::default(),
            files: tree,
            descriptors: BTreeMap::from([(0, Arc::new(Null) as Descriptor), (1, sink(&out)), (2, sink(&err))]),
            dispositions: BTreeMap::new(),
            confinement: Arc::default(),
        };
        let began = tokio::time::Instant::now();
        let process = kernel.launch(None, launch, Box::new(crate::shell::main)).expect("room for one process");
        during(&process).await;
        let exit = process.wait().await;
        let text = |text: Text| String::from_utf8_lossy(&text.lock().expect("not poisoned")).into_owned();
        (exit.code(), text(out), text(err), began.elapsed())
    })
    .expect("the script ends")
}

/// One script as busybox ran it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    script: String,
    #[serde(default)]
    out: String,
    #[serde(default)]
    err: String,
    #[serde(default)]
    code: i32,
}

#[test]
fn scripts_print_and_return_what_they_do_in_busybox() {
    let all: Vec<Recorded> = serde_saphyr::from_str(include_str!("tests/busybox.yaml")).expect("recordings");
    let mut differences = String::new();
    for recorded in &all {
        let frame = "mkdir -p /tmp/t; cd /tmp/t; sh -c \"$1\"; exit $?";
        let args = ["sh", "-c", frame, "sh", &recorded.script].map(str::to_owned).to_vec();
        let (code, out, err, _) = run_args(args, async |_| {});
        if (code, &out, &err) != (recorded.code, &recorded.out, &recorded.err) {
            differences += &format!(
                "{}\n  busybox: {} {:?} {:?}\n  here:    {code} {out:?} {err:?}\n",
                recorded.script, recorded.code, recorded.out, recorded.err
            );
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(all.len() > 200);
}

fn run(script: &str) -> (i32, String, String) {
    let (code, out, err, _) = run_with(script, async |_| {});
    (code, out, err)
}

#[rstest]
#[case::words("echo a  b 'c  d' \"e f\"", "a b c  d e f\n")]
#[case::variables("x=1; y=$x$x; echo $y ${z:-none} ${#y}", "11 none 2\n")]
#[case::assign_default(": ${v:=set}; echo $v ${v:+there}", "set there\n")]
#[case::trimming("f=a/b/c.tar.gz; echo ${f##*/} ${f%.*} ${f%%.*} ${f#*/}", "c.tar.gz a/b/c.tar a/b/c b/c.tar.gz\n")]
#[case::splitting("v='a  b c'; set -- $v; echo $# \"$v\"", "3 a  b c\n")]
#[case::parameters("set -- 'a b' c; for x in \"$@\"; do echo [$x]; done", "[a b]\n[c]\n")]
#[case::star("set -- a b; echo \"$*\" $#", "a b 2\n")]
#[case::substitution("echo $(echo a; echo b) `echo c`", "a b c\n")]
#[case::arithmetic("i=3; echo $((i * 2 + 1)) $((i > 2)) $((1 ? 7 : 8))", "7 1 7\n")]
#[case::pipes("printf 'b\\na\\nc\\n' | sort | head -n 2", "a\nb\n")]
#[case::lists("true && echo yes || echo no; false && echo yes || echo no", "yes\nno\n")]
#[case::negation("! false && echo ok", "ok\n")]
#[case::branches("if [ 2 -gt 1 ]; then echo a; elif true; then echo b; else echo c; fi", "a\n")]
#[case::loops("i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", "1\n3\n")]
#[case::breaks("for i in 1 2 3; do for j in 1 2; do [ $i = 2 ] && break 2; echo $i$j; done; done", "11\n12\n")]
#[case::cases("case foo.log in *.txt) echo t;; *.log|x) echo l;; esac", "l\n")]
#[case::functions("f() { local x=in; echo $x $1; return 3; }; x=out; f a; echo $? $x", "in a\n3 out\n")]
#[case::subshells("x=1; (x=2; echo $x); echo $x", "2\n1\n")]
#[case::groups("{ echo a; echo b; } | wc -l", "2\n")]
#[case::files("echo one > /tmp/f; echo two >> /tmp/f; cat < /tmp/f; wc -l < /tmp/f", "one\ntwo\n2\n")]
#[case::errors_to_out("ls /nope 2>&1 | cat", "ls: /nope: No such file or directory\n")]
#[case::here("cat <<E\na $((1+1))\nE", "a 2\n")]
#[case::quoted_here("cat <<'E'\na $x\nE", "a $x\n")]
#[case::names("cd /etc; echo host*", "hostname hosts\n")]
#[case::no_names("echo /nope*", "/nope*\n")]
#[case::seq("for i in $(seq 3); do echo -n $i; done; echo", "123\n")]
#[case::background("sleep 1 & wait; echo done", "done\n")]
#[case::exit_trap("trap 'echo bye' EXIT; echo hi", "hi\nbye\n")]
#[case::evaluation("c='echo $x'; x=5; eval $c", "5\n")]
#[case::reading("echo 'a b c' | { read x y; echo \"$y-$x\"; }", "b c-a\n")]
#[case::last_status("sh -c 'exit 7'; echo $?", "7\n")]
#[case::environment("A=1 sh -c 'echo $A'; export B=2; sh -c 'echo $B'", "1\n2\n")]
#[case::grep("printf 'one\\ntwo\\n' | grep -n o", "1:one\n2:two\n")]
#[case::sed("echo hello | sed 's/l/L/g'", "heLLo\n")]
#[case::cut("echo a:b:c | cut -d: -f2", "b\n")]
#[case::tr("echo abc | tr a-c A-C", "ABC\n")]
#[case::ids("id -u; whoami", "0\nroot\n")]
#[case::links("ln -s /etc/hostname /tmp/l; readlink /tmp/l; [ -L /tmp/l ] && echo link", "/etc/hostname\nlink\n")]
#[case::moving(
    "mkdir -p /tmp/a/b; touch /tmp/a/b/c; mv /tmp/a/b/c /tmp/d; ls -A /tmp; rm -rf /tmp/a; ls /tmp",
    "a\nd\nd\n"
)]
fn output(#[case] script: &str, #[case] expected: &str) {
    let (code, out, err) = run(script);
    assert_eq!((out.as_str(), err.as_str(), code), (expected, "", 0));
}

#[rstest]
#[case("nosuch", 127, "sh: nosuch: not found\n")]
#[case("/etc/hosts", 126, "sh: /etc/hosts: Permission denied\n")]
#[case("exit 3", 3, "")]
#[case("false", 1, "")]
#[case("set -e; false; echo no", 1, "")]
#[case("echo x > /nope/f", 1, "sh: can't create /nope/f: nonexistent directory\n")]
#[case("cat /nope", 1, "cat: can't open '/nope': No such file or directory\n")]
#[case("[ 1 -eq x ]", 2, "sh: x: bad number\n")]
#[case("sh -c 'kill -9 $$'; exit $?", 137, "Killed\n")]
#[case("kill -9 $$; exit 3", 3, "")]
#[case("echo $((1/0))", 2, "sh: divide by zero\n")]
#[case("99999999999999999999>f", 2, "sh: syntax error: 99999999999999999999: bad file descriptor\n")]
#[case("99999999999999999999<<E\nE\n", 2, "sh: syntax error: 99999999999999999999: bad file descriptor\n")]
#[case("echo ${99999999999999999999}", 0, "")]
#[case("echo $((99999999999999999999))", 2, "sh: arithmetic syntax error\n")]
#[case("echo ~99999999999999999999", 2, "sh: syntax error: number out of range\n")]
fn failures(#[case] script: &str, #[case] code: i32, #[case] err: &str) {
    let (got, _, text) = run(script);
    assert_eq!((got, text.as_str()), (code, err));
}

#[test]
fn waiting_costs_virtual_time_only() {
    let (_, _, _, took) = run_with("sleep 300; sleep 0.5", async |_| {});
    assert_eq!(took, Duration::from_millis(300_500));
}

#[test]
fn a_trap_runs_when_the_command_in_front_has_ended() {
    let script = "trap 'echo got; exit 4' TERM; while true; do sleep 0.2; done";
    let (code, out, _, took) = run_with(script, async |process| {
        tokio::time::sleep(Duration::from_millis(250)).await;
        process.signal(Signal::TERM);
    });
    assert_eq!((code, out.as_str()), (4, "got\n"));
    assert!(took < Duration::from_millis(450), "{took:?}");
}

#[test]
fn the_first_process_ignores_what_it_does_not_handle() {
    let (code, out, ..) = run_with("sleep 2; echo alive", async |process| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        process.signal(Signal::TERM);
    });
    assert_eq!((code, out.as_str()), (0, "alive\n"));
}

#[test]
fn a_loop_that_never_waits_does_not_stop_time() {
    let (code, ..) = run_with("while true; do :; done", async |process| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        process.signal(Signal::KILL);
    });
    assert_eq!(code, 137);
}

#[test]
fn waiting_ends_at_a_trapped_signal() {
    let (code, _, _, took) = run_with("trap 'exit 0' TERM; sleep 1000 & wait", async |process| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        process.signal(Signal::TERM);
    });
    assert_eq!((code, took), (0, Duration::from_secs(1)));
}

#[test]
fn every_applet_has_a_file() {
    let count = applets::names().count();
    let (_, out, _) = run("ls /bin | wc -l");
    assert_eq!(out.trim().parse::<usize>().ok(), Some(count + 1));
}
