//! The check that a static pod names no API object, as upstream's gate PreventStaticPodAPIReferences. Runs after
//! validation, so validation's errors win.

use k8s_openapi::api::core::v1::{
    Container, EnvFromSource, EnvVar, EphemeralContainer, LocalObjectReference, Pod, Volume,
};

use crate::api::{gojson, pod};

/// Refuses a pod that refers to an object only an API server has. `optional: true` does not help; empty names do not count.
///
/// # Errors
/// Upstream's text, e.g. `static pods may not reference secrets`.
pub fn static_pod(pod: &Pod) -> Result<(), String> {
    check(pod, false)
}

/// The same where ConfigMaps and Secrets lie on the node: environments and the volumes `configMap`, `secret` and `projected` may name them.
/// Secrets of other volumes, and those for pulling images, remain refused.
///
/// # Errors
/// As [`static_pod`].
pub fn static_pod_with_local_objects(pod: &Pod) -> Result<(), String> {
    check(pod, true)
}

fn check(pod: &Pod, local: bool) -> Result<(), String> {
    let spec = pod::spec(pod);
    let volumes: &[Volume] = spec.volumes.as_deref().unwrap_or_default();
    let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if set(&spec.service_account_name) || set(&spec.service_account) {
        return refuse("serviceaccounts");
    }
    let pull_secret = spec.image_pull_secrets.iter().flatten().any(named);
    let of_volume =
        |volume: &Volume| !(local && (volume.secret.is_some() || volume.projected.is_some())) && volume_secret(volume);
    if pull_secret || !local && environments(pod).any(|env| env.secret()) || volumes.iter().any(of_volume) {
        return refuse("secrets");
    }
    if !local && (environments(pod).any(|env| env.config_map()) || volumes.iter().any(volume_config_map)) {
        return refuse("configmaps");
    }
    if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        return refuse("resourceclaims");
    }
    volumes.iter().try_for_each(volume)
}

fn refuse(what: &str) -> Result<(), String> {
    Err(format!("static pods may not reference {what}"))
}

/// One container's environment.
struct Environment<'a> {
    env: &'a [EnvVar],
    env_from: &'a [EnvFromSource],
}

impl Environment<'_> {
    fn secret(&self) -> bool {
        self.env_from.iter().any(|each| each.secret_ref.as_ref().is_some_and(|each| !each.name.is_empty()))
            || self
                .env
                .iter()
                .filter_map(|each| each.value_from.as_ref()?.secret_key_ref.as_ref())
                .any(|each| !each.name.is_empty())
    }

    fn config_map(&self) -> bool {
        self.env_from.iter().any(|each| each.config_map_ref.as_ref().is_some_and(|each| !each.name.is_empty()))
            || self
                .env
                .iter()
                .filter_map(|each| each.value_from.as_ref()?.config_map_key_ref.as_ref())
                .any(|each| !each.name.is_empty())
    }
}

fn environments(pod: &Pod) -> impl Iterator<Item = Environment<'_>> {
    let ordinary = pod::containers(pod).map(|each| {
        let Container { env, env_from, .. } = each.container;
        Environment { env: env.as_deref().unwrap_or_default(), env_from: env_from.as_deref().unwrap_or_default() }
    });
    let ephemeral = pod::spec(pod).ephemeral_containers.iter().flatten().map(|each| {
        let EphemeralContainer { env, env_from, .. } = each;
        Environment { env: env.as_deref().unwrap_or_default(), env_from: env_from.as_deref().unwrap_or_default() }
    });
    ordinary.chain(ephemeral)
}

fn named(reference: &LocalObjectReference) -> bool {
    !reference.name.is_empty()
}

/// Any volume type that names a Secret.
fn volume_secret(volume: &Volume) -> bool {
    let text = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    volume.azure_file.as_ref().is_some_and(|each| !each.secret_name.is_empty())
        || volume.secret.as_ref().is_some_and(|each| text(&each.secret_name))
        || volume
            .projected
            .iter()
            .flat_map(|each| each.sources.iter().flatten())
            .filter_map(|each| each.secret.as_ref())
            .any(|each| !each.name.is_empty())
        || [
            volume.cephfs.as_ref().and_then(|each| each.secret_ref.as_ref()),
            volume.cinder.as_ref().and_then(|each| each.secret_ref.as_ref()),
            volume.flex_volume.as_ref().and_then(|each| each.secret_ref.as_ref()),
            volume.rbd.as_ref().and_then(|each| each.secret_ref.as_ref()),
            volume.scale_io.as_ref().map(|each| &each.secret_ref),
            volume.iscsi.as_ref().and_then(|each| each.secret_ref.as_ref()),
            volume.storageos.as_ref().and_then(|each| each.secret_ref.as_ref()),
            volume.csi.as_ref().and_then(|each| each.node_publish_secret_ref.as_ref()),
        ]
        .into_iter()
        .flatten()
        .any(named)
}

