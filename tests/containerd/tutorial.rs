//! The tutorial's scenario with our kubelet on the real runtime, and nothing left behind. The steps and answers are the scenario's own.

use std::path::Path;

use clap::Parser as _;
use podlab::cli::{self, Cli, Surroundings};
use world::Tasks;

use crate::{daemon::Containerd, leftovers};

/// Plays `scenarios/tutorial` as `podlab run … --target process` does, then looks what is left.
pub fn works(daemon: &Containerd) -> Result<(), String> {
    let before = leftovers::on_host();
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tutorial");
    let scenarios = scenarios.display().to_string();
    let endpoint = daemon.endpoint();
    let kubelet = env!("CARGO_BIN_EXE_kubelet");
    let line = ["podlab", "run", &scenarios, "--target", "process", "--kubelet", kubelet, "--cri", &endpoint];
    let cli = Cli::try_parse_from(line).map_err(|e| e.to_string())?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut around = Surroundings { out: &mut out, err: &mut err, styled: false, program: Path::new("podlab") };
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
