//! Recorded manifests run on a real containerd, and what the containers themselves see of their fields: environment, ids, mounts, the files
//! under `/etc`, kernel parameters, control groups. What the runtime is asked for is held against the recordings elsewhere.

use std::{collections::BTreeMap, path::Path, time::Duration};

use kubelet::runtime::observed::{ContainerState, ObservedPod};

use crate::{
    daemon::Containerd,
    half::{Half, Running},
};

const ENV: &str = include_str!("../fixtures/recordings/env/manifest.yaml");
const SECURITY: &str = include_str!("../fixtures/recordings/security/manifest.yaml");
const GUARANTEED: &str = include_str!("../fixtures/recordings/guaranteed/manifest.yaml");

/// A pod that runs, to look into.
struct Inside<'a> {
    half: &'a Half,
    observed: ObservedPod,
}

impl Inside<'_> {
    /// What a script prints in a container.
    async fn sh(&self, container: &str, script: &str) -> Result<String, String> {
        let id = self.observed.container(container).map(|c| c.id.clone()).ok_or(format!("no container {container}"))?;
        let command = ["sh", "-c", script].map(str::to_owned);
        let timeout = Some(Duration::from_secs(20));
        let output = self.half.manager.cri().exec_sync(&id.id, &command, timeout).await.map_err(|e| e.to_string())?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// What it prints must be `wanted`.
    async fn sees(&self, container: &str, script: &str, wanted: &str) -> Result<(), String> {
        same(&format!("{container}: {script}"), &self.sh(container, script).await?, wanted)
    }

    fn ip(&self) -> Result<&str, String> {
        self.observed.ips.first().map(String::as_str).ok_or_else(|| "no address".to_owned())
    }
}

fn same(what: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}\nfound:\n{found}\nwanted:\n{wanted}")) }
}

/// Runs a recorded manifest until `containers` run, looks, and takes it away.
async fn run<'a, L>(
    half: &'a Half,
    daemon: &Containerd,
    manifest: &str,
    containers: &[&str],
    look: L,
) -> Result<(), String>
where
    L: AsyncFnOnce(&Inside<'a>, &Running) -> Result<(), String>,
{
    let running = half.set_up(manifest).await?;
    let all = |pod: &ObservedPod| {
        containers.iter().all(|name| pod.container(name).is_some_and(|c| c.state == ContainerState::Running))
    };
    let outcome = match half.sync_until(&running, all).await {
        Ok(observed) => look(&Inside { half, observed }, &running).await,
        Err(error) => Err(error),
    };
    // Also after a failure: the next test looks for what is left.
    outcome.and(half.take_away(daemon, &running).await)
}

/// `env`: variables in the manifest's order and with its expansion, arguments, `/etc/hosts`, `/etc/resolv.conf`, hostname.
pub fn env(daemon: &Containerd) -> Result<(), String> {
    Half::with(daemon, async |half| {
        run(half, daemon, ENV, &["main"], async |inside, running| {
            let ip = inside.ip()?;
            let environment = inside.sh("main", "tr '\\000' '\\n' < /proc/1/environ").await?;
            let seen: BTreeMap<&str, &str> = environment.lines().filter_map(|l| l.split_once('=')).collect();
            // Busybox's shell counts the node's processors for nobody: an absent CPU limit is what the node has.
            let cpus = std::thread::available_parallelism().map_err(|e| e.to_string())?.to_string();
            let wanted = [
                ("A", "one"),
                ("GREETING", "hi one $(B) $(A)"),
                ("B", "two"),
                ("POD", "env-node1"),
                ("NS", "default"),
                ("UID_", &running.uid),
                ("IP", ip),
                ("NODE", "node1"),
                ("SA", ""),
                ("LBL", "web"),
                ("CPUREQ", "100"),
                ("CPULIM", &cpus),
                ("MEMLIM", "64"),
                ("HOSTNAME", "myhost"),
            ];
            for (name, value) in wanted {
                if seen.get(name) != Some(&value) {
                    return Err(format!("{name} is {:?}, wanted {value:?}, in\n{environment}", seen.get(name)));
                }
            }
            // The shell's `$0` is the argument, and it complains about what expansion left to it.
            let log = half.base.join(format!("pod-logs/default_env-node1_{}/main/0.log", running.uid));
            let log = std::fs::read_to_string(log).map_err(|e| e.to_string())?;
            let said: Vec<&str> = log.lines().filter_map(|l| l.split_once(" F ").map(|(_, text)| text)).collect();
            let complains = |name: &str| said.iter().any(|l| l.starts_with("env-node1: ") && l.contains(name));
            if !said.contains(&"hi one")
                || !["B: not", "A: not", "GREETING: not", "MISSING: not"].into_iter().all(complains)
            {
                return Err(format!("the container printed:\n{log}"));
            }
            let hosts = format!(
                "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                 fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n\
                 {ip}\tmyhost\n\n# Entries added by HostAliases.\n10.1.2.3\tfoo.local\tbar.local\n"
            );
            inside.sees("main", "cat /etc/hosts", &hosts).await?;
            let resolv = "search ns1.svc my.dns\nnameserver 1.2.3.4\noptions ndots:2 edns0\n";
            inside.sees("main", "cat /etc/resolv.conf", resolv).await?;
            inside.sees("main", "hostname; cat /etc/hostname; readlink /proc/1/cwd", "myhost\nmyhost\n/tmp\n").await?;
            inside.sees("main", "id", "uid=0(root) gid=0(root) groups=0(root)\n").await?;
            inside.sees("main", "cat /proc/1/oom_score_adj", &format!("{}\n", score_of(&running.pod, 999)?)).await?;
            let mounts = inside.sh("main", "cut -d ' ' -f 2 /proc/mounts").await?;
            for path in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/dev/termination-log", "/dev/shm"] {
                if !mounts.lines().any(|l| l == path) {
                    return Err(format!("{path} is not mounted:\n{mounts}"));
                }
            }
            limits(inside, "main", &[Shares(102), Memory(64 << 20), NoQuota]).await
        })
        .await
    })
}

