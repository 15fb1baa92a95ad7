//! Records of pulls on disk: an intent before each, a record after it, so that a kubelet knows after a restart which images came to the
//! node by a pod's request. Which image may be used is `verification`'s to say. As kubelet 1.36's pull manager; nodes without an API server
//! have no credentials but the node's own, so every pull is for all pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cri_proto::v1;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use world::{Files, World, files::FileKind};

use crate::{
    api::gojson,
    images::verification::{Verification, repository},
};

/// Records are some hundred bytes, and grow with credentials that other kubelets noted.
const LIMIT: u64 = 1 << 20;
const VERSION: &str = "kubelet.config.k8s.io/v1beta1";
/// Records of older kubelets, which have the same fields.
const OLD_VERSION: &str = "kubelet.config.k8s.io/v1alpha1";

/// Somebody asked for an image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Intent {
    kind: String,
    api_version: String,
    image: String,
}

/// An image came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    kind: String,
    api_version: String,
    last_updated_time: Timestamp,
    image_ref: String,
    /// Who may use it, by repository as pods write it. Kept as it is: secrets of an API server may stand here.
    #[serde(default)]
    credential_mapping: Map<String, Value>,
}

/// The records of this node.
#[derive(Debug)]
pub struct PullRecords {
    world: World,
    pulling: PathBuf,
    pulled: PathBuf,
    /// Pulls under way, by image as written.
    under_way: Mutex<BTreeMap<String, u32>>,
}

impl PullRecords {
    /// Records below `root`; makes their directories and brings records of older versions up to date.
    pub fn open(world: World, root: &Path) -> Self {
        let dir = root.join("image_manager");
        let all = Self { world, pulling: dir.join("pulling"), pulled: dir.join("pulled"), under_way: Mutex::default() };
        for dir in [&dir, &all.pulling, &all.pulled] {
            if let Err(error) = all.files().create_dir_all(dir, 0o700) {
                tracing::error!(path = %dir.display(), %error, "Directory of pull records not made");
            }
        }
        for intent in all.intents().into_iter().filter(|i| i.api_version == OLD_VERSION) {
            all.log("migrate a pull intent", all.write_intent(&intent.image));
        }
        for record in all.records().into_iter().filter(|r| r.api_version == OLD_VERSION) {
            all.log("migrate a pull record", all.write_record(&record));
        }
        all
    }

    fn files(&self) -> &Files {
        &self.world.files
    }

