//! containerd with our `fake-cni` in place of its network plugins: a pod gets the address that the plugin says, and it is given back.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use cri_proto::v1;
use serde_json::Value;
use world::Tasks;

use crate::{daemon::Containerd, host::Host};

/// The executable: beside this test if the whole workspace was built, else built now.
fn executable() -> Result<String, String> {
    let text = |e: std::io::Error| e.to_string();
    let here = std::env::current_exe().map_err(text)?;
    if let Some(built) = here.ancestors().nth(2).map(|d| d.join("fake-cni")).filter(|p| p.exists()) {
        return Ok(built.display().to_string());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--package", "fake-cri", "--bin", "fake-cni", "--message-format", "json"];
    let built = Command::new(cargo).current_dir(env!("CARGO_MANIFEST_DIR")).args(build).output().map_err(text)?;
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).ok())
        .find_map(|m| m.get("executable").and_then(Value::as_str).map(str::to_owned))
        .ok_or_else(|| format!("fake-cni cannot be built: {}", String::from_utf8_lossy(&built.stderr)))
}

/// A directory with the executable under the names of all plugins.
fn plugins(directory: &Path) -> Result<(), String> {
    let executable = executable()?;
    for name in fake_cri::cni::plugins::NAMES {
        symlink(&executable, directory.join(name)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Runs a sandbox and takes it away, then reads what the plugins were asked.
pub fn is_said_by_the_plugin(host: &Host) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let directory = tempfile::Builder::new().prefix("plab-").tempdir_in("/tmp").map_err(text)?;
    plugins(directory.path())?;
    let journal = directory.path().join("journal");
    let host = Host { cni: directory.path().to_owned(), ..host.clone() };
    let daemon = Containerd::start_with(&host, &[("FAKE_CNI_JOURNAL", journal.display().to_string())])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
    let ip = runtime.block_on(async {
        let tasks = Tasks::root("test");
        let ip = sandbox(&daemon, &tasks).await;
        tasks.shutdown().await;
        ip
    });
    let ip = ip.map_err(|e| format!("{e}\ncontainerd's log ends:\n{}", daemon.log_end()))?;
    let wanted = daemon.subnet().replace(".0/24", ".2");
    if ip != wanted {
        return Err(format!("the pod has {ip}, the plugin gives {wanted}"));
    }
    let left: Vec<String> = fs::read_dir(daemon.leases())
        .map_err(text)?
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|n| n.parse::<std::net::IpAddr>().is_ok())
        .collect();
    if !left.is_empty() {
        return Err(format!("addresses are left: {left:?}"));
    }
    let asked: Vec<String> = fs::read_to_string(&journal)
        .map_err(text)?
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).ok())
        .map(|e| format!("{} {}", e["plugin"].as_str().unwrap_or("?"), e["command"].as_str().unwrap_or("?")))
        .collect();
    for call in ["loopback ADD", "bridge ADD", "bridge DEL", "loopback DEL"] {
        if !asked.iter().any(|a| a == call) {
            return Err(format!("{call} was not asked: {asked:?}"));
        }
    }
    Ok(())
}

async fn sandbox(daemon: &Containerd, tasks: &Tasks) -> Result<String, String> {
    let text = |e: kubelet::cri::CriError| e.to_string();
    let client = daemon.client(tasks);
    let config = v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: "network".into(),
            uid: "0".into(),
            namespace: "default".into(),
            attempt: 0,
        }),
        linux: Some(v1::LinuxPodSandboxConfig::default()),
        ..Default::default()
    };
    let id = client.run_pod_sandbox(config, "").await.map_err(text)?;
    let ip = client.pod_sandbox_status(&id, false).await.map_err(text)?.network.unwrap_or_default().ip;
    client.stop_pod_sandbox(&id).await.map_err(text)?;
    client.remove_pod_sandbox(&id).await.map_err(text)?;
    Ok(ip)
}
