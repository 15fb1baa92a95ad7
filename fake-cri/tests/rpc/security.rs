//! What containers may do and see: users, capabilities, filters, paths, namespaces, kernel settings. As specs of real runtimes ask.

use super::*;

type Security = v1::LinuxContainerSecurityContext;

impl Bench {
    /// A running container with a security context, mounts, and a pod of these options.
    async fn confined(&mut self, pod: v1::LinuxPodSandboxConfig, security: Security, mounts: Vec<v1::Mount>) -> String {
        let count = self.fake.journal().entries().len();
        let name = format!("pod{count}");
        let config =
            v1::PodSandboxConfig { linux: Some(pod), hostname: name.clone(), ..Self::sandbox_config(&name, 0) };
        let request = v1::RunPodSandboxRequest { config: Some(config.clone()), ..Default::default() };
        let sandbox = self.runtime.run_pod_sandbox(request).await.expect("a sandbox").into_inner().pod_sandbox_id;
        self.beside(&sandbox, "main", security, mounts).await
    }

    /// A running container in a sandbox.
    async fn beside(&mut self, sandbox: &str, name: &str, security: Security, mounts: Vec<v1::Mount>) -> String {
        let id = self.created(sandbox, name, security, mounts).await.expect("a container");
        self.runtime.start_container(v1::StartContainerRequest { container_id: id.clone() }).await.expect("it starts");
        id
    }

    async fn created(
        &mut self,
        sandbox: &str,
        name: &str,
        security: Security,
        mounts: Vec<v1::Mount>,
    ) -> Result<String, tonic::Status> {
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: name.to_owned(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: "busybox".to_owned(), ..Default::default() }),
            command: vec!["sleep".to_owned(), "1000".to_owned()],
            mounts,
            linux: Some(v1::LinuxContainerConfig { security_context: Some(security), ..Default::default() }),
            ..Default::default()
        };
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(Self::sandbox_config("web", 0)),
        };
        Ok(self.runtime.create_container(request).await?.into_inner().container_id)
    }

    /// What a shell command in a container prints, both streams, and its status.
    async fn sh(&mut self, id: &str, script: &str) -> (String, i32) {
        let cmd = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let request = v1::ExecSyncRequest { container_id: id.to_owned(), cmd, timeout: 30 };
        let answer = self.runtime.exec_sync(request).await.expect("it runs").into_inner();
        (String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned(), answer.exit_code)
    }
}

fn capabilities(add: &[&str], drop: &[&str]) -> Security {
    let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Security {
        capabilities: Some(v1::Capability {
            add_capabilities: own(add),
            drop_capabilities: own(drop),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn privileged() -> Security {
    Security { privileged: true, ..Default::default() }
}

fn user(uid: i64) -> Security {
    Security { run_as_user: Some(v1::Int64Value { value: uid }), ..Default::default() }
}

fn filter(kind: v1::security_profile::ProfileType, path: &str) -> Security {
    let seccomp = Some(v1::SecurityProfile { profile_type: kind as i32, localhost_ref: path.to_owned() });
    Security { seccomp, ..capabilities(&["SYS_ADMIN"], &[]) }
}

#[rstest]
#[case::plain(Security::default(), "brctl addbr x", "brctl: bridge x: Operation not permitted\n", 1)]
#[case::net_admin(capabilities(&["NET_ADMIN"], &[]), "brctl addbr x", "", 0)]
#[case::privileged(privileged(), "brctl addbr x", "", 0)]
#[case::bounding(Security::default(), "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80425fb\n", 0)]
#[case::all(capabilities(&["ALL"], &[]), "grep CapEff /proc/self/status", "CapEff:\t000001ffffffffff\n", 0)]
#[case::none(capabilities(&[], &["ALL"]), "grep CapBnd /proc/self/status", "CapBnd:\t0000000000000000\n", 0)]
#[case::user(user(1000), "grep CapEff /proc/self/status", "CapEff:\t0000000000000000\n", 0)]
#[case::no_raw_sockets(
    capabilities(&[], &["NET_RAW"]), "ping -c 1 127.0.0.1",
    "PING 127.0.0.1 (127.0.0.1): 56 data bytes\nping: permission denied (are you root?)\n", 1)]
#[case::no_chown(capabilities(&[], &["CHOWN"]), "touch /x; chown 1 /x", "chown: /x: Operation not permitted\n", 1)]
#[case::root_passes_over_modes(Security::default(), "echo a >/x; chmod 0 /x; cat /x", "a\n", 0)]
#[case::unless_it_may_not(
    capabilities(&[], &["DAC_OVERRIDE"]), "echo a >/x; chmod 0 /x; cat /x", "cat: can't open '/x': Permission denied\n", 1)]