    fn log(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(%error, "Failed to {what}");
        }
    }

    /// Before an image is pulled.
    ///
    /// # Errors
    /// It cannot be written: then nothing may be pulled.
    pub fn intend(&self, image: &str) -> io::Result<()> {
        self.write_intent(image)?;
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        *under_way.entry(image.to_owned()).or_default() += 1;
        Ok(())
    }

    /// The pull came to nothing.
    pub fn failed(&self, image: &str) {
        let last = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let left = under_way.get(image).copied().unwrap_or(0).saturating_sub(1);
            match left {
                0 => drop(under_way.remove(image)),
                left => drop(under_way.insert(image.to_owned(), left)),
            }
            left == 0
        };
        if last {
            self.log("remove a pull intent", self.remove(&self.pulling, image));
        }
    }

    /// The image came, and every pod of the node may use it.
    pub fn pulled(&self, image: &str, reference: &str) {
        match self.note(image, reference, Some(json!({"nodePodsAccessible": true}))) {
            Ok(()) => self.failed(image),
            // The intent stays: it says at least that it was the kubelet who pulled.
            Err(error) => tracing::error!(imageRef = reference, %error, "failed to write image pulled record"),
        }
    }

    fn note(&self, image: &str, reference: &str, who: Option<Value>) -> io::Result<()> {
        let name = repository(image).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        let known = self.record(reference).unwrap_or_else(|error| {
            tracing::info!(image, %error, "failed to retrieve an ImagePulledRecord");
            None
        });
        let fresh = known.is_none();
        let mut record = known.unwrap_or_else(|| Record {
            kind: String::new(),
            api_version: String::new(),
            last_updated_time: self.world.clock.now(),
            image_ref: reference.to_owned(),
            credential_mapping: Map::new(),
        });
        let mut changed = fresh;
        if let Some(who) = who
            && !record.credential_mapping.get(&name).is_some_and(for_all)
        {
            record.credential_mapping.insert(name, who);
            record.last_updated_time = self.world.clock.now();
            changed = true;
        }
        if changed { self.write_record(&record) } else { Ok(()) }
    }

    /// Whether an image that is there, `reference`, must be pulled for a pod that asks for `image`.
    pub fn must_pull(&self, image: &str, reference: &str, rule: &Verification) -> bool {
        let found = self.record(reference).and_then(|record| {
            let by_kubelet = record.is_some() || self.is_intended(image)?;
            Ok((record, by_kubelet))
        });
        let (record, by_kubelet) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "Unable to access cache records about image pulls");
                return true;
            }
        };
        if !rule.required(image, by_kubelet) {
            return false;
        }
        let (Some(record), Ok(name)) = (record, repository(image)) else { return true };
        // Other credentials than the node's are never at hand here.
        !record.credential_mapping.get(&name).is_some_and(for_all)
    }

    /// Whether a kubelet that was stopped was pulling the image. What this one pulls at the moment does not count, as it does upstream:
    /// an image that lies there would have to be pulled by whoever asks in the same moment, and could not be had if the pull fails.
    fn is_intended(&self, image: &str) -> io::Result<bool> {
        if self.under_way.lock().unwrap_or_else(PoisonError::into_inner).contains_key(image) {
            return Ok(false);
        }
        let bytes = match self.files().read(&self.pulling.join(file_name(image)), LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        Ok(read_intent(&bytes)?.image == image)
    }

    /// Whether a kubelet was stopped while it pulled.
    pub fn has_intents(&self) -> bool {
        !self.intents().is_empty()
    }

    /// Turns intents of a kubelet that was stopped into records where the runtime has the image; who may use it is then not known.
    pub fn recover(&self, images: &[v1::Image]) {
        let intended: BTreeSet<String> = self.intents().into_iter().map(|intent| intent.image).collect();
        for image in images {
            for name in image.repo_digests.iter().chain(&image.repo_tags).filter(|name| intended.contains(*name)) {
                match self.note(name, &image.id, None) {
                    Ok(()) => self.log("remove a pull intent", self.remove(&self.pulling, name)),
                    Err(error) => tracing::error!(imageRef = image.id, %error, "failed to write an image pull record"),
                }
            }
        }
    }

    /// Removes records, last changed before `since`, of images that are no more.
    pub fn prune(&self, there: &BTreeSet<String>, since: Timestamp) {
        for record in self.records() {
            if record.last_updated_time < since && !there.contains(&record.image_ref) {
                self.log("remove an ImagePulledRecord", self.remove(&self.pulled, &record.image_ref));
            }
        }
    }

    fn record(&self, reference: &str) -> io::Result<Option<Record>> {
        let bytes = match self.files().read(&self.pulled.join(file_name(reference)), LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(Some(read_record(&bytes)?).filter(|record| record.image_ref == reference))
    }

    fn write_intent(&self, image: &str) -> io::Result<()> {
        let image_text = gojson::quoted(image);
        let text = format!("{{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"{VERSION}\",\"image\":{image_text}}}\n");
        self.files().write_atomic(&self.pulling.join(file_name(image)), text.as_bytes(), 0o600)
    }

    fn write_record(&self, record: &Record) -> io::Result<()> {
        let mapping = match record.credential_mapping.is_empty() {
            true => String::new(),
            false => {
                let mut names: Vec<_> = record.credential_mapping.iter().collect();
                names.sort_by_key(|(name, _)| *name);
                let each =
                    names.into_iter().map(|(name, who)| format!("{}:{}", gojson::quoted(name), gojson::plain(who)));
                format!(",\"credentialMapping\":{{{}}}", each.collect::<Vec<_>>().join(","))
            }
        };
        let text = format!(
            "{{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"{VERSION}\",\"lastUpdatedTime\":\"{}\",\"imageRef\":{}{mapping}}}\n",
            record.last_updated_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            gojson::quoted(&record.image_ref),
        );
        self.files().write_atomic(&self.pulled.join(file_name(&record.image_ref)), text.as_bytes(), 0o600)
    }

    fn remove(&self, dir: &Path, name: &str) -> io::Result<()> {
        match self.files().remove_file(&dir.join(file_name(name))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn intents(&self) -> Vec<Intent> {
        self.all(&self.pulling, read_intent)
    }

    fn records(&self) -> Vec<Record> {
        self.all(&self.pulled, read_record)
    }

    /// Everything readable in a directory; what is not is logged.
    fn all<T>(&self, dir: &Path, read: impl Fn(&[u8]) -> io::Result<T>) -> Vec<T> {
        let entries = self.files().read_dir(dir).unwrap_or_default();
        let ours = |name: &str| name.starts_with("sha256-") && !name.ends_with(".tmp");
        let entries = entries.into_iter().filter(|e| e.kind != FileKind::Directory && ours(&e.name));
        let each = entries.filter_map(|entry| {
            let path = dir.join(entry.name);
            let result = self.files().read(&path, LIMIT).and_then(|bytes| read(&bytes));
            result.inspect_err(|error| tracing::error!(path = %path.display(), %error, "Pull record not read")).ok()
        });
        each.collect()
    }
}

/// Whether an entry of a record lets every pod of the node have the image.
fn for_all(who: &Value) -> bool {
    who.get("nodePodsAccessible") == Some(&Value::Bool(true))
}

fn file_name(image: &str) -> String {
    let hex: String = Sha256::digest(image.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256-{hex}")
}

fn read_intent(bytes: &[u8]) -> io::Result<Intent> {
    let intent: Intent = serde_json::from_slice(bytes)?;
    check(&intent.kind, "ImagePullIntent", &intent.api_version)?;
    Ok(intent)
}

fn read_record(bytes: &[u8]) -> io::Result<Record> {
    let record: Record = serde_json::from_slice(bytes)?;
    check(&record.kind, "ImagePulledRecord", &record.api_version)?;
    Ok(record)
}

fn check(kind: &str, wanted: &str, version: &str) -> io::Result<()> {
    match kind == wanted && [VERSION, OLD_VERSION].contains(&version) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{kind:?} of {version:?} is no {wanted}"))),
    }
}

#[cfg(test)]
mod tests;
