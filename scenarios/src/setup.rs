//! What both targets start from: the tutorial's configuration, and where things are on a node. Not how a target rewrites them.

use serde_json::{Value, json};

use crate::format::{Scenario, parse::yaml, tree::Tree};

/// Where the tutorial keeps the kubelet's configuration.
pub const CONFIG_PATH: &str = "/etc/kubernetes/kubelet.yaml";

/// Where the tutorial keeps manifests.
pub const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// The node's name, where a scenario does not give it another.
pub const NODE_NAME: &str = "node1";

/// Where the tutorial's runtime listens.
pub const SOCKET: &str = "/var/run/crio/crio.sock";

/// The tutorial's configuration.
pub fn tutorial_config() -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "enableServer": false,
        "logging": {"format": "text"},
        "address": "127.0.0.1",
        "readOnlyPort": 10255,
        "staticPodPath": MANIFESTS,
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
    })
}

/// The configuration of a scenario as a value, before a target adapts it. `None` if the scenario gives none, or only text.
pub fn config(scenario: &Scenario) -> Option<Value> {
    if scenario.kubelet.no_config || scenario.kubelet.config_text.is_some() {
        return None;
    }
    let mut config = tutorial_config();
    if let Some(patch) = &scenario.kubelet.config {
        crate::patch::merge(&mut config, &patch.to_json());
    }
    Some(config)
}

/// A configuration as the text of its file.
pub fn config_text(config: &Value) -> String {
    yaml(&Tree::from(config.clone()))
}

/// A path of a scenario on the node: a bare name is in the manifest directory.
pub fn path(text: &str) -> String {
    if text.starts_with('/') { text.to_owned() } else { format!("{MANIFESTS}/{text}") }
}
