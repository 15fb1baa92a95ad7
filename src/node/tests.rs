//! Hosts on which the kubelet starts, and on which it does not.

use std::sync::Arc;

use rstest::rstest;
use world::{
    machine::Swap,
    sim::{self, Limits, SimWorld, files::FileFault},
};

use super::*;
use crate::config::{Invocation, load};

const SOCKET: &str = "/run/containerd/containerd.sock";

fn config(sim: &SimWorld, args: &[&str]) -> Arc<KubeletConfig> {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    match load(&sim.world, &args).unwrap() {
        Invocation::Run(loaded) => Arc::new(loaded.config),
        Invocation::Print(text) => panic!("printed {text}"),
    }
}

/// The outcome of the checks on a host with a runtime, prepared like this.
fn checked(args: &'static [&'static str], prepare: fn(&SimWorld)) -> Result<Vec<String>, String> {
    sim::run(1, Limits::default(), move |sim, _| async move {
        sim.world.files.create_dir_all(Path::new("/run/containerd"), 0o755).unwrap();
        let _runtime = sim.world.net.listen(&Address::Unix(SOCKET.into())).await.unwrap();
        prepare(&sim);
        let config = config(&sim, args);
        check(&sim.world, &config).await.map_err(|e| e.to_string())?;
        let made = |(path, meta): (PathBuf, world::files::Metadata)| {
            (meta.kind == world::files::FileKind::Directory && path.starts_with("/var"))
                .then(|| format!("{:o} {}", meta.mode, path.display()))
        };
        Ok(sim.files.walk().into_iter().filter_map(made).collect())
    })
    .unwrap()
}

fn swap_on(sim: &SimWorld) {
    sim.machine.update(|f| f.swaps = vec![Swap { name: "/swap.img".to_owned(), size_kib: 4096 }]);
}

fn v1(sim: &SimWorld) {
    sim.machine.update(|f| f.cgroups = CgroupVersion::V1);
}

#[test]
fn directories_are_made_with_upstreams_modes() {
    let made = checked(&[], |_| {}).unwrap();
    insta::assert_snapshot!(made.join("\n"), @r"
    755 /var
    755 /var/lib
    755 /var/lib/kubelet
    700 /var/lib/kubelet/checkpoints
    750 /var/lib/kubelet/plugins
    750 /var/lib/kubelet/plugins_registry
    750 /var/lib/kubelet/pod-resources
    750 /var/lib/kubelet/pods
    755 /var/log
    755 /var/log/containers
    750 /var/log/pods
    ");
}

#[test]
fn directories_go_where_they_are_told() {
    let made = checked(&["--root-dir=/var/k2", "--container-log-links-dir=/var/k2-links"], |_| {}).unwrap();
    assert!(
        made.contains(&"750 /var/k2/pods".to_owned()) && made.contains(&"755 /var/k2-links".to_owned()),
        "{made:?}"
    );
    assert!(!made.iter().any(|m| m.contains("/var/lib/kubelet") || m.contains("/var/log/containers")), "{made:?}");
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let made = checked(&[], |sim| {
        let root = Path::new("/var/lib/kubelet/pods");
        sim.world.files.create_dir_all(root, 0o700).unwrap();
    });
    assert!(made.unwrap().contains(&"700 /var/lib/kubelet/pods".to_owned()));
}

#[rstest]
#[case(&["--fail-swap-on=false"], swap_on)]
#[case(&["--fail-cgroupv1=false"], v1)]
#[case(&[], |sim: &SimWorld| sim.machine.update(|f| f.euid = 1000))]
#[case(&["--pod-manifest-path=/nowhere"], |_: &SimWorld| {})]
fn a_start_is_allowed(#[case] args: &'static [&'static str], #[case] prepare: fn(&SimWorld)) {
    checked(args, prepare).unwrap();
}

/// A name, arguments, what is done to the host.
type Case = (&'static str, &'static [&'static str], fn(&SimWorld));

#[test]
fn refusals_say_what_to_do() {
    let cases: [Case; 6] = [
        ("no socket", &["--container-runtime-endpoint=unix:///run/nowhere.sock"], |_| {}),
        ("a socket that nobody serves", &["--container-runtime-endpoint=unix:///run/dead.sock"], |sim| {
            sim.files.make_dead_socket("/run/dead.sock").unwrap();
        }),
        ("swap", &[], swap_on),
        ("too much kept from pods", &["--kube-reserved=cpu=5"], |_| {}),
        ("a file in the way", &[], |sim| {
            sim.world.files.create_dir_all(Path::new("/var/lib"), 0o755).unwrap();
            sim.world.files.write(Path::new("/var/lib/kubelet"), b"", 0o644).unwrap();
        }),
        ("a full disk", &[], |sim| {
            sim.files.inject(FileFault::no_space("/var"));
        }),
    ];
    let mut out = String::new();
    for (name, args, prepare) in cases {
        out.push_str(&format!("# {name}\n{}\n\n", checked(args, prepare).expect_err(name)));
    }
    insta::assert_snapshot!(out);
}