fn volume_config_map(volume: &Volume) -> bool {
    volume.config_map.as_ref().is_some_and(|each| !each.name.is_empty())
        || volume
            .projected
            .iter()
            .flat_map(|each| each.sources.iter().flatten())
            .filter_map(|each| each.config_map.as_ref())
            .any(|each| !each.name.is_empty())
}

/// Volume types that need an API object of another kind.
fn volume(volume: &Volume) -> Result<(), String> {
    if volume.csi.is_some() {
        return refuse("csidrivers (via CSI volumes)");
    }
    if volume.glusterfs.is_some() {
        return refuse("endpoints (via glusterFS volumes)");
    }
    if volume.persistent_volume_claim.is_some() {
        return refuse("persistentvolumeclaims");
    }
    if volume.ephemeral.is_some() {
        return refuse("persistentvolumeclaims (via ephemeral volumes)");
    }
    if volume.azure_file.is_some() {
        return refuse("secrets (via azureFile volumes)");
    }
    for source in volume.projected.iter().flat_map(|each| each.sources.iter().flatten()) {
        if source.service_account_token.is_some() {
            return refuse("serviceaccounts (via projected volumes)");
        }
        if source.cluster_trust_bundle.is_some() {
            return refuse("clustertrustbundles");
        }
        if source.pod_certificate.is_some() {
            return refuse("podcertificates");
        }
        if source.secret.is_none() && source.config_map.is_none() && source.downward_api.is_none() {
            return Err(format!("unknown source for projected volume {}", gojson::go_quoted(&volume.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn check(spec: &str) -> Result<(), String> {
        let spec: Value = serde_json::from_str(spec).expect("JSON");
        static_pod(&serde_json::from_value(json!({"spec": spec})).expect("pod"))
    }

    #[rstest]
    #[case(r#"{"serviceAccountName":"a","imagePullSecrets":[{"name":"x"}]}"#, "serviceaccounts")]
    #[case(r#"{"imagePullSecrets":[{"name":"x"}],"resourceClaims":[{"name":"c"}]}"#, "secrets")]
    #[case(r#"{"volumes":[{"name":"v","csi":{"driver":"d","nodePublishSecretRef":{"name":"x"}}}]}"#, "secrets")]
    #[case(r#"{"volumes":[{"name":"v","configMap":{"name":"m","optional":true}}]}"#, "configmaps")]
    #[case(r#"{"resourceClaims":[{"name":"c"}],"volumes":[{"name":"v","csi":{"driver":"d"}}]}"#, "resourceclaims")]
    #[case(r#"{"volumes":[{"name":"v","csi":{"driver":"d"}}]}"#, "csidrivers (via CSI volumes)")]
    #[case(
        r#"{"volumes":[{"name":"v","glusterfs":{"endpoints":"e","path":"p"}}]}"#,
        "endpoints (via glusterFS volumes)"
    )]
    #[case(
        r#"{"volumes":[{"name":"v","azureFile":{"secretName":"","shareName":"s"}}]}"#,
        "secrets (via azureFile volumes)"
    )]
    #[case(r#"{"volumes":[{"name":"v","ephemeral":{}}]}"#, "persistentvolumeclaims (via ephemeral volumes)")]
    #[case(
        r#"{"volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"p"}}]}}]}"#,
        "serviceaccounts (via projected volumes)"
    )]
    fn api_objects_are_refused(#[case] spec: &str, #[case] what: &str) {
        assert_eq!(check(spec), Err(format!("static pods may not reference {what}")));
    }

    #[rstest]
    #[case("{}")]
    #[case(r#"{"imagePullSecrets":[{"name":""}]}"#)]
    #[case(r#"{"volumes":[{"name":"v","emptyDir":{}},{"name":"h","hostPath":{"path":"/x"}}]}"#)]
    #[case(r#"{"volumes":[{"name":"v","projected":{"sources":[{"downwardAPI":{}}]}}]}"#)]
    fn local_sources_pass(#[case] spec: &str) {
        assert_eq!(check(spec), Ok(()));
    }
}
