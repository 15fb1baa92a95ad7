//! A private containerd: own directories, socket, bridge and registry, all gone when dropped. Knows nothing of kubelets.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use kubelet::cri::{CriClient, Endpoints};
use world::{Net, Tasks, net::Address};

use crate::{
    host::{self, Host},
    image::{self, Images},
    registry::Registry,
};

/// How long the daemon may take to answer, in tenths of a second.
const START_TRIES: u32 = 300;

/// A running containerd.
pub struct Containerd {
    directory: tempfile::TempDir,
    child: Child,
    bridge: String,
    network: String,
    subnet: String,
    _registry: Registry,
}

impl Containerd {
    /// Starts one with its registry, and waits until it answers.
    pub fn start(host: &Host) -> Result<Self, String> {
        Self::start_with(host, &[])
    }

    /// Starts one with more in its environment, which its plugins inherit.
    pub fn start_with(host: &Host, environment: &[(&str, String)]) -> Result<Self, String> {
        let text = |e: std::io::Error| e.to_string();
        // Unix sockets' paths end at 107 bytes, so not under a deep temporary directory.
        let directory = tempfile::Builder::new().prefix("plab-").tempdir_in("/tmp").map_err(text)?;
        let base = directory.path();
        let pid = std::process::id();
        let bridge = format!("plab{}", pid % 100_000);
        let network = format!("podlab-{pid}");
        let subnet = format!("10.{}.{}.0/24", 200 + pid / 250 % 50, pid % 250);
        fs::create_dir_all(base.join("cni")).map_err(text)?;
        fs::write(base.join("cni/10-bridge.conflist"), conflist(base, &bridge, &network, &subnet)).map_err(text)?;
        fs::write(base.join("config.toml"), config(base, host)).map_err(text)?;
        let applets = host::run(&host.busybox.display().to_string(), &["--list"])?;
        let busybox = fs::read(&host.busybox).map_err(text)?;
        let registry = Registry::serve(Images::of(&busybox, &applets)).map_err(text)?;
        fs::create_dir_all(base.join("certs.d/docker.io")).map_err(text)?;
        fs::write(base.join("certs.d/docker.io/hosts.toml"), hosts(registry.port())).map_err(text)?;
        let log = File::create(base.join("log")).map_err(text)?;
        let child = Command::new("containerd")
            .env("PATH", host::search_path())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .arg("--config")
            .arg(base.join("config.toml"))
            .stdout(log.try_clone().map_err(text)?)
            .stderr(log)
            .spawn()
            .map_err(|e| format!("containerd: {e}"))?;
        let mut daemon = Self { directory, child, bridge, network, subnet, _registry: registry };
        daemon.wait_until_ready().map_err(|e| format!("{e}\nits log ends:\n{}", daemon.log_end()))?;
        Ok(daemon)
    }

    /// `unix:///…`, where both CRI services are.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A directory of its own, for whatever the tests put on disk.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Name of the bridge that pods are on.
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// Where the network namespaces of sandboxes are mounted.
    pub fn netns_directory(&self) -> PathBuf {
        self.path("state/io.containerd.grpc.v1.cri/netns")
    }

    /// Where host-local keeps a file per address given out.
    pub fn leases(&self) -> PathBuf {
        self.path("ipam").join(&self.network)
    }

    /// A client as the kubelet's.
    pub fn client(&self, tasks: &Tasks) -> CriClient {
        let address = Address::unix(self.socket());
        let timeout = Duration::from_secs(60);
        CriClient::new(&Net::real(), &Endpoints { runtime: address.clone(), image: address, timeout }, tasks)
    }

    /// The last lines of the daemon's log.
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("c.sock")
    }

    fn ctr(&self, args: &[&str]) -> Result<String, String> {
        let socket = self.socket().display().to_string();
        let mut all = vec!["--address", &socket, "--namespace", "k8s.io"];
        all.extend(args);
        host::run("ctr", &all)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let mut last = String::new();
        for _ in 0..START_TRIES {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("containerd ended: {status}"));
            }
            match self.ctr(&["images", "ls", "-q"]) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("containerd does not answer: {last}"))
    }
}

impl Drop for Containerd {
    /// Ends what the daemon started and then the daemon, by id; takes its mounts, its bridge and its masquerading away.
    fn drop(&mut self) {
        let base = self.directory.path().display().to_string();
        for container in self.ctr(&["tasks", "ls", "-q"]).unwrap_or_default().lines() {
            let _ = self.ctr(&["tasks", "delete", "--force", container]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Shims name the daemon's socket, which nobody else's do.
        for pid in host::processes_with(&self.socket().display().to_string()) {
            let _ = host::run("kill", &["-KILL", &pid.to_string()]);
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for target in mounts.lines().rev().filter_map(|l| l.split(' ').nth(1)).filter(|t| t.starts_with(&base)) {
            let _ = host::run("umount", &["--lazy", target]);
        }
        let _ = host::run("ip", &["link", "delete", &self.bridge]);
        let _ = self.remove_masquerading();
    }
}

impl Containerd {
    /// The bridge plugin leaves chains behind for sandboxes that were never stopped.
    fn remove_masquerading(&self) -> Result<(), String> {
        let rules = host::run("iptables", &["--wait", "-t", "nat", "-S"])?;
        let ours = format!("name: \\\"{}\\\"", self.network);
        for rule in rules.lines().filter(|r| r.contains(&ours) && r.starts_with("-A POSTROUTING")) {
            let Some(chain) = rule.split(" -j ").nth(1).map(|c| c.split(' ').next().unwrap_or(c)) else { continue };
            let delete = rule.replacen("-A", "-D", 1);
            let _ = host::run("sh", &["-c", &format!("iptables --wait -t nat {delete}")]);
            let _ = host::run("iptables", &["--wait", "-t", "nat", "-F", chain]);
            let _ = host::run("iptables", &["--wait", "-t", "nat", "-X", chain]);
        }
        Ok(())
    }

    /// The pods' subnet, in CIDR form.
    pub fn subnet(&self) -> &str {
        &self.subnet
    }
}

/// The tutorial's bridge network under a name, a bridge and a subnet of its own.
fn conflist(base: &Path, bridge: &str, network: &str, subnet: &str) -> String {
    let value = serde_json::json!({
        "cniVersion": "1.0.0",
        "name": network,
        "plugins": [{
            "type": "bridge",
            "bridge": bridge,
            "isGateway": true,
            "ipMasq": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": base.join("ipam"),
                "routes": [{ "dst": "0.0.0.0/0" }],
                "ranges": [[{ "subnet": subnet }]],
            },
        }],
    });
    value.to_string()
}

/// `docker.io` is the registry on this port, and no other place is asked.
fn hosts(port: u16) -> String {
    format!(
        r#"server = "http://127.0.0.1:{port}"

[host."http://127.0.0.1:{port}"]
capabilities = ["pull", "resolve"]
"#
    )
}

fn config(base: &Path, host: &Host) -> String {
    let (base, cni, pause) = (base.display(), host.cni.display(), image::PAUSE);
    format!(
        r#"version = 2
root = "{base}/root"
state = "{base}/state"

[grpc]
address = "{base}/c.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{base}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Without CAP_SYS_RESOURCE runc cannot lower a score, and fails with "can't get final child's PID from pipe".
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{base}/certs.d"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{base}/cni"
"#
    )
}
