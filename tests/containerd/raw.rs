//! One sandbox and one container by plain CRI calls, to show that the daemon, its network and its images work. No kubelet takes part.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use cri_proto::v1;
use kubelet::cri::{CriClient, CriError};
use world::Tasks;

use crate::{daemon::Containerd, image, leftovers};

/// Runs the web server in a sandbox, asks it over the pod's address, and takes everything away.
pub fn comes_and_goes(daemon: &Containerd) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let tasks = Tasks::root("test");
        let client = daemon.client(&tasks);
        let outcome = scenario(daemon, &client).await;
        tasks.shutdown().await;
        outcome
    })
}

async fn scenario(daemon: &Containerd, client: &CriClient) -> Result<(), String> {
    let text = |e: CriError| e.to_string();
    let version = client.handshake().await.map_err(text)?;
    if version.runtime_name != "containerd" {
        return Err(format!("this is {}", version.runtime_name));
    }
    let logs = daemon.directory().join("logs/default_raw_0");
    fs::create_dir_all(logs.join("web")).map_err(|e| e.to_string())?;
    let sandbox_config = v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: "raw".into(),
            uid: "0".into(),
            namespace: "default".into(),
            attempt: 0,
        }),
        hostname: "raw".into(),
        log_directory: logs.display().to_string(),
        linux: Some(v1::LinuxPodSandboxConfig::default()),
        ..Default::default()
    };
    let image = v1::ImageSpec { image: "nginx".into(), ..Default::default() };
    client.pull_image(image.clone(), None, Some(sandbox_config.clone())).await.map_err(text)?;
    let sandbox = client.run_pod_sandbox(sandbox_config.clone(), "").await.map_err(text)?;
    let ip = client.pod_sandbox_status(&sandbox, false).await.map_err(text)?.network.unwrap_or_default().ip;
    let config = v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: "web".into(), attempt: 0 }),
        image: Some(image),
        log_path: "web/0.log".into(),
        linux: Some(v1::LinuxContainerConfig::default()),
        ..Default::default()
    };
    let container = client.create_container(&sandbox, config, sandbox_config).await.map_err(text)?;
    client.start_container(&container).await.map_err(text)?;
    let answer = get(&ip).await?;
    if !answer.starts_with("HTTP/1.0 200") && !answer.starts_with("HTTP/1.1 200") || !answer.ends_with(image::WELCOME) {
        return Err(format!("{ip} answered {answer:?}"));
    }
    let echo = ["sh", "-c", "hostname; exit 3"].map(str::to_owned);
    let output = client.exec_sync(&container, &echo, Some(Duration::from_secs(5))).await.map_err(text)?;
    if (output.code, output.stdout.as_slice()) != (3, b"raw\n") {
        return Err(format!("exec gave {output:?}"));
    }
    client.stop_container(&container, 10).await.map_err(text)?;
    let status = client.container_status(&container, false).await.map_err(text)?;
    if status.exit_code != 0 {
        return Err(format!("the web server did not end by itself: exit code {}", status.exit_code));
    }
    if leftovers::find(daemon, client).await?.len() < 5 {
        return Err("a sandbox, a container, a namespace, a veth and an address should have been seen".into());
    }
    client.remove_container(&container).await.map_err(text)?;
    client.stop_pod_sandbox(&sandbox).await.map_err(text)?;
    client.remove_pod_sandbox(&sandbox).await.map_err(text)?;
    match leftovers::find(daemon, client).await?.as_slice() {
        [] => Ok(()),
        left => Err(format!("left behind: {}", left.join(", "))),
    }
}

/// `GET /` on port 80 of `ip`, whole answer as text; a server that is just starting is waited for, ten seconds at most.
pub async fn get(ip: &str) -> Result<String, String> {
    let mut last = String::new();
    for _ in 0..100 {
        match try_get(ip) {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("nothing answers on {ip}:80: {last}"))
}

fn try_get(ip: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((ip, 80))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {ip}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
