//! `/metrics`: the few series that need no instruments: who this is, which features are on, how many pods are wanted. In the text form
//! of Prometheus, as upstream names them.

use std::fmt::Write as _;

use super::{Site, reply::Reply};
use crate::config::gates::Stage;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// The kubelet's own series.
pub(super) fn kubelet(site: &Site) -> Reply {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut gauge = |name: &str, stability: &str, help: &str, samples: Vec<(String, i64)>| {
        let _ = writeln!(out, "# HELP {name} [{stability}] {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let wanted = i64::try_from(site.view.pods().len()).unwrap_or(i64::MAX);
    gauge(
        "kubelet_desired_pods",
        "ALPHA",
        "Pods that the kubelet is asked to run.",
        vec![("{static=\"\"}".to_owned(), 0), ("{static=\"true\"}".to_owned(), wanted)],
    );
    let node = vec![(format!("{{node={}}}", crate::api::gojson::go_quoted(&site.config.node_name)), 1)];
    gauge("kubelet_node_name", "ALPHA", "Name of this node; always 1.", node);
    let gates = site.config.feature_gates.iter().map(|(gate, on)| {
        let stage = match gate.stage {
            Stage::Alpha => "ALPHA",
            Stage::Beta => "BETA",
            Stage::Ga => "",
            Stage::Deprecated => "DEPRECATED",
        };
        (format!("{{name=\"{}\",stage=\"{stage}\"}}", gate.name), i64::from(on))
    });
    gauge("kubernetes_feature_enabled", "BETA", "1 for a feature that is on.", gates.collect());
    Reply::typed(CONTENT_TYPE, out)
}

/// A family of which there are no series yet.
pub(super) fn empty() -> Reply {
    Reply::typed(CONTENT_TYPE, "")
}
