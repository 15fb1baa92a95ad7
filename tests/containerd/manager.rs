//! The tutorial's pod through the runtime half alone: synced, observed, killed and collected on a real containerd. No worker and no sources.

use std::{fs, path::Path};

use kubelet::runtime::observed::ContainerState;

use crate::{daemon::Containerd, half::Half, image, leftovers, raw};

const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: static-web}
spec:
  terminationGracePeriodSeconds: 3
  dnsPolicy: Default
  securityContext: {fsGroup: 3000}
  volumes: [{name: scratch, emptyDir: {}}, {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]
  initContainers: [{name: setup, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, 'echo made > /scratch/x; grep -E " /(fast|scratch) " /proc/mounts > /scratch/mounts; stat -c "%a %g" /fast /scratch >> /scratch/mounts; id -G >> /scratch/mounts; echo word > /dev/termination-log'],
    volumeMounts: [{name: scratch, mountPath: /scratch, subPath: a/b}, {name: fast, mountPath: /fast, readOnly: true}]}]
  containers: [{name: web, image: nginx, imagePullPolicy: IfNotPresent, ports: [{name: web, containerPort: 80, protocol: TCP}]}]
"#;

/// Runs the pod to the end.
pub fn comes_and_goes(daemon: &Containerd) -> Result<(), String> {
    Half::with(daemon, async |half| {
        let running = half.set_up(MANIFEST).await?;
        let web = |c: &kubelet::runtime::observed::ObservedPod| {
            c.container("web").is_some_and(|c| c.state == ContainerState::Running)
        };
        let observed = half.sync_until(&running, web).await?;
        let (base, uid) = (&half.base, &running.uid);
        let made = base.join(format!("kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/scratch/a/b/x"));
        if fs::read_to_string(&made).unwrap_or_default() != "made\n" {
            return Err("the init container did not write into its volume".into());
        }
        seen_by_the_container(&made.with_file_name("mounts"))?;
        if observed.container("setup").map(|c| (c.exit_code, c.message.as_str())) != Some((0, "word\n")) {
            return Err(format!("the init container left {:?}", observed.container("setup")));
        }
        let ip = observed.ips.first().ok_or("no address")?;
        if !raw::get(ip).await?.ends_with(image::WELCOME) {
            return Err("the web server answers something else".into());
        }
        if leftovers::entries(&base.join("links")).len() != 2 {
            return Err(format!("log links: {:?}", leftovers::entries(&base.join("links"))));
        }
        half.take_away(daemon, &running).await
    })
}

/// What the init container saw of its volumes: kinds, options, modes and groups.
fn seen_by_the_container(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|e| e.to_string())?;
    let fast = text.lines().find(|l| l.contains(" /fast ")).unwrap_or_default();
    let wanted = fast.contains(" tmpfs ro,") && fast.contains("size=1024k");
    let scratch = text.lines().any(|l| l.contains(" /scratch ") && !l.contains(" tmpfs ") && l.contains(" rw,"));
    let ids = text.contains("\n3777 3000\n2777 3000\n") && text.lines().last().is_some_and(|l| l.contains("3000"));
    if wanted && scratch && ids { Ok(()) } else { Err(format!("the container saw of its volumes:\n{text}")) }
}
