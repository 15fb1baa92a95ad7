//! What configMap, secret and projected volumes hold when ConfigMaps and Secrets come from this node (`--local-objects`). Pure but for
//! asking for the objects. Items, modes and errors as kubelet 1.36 with an API server; tokens and certificates are never there.

use k8s_openapi::api::core::v1::{DownwardAPIVolumeSource, KeyToPath, Pod, ProjectedVolumeSource, Volume};

use super::downward::{self, Item, Payload};
use crate::{
    local_objects::{Data, Kind, LocalObjects},
    runtime::{RuntimeSettings, naming},
    volumes::paths,
};

/// The content of such a volume and its plugin's directory; nothing for volumes of other kinds.
pub fn payload(
    pod: &Pod,
    volume: &Volume,
    objects: &LocalObjects,
    settings: &RuntimeSettings,
) -> Option<Result<Payload, String>> {
    if !objects.is_on() {
        return None;
    }
    if let Some(source) = &volume.config_map {
        let ask = Ask {
            kind: Kind::ConfigMap,
            name: &source.name,
            items: source.items.as_deref(),
            optional: source.optional,
        };
        return Some(ask.files(pod, objects, source.default_mode));
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let ask = Ask { kind: Kind::Secret, name, items: source.items.as_deref(), optional: source.optional };
        return Some(ask.files(pod, objects, source.default_mode));
    }
    volume.projected.as_ref().map(|source| projected(pod, source, objects, settings))
}

fn projected(
    pod: &Pod,
    source: &ProjectedVolumeSource,
    objects: &LocalObjects,
    settings: &RuntimeSettings,
) -> Result<Payload, String> {
    let mut all = Payload::new();
    for each in source.sources.iter().flatten() {
        if let Some(map) = &each.config_map {
            let ask =
                Ask { kind: Kind::ConfigMap, name: &map.name, items: map.items.as_deref(), optional: map.optional };
            all.extend(ask.files(pod, objects, source.default_mode)?);
        }
        if let Some(secret) = &each.secret {
            let ask = Ask {
                kind: Kind::Secret,
                name: &secret.name,
                items: secret.items.as_deref(),
                optional: secret.optional,
            };
            all.extend(ask.files(pod, objects, source.default_mode)?);
        }
        if let Some(fields) = &each.downward_api {
            let alone = DownwardAPIVolumeSource { items: fields.items.clone(), default_mode: source.default_mode };
            all.extend(downward::payload(pod, &alone, settings)?);
        }
    }
    Ok(all)
}

/// What a volume wants of one object.
struct Ask<'a> {
    kind: Kind,
    name: &'a str,
    items: Option<&'a [KeyToPath]>,
    optional: Option<bool>,
}

impl Ask<'_> {
    fn files(&self, pod: &Pod, objects: &LocalObjects, default_mode: Option<i32>) -> Result<Payload, String> {
        let optional = self.optional.unwrap_or(false);
        let data = match objects.get(self.kind, naming::namespace(pod), self.name) {
            Some(data) => data,
            None if optional => Data::default(),
            None => return Err(self.kind.not_found(self.name)),
        };
        let mode = |own: Option<i32>| u32::try_from(own.or(default_mode).unwrap_or(0o644)).unwrap_or(0o644);
        let items = self.items.unwrap_or_default();
        if items.is_empty() {
            // Keys have no slash in an API server's objects; nobody has checked these.
            let plain = |key: &str| !key.is_empty() && !key.contains('/') && !key.starts_with("..") && key != ".";
            let files = data.0.into_iter().filter(|(key, _)| plain(key));
            return Ok(files.map(|(key, bytes)| (key, Item { bytes, mode: mode(None) })).collect());
        }
        let mut out = Payload::new();
        for item in items {
            let Some(bytes) = data.0.get(&item.key) else {
                if optional {
                    continue;
                }
                let what = if self.kind == Kind::Secret { "secret" } else { "config" };
                return Err(format!("references non-existent {what} key: {}", item.key));
            };
            out.insert(
                item.path.trim_end_matches('/').to_owned(),
                Item { bytes: bytes.clone(), mode: mode(item.mode) },
            );
        }
        Ok(out)
    }
}

/// The directory name of the plugin of such a volume.
pub fn plugin(volume: &Volume) -> Option<&'static str> {
    if volume.config_map.is_some() {
        Some(paths::CONFIG_MAP)
    } else if volume.secret.is_some() {
        Some(paths::SECRET)
    } else {
        volume.projected.is_some().then_some(paths::PROJECTED)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;
    use serde_json::json;
    use world::{Tasks, sim::SimWorld};

    use super::*;

    /// Names, contents and modes; or the error.
    fn shown(volume: serde_json::Value) -> String {
        let tasks = Tasks::root("test");
        let sim = SimWorld::new(1, &tasks);
        let files = &sim.world.files;
        files.create_dir_all(Path::new("/objects"), 0o755).unwrap();
        let write =
            |name: &str, text: &str| files.write(&Path::new("/objects").join(name), text.as_bytes(), 0o644).unwrap();
        write("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: '1', b: '2', ../../x: '3'}\n");
        write("b.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: '4'}\n");
        write(".c.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: hidden}\n");
        let objects = LocalObjects::new(files, Some("/objects".into()));
        let settings = RuntimeSettings::new("node1", sim.world.machine.facts().unwrap());
        let mut pod = Pod::default();
        pod.metadata.name = Some("web".to_owned());
        pod.metadata.namespace = Some("default".to_owned());
        let volume: Volume = serde_json::from_value(volume).unwrap();
        match payload(&pod, &volume, &objects, &settings).expect("one of these kinds") {
            Ok(files) => {
                let show = |(path, item): (&String, &Item)| {
                    format!("{path}={}:{:o}", String::from_utf8_lossy(&item.bytes), item.mode)
                };
                files.iter().map(show).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error,
        }
    }

    #[rstest]
    #[case(json!({"configMap": {"name": "m"}}), "a=1:644 b=2:644")]
    #[case(json!({"configMap": {"name": "m", "defaultMode": 256, "items": [{"key": "b", "path": "d/e", "mode": 384}, {"key": "a", "path": "f"}]}}), "d/e=2:600 f=1:400")]
    #[case(json!({"configMap": {"name": "m", "items": [{"key": "z", "path": "z"}]}}), "references non-existent config key: z")]
    #[case(json!({"configMap": {"name": "m", "optional": true, "items": [{"key": "z", "path": "z"}]}}), "")]
    #[case(json!({"configMap": {"name": "x"}}), "configmap \"x\" not found")]
    #[case(json!({"configMap": {"name": "x", "optional": true}}), "")]
    #[case(json!({"secret": {"secretName": "s"}}), "p=4:644")]
    #[case(json!({"secret": {"secretName": "hidden"}}), "secret \"hidden\" not found")]
    #[case(json!({"secret": {"secretName": "s", "items": [{"key": "q", "path": "q"}]}}), "references non-existent secret key: q")]
    #[case(json!({"projected": {"defaultMode": 292, "sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "m", "items": [{"key": "a", "path": "x/a"}]}}, {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}), "name=web:444 p=4:444 x/a=1:444")]
    fn contents(#[case] mut volume: serde_json::Value, #[case] want: &str) {
        volume["name"] = "v".into();
        assert_eq!(shown(volume), want);
    }
}