#[case::no_mount(
    Security::default(),
    "mount -t tmpfs x /mnt",
    "mount: mounting x on /mnt failed: Operation not permitted\n",
    1
)]
#[case::mount(privileged(), "mount -t tmpfs x /mnt && echo a >/mnt/f && umount /mnt && ls /mnt", "", 0)]
#[case::hostname(privileged(), "hostname other; hostname", "other\n", 0)]
#[case::no_hostname(Security::default(), "hostname other", "hostname: sethostname: Operation not permitted\n", 1)]
#[case::of_others(user(1000), "kill 1", "sh: can't kill pid 1: Operation not permitted\n", 1)]
fn rights(
    #[case] mut security: Security,
    #[case] script: &'static str,
    #[case] output: &'static str,
    #[case] code: i32,
) {
    with(Config::default(), async move |b| {
        if script == "kill 1" {
            // A process of another user: the pod's own first.
            security.namespace_options = None;
        }
        let id = b.confined(v1::LinuxPodSandboxConfig::default(), security, Vec::new()).await;
        assert_eq!(b.sh(&id, script).await, (output.to_owned(), code));
    });
}

#[rstest]
#[case::unconfined(
    filter(v1::security_profile::ProfileType::Unconfined, ""),
    "hostname x; grep Seccomp: /proc/self/status",
    "Seccomp:\t0\n",
    0
)]
#[case::default(
    filter(v1::security_profile::ProfileType::RuntimeDefault, ""),
    "grep Seccomp: /proc/self/status",
    "Seccomp:\t2\n",
    0
)]
#[case::refused(
    filter(v1::security_profile::ProfileType::Localhost, "/profile.json"),
    "hostname x",
    "hostname: sethostname: Operation not permitted\n",
    1
)]
#[case::files_too(
    filter(v1::security_profile::ProfileType::Localhost, "/profile.json"),
    "chmod 400 /",
    "chmod: /: Operation not permitted\n",
    1
)]
#[case::killed(
    filter(v1::security_profile::ProfileType::Localhost, "/profile.json"),
    "mkdir /x; echo $?",
    "159\nBad system call\n",
    0
)]
#[case::not_for_the_privileged(
    Security { privileged: true, ..filter(v1::security_profile::ProfileType::Localhost, "/profile.json") }, "hostname x", "", 0)]
fn filters(#[case] security: Security, #[case] script: &'static str, #[case] output: &'static str, #[case] code: i32) {
    with(Config::default(), async move |b| {
        let profile = br#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["sethostname","chmod","fchmodat"],"action":"SCMP_ACT_ERRNO"},{"names":["mkdir"],"action":"SCMP_ACT_KILL"}]}"#;
        b.sim.world.files.write(Path::new("/profile.json"), profile, 0o644).expect("written");
        let id = b.confined(v1::LinuxPodSandboxConfig::default(), security, Vec::new()).await;
        assert_eq!(b.sh(&id, script).await, (output.to_owned(), code));
    });
}