/// Burstable scores follow the node's memory; recordings were made on nodes of 8 GiB and more, where 32Mi weigh at most 4 points.
fn score_of(_: &k8s_openapi::api::core::v1::Pod, most: i64) -> Result<i64, String> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(|e| e.to_string())?;
    let total = text.lines().find_map(|l| l.strip_prefix("MemTotal:")).ok_or("no MemTotal")?;
    let total: i64 = total.trim().trim_end_matches(" kB").parse().map_err(|_| "an odd MemTotal")?;
    Ok((1000 - 1000 * (32 << 20) / (total << 10)).clamp(3, most))
}

/// `security`: ids and groups, capabilities, privilege, read-only root, kernel parameters; what may not run as root does not run.
pub fn security(daemon: &Containerd) -> Result<(), String> {
    Half::with(daemon, async |half| {
        run(half, daemon, SECURITY, &["locked", "priv"], async |inside, _| {
            let id = "uid=1000 gid=3000 groups=3000,4000,5000,6000\n";
            let sorted = |text: &str| {
                let (head, groups) = text.trim_end().split_once("groups=").unwrap_or((text, ""));
                let mut groups: Vec<&str> = groups.split(',').collect();
                groups.sort_unstable();
                format!("{head}groups={}\n", groups.join(","))
            };
            for container in ["locked", "priv"] {
                same(container, &sorted(&inside.sh(container, "id").await?), id)?;
                let range = "cat /proc/sys/net/ipv4/ping_group_range";
                same(range, &inside.sh(container, range).await?.replace('\t', " "), "0 1000\n")?;
            }
            let status = "grep -E '^(CapBnd|NoNewPrivs)' /proc/1/status";
            inside.sees("locked", status, "CapBnd:\t0000000000000400\nNoNewPrivs:\t1\n").await?;
            let open = inside.sh("priv", status).await?;
            let bounds = open.lines().find_map(|l| l.strip_prefix("CapBnd:\t")).unwrap_or_default();
            // Every capability that the runtime itself has.
            if u64::from_str_radix(bounds, 16).unwrap_or(0).count_ones() < 30 || !open.ends_with("NoNewPrivs:\t0\n") {
                return Err(format!("priv has {open}"));
            }
            let write = inside.sh("locked", "touch /tmp/x").await?;
            same("write to the root", &write, "touch: /tmp/x: Read-only file system\n")?;
            inside.sees("priv", "touch /tmp/x && echo written", "written\n").await?;
            let root = "while read -r _ at _ options _; do [ $at = / ] && echo ${options%%,*}; done < /proc/mounts";
            inside.sees("locked", root, "ro\n").await?;
            inside.sees("priv", root, "rw\n").await?;
            // Masked and read-only paths of those that are not privileged.
            let proc = "grep -cE '^[^ ]+ /proc/(sys|irq|bus|kcore|keys|timer_list) ' /proc/mounts";
            if inside.sh("locked", proc).await?.trim().parse().unwrap_or(0) < 4 {
                return Err(format!("locked sees:\n{}", inside.sh("locked", "cat /proc/mounts").await?));
            }
            inside.sees("priv", proc, "0\n").await?;
            if inside.observed.container("root-denied").is_some() {
                return Err("a container that may not run as root was made to run as root".to_owned());
            }
            Ok(())
        })
        .await
    })
}

