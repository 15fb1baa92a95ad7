//! The `fake-cri` program: a fake runtime on a socket, for any kubelet, crictl or critest.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use clap::Parser;
use fake_cri::{Config, FakeCri, Personality, behaviours::Behaviour, catalogue::ImageSpec, faults::Fault};
use tokio::signal::unix::{SignalKind, signal};
use world::{Tasks, World, files::Append, net::Address, random};

/// A CRI v1 runtime whose containers are simulated: nothing is run, no privileges are needed.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen: unix:///PATH.
    #[arg(long)]
    listen: Address,
    /// Where clients of exec, attach and port-forward are sent: HOST:PORT, port 0 for any.
    #[arg(long, default_value = "127.0.0.1:0")]
    streaming: Address,
    /// Whose habits to have: containerd, containerd-1.6 or crio.
    #[arg(long, default_value = "containerd", value_parser = personality)]
    personality: Personality,
    /// Addresses of pods. Those in 127.0.0.0/8 can be reached from this machine.
    #[arg(long, default_value = "127.96.0.0/12")]
    pod_ips: ipnet::IpNet,
    /// Directory of CNI configurations; the first is used for pods.
    #[arg(long)]
    cni_conf_dir: Option<PathBuf>,
    /// Directory of CNI plugins to run; without it, plugins are played.
    #[arg(long)]
    cni_bin_dir: Option<PathBuf>,
    /// Images that are there from the start, by name: known ones as the catalogue has them, others as busybox. Commas between them.
    #[arg(long, value_delimiter = ',')]
    images: Vec<String>,
    /// A YAML file with images, behaviours and faults.
    #[arg(long)]
    script: Option<PathBuf>,
    /// Write every call to this file, as JSON lines.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Directory for what a real runtime would keep on disk; made if missing.
    #[arg(long, default_value = "/tmp/fake-cri")]
    state: PathBuf,
    /// Seed of ids and of what is drawn by chance; from the system if not given.
    #[arg(long)]
    seed: Option<u64>,
}

fn personality(text: &str) -> Result<Personality, String> {
    match text {
        "containerd" => Ok(Personality::Containerd),
        "containerd-1.6" => Ok(Personality::Containerd16),
        "crio" => Ok(Personality::Crio),
        other => Err(format!("{other:?} is none of containerd, containerd-1.6, crio")),
    }
}

/// What a script file holds.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Script {
    images: Vec<ImageSpec>,
    behaviours: Vec<Behaviour>,
    faults: Vec<Fault>,
}

/// Largest script file.
const SCRIPT_BYTES: u64 = 10 * 1024 * 1024;

fn config(arguments: &Arguments, world: &World) -> anyhow::Result<Config> {
    let mut config = Config::of(arguments.personality);
    config.listen = arguments.listen.clone();
    config.streaming = arguments.streaming.clone();
    config.pod_cidr = arguments.pod_ips;
    let absolute = |path: &PathBuf| std::path::absolute(path).context("a CNI directory has no absolute path");
    config.cni_conf_dir = arguments.cni_conf_dir.as_ref().map(absolute).transpose()?;
    config.cni_bin_dir = arguments.cni_bin_dir.as_ref().map(absolute).transpose()?;
    // The journal on disk is where it is read; kept in memory, the lists of a large node would fill it.
    config.journal_limit = 0;
    let state = std::path::absolute(&arguments.state).context("the state directory has no absolute path")?;
    config.image_mountpoint = state.join("images").to_string_lossy().into_owned();
    world
        .files
        .create_dir_all(Path::new(&config.image_mountpoint), 0o755)
        .with_context(|| format!("cannot make {}", state.display()))?;
    for name in &arguments.images {
        if config.images.offer(name).is_some() {
            config.images.preload(name);
            continue;
        }
        let image = ImageSpec { name: name.clone(), present: true, ..ImageSpec::default() };
        anyhow::ensure!(config.images.add(&image), "--images: {name:?} is not an image name");
    }
    if let Some(path) = &arguments.script {
        let full = std::path::absolute(path).context("the script has no absolute path")?;
        let text = world
            .files
            .read_to_string(&full, SCRIPT_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let script: Script = serde_saphyr::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        for image in &script.images {
            anyhow::ensure!(config.images.add(image), "{}: {:?} is not an image name", path.display(), image.name);
        }
        config.behaviours = script.behaviours;
        config.faults = script.faults;
    }
    Ok(config)
}

fn write_journal(fake: &FakeCri, path: &Path, world: &World) -> anyhow::Result<()> {
    let full = std::path::absolute(path).context("the journal has no absolute path")?;
    let file = world.files.append(&full, 0o644).with_context(|| format!("cannot write {}", path.display()))?;
    let file: Mutex<Box<dyn Append>> = Mutex::new(file);
    fake.journal().listen(Arc::new(move |entry| {
        if let Ok(mut line) = serde_json::to_vec(entry) {
            line.push(b'\n');
            // A full disk must not stop the runtime.
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).append(&line);
        }
    }));
    Ok(())
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let world = World::real(arguments.seed.unwrap_or_else(random::seed_from_host));
    let tasks = Tasks::root("main");
    let config = config(&arguments, &world)?;
    let fake = FakeCri::start(&world, config, &tasks).await?;
    if let Some(path) = &arguments.journal {
        write_journal(&fake, path, &world)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready: {} seed {}", fake.address(), world.random.seed())?;
    out.flush()?;
    drop(out);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    fake.stop().await;
    tasks.shutdown().await;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}
