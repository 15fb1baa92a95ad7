//! NFS volumes: mounted and unmounted by the node's own programs, which know the file system's helpers. As kubelet 1.36's nfs plugin.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1::NFSVolumeSource;
use world::{
    World,
    programs::{Invocation, Outcome},
};

/// How long `umount` may take before it is told to use force: a server that is gone does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
const OUTPUT: usize = 64 * 1024;

/// Mounts the export on `dir`, unless something is mounted there. What could not be mounted leaves no directory.
///
/// # Errors
/// As upstream words them: what `mount` was given and what it said.
pub async fn mount(world: &World, source: &NFSVolumeSource, dir: &Path) -> Result<(), String> {
    let listed = |e: io::Error| format!("mounts cannot be listed: {e}");
    if is_mounted(world, dir).map_err(listed)? {
        return Ok(());
    }
    world.files.create_dir_all(dir, 0o750).map_err(|e| format!("mkdir {}: {e}", dir.display()))?;
    let export = export(source);
    let options: &[&str] = if source.read_only == Some(true) { &["-o", "ro"] } else { &[] };
    let mut args: Vec<String> = ["-t", "nfs"].iter().chain(options).map(|arg| (*arg).to_owned()).collect();
    args.extend([export.clone(), dir.display().to_string()]);
    let shown = args.join(" ");
    if export.starts_with('-') {
        // Otherwise a server's name could be an option.
        args.insert(args.len() - 2, "--".to_owned());
    }
    let (status, output) = match run(world, "mount", args, None).await {
        Ok(outcome) if outcome.code == 0 => return Ok(()),
        Ok(outcome) => (format!("exit status {}", outcome.code), said(&outcome)),
        Err(error) => (error.to_string(), String::new()),
    };
    // What is mounted in spite of the failure is not to be relied on.
    if is_mounted(world, dir).map_err(listed)? {
        unmount(world, dir).await.map_err(|error| error.to_string())?;
    } else if let Err(error) = world.files.remove_dir(dir) {
        tracing::warn!(dir = %dir.display(), %error, "Directory of a volume that could not be mounted stays");
    }
    Err(format!("mount failed: {status}\nMounting command: mount\nMounting arguments: {shown}\nOutput: {output}"))
}

/// Takes away what is mounted on `dir`, and the directory; nothing in it is touched.
///
/// # Errors
/// `umount` failed, or something is still mounted: the directory stays.
pub async fn unmount(world: &World, dir: &Path) -> io::Result<()> {
    if is_mounted(world, dir)? {
        let target = dir.display().to_string();
        let outcome = match run(world, "umount", vec![target.clone()], Some(PATIENCE)).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                tracing::warn!(dir = target, "Unmounting takes too long: trying with force");
                run(world, "umount", vec!["-f".to_owned(), target.clone()], Some(PATIENCE)).await
            }
            other => other,
        }?;
        if outcome.code != 0 {
            let (code, output) = (outcome.code, said(&outcome));
            return Err(io::Error::other(format!(
                "unmount failed: exit status {code}\nUnmounting arguments: {target}\nOutput: {output}"
            )));
        }
        if is_mounted(world, dir)? {
            return Err(io::Error::other(format!("failed to cleanup mount point {target}")));
        }
    }
    match world.files.remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Asks the table: the server may let nobody look at the directory itself, or not answer.
fn is_mounted(world: &World, dir: &Path) -> io::Result<bool> {
    Ok(world.mounts.list()?.iter().any(|mount| mount.at == dir))
}

/// `server:path`, an IPv6 address in brackets.
fn export(source: &NFSVolumeSource) -> String {
    let (server, path) = (&source.server, &source.path);
    if server.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{server}]:{path}") } else { format!("{server}:{path}") }
}

/// Runs a program that is found in `PATH`, with this process' environment.
async fn run(world: &World, name: &str, args: Vec<String>, timeout: Option<Duration>) -> io::Result<Outcome> {
    let env = world.programs.parent().env;
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()).unwrap_or_default();
    let candidates = path.split(':').map(PathBuf::from).filter(|dir| dir.is_absolute());
    for program in candidates.map(|dir| dir.join(name)) {
        let invocation = Invocation {
            program,
            args: args.clone(),
            env: env.clone(),
            stdin: Vec::new(),
            timeout,
            output_limit: OUTPUT,
        };
        match world.programs.run(invocation).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("exec: \"{name}\": executable file not found in $PATH")))
}

fn said(outcome: &Outcome) -> String {
    [&outcome.stdout, &outcome.stderr].map(|stream| String::from_utf8_lossy(stream)).concat()
}

#[cfg(test)]
mod tests;
