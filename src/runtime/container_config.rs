//! The ContainerConfig of a container: what the runtime is asked to create. Its parts are in the modules below.
//!
//! As kubelet 1.36, field by field, except that environment variables keep their order (upstream's is a map's). Making the files that
//! mounts point to is `mounts`; everything else is pure.

use cri_proto::v1;
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::{
    api::{
        expansion::{self, expand},
        pod as api_pod,
    },
    runtime::{RuntimeSettings, naming, sandbox_config, signals},
};

pub mod annotations;
pub mod env;
pub mod field;
pub mod mounts;
pub mod resources;
pub mod security;

/// The image as the runtime knows it, for one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedImage {
    /// What CreateContainer is told: the image's id, or what the pull returned.
    pub reference: String,
    /// `ImageStatus.image.uid`.
    pub uid: Option<i64>,
    /// `ImageStatus.image.username`.
    pub username: String,
}

/// What the configuration of one container is made from.
#[derive(Clone, Copy)]
pub struct ContainerInput<'a> {
    /// Whose.
    pub pod: &'a Pod,
    /// Which.
    pub container: &'a Container,
    /// 0 for the first instance.
    pub restart_count: i32,
    /// Its image.
    pub image: &'a ResolvedImage,
    /// Addresses of the pod, primary first.
    pub pod_ips: &'a [String],
    /// The node's values.
    pub settings: &'a RuntimeSettings,
}

/// Puts the configuration together around mounts and environment that are already made.
pub fn container_config(
    input: &ContainerInput<'_>,
    envs: Vec<(String, String)>,
    mounts: Vec<v1::Mount>,
) -> Result<v1::ContainerConfig, String> {
    let ContainerInput { pod, container, restart_count, image, settings, .. } = *input;
    let mut size = 0_usize;
    let mut expanded = |list: &Option<Vec<String>>| -> Result<Vec<String>, String> {
        let words = list.iter().flatten().map(|text| {
            let word = expand(text, |name| env::lookup(&envs, name));
            size = size.saturating_add(word.len());
            if size > expansion::LIMIT {
                return Err(format!("command and arguments are larger than {} bytes", expansion::LIMIT));
            }
            Ok(word)
        });
        words.collect()
    };
    let command = expanded(&container.command)?;
    let args = expanded(&container.args)?;
    let mut labels = sandbox_config::identity_labels(pod);
    labels.insert(crate::api::labels::CONTAINER_NAME.to_owned(), container.name.clone());
    security::verify_non_root(input)?;
    let stop_signal =
        container.lifecycle.as_ref().and_then(|l| l.stop_signal.as_ref()).filter(|_| settings.stop_signals);
    Ok(v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata {
            name: container.name.clone(),
            attempt: u32::try_from(restart_count).unwrap_or(0),
        }),
        image: Some(v1::ImageSpec {
            image: image.reference.clone(),
            user_specified_image: container.image.clone().unwrap_or_default(),
            ..Default::default()
        }),
        command,
        args,
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: envs.into_iter().map(|(key, value)| v1::KeyValue { key, value: value.into_bytes() }).collect(),
        mounts,
        labels,
        annotations: annotations::annotations(pod, container, restart_count),
        log_path: naming::log_path(&container.name, restart_count),
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        stop_signal: stop_signal.map_or(0, |name| signals::number(name)),
        linux: Some(v1::LinuxContainerConfig {
            resources: Some(resources::resources(pod, container, settings)),
            security_context: Some(security::security_context(input)),
        }),
        ..Default::default()
    })
}

/// Whether the pod uses the node's network.
pub(crate) fn host_network(pod: &Pod) -> bool {
    api_pod::spec(pod).host_network.unwrap_or(false)
}
