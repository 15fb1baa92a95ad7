//! Scripts that say the same in a simulated and in a real container: shell, applets, users, capabilities, files, processes, signals.

use cri_proto::v1;
use futures_util::FutureExt as _;

use super::{Check, Shape, Subject, same};

/// A script with what it prints and its status.
type Script = (&'static str, &'static str, i32);

/// The assertions.
pub(super) const CHECKS: &[Check] = &[
    ("scripts_of_a_plain_container", |s| on(s, "plain", Shape::default(), PLAIN).boxed()),
    ("scripts_of_an_ordinary_user", |s| on(s, "user", user(1000), USER).boxed()),
    ("scripts_without_capabilities", |s| on(s, "bare", bare(), BARE).boxed()),
    ("scripts_on_a_read_only_root", |s| on(s, "frozen", frozen(), FROZEN).boxed()),
    ("scripts_with_hidden_paths", |s| on(s, "hidden", hidden(), HIDDEN).boxed()),
    ("scripts_in_a_shared_pid_namespace", |s| {
        on(s, "shared", Shape { namespaces: pids(v1::NamespaceMode::Pod), ..Shape::default() }, SHARED).boxed()
    }),
    ("scripts_with_a_volume", |s| volume(s).boxed()),
];

fn pids(mode: v1::NamespaceMode) -> v1::NamespaceOption {
    v1::NamespaceOption { pid: mode as i32, ..Default::default() }
}

fn user(uid: i64) -> Shape {
    let mut shape = Shape::default();
    shape.security.run_as_user = Some(v1::Int64Value { value: uid });
    shape.security.run_as_group = Some(v1::Int64Value { value: 2000 });
    shape.security.supplemental_groups = vec![3000];
    shape
}

fn bare() -> Shape {
    let mut shape = Shape::default();
    let drop_capabilities = vec!["ALL".to_owned()];
    shape.security.capabilities = Some(v1::Capability { drop_capabilities, ..Default::default() });
    shape
}

fn frozen() -> Shape {
    let mut shape = Shape::default();
    shape.security.readonly_rootfs = true;
    shape
}

fn hidden() -> Shape {
    let mut shape = Shape::default();
    shape.security.masked_paths = vec!["/proc/timer_list".to_owned(), "/etc".to_owned()];
    shape.security.readonly_paths = vec!["/tmp".to_owned()];
    shape
}

const PLAIN: &[Script] = &[
    ("echo hello; exit 3", "hello\n", 3),
    ("echo -n a; printf '%s-%03d\\n' b 7", "ab-007\n", 0),
    ("x=5; echo $((x * 2 + 1)) ${x:-no} ${y:-no} ${#x}", "11 5 no 1\n", 0),
    ("for i in 1 2 3; do echo $i; done | tail -n 1", "3\n", 0),
    ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", "3\n", 0),
    ("case abc in a*) echo yes;; *) echo no;; esac", "yes\n", 0),
    ("f() { echo $# $1; return 4; }; f a b; echo $?", "2 a\n4\n", 0),
    ("echo \"$(echo a; echo b)\"", "a\nb\n", 0),
    ("true && false || echo or", "or\n", 0),
    ("set -e; false; echo never", "", 1),
    ("nosuch", "sh: nosuch: not found\n", 127),
    ("/no/such", "sh: /no/such: not found\n", 127),
    ("/etc", "sh: /etc: Permission denied\n", 126),
    ("cat /nosuch", "cat: can't open '/nosuch': No such file or directory\n", 1),
    ("ls /nosuch", "ls: /nosuch: No such file or directory\n", 1),
    ("mkdir /tmp/a/b", "mkdir: can't create directory '/tmp/a/b': No such file or directory\n", 1),
    ("mkdir -p /tmp/a/b && rmdir /tmp/a", "rmdir: '/tmp/a': Directory not empty\n", 1),
    ("rm /tmp", "rm: '/tmp' is a directory\n", 1),
    ("echo a > /tmp/f; cat < /tmp/f; rm /tmp/f; ls /tmp/f", "a\nls: /tmp/f: No such file or directory\n", 1),
    ("ln -s /tmp/t /tmp/l; readlink /tmp/l; echo x > /tmp/t; cat /tmp/l; rm /tmp/l /tmp/t", "/tmp/t\nx\n", 0),
    ("echo b a c | tr ' ' '\\n' | sort | tr '\\n' ' '", "a b c ", 0),
    ("echo a:b:c | cut -d: -f2", "b\n", 0),
    ("echo hello | sed 's/l/L/g'", "heLLo\n", 0),
    ("printf 'a\\nb\\nab\\n' | grep -c a", "2\n", 0),
    ("seq 1 3 | wc -l", "3\n", 0),
    ("echo abc | head -c 2", "ab", 0),
    ("id -u; id -g", "0\n0\n", 0),
    ("hostname", "plain\n", 0),
    ("kill -9 $$", "", 137),
    ("kill -TERM $$", "", 143),
    ("trap 'echo caught; exit 5' TERM; kill -TERM $$; sleep 1", "caught\n", 5),
    ("sleep 100 & kill $!; wait $!; echo $?", "143\nTerminated\n", 0),
    ("sh -c 'kill -9 $$'; echo $?", "137\nKilled\n", 0),
    ("echo a=b | sed -E 's/(.)=(.)/\\2 \\1/'", "b a\n", 0),
    ("printf 'a\\nb\\nc\\n' | sed -n '/b/,$p'", "b\nc\n", 0),
    ("(exit 3); echo $?", "3\n", 0),
    ("echo err >&2; echo out", "out\nerr\n", 0),
    ("cat /proc/1/cmdline | tr '\\0' ' '", "sleep 1000 ", 0),
    ("grep CapBnd /proc/self/status", "CapBnd:\t00000000a80425fb\n", 0),
    ("grep CapEff /proc/self/status", "CapEff:\t00000000a80425fb\n", 0),
    ("cat /proc/self/uid_map | tr -s ' '", " 0 0 4294967295\n", 0),
    ("mount -t tmpfs x /tmp 2>&1 | grep -c 'ermi'", "1\n", 0),
    ("test -d /dev/shm && touch /dev/shm/x && ls /dev/shm", "x\n", 0),
    ("echo x > /dev/null; cat /dev/null; echo $?", "0\n", 0),
    ("head -c 3 /dev/zero | wc -c", "3\n", 0),
    ("cat /etc/hostname", "plain\n", 0),
    ("find /tmp -mindepth 1 -type d -name b", "/tmp/a/b\n", 0),
    ("echo 1 2 3 | xargs -n 1 echo n", "n 1\nn 2\nn 3\n", 0),
    ("chmod 640 /tmp/a; stat -c '%a %U' /tmp/a", "640 root\n", 0),
    ("chown 5:6 /tmp/a; stat -c '%u %g' /tmp/a", "5 6\n", 0),
];