#[rstest]
#[case("/nothing.json", "open /nothing.json: no such file or directory")]
#[case("relative.json", "not absolute")]
#[case("/broken.json", "decoding seccomp profile failed")]
fn a_profile_that_cannot_be_read_refuses_the_container(#[case] path: &'static str, #[case] why: &'static str) {
    with(Config::default(), async move |b| {
        b.sim.world.files.write(Path::new("/broken.json"), b"{", 0o644).expect("written");
        let sandbox = b.sandbox("web").await;
        let security = filter(v1::security_profile::ProfileType::Localhost, path);
        let error = b.created(&sandbox, "main", security, Vec::new()).await.unwrap_err();
        assert!(error.message().contains(why), "{error}");
    });
}

#[test]
fn masked_paths_are_empty_and_protected_ones_are_read_only() {
    with(Config::default(), async |b| {
        let security = Security {
            masked_paths: vec!["/bin/ls".to_owned(), "/proc/acpi".to_owned(), "/no/such".to_owned()],
            readonly_paths: vec!["/tmp".to_owned()],
            ..Default::default()
        };
        let id = b.confined(v1::LinuxPodSandboxConfig::default(), security.clone(), Vec::new()).await;
        assert_eq!(b.sh(&id, "ls").await, ("sh: ls: Permission denied\n".to_owned(), 126));
        assert_eq!(b.sh(&id, "touch /tmp/x").await, ("touch: /tmp/x: Read-only file system\n".to_owned(), 1));
        assert_eq!(b.sh(&id, "touch /x && echo ok").await, ("ok\n".to_owned(), 0));
        let free = Security { privileged: true, ..security };
        let id = b.confined(v1::LinuxPodSandboxConfig::default(), free, Vec::new()).await;
        assert_eq!(b.sh(&id, "touch /tmp/x && ls /tmp").await, ("x\n".to_owned(), 0));
    });
}

#[rstest]
#[case::asked_for("kernel.shm_rmid_forced", "cat /proc/sys/kernel/shm_rmid_forced", "1\n")]
#[case::with_slashes("kernel/shm_rmid_forced", "sysctl -n kernel.shm_rmid_forced", "1\n")]
#[case::not_asked_for("kernel.shm_rmid_forced", "cat /proc/sys/fs/mqueue/msg_max", "10\n")]
#[case::unwritable(
    "kernel.shm_rmid_forced",
    "echo 0 > /proc/sys/kernel/shm_rmid_forced",
    "sh: can't create /proc/sys/kernel/shm_rmid_forced: Read-only file system\n"
)]
fn kernel_settings(#[case] name: &'static str, #[case] script: &'static str, #[case] output: &'static str) {
    with(Config::default(), async move |b| {
        let sysctls = [(name.to_owned(), "1".to_owned())].into();
        let pod = v1::LinuxPodSandboxConfig { sysctls, ..Default::default() };
        let id = b.confined(pod, Security::default(), Vec::new()).await;
        assert_eq!(b.sh(&id, script).await.0, output);
    });
}

