//! `/pods`: the pods the kubelet is asked to run. The form of the list is `api::podlist`'s.

use super::{Site, reply::Reply};

/// Answers with the list.
pub(super) fn list(site: &Site) -> Reply {
    Reply::typed("application/json", render(&site.view.pods()))
}

fn render(pods: &[std::sync::Arc<k8s_openapi::api::core::v1::Pod>]) -> String {
    let items: Vec<_> = pods.iter().map(|p| serde_json::to_value(&**p).unwrap_or_default()).collect();
    let items = if items.is_empty() { serde_json::Value::Null } else { serde_json::Value::Array(items) };
    format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"items\":{items}}}\n")
}
