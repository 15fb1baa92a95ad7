//! ConfigMaps and Secrets that lie as manifests in a directory of this node, for pods that name them: `--local-objects DIR`, an option of
//! ours. Not where they end up: environments and volumes ask. Upstream standalone refuses such pods, as this kubelet does without the
//! option. No error and no log line holds a value.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::Value;
use world::{Files, files::FileKind};

use crate::api::decode;

/// The largest manifest of an object; an API server takes 1 MiB of data.
const LIMIT: u64 = 4 << 20;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ConfigMap`.
    ConfigMap,
    /// `Secret`.
    Secret,
}

impl Kind {
    /// As `kind` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// As errors of an API server have it: `configmap "x" not found`.
    pub fn not_found(self, name: &str) -> String {
        format!("{} {name:?} not found", self.name().to_lowercase())
    }
}

/// The data of an object by key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Data(pub BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Data {
    /// Keys only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The directory. Read anew each time it is asked: what changes there counts from the next question on.
#[derive(Clone, Debug)]
pub struct LocalObjects {
    files: Files,
    dir: Option<PathBuf>,
}

impl LocalObjects {
    /// The objects below `dir`; none without one.
    pub fn new(files: &Files, dir: Option<PathBuf>) -> Self {
        Self { files: files.clone(), dir }
    }

    /// Whether there is a directory at all.
    pub fn is_on(&self) -> bool {
        self.dir.is_some()
    }

    /// The data of the object of that name, from the first file by name that has it; nothing if no file does. One object a file, the
    /// first document of it; files that hold none are passed over, hidden ones too.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Data> {
        let dir = self.dir.as_ref()?;
        let mut entries = self.files.read_dir(dir).unwrap_or_default();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.into_iter().filter(|entry| !entry.name.starts_with('.') && entry.kind != FileKind::Directory).find_map(
            |entry| {
                let path = dir.join(&entry.name);
                // A link is followed; what it leads to must be a file.
                self.files.metadata(&path).ok().filter(|facts| facts.kind == FileKind::File)?;
                let bytes = self.files.read(&path, LIMIT).ok()?;
                object(&bytes, kind, namespace, name)
            },
        )
    }
}

/// The data of the object if the bytes are it. An object without a namespace is of `default`.
fn object(bytes: &[u8], kind: Kind, namespace: &str, name: &str) -> Option<Data> {
    let value = decode::document(bytes).ok()?;
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let in_namespace = match text("/metadata/namespace") {
        "" => "default",
        other => other,
    };
    if text("/apiVersion") != "v1"
        || text("/kind") != kind.name()
        || text("/metadata/name") != name
        || in_namespace != namespace
    {
        return None;
    }
    let mut data = Data::default();
    match kind {
        Kind::ConfigMap => {
            let object: ConfigMap = serde_json::from_value(value).ok()?;
            data.0.extend(object.data.into_iter().flatten().map(|(key, text)| (key, text.into_bytes())));
            data.0.extend(object.binary_data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)));
        }
        Kind::Secret => {
            let object: Secret = serde_json::from_value(value).ok()?;
            data.0.extend(object.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)));
            data.0.extend(object.string_data.into_iter().flatten().map(|(key, text)| (key, text.into_bytes())));
        }
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\nbinaryData: {b: AAE=}\n", Kind::ConfigMap, Some(vec![("b", &[0_u8, 1][..]), ("k", b"v")]))]
    #[case("kind: Secret\nmetadata: {name: a, namespace: default}\ndata: {k: djE=}\nstringData: {s: v2}\n", Kind::Secret, Some(vec![("k", &b"v1"[..]), ("s", b"v2")]))]
    #[case("kind: ConfigMap\nmetadata: {name: a}\n", Kind::ConfigMap, Some(vec![]))]
    #[case("kind: ConfigMap\nmetadata: {name: a}\n", Kind::Secret, None)]
    #[case("kind: ConfigMap\nmetadata: {name: b}\n", Kind::ConfigMap, None)]
    #[case("kind: ConfigMap\nmetadata: {name: a, namespace: other}\n", Kind::ConfigMap, None)]
    #[case("kind: Secret\nmetadata: {name: a}\ndata: {k: '***'}\n", Kind::Secret, None)]
    fn objects(#[case] text: &str, #[case] kind: Kind, #[case] want: Option<Vec<(&str, &[u8])>>) {
        let got = object(format!("apiVersion: v1\n{text}").as_bytes(), kind, "default", "a");
        let want = want.map(|pairs| Data(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_vec())).collect()));
        assert_eq!(got, want);
    }

    #[test]
    fn values_are_not_printed() {
        let data = Data(BTreeMap::from([("password".to_owned(), b"hunter2".to_vec())]));
        assert_eq!(format!("{data:?}"), "{\"password\"}");
    }
}
