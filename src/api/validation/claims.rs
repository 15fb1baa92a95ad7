//! The resource claims that a pod names. Whether containers name them rightly is checked with their resources.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::{Errors, FieldError, invalid_each, names, require};
use crate::api::{gojson, labels, pod};

/// Checks `spec.resourceClaims`.
pub(super) fn check(out: &mut Errors, pod: &Pod) {
    let mirror = pod::annotations(pod).contains_key(labels::CONFIG_MIRROR);
    let mut seen = BTreeSet::new();
    for (index, claim) in pod::spec(pod).resource_claims.iter().flatten().enumerate() {
        if mirror {
            // Upstream makes the path of an empty name.
            out.push(FieldError::forbidden("[]", "static pods do not support resource claims"));
            continue;
        }
        let path = format!("spec.resourceClaims[{index}]");
        if require(out, &format!("{path}.name"), &claim.name) {
            if seen.insert(claim.name.as_str()) {
                invalid_each(out, &format!("{path}.name"), &claim.name, names::label(&claim.name));
            } else {
                out.push(FieldError::duplicate(&format!("{path}.name"), &claim.name));
            }
        }
        let (name, template) = (&claim.resource_claim_name, &claim.resource_claim_template_name);
        let wrong = match (name, template) {
            (None, None) => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            (Some(_), Some(_)) => {
                Some("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified")
            }
            _ => None,
        };
        if let Some(why) = wrong {
            let shown = json!({"Name": claim.name, "ResourceClaimName": name, "ResourceClaimTemplateName": template});
            out.push(FieldError::invalid_raw(&path, gojson::plain(&shown), why));
        }
        for (field, value) in [("resourceClaimName", name), ("resourceClaimTemplateName", template)] {
            if let Some(value) = value {
                invalid_each(out, &format!("{path}.{field}"), value, names::subdomain(value));
            }
        }
    }
}
