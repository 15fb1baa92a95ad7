//! From a container's configuration to a running first process: command line, environment, identity, files, limits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cri_proto::v1;
use tokio::sync::oneshot;

use super::{Runtime, mounts};
use crate::{
    applets,
    behaviours::play,
    catalogue::ImageKind,
    model::{Container, Sandbox},
    os::{Credentials, FileTree, Kernel, Launch, Process, Program, Surroundings, servers},
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
    fn surroundings(&self, sandbox: &Sandbox) -> Surroundings {
        Surroundings {
            world: self.world.clone(),
            namespaces: sandbox.namespaces.clone(),
            addresses: sandbox.ips.clone(),
        }
    }

    /// A pid namespace for a sandbox or one of its containers.
    pub(super) fn new_kernel(&self, sandbox: &Sandbox) -> Kernel {
        Kernel::new(self.processes.child("pod"), self.surroundings(sandbox), Some(self.node.clone()))
    }

    /// The node's pid namespace, for a container that asked for it.
    pub(super) fn kernel_on_node(&self, sandbox: &Sandbox) -> Kernel {
        Kernel::on_node(self.processes.child("pod"), self.surroundings(sandbox), self.node.clone())
    }

    /// Starts the process that holds a shared pid namespace: the first of it, which the containers see as number 1.
    pub(super) fn start_pause(&self, kernel: &Kernel) {
        let launch = Launch {
            args: vec!["/pause".to_owned()],
            env: BTreeMap::new(),
            cwd: "/".to_owned(),
            credentials: Credentials { uid: 65535, gid: 65535, ..Credentials::default() },
            files: mounts::bare(self.tree(ImageKind::Pause), &self.world.clock),
            descriptors: BTreeMap::new(),
            dispositions: BTreeMap::new(),
            confinement: Arc::default(),
        };
        if let Some(program) = servers::find("pause") {
            drop(kernel.launch(None, launch, program));
        }
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
        let capabilities = self.capabilities(&container.config, uid);
        Ok(Credentials { uid, gid, groups: groups.into_iter().collect(), capabilities })
    }

    /// Environment: the image's, then the container's.
    pub(super) fn environment(&self, container: &Container, sandbox: &Sandbox) -> BTreeMap<String, String> {
        let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned()), ("HOME".to_owned(), "/root".to_owned())]);
        env.insert("HOSTNAME".to_owned(), sandbox.namespaces.hostname());
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
        let kernel = self.kernel_for(container, sandbox)?;
        let tree = self.file_tree(container, sandbox, &kernel)?;
        let credentials = self.credentials(container, &tree)?;
        let confinement = Arc::new(self.confinement(&container.config, &container.id)?);
        if let Some(limit) = container.resources.as_ref().map(|r| r.memory_limit_in_bytes).filter(|l| *l > 0) {
            kernel.set_memory_limit(&confinement.cgroup, u64::try_from(limit).ok());
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
        let [stdin, stdout, stderr] = container.stdio.open(&kernel, container.config.stdin, container.config.tty);
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
            descriptors: BTreeMap::from([(0, stdin), (1, stdout), (2, stderr)]),
            dispositions: BTreeMap::new(),
            confinement,
        };
        let user = v1::LinuxContainerUser {
            uid: i64::from(credentials.uid),
            gid: i64::from(credentials.gid),
            supplemental_groups: credentials.groups.iter().map(|g| i64::from(*g)).collect(),
        };
        if let Some(run) = run {
            let path = container.config.annotations.get("io.kubernetes.container.terminationMessagePath").cloned();
            let path = path.unwrap_or_else(|| "/dev/termination-log".to_owned());
            let (listens, listening) = oneshot::channel();
            let program: Program = Box::new(move |p| Box::pin(play(p, run, path, listens)));
            let process = kernel.launch(None, launch, program).ok_or("resource temporarily unavailable")?;
            // What a behaviour serves it serves from the start: whoever asks right after StartContainer's reply is answered. An error says
            // that it ended at once.
            let _ = listening.await;
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
