//! Scenarios of the corpus with our kubelet on the real runtime, unchanged, and nothing left behind. The steps and answers are the scenarios'
//! own; what of them this runtime cannot be asked, such as which calls it got, they are not held to.

use std::path::Path;

use clap::Parser as _;
use podlab::cli::{self, Cli, Surroundings};
use world::Tasks;

use crate::{daemon::Containerd, leftovers};

/// One or more of each area, those that take a few seconds: paths below `scenarios/`.
pub const SELECTION: [&str; 36] = [
    "admission/port",
    "conditions/init",
    "conditions/no-volume",
    "env/composed",
    "env/pod-name-and-address",
    "env/resources",
    "hooks/poststart-exec",
    "hooks/poststart-fails",
    "hooks/prestop-of-ended",
    "hostname/fqdn",
    "hosts/own-line",
    "images/registry-unreachable",
    "init/in-order",
    "kubelet-restart/orphan",
    "kubelet-restart/while-ending",
    "lifecycle/ignores-term",
    "lifecycle/kubelet-restart",
    "lifecycle/no-such-command",
    "logs/path",
    "probes/container/success-threshold",
    "restart/one-of-two",
    "restart/rule-in",
    "security/capabilities",
    "security/escalation-denied",
    "security/groups",
    "security/non-root-by-number",
    "security/read-only-root",
    "security/sysctl",
    "security/user-and-group",
    "sidecars/end-with-the-pod",
    "sidecars/never/init-fails-after",
    "status/message-before-logs",
    "status/message-from-logs",
    "tutorial/tutorial",
    "update/container-name",
    "volumes/memory-and-sub-paths",
];

/// Plays a scenario as `podlab run … --target process` does, then looks what is left.
pub fn works(daemon: &Containerd, scenario: &str) -> Result<(), String> {
    let before = leftovers::on_host();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{scenario}.yaml"));
    let path = path.display().to_string();
    let endpoint = daemon.endpoint();
    let kubelet = env!("CARGO_BIN_EXE_kubelet");
    let line = ["podlab", "run", &path, "--target", "process", "--kubelet", kubelet, "--cri", &endpoint];
    let cli = Cli::try_parse_from(line).map_err(|e| e.to_string())?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut around = Surroundings { out: &mut out, err: &mut err, styled: false };
    let code = cli::main(cli, &mut around).map_err(|e| e.to_string())?;
    let said = format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    if code != 0 {
        return Err(format!("{} gave {code}:\n{said}", line.join(" ")));
    }
    if !said.contains("1 passed") {
        return Err(format!("the scenario was not played:\n{said}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let mut left = runtime.block_on(async {
        let tasks = Tasks::root("test");
        let client = daemon.client(&tasks);
        let left = leftovers::find(daemon, &client).await;
        tasks.shutdown().await;
        left
    })?;
    left.extend(leftovers::on_host().into_iter().filter(|l| !before.contains(l)));
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {}", left.join(", "))) }
}