const USER: &[Script] = &[
    ("id -u; id -g; id -G", "1000\n2000\n2000 3000\n", 0),
    ("grep -E 'CapEff|CapPrm' /proc/self/status", "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n", 0),
    ("grep CapBnd /proc/self/status", "CapBnd:\t00000000a80425fb\n", 0),
    ("touch /x", "touch: /x: Permission denied\n", 1),
    ("chown 0 /tmp", "chown: /tmp: Operation not permitted\n", 1),
    ("chmod 777 /etc", "chmod: /etc: Operation not permitted\n", 1),
    ("mkdir /etc/x", "mkdir: can't create directory '/etc/x': Permission denied\n", 1),
    ("touch /tmp/mine && stat -c '%u %g' /tmp/mine", "1000 2000\n", 0),
    ("hostname other 2>&1 | grep -c 'not permitted'", "1\n", 0),
];

const BARE: &[Script] = &[
    ("grep -E 'CapEff|CapBnd' /proc/self/status", "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n", 0),
    ("id -u", "0\n", 0),
    ("touch /tmp/f; chown 1 /tmp/f", "chown: /tmp/f: Operation not permitted\n", 1),
    ("echo a > /tmp/g; chmod 0 /tmp/g; cat /tmp/g", "cat: can't open '/tmp/g': Permission denied\n", 1),
];

const FROZEN: &[Script] = &[
    ("touch /x", "touch: /x: Read-only file system\n", 1),
    ("echo a > /x", "sh: can't create /x: Read-only file system\n", 1),
    ("mkdir /x", "mkdir: can't create directory '/x': Read-only file system\n", 1),
    ("touch /dev/shm/x && echo fine", "fine\n", 0),
];

const HIDDEN: &[Script] = &[
    ("ls /etc", "", 0),
    ("cat /proc/timer_list | wc -c", "0\n", 0),
    ("touch /tmp/x", "touch: /tmp/x: Read-only file system\n", 1),
    ("touch /y && echo fine", "fine\n", 0),
];

const SHARED: &[Script] = &[("ps | grep -c '[s]leep 1000'", "1\n", 0), ("grep -c sleep /proc/1/comm", "0\n", 1)];

async fn on(subject: &Subject, name: &str, shape: Shape, scripts: &[Script]) -> Result<(), String> {
    let mut shape = Shape { command: vec!["sleep".to_owned(), "1000".to_owned()], ..shape };
    if shape.namespaces == v1::NamespaceOption::default() && name != "shared" {
        shape.namespaces = pids(v1::NamespaceMode::Container);
    }
    let (_, container) = subject.run(name, &shape).await?;
    let mut wrong = Vec::new();
    for (script, output, code) in scripts {
        let found = subject.sh(&container, script).await?;
        if let Err(error) = same(script, &found, &((*output).to_owned(), *code)) {
            wrong.push(error);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A directory of the node, writable and not.
async fn volume(subject: &Subject) -> Result<(), String> {
    let host = subject.directory.join("volume");
    std::fs::create_dir_all(&host).map_err(|e| e.to_string())?;
    std::fs::write(host.join("given"), "from the node\n").map_err(|e| e.to_string())?;
    let mount = |at: &str, readonly| v1::Mount {
        container_path: at.to_owned(),
        host_path: host.display().to_string(),
        readonly,
        ..Default::default()
    };
    let shape = Shape { mounts: vec![mount("/data", false), mount("/frozen", true)], ..Shape::default() };
    let scripts: &[Script] = &[
        ("cat /data/given", "from the node\n", 0),
        ("echo back > /data/made; cat /frozen/made", "back\n", 0),
        ("touch /frozen/x", "touch: /frozen/x: Read-only file system\n", 1),
        ("rm /data", "rm: '/data' is a directory\n", 1),
        ("grep -c ' /frozen .* ro,' /proc/mounts", "1\n", 0),
    ];
    on(subject, "volume", shape, scripts).await?;
    same("the file on the node", &std::fs::read_to_string(host.join("made")).unwrap_or_default(), &"back\n".to_owned())
}
