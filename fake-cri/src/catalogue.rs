//! Images that exist: names, digests, users, commands; and the rules by which a reference finds one. Not their files: see [`crate::rootfs`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What an image runs and is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageKind {
    /// A shell with busybox's applets.
    #[default]
    Busybox,
    /// nginx on port 80.
    Nginx,
    /// nginx on port 12003, in the node's network.
    HostnetNginx,
    /// Apache's httpd on port 80.
    Httpd,
    /// The pause program.
    Pause,
    /// Prints its effective user id, for no_new_privs.
    Nonewprivs,
    /// A shell, and user 1000 in group 50000.
    PredefinedGroup,
}

/// An image as a scenario or a script describes it. Everything but the name has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSpec {
    /// Reference, as a manifest writes it: `nginx`, `registry.example/app:1.2`.
    pub name: String,
    /// What it runs and is made of.
    #[serde(default)]
    pub kind: ImageKind,
    /// Whether it is there from the start; otherwise it can be pulled.
    #[serde(default)]
    pub present: bool,
    /// Entrypoint.
    #[serde(default)]
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments.
    #[serde(default)]
    pub cmd: Option<Vec<String>>,
    /// Environment, `NAME=value`.
    #[serde(default)]
    pub env: Vec<String>,
    /// Working directory.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// `USER` of the image: a number, a name, `user:group`.
    #[serde(default)]
    pub user: Option<String>,
    /// Signal that stops it.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// Size in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// What makes images the same one under several names; the name itself if absent.
    #[serde(default)]
    pub content: Option<String>,
    /// Whether the kubelet must leave it alone when it collects images.
    #[serde(default)]
    pub pinned: bool,
    /// Manifest digest, `sha256:…`; made from the content if absent.
    #[serde(default)]
    pub digest: Option<String>,
}

/// An image with everything worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of its configuration; `sha256:` before it unless the ids are bare.
    pub id: String,
    /// Manifest digest, `sha256:…`.
    pub digest: String,
    /// What it runs and is made of.
    pub kind: ImageKind,
    /// Entrypoint.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// `USER`.
    pub user: String,
    /// Signal that stops it.
    pub stop_signal: String,
    /// Size in bytes.
    pub size: u64,
    /// Left alone by image collection.
    pub pinned: bool,
}

/// A reference taken apart and completed: `docker.io/library/nginx:latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Registry and path.
    pub repository: String,
    /// Tag; empty if a digest says which.
    pub tag: String,
    /// Digest, `sha256:…`, or empty.
    pub digest: String,
}

impl Reference {
    /// Completes a reference as Docker's rules say. `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if digest.starts_with("sha256:") => (rest, digest.to_owned()),
            Some(_) => return None,
            None => (text, String::new()),
        };
        let slash = rest.rfind('/').map_or(0, |i| i + 1);
        let (path, tag) = match rest[slash..].rfind(':') {
            Some(i) => (&rest[..slash + i], rest[slash + i + 1..].to_owned()),
            None => (rest, String::new()),
        };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        let (domain, name) = match path.split_once('/') {
            Some((first, name)) if first.contains(['.', ':']) || first == "localhost" => (first, name.to_owned()),
            Some(_) => ("docker.io", path.to_owned()),
            None => ("docker.io", format!("library/{path}")),
        };
        if path.is_empty() || !name.chars().all(legal) || name.ends_with('/') {
            return None;
        }
        let tag = if digest.is_empty() && tag.is_empty() {
            "latest".to_owned()
        } else if digest.is_empty() {
            tag
        } else {
            String::new()
        };
        Some(Self { repository: format!("{domain}/{name}"), tag, digest })
    }

    /// `repository:tag`, or nothing without a tag.
    pub fn tagged(&self) -> Option<String> {
        (!self.tag.is_empty()).then(|| format!("{}:{}", self.repository, self.tag))
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// A name in the catalogue.
#[derive(Clone, Debug)]
struct Offer {
    reference: Reference,
    image: Image,
}

/// All images: those that can be pulled, and those that are present under which names.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    offers: Vec<Offer>,
    /// Present: image id to its tags and digests.
    present: BTreeMap<String, Present>,
}

/// An image that is present.
#[derive(Clone, Debug)]
pub struct Present {
    /// The image.
    pub image: Image,
    /// Completed names with tags, sorted.
    pub tags: BTreeSet<String>,
    /// `repository@digest`, sorted.
    pub digests: BTreeSet<String>,
}

impl Catalogue {
    /// The images that critest, the tutorial and everyday manifests use.
    pub fn standard() -> Self {
        let mut catalogue = Self::default();
        for spec in standard_images() {
            catalogue.add(&spec);
        }
        catalogue
    }

