//! The body of `/pods`: a PodList in Go's JSON. Which pods are in it is the server's business.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::api::gojson;

/// Renders the `/pods` body as upstream's handler prints it: one newline at the end, `"items":null` for no pods, and no
/// `kind` and `apiVersion` on the items.
pub fn render(pods: &[Arc<Pod>]) -> Vec<u8> {
    let mut out = String::from(r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":"#);
    if pods.is_empty() {
        out.push_str("null");
    } else {
        for (index, pod) in pods.iter().enumerate() {
            out.push(if index == 0 { '[' } else { ',' });
            out.push_str(&gojson::pod(pod));
        }
        out.push(']');
    }
    out.push_str("}\n");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pods_is_null() {
        assert_eq!(render(&[]), b"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":null}\n");
    }
}