/// `guaranteed`: what each container may use, by its control group, and what the pod may.
pub fn guaranteed(daemon: &Containerd) -> Result<(), String> {
    Half::with(daemon, async |half| {
        run(half, daemon, GUARANTEED, &["a", "b"], async |inside, running| {
            limits(inside, "a", &[Shares(512), Quota(50_000), Memory(64 << 20)]).await?;
            limits(inside, "b", &[Shares(102), Quota(10_000), Memory(32 << 20)]).await?;
            for container in ["a", "b"] {
                // Where the runtime may not lower scores (no CAP_SYS_RESOURCE), containers keep its own.
                let score = inside.sh(container, "cat /proc/1/oom_score_adj").await?;
                let own = std::fs::read_to_string("/proc/self/oom_score_adj").map_err(|e| e.to_string())?;
                if score != "-997\n" && score != own {
                    return Err(format!("{container} has the score {score}"));
                }
            }
            let pod = format!("kubepods/pod{}", running.uid);
            for wanted in [Shares(614), Quota(60_000), Memory(96 << 20)] {
                let (v1, v2, value1, value2) = wanted.files();
                let (file, value) = if is_v2() {
                    (Path::new("/sys/fs/cgroup").join(&pod).join(v2), value2)
                } else {
                    (Path::new("/sys/fs/cgroup").join(v1.0).join(&pod).join(v1.1), value1)
                };
                let found = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
                same(&file.display().to_string(), found.trim_end(), &value)?;
            }
            Ok(())
        })
        .await
    })
}

use Limit::{Memory, NoQuota, Quota, Shares};

/// One value of a control group.
#[derive(Clone, Copy)]
enum Limit {
    /// CPU shares of version 1.
    Shares(u64),
    /// Microseconds in each 100 ms.
    Quota(u64),
    /// No such bound.
    NoQuota,
    /// Bytes.
    Memory(u64),
}

impl Limit {
    /// Controller and file of version 1, file of version 2, and the text in each.
    fn files(self) -> ((&'static str, &'static str), &'static str, String, String) {
        match self {
            Self::Shares(n) => {
                (("cpu", "cpu.shares"), "cpu.weight", n.to_string(), (1 + (n - 2) * 9999 / 262_142).to_string())
            }
            Self::Quota(n) => (("cpu", "cpu.cfs_quota_us"), "cpu.max", n.to_string(), format!("{n} 100000")),
            Self::NoQuota => (("cpu", "cpu.cfs_quota_us"), "cpu.max", "-1".to_owned(), "max 100000".to_owned()),
            Self::Memory(n) => (("memory", "memory.limit_in_bytes"), "memory.max", n.to_string(), n.to_string()),
        }
    }
}

fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The container reads its own limits under `/sys/fs/cgroup`.
async fn limits(inside: &Inside<'_>, container: &str, wanted: &[Limit]) -> Result<(), String> {
    for limit in wanted {
        let (v1, v2, value1, value2) = limit.files();
        let (file, value) = if is_v2() { (v2.to_owned(), value2) } else { (format!("{}/{}", v1.0, v1.1), value1) };
        let found = inside.sh(container, &format!("cat /sys/fs/cgroup/{file}")).await?;
        // Newer runtimes turn shares into weights by another curve.
        if is_v2() && matches!(limit, Shares(_)) && found.trim().parse::<u64>().is_ok_and(|n| n > 1) {
            continue;
        }
        same(&format!("{container}: {file}"), found.trim_end(), &value)?;
    }
    Ok(())
}