    /// Adds an image, present or to be pulled; one of the same name is replaced. `false` if the name is not a reference.
    pub fn add(&mut self, spec: &ImageSpec) -> bool {
        let Some(reference) = Reference::parse(&spec.name) else { return false };
        let content = spec
            .content
            .clone()
            .unwrap_or_else(|| format!("{}:{}{}", reference.repository, reference.tag, reference.digest));
        let (entrypoint, cmd): (&[&str], &[&str]) = match spec.kind {
            ImageKind::Busybox | ImageKind::PredefinedGroup => (&[], &["sh"]),
            ImageKind::Nginx | ImageKind::HostnetNginx => (&[], &["nginx", "-g", "daemon off;"]),
            ImageKind::Httpd => (&[], &["httpd-foreground"]),
            ImageKind::Pause => (&["/pause"], &[]),
            ImageKind::Nonewprivs => (&["/home/nonroot/nnp"], &[]),
        };
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let stop = if spec.kind == ImageKind::Nginx { "SIGQUIT" } else { "" };
        let mut env = vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        env.extend(spec.env.iter().cloned());
        let digest = if reference.digest.is_empty() {
            spec.digest.clone().unwrap_or_else(|| sha256(&format!("manifest {content}")))
        } else {
            reference.digest.clone()
        };
        let image = Image {
            id: sha256(&format!("config {content}")),
            digest: digest.clone(),
            kind: spec.kind,
            entrypoint: spec.entrypoint.clone().unwrap_or_else(|| own(entrypoint)),
            cmd: spec.cmd.clone().unwrap_or_else(|| own(cmd)),
            env,
            working_dir: spec.working_dir.clone().unwrap_or_else(|| "/".to_owned()),
            user: spec.user.clone().unwrap_or_default(),
            stop_signal: spec.stop_signal.clone().unwrap_or_else(|| stop.to_owned()),
            size: spec.size.unwrap_or(2_131_253),
            pinned: spec.pinned,
        };
        self.offers.retain(|offer| offer.reference != reference);
        if spec.present {
            self.hold(&image, &reference);
        }
        self.offers.push(Offer { reference, image });
        true
    }

    fn hold(&mut self, image: &Image, reference: &Reference) {
        let present = self.present.entry(image.id.clone()).or_insert_with(|| Present {
            image: image.clone(),
            tags: BTreeSet::new(),
            digests: BTreeSet::new(),
        });
        present.tags.extend(reference.tagged());
        present.digests.insert(format!("{}@{}", reference.repository, image.digest));
    }

    /// Shows ids without `sha256:`, as CRI-O does.
    pub fn with_bare_ids(mut self) -> Self {
        let bare = |id: &mut String| *id = id.trim_start_matches("sha256:").to_owned();
        self.offers.iter_mut().for_each(|offer| bare(&mut offer.image.id));
        self.present = std::mem::take(&mut self.present)
            .into_values()
            .map(|mut present| {
                bare(&mut present.image.id);
                (present.image.id.clone(), present)
            })
            .collect();
        self
    }

    /// The present image that a reference means: a name, a digest, an id, or the start of an id.
    pub fn find(&self, text: &str) -> Option<&Present> {
        let bare = text.strip_prefix("sha256:").unwrap_or(text);
        if bare.len() >= 3 && bare.bytes().all(|b| b.is_ascii_hexdigit()) {
            let mut matching =
                self.present.values().filter(|p| p.image.id.trim_start_matches("sha256:").starts_with(bare));
            if let (Some(found), None) = (matching.next(), matching.next()) {
                return Some(found);
            }
        }
        let reference = Reference::parse(text)?;
        self.present.values().find(|p| {
            if reference.digest.is_empty() {
                reference.tagged().is_some_and(|tag| p.tags.contains(&tag))
            } else {
                p.digests.contains(&format!("{}@{}", reference.repository, reference.digest))
            }
        })
    }

    /// What pulling a reference would bring.
    pub fn offer(&self, text: &str) -> Option<(Image, Reference)> {
        let reference = Reference::parse(text)?;
        let exact = self.offers.iter().find(|o| o.reference == reference);
        let by_digest = || {
            let same =
                |o: &&Offer| o.reference.repository == reference.repository && o.image.digest == reference.digest;
            self.offers.iter().find(same)
        };
        exact.or_else(by_digest).map(|offer| (offer.image.clone(), reference.clone()))
    }

    /// Makes an image of the catalogue present, if there is one of that name.
    pub fn preload(&mut self, text: &str) {
        if let Some((image, reference)) = self.offer(text) {
            self.hold(&image, &reference);
        }
    }

    /// Makes a pulled image present.
    pub fn commit(&mut self, image: &Image, reference: &Reference) {
        self.hold(image, reference);
    }

    /// Removes the image that a reference means, with all its names.
    pub fn remove(&mut self, text: &str) -> Option<Present> {
        let id = self.find(text)?.image.id.clone();
        self.present.remove(&id)
    }