#[rstest]
#[case("kernel.nothing", false, "open /proc/sys/kernel/nothing: no such file or directory")]
#[case("net.core.somaxconn", true, "sysctl \"net.core.somaxconn\" is not in a separate kernel namespace")]
fn settings_that_cannot_be_set_refuse_the_sandbox(
    #[case] name: &'static str,
    #[case] host: bool,
    #[case] why: &'static str,
) {
    with(Config::default(), async move |b| {
        let network = if host { v1::NamespaceMode::Node } else { v1::NamespaceMode::Pod } as i32;
        let linux = v1::LinuxPodSandboxConfig {
            sysctls: [(name.to_owned(), "1".to_owned())].into(),
            security_context: Some(v1::LinuxSandboxSecurityContext {
                namespace_options: Some(v1::NamespaceOption { network, ..Default::default() }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let config = v1::PodSandboxConfig { linux: Some(linux), ..Bench::sandbox_config("web", 0) };
        let request = v1::RunPodSandboxRequest { config: Some(config), ..Default::default() };
        let error = b.runtime.run_pod_sandbox(request).await.unwrap_err();
        assert!(error.message().contains(why), "{error}");
        assert!(b.fake.ledger().leaks().is_empty(), "{:?}", b.fake.ledger().leaks());
    });
}

/// A pod whose pid and ipc namespaces are `mode`.
fn namespaces(mode: v1::NamespaceMode) -> (v1::LinuxPodSandboxConfig, Security) {
    let options = v1::NamespaceOption { pid: mode as i32, ..Default::default() };
    let pod = v1::LinuxPodSandboxConfig {
        security_context: Some(v1::LinuxSandboxSecurityContext {
            namespace_options: Some(options.clone()),
            ..Default::default()
        }),
        ..Default::default()
    };
    (pod, Security { namespace_options: Some(options), ..Default::default() })
}

#[test]
fn a_container_of_its_own_is_its_first_process() {
    with(Config::default(), async |b| {
        let (pod, security) = namespaces(v1::NamespaceMode::Container);
        let id = b.confined(pod, security, Vec::new()).await;
        assert_eq!(b.sh(&id, "tr '\\0' ' ' </proc/1/cmdline").await.0, "sleep 1000 ");
    });
}

#[test]
fn a_pods_processes_see_each_other_and_pause_is_the_first() {
    with(Config::default(), async |b| {
        let (pod, security) = namespaces(v1::NamespaceMode::Pod);
        let id = b.confined(pod, security.clone(), Vec::new()).await;
        let request = v1::ListPodSandboxRequest::default();
        let sandbox = b.runtime.list_pod_sandbox(request).await.expect("a list").into_inner().items[0].id.clone();
        let other = b.beside(&sandbox, "other", security, Vec::new()).await;
        assert_eq!(b.sh(&other, "cat /proc/1/comm; pgrep -x sleep | wc -l").await.0, "pause\n2\n");
        // Not the first process any more: TERM ends it, and with it nothing else.
        b.stop(&id, 30).await.expect("stop");
        assert_eq!(b.status(&id).await.expect("a status").exit_code, 143);
        assert_eq!(b.sh(&other, "pgrep sleep | wc -l").await.0, "1\n");
    });
}

#[test]
fn on_the_node_every_pods_processes_are_seen_and_nobody_sees_the_nodes() {
    with(Config::default(), async |b| {
        let (pod, security) = namespaces(v1::NamespaceMode::Container);
        let own = b.confined(pod, security, Vec::new()).await;
        let (pod, security) = namespaces(v1::NamespaceMode::Node);
        let node = b.confined(pod, security, Vec::new()).await;
        assert_eq!(b.sh(&node, "pgrep sleep | wc -l").await.0, "2\n");
        assert_eq!(b.sh(&own, "pgrep sleep").await.0, "1\n");
        b.sh(&node, "kill -9 $(pgrep -f sleep | head -n 1)").await;
        b.stop(&own, 0).await.expect("it has ended");
        assert_eq!(b.status(&own).await.expect("a status").exit_code, 137);
    });
}

#[test]
fn memory_segments_are_the_pods() {
    with(Config::default(), async |b| {
        let id = b.confined(v1::LinuxPodSandboxConfig::default(), Security::default(), Vec::new()).await;
        assert_eq!(b.sh(&id, "ipcmk -M 1024").await.0, "Shared memory id: 0\n");
        assert!(b.sh(&id, "ipcs -m").await.0.contains("0x00000000 0          root       644        1024"));
        let other = b.confined(v1::LinuxPodSandboxConfig::default(), Security::default(), Vec::new()).await;
        assert!(!b.sh(&other, "ipcs -m").await.0.contains("1024"));
    });
}

#[test]
fn listening_ports_are_shown_while_they_are_open() {
    with(Config::default(), async |b| {
        let id = b.confined(v1::LinuxPodSandboxConfig::default(), Security::default(), Vec::new()).await;
        let (shown, _) = b.sh(&id, "nc -l -p 8080 & sleep 1; netstat -ltn; kill $!").await;
        assert!(shown.contains("0.0.0.0:8080") && shown.contains("LISTEN"), "{shown}");
        assert!(!b.sh(&id, "netstat -ltn").await.0.contains("8080"));
    });
}

#[test]
fn ids_are_mapped_as_asked() {
    with(Config::default(), async |b| {
        let map = vec![v1::IdMapping { host_id: 65536, container_id: 0, length: 65536 }];
        let users = v1::UserNamespace { mode: v1::NamespaceMode::Pod as i32, uids: map.clone(), gids: map };
        let options = v1::NamespaceOption { userns_options: Some(users), ..Default::default() };
        let pod = v1::LinuxPodSandboxConfig {
            security_context: Some(v1::LinuxSandboxSecurityContext {
                namespace_options: Some(options),
                ..Default::default()
            }),
            ..Default::default()
        };
        let id = b.confined(pod, Security::default(), Vec::new()).await;
        assert_eq!(b.sh(&id, "cat /proc/self/uid_map").await.0, "         0      65536      65536\n");
    });
}

#[test]
fn a_set_user_id_program_raises_unless_it_must_not() {
    with(Config::default(), async |b| {
        let script = "cp /bin/id /tmp/rid; chmod 4755 /tmp/rid";
        for (no_new_privs, uid) in [(false, "0"), (true, "1000")] {
            let root = b.sandbox(if no_new_privs { "a" } else { "b" }).await;
            let volume =
                vec![v1::Mount { container_path: "/v".to_owned(), host_path: "/vol".to_owned(), ..Default::default() }];
            let maker = b.beside(&root, "maker", Security::default(), volume.clone()).await;
            b.sh(&maker, &script.replace("/tmp/rid", "/v/id")).await;
            let security = Security { no_new_privs, ..user(1000) };
            let id = b.beside(&root, "user", security, volume).await;
            assert_eq!(b.sh(&id, "/v/id -u").await.0, format!("{uid}\n"));
        }
    });
}

#[test]
fn a_host_port_leads_to_the_pod_until_it_stops() {
    with(Config::default(), async |b| {
        let mapping = v1::PortMapping { container_port: 8080, host_port: 12000, ..Default::default() };
        let config = v1::PodSandboxConfig { port_mappings: vec![mapping], ..Bench::sandbox_config("web", 0) };
        let request = v1::RunPodSandboxRequest { config: Some(config.clone()), ..Default::default() };
        let sandbox = b.runtime.run_pod_sandbox(request).await.expect("a sandbox").into_inner().pod_sandbox_id;
        b.run(&sandbox, "main", &["sh", "-c", "echo hello | nc -l -p 8080"]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let address = world::net::Address::tcp("127.0.0.1", 12000);
        let mut conn = b.sim.world.net.dial(&address).await.expect("open");
        let mut answer = [0; 6];
        tokio::io::AsyncReadExt::read_exact(&mut conn, &mut answer).await.expect("an answer");
        assert_eq!(&answer, b"hello\n");
        let second = v1::PodSandboxConfig { metadata: Bench::sandbox_config("other", 0).metadata, ..config };
        let request = v1::RunPodSandboxRequest { config: Some(second), ..Default::default() };
        let taken = b.runtime.run_pod_sandbox(request).await.unwrap_err();
        assert!(taken.message().contains("cannot open hostport 12000"), "{taken}");
        b.runtime.stop_pod_sandbox(v1::StopPodSandboxRequest { pod_sandbox_id: sandbox }).await.expect("stop");
        tokio::task::yield_now().await;
        assert!(b.sim.world.net.dial(&address).await.is_err());
    });
}
