//! From a security context to what processes may do: capabilities, filter, privileges, namespaces. As containerd and CRI-O read the CRI.

use std::{collections::BTreeMap, path::Path};

use cri_proto::v1::{self, NamespaceMode, security_profile::ProfileType};

use super::Runtime;
use crate::{
    config::Personality,
    model::{Container, Sandbox},
    os::{
        Cgroup, Confinement, Namespaces,
        capability::{self, Capabilities, CapabilitySet},
        in_go,
        namespaces::{Beginning, IdMap},
        seccomp::Filter,
    },
};

/// What containerd gives a container that asks for nothing.
const CONTAINERD: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// What CRI-O gives.
const CRIO: &[&str] =
    &["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "KILL"];

/// Largest seccomp profile that is read.
const PROFILE_LIMIT: u64 = 1024 * 1024;

/// The security context of a container, empty if it has none.
pub(super) fn context(container: &v1::ContainerConfig) -> v1::LinuxContainerSecurityContext {
    container.linux.as_ref().and_then(|l| l.security_context.clone()).unwrap_or_default()
}

impl Runtime {
    /// What a user of a container may do.
    pub(super) fn capabilities(&self, config: &v1::ContainerConfig, uid: u32) -> Capabilities {
        let security = context(config);
        if security.privileged {
            return Capabilities::of_user(uid, CapabilitySet::ALL, CapabilitySet::NONE);
        }
        let base = if self.config.personality == Personality::Crio { CRIO } else { CONTAINERD };
        let wanted = security.capabilities.unwrap_or_default();
        let mut add = wanted.add_capabilities;
        add.extend(wanted.add_ambient_capabilities.iter().cloned());
        let bounding = capability::adjust(CapabilitySet::of(base), &add, &wanted.drop_capabilities);
        let ambient = capability::adjust(CapabilitySet::NONE, &wanted.add_ambient_capabilities, &[]);
        Capabilities::of_user(uid, bounding, ambient)
    }

    /// What is set around a container's processes. The error is what the runtime says of its profile.
    pub(super) fn confinement(&self, config: &v1::ContainerConfig, cgroup: &str) -> Result<Confinement, String> {
        let security = context(config);
        let resources = config.linux.as_ref().and_then(|l| l.resources.as_ref());
        let together = resources.is_some_and(|r| r.unified.get("memory.oom.group").is_some_and(|value| value == "1"));
        Ok(Confinement {
            seccomp: if security.privileged { None } else { self.filter(config, &security)? },
            no_new_privileges: security.no_new_privs,
            cgroup: if together { Cgroup::dying_together(cgroup) } else { Cgroup::new(cgroup) },
            oom_score_adj: resources.map_or(0, |r| r.oom_score_adj),
        })
    }

    /// The filter that the profile names; older clients name it by a path.
    fn filter(
        &self,
        config: &v1::ContainerConfig,
        security: &v1::LinuxContainerSecurityContext,
    ) -> Result<Option<Filter>, String> {
        let file = match &security.seccomp {
            Some(profile) if profile.profile_type == ProfileType::Unconfined as i32 => return Ok(None),
            Some(profile) if profile.profile_type == ProfileType::Localhost as i32 => profile.localhost_ref.clone(),
            Some(_) => String::new(),
            #[expect(deprecated, reason = "older clients send it")]
            None => match security.seccomp_profile_path.as_str() {
                "" | "unconfined" => return Ok(None),
                "runtime/default" | "docker/default" => String::new(),
                other => other.to_owned(),
            },
        };
        if file.is_empty() {
            let capabilities = self.capabilities(config, 0).bounding;
            return Ok(Some(Filter::runtime_default(capabilities)));
        }
        let path = file.strip_prefix("localhost/").unwrap_or(&file);
        let failed =
            |why: String| format!("failed to generate seccomp spec opts: cannot load seccomp profile {path:?}: {why}");
        if !Path::new(path).is_absolute() {
            return Err(failed("the path is not absolute".to_owned()));
        }
        let text = self.world.files.read(Path::new(path), PROFILE_LIMIT);
        let text = text.map_err(|e| failed(format!("open {path}: {}", in_go(&e))))?;
        Filter::parse(&text).map(Some).map_err(failed)
    }

    /// The namespaces of a new sandbox. The error is what runc says of a kernel setting.
    pub(super) fn namespaces(&self, config: &v1::PodSandboxConfig, hostname: &str) -> Result<Namespaces, String> {
        let linux = config.linux.clone().unwrap_or_default();
        let options = linux.security_context.unwrap_or_default().namespace_options.unwrap_or_default();
        let host_network = options.network == NamespaceMode::Node as i32;
        let host_ipc = options.ipc == NamespaceMode::Node as i32;
        for name in linux.sysctls.keys() {
            let dotted = name.replace('/', ".");
            let of_host = (host_network && dotted.starts_with("net."))
                || (host_ipc
                    && (dotted.starts_with("kernel.shm")
                        || dotted.starts_with("kernel.msg")
                        || dotted.starts_with("fs.mqueue.")));
            if of_host {
                return Err(format!("sysctl {name:?} is not in a separate kernel namespace"));
            }
            if !Namespaces::knows_setting(&dotted) {
                return Err(format!("open /proc/sys/{}: no such file or directory", dotted.replace('.', "/")));
            }
        }
        let map = |maps: &[v1::IdMapping]| {
            let first = maps.first()?;
            Some(IdMap { inside: first.container_id, outside: first.host_id, length: first.length })
        };
        let users = options.userns_options.filter(|u| u.mode == NamespaceMode::Pod as i32).unwrap_or_default();
        Ok(Namespaces::new(Beginning {
            hostname: hostname.to_owned(),
            settings: linux.sysctls.into_iter().collect::<BTreeMap<_, _>>(),
            users: map(&users.uids).unwrap_or(IdMap::HOST),
            groups: map(&users.gids).unwrap_or(IdMap::HOST),
            host_ipc,
            host_network,
        }))
    }

    /// Which processes a container sees.
    pub(super) fn kernel_for(&self, container: &Container, sandbox: &Sandbox) -> Result<crate::os::Kernel, String> {
        let options = context(&container.config).namespace_options.unwrap_or_default();
        match NamespaceMode::try_from(options.pid) {
            Ok(NamespaceMode::Node) => Ok(self.kernel_on_node(sandbox)),
            Ok(NamespaceMode::Target) => {
                let target = self.container(&options.target_id).ok().and_then(|c| c.kernel);
                target.ok_or_else(|| format!("failed to get target container {:?}: it does not run", options.target_id))
            }
            Ok(NamespaceMode::Container) => Ok(self.new_kernel(sandbox)),
            _ => Ok(sandbox.shared.clone().unwrap_or_else(|| self.new_kernel(sandbox))),
        }
    }
}
