//! Container images made from the host's static busybox: OCI manifests, configurations and one uncompressed layer. Serves nothing itself.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The image of pod sandboxes: sleeps and reaps.
pub const PAUSE: &str = "docker.io/library/podlab-pause:latest";
/// What the tutorial's manifest names: answers HTTP on port 80.
pub const NGINX: &str = "docker.io/library/nginx:latest";
/// All of busybox's applets.
pub const BUSYBOX: &str = "docker.io/library/busybox:latest";
/// What [`NGINX`] answers.
pub const WELCOME: &str =
    "<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>\n";

/// As process 1 a program has no default signal handlers, so a plain `httpd` would sit out every grace period.
const SERVE: &str = "trap 'exit 0' TERM QUIT; httpd -f -p 80 -h /usr/share/nginx/html & wait";
const SLEEP: &str = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Something with a digest.
pub struct Blob {
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What a registry holds.
#[derive(Default)]
pub struct Images {
    /// Manifests, configurations and layers by digest.
    pub blobs: BTreeMap<String, Blob>,
    /// Digests of manifests by repository (`library/nginx`); every one is tagged `latest`.
    pub latest: BTreeMap<String, String>,
}

impl Images {
    /// The three images, of a busybox and the names of its applets.
    pub fn of(busybox: &[u8], applets: &str) -> Self {
        let mut images = Self::default();
        let layer = root(busybox, applets);
        let diff = digest(&layer);
        let layer = images.add(LAYER, layer);
        let commands =
            [(PAUSE, vec!["/bin/sh", "-c", SLEEP]), (NGINX, vec!["/bin/sh", "-c", SERVE]), (BUSYBOX, vec!["sh"])];
        for (name, command) in commands {
            let config = json!({
                "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": { "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": command, "WorkingDir": "/" },
                "rootfs": { "type": "layers", "diff_ids": [diff] },
                "history": [{ "created": "2026-01-01T00:00:00Z", "created_by": name }],
            });
            let config = images.add(CONFIG, config.to_string().into_bytes());
            let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
            let manifest = images.add(MANIFEST, manifest.to_string().into_bytes());
            let repository = name.trim_start_matches("docker.io/").trim_end_matches(":latest");
            let digest = manifest["digest"].as_str().unwrap_or_default();
            images.latest.insert(repository.to_owned(), digest.to_owned());
        }
        images
    }

    /// Keeps a blob; gives its descriptor.
    fn add(&mut self, media_type: &'static str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() });
        self.blobs.insert(digest, Blob { media_type, bytes });
        descriptor
    }
}

/// The one layer: busybox, a link for every applet, a page to serve.
fn root(program: &[u8], applets: &str) -> Vec<u8> {
    let mut tar = Tar::default();
    for directory in ["bin/", "etc/", "tmp/", "proc/", "sys/", "dev/", "usr/share/nginx/html/"] {
        tar.directory(directory, if directory == "tmp/" { 0o1777 } else { 0o755 });
    }
    tar.file("bin/busybox", 0o755, program);
    // The list names busybox itself: a link to itself if it were linked like the others.
    for applet in applets.lines().filter(|a| !a.is_empty() && *a != "busybox") {
        tar.link(&format!("bin/{applet}"), "busybox");
    }
    tar.file("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n");
    tar.file("etc/group", 0o644, b"root:x:0:\n");
    tar.file("usr/share/nginx/html/index.html", 0o644, WELCOME.as_bytes());
    tar.finish()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A POSIX (ustar) archive in memory: names under 100 bytes, owner root, time 0.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn directory(&mut self, name: &str, mode: u32) {
        self.header(name, mode, 0, b'5', "");
    }

    fn link(&mut self, name: &str, target: &str) {
        self.header(name, 0o777, 0, b'2', target);
    }

    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.header(name, mode, content.len(), b'0', "");
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn header(&mut self, name: &str, mode: u32, size: usize, kind: u8, target: &str) {
        assert!(name.len() < 100 && target.len() < 100, "ustar's short names hold 99 bytes: {name}");
        let mut block = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&block);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}
