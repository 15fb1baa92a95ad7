//! The command in simulation: what it logs about a configuration, how it ends. The kubelet proper has tests of its own.

use std::{
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use world::sim::{self, Limits, SimWorld};

use super::*;
use crate::{
    config::{LogFormat, Logging},
    klog::Klog,
};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(sim: &SimWorld, path: &str, text: &str) {
    let path = Path::new(path);
    sim.world.files.create_dir_all(path.parent().unwrap(), 0o755).unwrap();
    sim.world.files.write(path, text.as_bytes(), 0o644).unwrap();
}

/// The log lines of `run` with this configuration, without time and place.
fn logged(config: &'static str, args: &'static [&'static str]) -> String {
    sim::run(1, Limits::default(), move |sim, tasks| async move {
        put(&sim, "/etc/kubernetes/kubelet.yaml", config);
        let sink = Sink::default();
        let logging = Logging { format: LogFormat::Text, verbosity: 0 };
        let klog = Klog::new(logging, sim.world.clock.clone(), 1, sink.clone());
        let guard = tracing::subscriber::set_default(klog.subscriber());
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        let outcome = run(sim.world.clone(), args, Arc::new(crate::observer::Unobserved), tasks).await;
        drop(guard);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let mut lines: Vec<String> =
            text.lines().map(|l| format!("{} {}", &l[..1], l.split_once("] ").map_or(l, |(_, rest)| rest))).collect();
        lines.push(match outcome {
            Ok(()) => "ended well".to_owned(),
            Err(error) => format!("failed: {error}"),
        });
        lines.join("\n")
    })
    .unwrap()
}

#[test]
fn remarks_about_a_configuration_are_logged_and_the_start_goes_on() {
    let config = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  webhook:
    enabled: false
authorization:
  mode: AlwaysAllow
enableServer: false
staticPodPth: /etc/kubernetes/manifests
readOnlyPort: 10255
readOnlyPort: 10256
";
    insta::assert_snapshot!(logged(
        config,
        &["--config=/etc/kubernetes/kubelet.yaml", "--max-pods=5", "--feature-gates=NodeSwap=true"]
    ));
}

#[test]
fn asking_for_the_version_ends_well() {
    assert_eq!(logged("", &["--version"]), "I \"Kubernetes v1.36.2\\n\"\nended well");
}
