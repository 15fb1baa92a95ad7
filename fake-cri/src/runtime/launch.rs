//! From a container's configuration to a running first process: command line, environment, identity, files, limits.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use cri_proto::v1;
use tokio::sync::oneshot;
use tonic::Status;
use world::{
    Files,
    files::{FileKind, FileSystem as _},
    sim::MemoryFiles,
};

use super::Runtime;
use crate::{
    applets,
    behaviours::play,
    catalogue::Image,
    logs::Stream,
    model::{Container, Sandbox},
    os::{
        Credentials, Descriptor, FileTree, Kernel, Launch, Mount, Process, Program, Surroundings,
        overlay::Overlay,
        pipe::{Null, Sink},
    },
};

/// A container that has started.
pub(super) struct Started {
    pub process: Process,
    pub kernel: Kernel,
    pub tree: FileTree,
    pub user: v1::LinuxContainerUser,
}

/// Search path of images that have none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Runtime {
    /// A pid namespace for a sandbox or one of its containers.
    pub(super) fn new_kernel(&self, sandbox: &Sandbox) -> Kernel {
        let node = || self.world.machine.facts().map(|f| f.hostname).unwrap_or_default();
        let surroundings = Surroundings {
            world: self.world.clone(),
            hostname: if sandbox.config.hostname.is_empty() { node() } else { sandbox.config.hostname.clone() },
            addresses: sandbox.ips.clone(),
        };
        Kernel::new(self.processes.child("pod"), surroundings)
    }

    /// The files of a container.
    fn file_tree(&self, container: &Container, sandbox: &Sandbox) -> Result<FileTree, String> {
        let security = container.config.linux.as_ref().and_then(|l| l.security_context.clone()).unwrap_or_default();
        let root = Overlay::new(self.tree(container.image.kind), self.world.clock.clone());
        let root = Files::new(root);
        let mut points = Vec::new();
        for mount in &container.config.mounts {
            let at = clean(&mount.container_path);
            let (files, inner) = if let Some(image) = &mount.image {
                let found = self.images().find(&image.image).map(|p| p.image.clone());
                let found = found.ok_or_else(|| format!("image {:?} is gone", image.image))?;
                let tree = self.tree(found.kind);
                (
                    Files::new(Overlay::new(tree, self.world.clock.clone())),
                    Path::new("/").join(mount.image_sub_path.trim_start_matches('/')),
                )
            } else {
                let host = self.host_path(&mount.host_path)?;
                (self.world.files.clone(), host)
            };
            let kind = files.metadata(&inner).map_or(FileKind::Directory, |m| m.kind);
            make_mount_point(&root, &at, kind);
            points.push(Mount { at, files, root: inner, read_only: mount.readonly, kind: "bind" });
        }
        let tree = FileTree::new(Mount {
            at: PathBuf::from("/"),
            files: root,
            root: PathBuf::from("/"),
            read_only: security.readonly_rootfs,
            kind: "overlay",
        });
        let tmpfs = |at: &str| Mount {
            at: PathBuf::from(at),
            files: Files::new(MemoryFiles::empty(self.world.clock.clone())),
            root: PathBuf::from("/"),
            read_only: false,
            kind: "tmpfs",
        };
        tree.mount(tmpfs("/dev/shm"));
        for (name, at) in [("/resolv.conf", "/etc/resolv.conf"), ("/hostname", "/etc/hostname")] {
            tree.mount(Mount {
                at: PathBuf::from(at),
                files: sandbox.files.clone(),
                root: PathBuf::from(name),
                read_only: security.readonly_rootfs,
                kind: "bind",
            });
        }
        for mount in points {
            tree.mount(mount);
        }
        Ok(tree)
    }

    /// Where a volume is on the node, links followed; a directory is made where nothing is, as real runtimes do.
    fn host_path(&self, path: &str) -> Result<PathBuf, String> {
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(format!("mount source {path:?} is not absolute"));
        }
        let mut path = path;
        for _ in 0..40 {
            match self.world.files.symlink_metadata(&path).map(|m| m.kind) {
                Ok(FileKind::Symlink) => {
                    let target = self.world.files.read_link(&path).map_err(|e| e.to_string())?;
                    path = path.parent().unwrap_or(Path::new("/")).join(target);
                }
                Ok(_) => return Ok(path),
                Err(_) => {
                    self.world
                        .files
                        .create_dir_all(&path, 0o755)
                        .map_err(|e| format!("failed to mkdir {path:?}: {e}"))?;
                    return Ok(path);
                }
            }
        }
        Err(format!("too many links at {path:?}"))
    }

    /// Whether an image has that path.
    pub(super) fn check_image_path(&self, image: &Image, path: &str) -> Result<(), Status> {
        let path = Path::new("/").join(path.trim_start_matches('/'));
        if path.components().any(|c| c == std::path::Component::ParentDir)
            || self.tree(image.kind).metadata(&path).is_err()
        {
            return Err(Status::unknown(format!(
                "ImageVolumeMountFailed: {} does not exist in the image",
                path.display()
            )));
        }
        Ok(())
    }

    /// Who a container runs as: the security context, else the image's `USER`; supplementary groups with those of the image.
    pub(super) fn credentials(&self, container: &Container, tree: &FileTree) -> Result<Credentials, String> {
        let security = container.config.linux.as_ref().and_then(|l| l.security_context.clone()).unwrap_or_default();
        let root = Credentials::default();
        let table = |path: &str| -> Vec<Vec<String>> {
            let text = tree.read(path, &root).unwrap_or_default();
            String::from_utf8_lossy(&text).lines().map(|l| l.split(':').map(str::to_owned).collect()).collect()
        };
        let passwd = table("/etc/passwd");
        let group = table("/etc/group");
        let (image_user, image_group) =
            container.image.user.split_once(':').map_or((container.image.user.as_str(), ""), |(u, g)| (u, g));
        let user = match (&security.run_as_user, security.run_as_username.as_str()) {
            (Some(uid), _) => uid.value.to_string(),
            (None, "") => image_user.to_owned(),
            (None, name) => name.to_owned(),
        };
        let number = |text: &str| text.parse::<u32>().ok();
        let row = match number(&user) {
            Some(uid) => passwd.iter().find(|r| r.get(2).and_then(|n| number(n)) == Some(uid)),
            None => passwd.iter().find(|r| r.first() == Some(&user)),
        };
        let uid = match (number(&user), row) {
            (Some(uid), _) => uid,
            (None, Some(row)) => row.get(2).and_then(|n| number(n)).unwrap_or(0),
            (None, None) if user.is_empty() => 0,
            (None, None) => return Err(format!("unable to find user {user}: no matching entries in passwd file")),
        };
        let named_group = |name: &str| {
            number(name).or_else(|| {
                group
                    .iter()
                    .find(|r| r.first().is_some_and(|n| n == name))
                    .and_then(|r| r.get(2))
                    .and_then(|n| number(n))
            })
        };
        let gid = match &security.run_as_group {
            Some(gid) => u32::try_from(gid.value).unwrap_or(0),
            None if !image_group.is_empty() && security.run_as_user.is_none() => named_group(image_group).unwrap_or(0),
            None => row.and_then(|r| r.get(3)).and_then(|n| number(n)).unwrap_or(0),
        };
        let mut groups: BTreeSet<u32> =
            security.supplemental_groups.iter().filter_map(|g| u32::try_from(*g).ok()).collect();
        let merge = security.supplemental_groups_policy == v1::SupplementalGroupsPolicy::Merge as i32;
        if let (true, Some(name)) = (merge, row.and_then(|r| r.first())) {
            for entry in &group {
                if entry.get(3).is_some_and(|members| members.split(',').any(|m| m == name)) {
                    groups.extend(entry.get(2).and_then(|n| number(n)));
                }
            }
        }
        groups.insert(gid);
        Ok(Credentials { uid, gid, groups: groups.into_iter().collect() })
    }

    /// Environment: the image's, then the container's.
    pub(super) fn environment(&self, container: &Container, sandbox: &Sandbox) -> BTreeMap<String, String> {
        let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned()), ("HOME".to_owned(), "/root".to_owned())]);
        env.insert("HOSTNAME".to_owned(), sandbox.config.hostname.clone());
        for pair in &container.image.env {
            if let Some((name, value)) = pair.split_once('=') {
                env.insert(name.to_owned(), value.to_owned());
            }
        }
        for pair in &container.config.envs {
            env.insert(pair.key.clone(), String::from_utf8_lossy(&pair.value).into_owned());
        }
        if container.config.tty {
            env.entry("TERM".to_owned()).or_insert_with(|| "xterm".to_owned());
        }
        env
    }

    /// Starts the first process. The error is what could not be done, in runc's words.
    pub(super) async fn launch(self: &Arc<Self>, container: &Container, sandbox: &Sandbox) -> Result<Started, String> {
        let attempt = container.metadata().attempt;
        let run = container.behaviour.as_ref().filter(|b| b.replaces_program()).map(|b| b.at_attempt(attempt).clone());
        if let Some(error) = run.as_ref().and_then(|run| run.start_error.clone()) {
            return Err(error);
        }
        let tree = self.file_tree(container, sandbox)?;
        let credentials = self.credentials(container, &tree)?;
        let kernel = sandbox.shared.clone().unwrap_or_else(|| self.new_kernel(sandbox));
        if let Some(limit) = container.resources.as_ref().map(|r| r.memory_limit_in_bytes).filter(|l| *l > 0) {
            kernel.set_memory_limit(u64::try_from(limit).ok());
        }
        let mut args = if container.config.command.is_empty() {
            container.image.entrypoint.clone()
        } else {
            container.config.command.clone()
        };
        if container.config.args.is_empty() && container.config.command.is_empty() {
            args.extend(container.image.cmd.iter().cloned());
        } else {
            args.extend(container.config.args.iter().cloned());
        }
        let output = |stream: Stream| -> Descriptor {
            let log = container.log.clone();
            Arc::new(Sink(move |bytes: &[u8]| log.write(stream, bytes)))
        };
        let cwd = if container.config.working_dir.is_empty() {
            &container.image.working_dir
        } else {
            &container.config.working_dir
        };
        let launch = Launch {
            args: args.clone(),
            env: self.environment(container, sandbox),
            cwd: cwd.clone(),
            credentials: credentials.clone(),
            files: tree.clone(),
            descriptors: BTreeMap::from([
                (0, Arc::new(Null) as Descriptor),
                (1, output(Stream::Stdout)),
                (2, if container.config.tty { output(Stream::Stdout) } else { output(Stream::Stderr) }),
            ]),
            dispositions: BTreeMap::new(),
        };
        let user = v1::LinuxContainerUser {
            uid: i64::from(credentials.uid),
            gid: i64::from(credentials.gid),
            supplemental_groups: credentials.groups.iter().map(|g| i64::from(*g)).collect(),
        };
        if let Some(run) = run {
            let path = container.config.annotations.get("io.kubernetes.container.terminationMessagePath").cloned();
            let path = path.unwrap_or_else(|| "/dev/termination-log".to_owned());
            let program: Program = Box::new(move |p| Box::pin(play(p, run, path)));
            let process = kernel.launch(None, launch, program).ok_or("resource temporarily unavailable")?;
            return Ok(Started { process, kernel, tree, user });
        }
        let (found, answer) = oneshot::channel();
        let process = kernel.launch(None, launch, exec(args, found)).ok_or("resource temporarily unavailable")?;
        match answer.await {
            Ok(Ok(())) => Ok(Started { process, kernel, tree, user }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("the process ended before its program was found".to_owned()),
        }
    }
}