    /// All present images, by id.
    pub fn present(&self) -> impl Iterator<Item = &Present> {
        self.present.values()
    }
}

/// The images known without being told.
fn standard_images() -> Vec<ImageSpec> {
    let staging = |name: &str| format!("gcr.io/k8s-staging-cri-tools/{name}");
    let e2e = |name: &str| format!("registry.k8s.io/e2e-test-images/{name}");
    let image = |name: String| ImageSpec { name, ..ImageSpec::default() };
    let kind = |name: String, kind| ImageSpec { name, kind, ..ImageSpec::default() };
    let mut all = vec![
        ImageSpec { present: true, kind: ImageKind::Nginx, size: Some(2_131_317), ..image("nginx".to_owned()) },
        ImageSpec { present: true, ..image("busybox".to_owned()) },
        ImageSpec { kind: ImageKind::Nginx, ..image("nginx:1.29".to_owned()) },
        ImageSpec { kind: ImageKind::Httpd, ..image("httpd".to_owned()) },
        image("busybox:1.36".to_owned()),
        image("alpine".to_owned()),
        image(e2e("busybox:1.29-2")),
        image(e2e("busybox:1.29-4")),
        image(e2e("busybox:1.37.0-1")),
        kind(e2e("nginx:1.14-2"), ImageKind::Nginx),
        kind(e2e("nginx:1.14-4"), ImageKind::Nginx),
        kind(e2e("httpd:2.4.39-4"), ImageKind::Httpd),
        ImageSpec { user: Some("1000".to_owned()), ..kind(e2e("nonewprivs:1.3"), ImageKind::Nonewprivs) },
        kind(staging("hostnet-nginx-amd64"), ImageKind::HostnetNginx),
        image(staging("test-image-latest")),
        image(staging("test-image-tag:test")),
        image(staging("test-image-tag:all")),
        image(staging("test-image-digest@sha256:9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf")),
        image(staging("test-image-1")),
        image(staging("test-image-2")),
        image(staging("test-image-3")),
        ImageSpec { user: Some("1002".to_owned()), ..image(staging("test-image-user-uid")) },
        ImageSpec { user: Some("www-data".to_owned()), ..image(staging("test-image-user-username")) },
        ImageSpec { user: Some("1003:users".to_owned()), ..image(staging("test-image-user-uid-group")) },
        ImageSpec { user: Some("www-data:100".to_owned()), ..image(staging("test-image-user-username-group")) },
        ImageSpec {
            user: Some("1000".to_owned()),
            ..kind(staging("test-image-predefined-group"), ImageKind::PredefinedGroup)
        },
    ];
    for tag in ["1", "2", "3"] {
        all.push(ImageSpec {
            content: Some("test-image-tags".to_owned()),
            ..image(staging(&format!("test-image-tags:{tag}")))
        });
    }
    for name in ["registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9"] {
        all.push(ImageSpec {
            content: Some("pause 3.9".to_owned()),
            size: Some(321_520),
            ..kind(name.to_owned(), ImageKind::Pause)
        });
    }
    all.push(ImageSpec {
        present: true,
        pinned: true,
        size: Some(318_731),
        ..kind("registry.k8s.io/pause:3.10".to_owned(), ImageKind::Pause)
    });
    for tag in ["1", "1-glibc", "1-musl", "1-uclibc", "1.35.0-glibc"] {
        all.push(image(format!("public.ecr.aws/docker/library/busybox:{tag}")));
    }
    all
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx", "docker.io/library/nginx", "latest")]
    #[case("a/b:1", "docker.io/a/b", "1")]
    #[case("localhost:5000/x", "localhost:5000/x", "latest")]
    #[case("registry.k8s.io/pause:3.9", "registry.k8s.io/pause", "3.9")]
    fn references(#[case] text: &str, #[case] repository: &str, #[case] tag: &str) {
        let reference = Reference::parse(text).expect("a reference");
        assert_eq!((reference.repository.as_str(), reference.tag.as_str()), (repository, tag));
    }

    #[rstest]
    #[case("")]
    #[case("UPPER/case")]
    #[case("x@md5:1")]
    fn no_references(#[case] text: &str) {
        assert_eq!(Reference::parse(text), None);
    }

    #[test]
    fn one_image_under_several_names() {
        let mut catalogue = Catalogue::standard();
        for name in ["registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9"] {
            let (image, reference) = catalogue.offer(name).expect("offered");
            catalogue.commit(&image, &reference);
        }
        let found = catalogue.find("k8s.gcr.io/pause:3.9").expect("present");
        assert_eq!(found.tags.len(), 2);
        let id = found.image.id.clone();
        assert_eq!(catalogue.find(&id[7..19]).map(|p| p.image.id.clone()), Some(id.clone()));
        catalogue.remove(&id);
        assert!(catalogue.find("registry.k8s.io/pause:3.9").is_none());
    }
}
