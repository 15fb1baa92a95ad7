//! Fields of a Pod by what they mean without an API server: which name an object that only one has, and which are read by
//! nobody. Tables over field paths, and a walk. Pure. As kubelet 1.36 standalone; the refusals agree with `api::references`.

use serde_json::Value;

use super::{Finding, Weight};

/// Ends of paths, indices left out, that refer to objects of an API server, and to which. A path must end with one of these, at a dot.
const REFERENCES: [(&str, &str); 24] = [
    ("spec.serviceAccountName", "serviceaccounts"),
    ("spec.serviceAccount", "serviceaccounts"),
    ("spec.imagePullSecrets.name", "secrets"),
    ("envFrom.secretRef.name", "secrets"),
    ("valueFrom.secretKeyRef.name", "secrets"),
    ("volumes.secret.secretName", "secrets"),
    ("projected.sources.secret.name", "secrets"),
    ("nodePublishSecretRef.name", "secrets"),
    ("volumes.cephfs.secretRef.name", "secrets"),
    ("volumes.cinder.secretRef.name", "secrets"),
    ("volumes.flexVolume.secretRef.name", "secrets"),
    ("volumes.rbd.secretRef.name", "secrets"),
    ("volumes.scaleIO.secretRef.name", "secrets"),
    ("volumes.iscsi.secretRef.name", "secrets"),
    ("volumes.storageos.secretRef.name", "secrets"),
    ("envFrom.configMapRef.name", "configmaps"),
    ("valueFrom.configMapKeyRef.name", "configmaps"),
    ("volumes.configMap.name", "configmaps"),
    ("projected.sources.configMap.name", "configmaps"),
    ("spec.resourceClaims.name", "resourceclaims"),
    ("volumes.csi.driver", "csidrivers (via CSI volumes)"),
    ("volumes.glusterfs.path", "endpoints (via glusterFS volumes)"),
    ("volumes.persistentVolumeClaim.claimName", "persistentvolumeclaims"),
    ("volumes.azureFile.shareName", "secrets (via azureFile volumes)"),
];

/// The same for objects that may be empty.
const OBJECTS: [(&str, &str); 4] = [
    ("volumes.ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ("projected.sources.serviceAccountToken", "serviceaccounts (via projected volumes)"),
    ("projected.sources.clusterTrustBundle", "clustertrustbundles"),
    ("projected.sources.podCertificate", "podcertificates"),
];

/// Whole paths, indices left out, that nobody reads in standalone mode, and why.
const UNREAD: [(&str, &str); 31] = [
    ("metadata.generateName", "a static pod needs a name of its own"),
    ("metadata.resourceVersion", "set by an API server"),
    ("metadata.generation", "set by an API server"),
    ("metadata.creationTimestamp", "set by an API server"),
    ("metadata.selfLink", "set by an API server"),
    ("metadata.managedFields", "set by an API server"),
    ("metadata.ownerReferences", "there is nobody who collects what an owner leaves"),
    ("metadata.finalizers", "there is nobody who waits for them"),
    ("status.phase", "the kubelet finds out itself"),
    ("spec.nodeName", "the kubelet sets its own node's name"),
    ("spec.schedulerName", "there is no scheduler"),
    ("spec.priorityClassName", "there are no priority classes"),
    ("spec.preemptionPolicy", "there is no scheduler"),
    ("spec.topologySpreadConstraints", "there is no scheduler"),
    ("spec.affinity.podAffinity", "there is no scheduler"),
    ("spec.affinity.podAntiAffinity", "there is no scheduler"),
    ("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", "there is no scheduler"),
    ("spec.tolerations", "taints of the node do not count for static pods"),
    ("spec.runtimeClassName", "there are no runtime classes: the runtime's default handler is used"),
    ("spec.automountServiceAccountToken", "there are no service accounts"),
    ("spec.enableServiceLinks", "there are no services"),
    (
        "spec.readinessGates",
        "nobody sets these conditions: the pod becomes ready only if its manifest's status has them",
    ),
    ("spec.workloadRef", "there is no scheduler"),
    ("spec.schedulingGroup", "there is no scheduler"),
    ("spec.containers.resizePolicy", "static pods are not resized in place"),
    ("spec.initContainers.resizePolicy", "static pods are not resized in place"),
    ("status.containerStatuses", "the kubelet finds out itself"),
    ("status.initContainerStatuses", "the kubelet finds out itself"),
    ("status.podIP", "the kubelet finds out itself"),
    ("status.hostIP", "the kubelet finds out itself"),
    ("status.startTime", "the kubelet finds out itself"),
];

/// Each reference to an object that only an API server has, `optional` or not: the kubelet refuses the pod for the first of them.
pub(super) fn needs_api_server(raw: &Value) -> Vec<Finding> {
    gather(raw, |bare, value| {
        let ends = |end: &str| bare.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        let named = || value.as_str().is_some_and(|text| !text.is_empty());
        let name = REFERENCES.iter().find(|(end, _)| ends(end) && named());
        let what = name.or_else(|| OBJECTS.iter().find(|(end, _)| value.is_object() && ends(end)));
        what.map(|(_, what)| (Weight::NeedsApiServer, format!("static pods may not reference {what}")))
    })
}

/// Each field that has no effect in standalone mode.
pub(super) fn ignored(raw: &Value) -> Vec<Finding> {
    gather(raw, |bare, value| {
        let (_, why) = UNREAD.iter().find(|(path, _)| *path == bare)?;
        // This one name has an effect: it protects from the kernel's out-of-memory killer.
        let counts = bare == "spec.priorityClassName" && value == "system-node-critical";
        (!counts).then(|| (Weight::Ignored, format!("has no effect here: {why}")))
    })
}

/// Walks the object; `say` is asked about each value that is neither null nor empty text, with its path without indices.
fn gather(raw: &Value, say: impl Fn(&str, &Value) -> Option<(Weight, String)>) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut open = vec![(String::new(), String::new(), raw)];
    while let Some((path, bare, value)) = open.pop() {
        if value.is_null() || value == "" {
            continue;
        }
        if let Some((weight, text)) = say(&bare, value) {
            // A list is told once, at its head.
            if !out.iter().any(|known: &Finding| path.starts_with(&format!("{}[", known.path))) {
                out.push(Finding::new(weight, path.clone(), text));
            }
        }
        match value {
            Value::Object(map) => open.extend(map.iter().rev().map(|(key, value)| {
                let join = |before: &str| if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
                (join(&path), join(&bare), value)
            })),
            Value::Array(items) => open.extend(
                items.iter().enumerate().rev().map(|(index, value)| (format!("{path}[{index}]"), bare.clone(), value)),
            ),
            _ => {}
        }
    }
    out
}