/// A program that finds and becomes the one its arguments name, and tells whether there is one.
pub(super) fn exec(args: Vec<String>, found: oneshot::Sender<Result<(), String>>) -> Program {
    Box::new(move |process: Process| {
        Box::pin(async move {
            let name = args.first().cloned().unwrap_or_default();
            let path = process.var("PATH").unwrap_or_default();
            match applets::find(&process, &name, &path) {
                Ok(program) => {
                    let _ = found.send(Ok(()));
                    program(process).await
                }
                Err(error) => {
                    let why = match (error.code, name.contains('/')) {
                        (127, true) => format!("exec: \"{name}\": stat {name}: no such file or directory"),
                        (127, false) => format!("exec: \"{name}\": executable file not found in $PATH"),
                        _ => format!("exec: \"{name}\": {}", error.text.to_lowercase()),
                    };
                    let _ = found.send(Err(why));
                    error.code
                }
            }
        })
    })
}

/// An absolute path without `.`, `..` and doubled slashes.
fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if part == ".." {
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    clean
}

/// Makes what a mount covers, as runtimes do: a directory, or an empty file.
fn make_mount_point(root: &Files, at: &Path, kind: FileKind) {
    if root.symlink_metadata(at).is_ok() {
        return;
    }
    if kind == FileKind::Directory {
        let _ = root.create_dir_all(at, 0o755);
    } else {
        if let Some(parent) = at.parent() {
            let _ = root.create_dir_all(parent, 0o755);
        }
        let _ = root.write(at, b"", 0o644);
    }
}
