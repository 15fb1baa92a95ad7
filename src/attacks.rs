//! Attacks on a kubelet, each a test that says what must hold; behaviour without malice is tested beside the code. By the numbers of the
//! list that they are taken from:
//!
//! | item | attack | tests |
//! |---|---|---|
//! | 8 | termination messages | `volumes::termination_message_is_no_file`, `volumes::termination_message_is_huge` |
//! | 9 | sub-paths | `manifests::sub_path_written_to_lead_out`, `volumes::sub_path_that_leads_out`, `volumes::env_file_that_is_a_link_out`; the race: `world/src/mounts/real/tests.rs` |
//! | 10 | hostPath types | `volumes::host_path_type_while_the_path_is_swapped` |
//! | 11 | clean-up through mounts | `volumes::clean_up_through_a_bind_mount` |
//! | 12 | manifests | `manifests::manifest_names`, `manifests::manifest_with_ten_megabytes_of_annotations`, `volumes::uid_that_is_a_path`, `sources/tests/attacks.rs`, `hostile.rs` |
//! | 13 | UIDs claimed twice | `sources/tests/attacks.rs` |
//! | 14 | the URL source | `sources/tests/attacks.rs`, `httpget/tests.rs`, `httpget/tls/tests.rs` |
//! | 16 | confinement | `manifests::security_contexts`, `scenarios/security` |
//! | 17 | sysctls | `manifests::sysctls` |
//! | 20 | images and credentials | `runtime::image_names`, `runtime::pull_policy_never`, `images/records/tests.rs`, `images/credentials/tests.rs` |
//! | 22 | a lying runtime | `runtime::runtime_that_lies`, `runtime::error_text_of_the_runtime` |
//! | 23 | host files | `manifests::lines_in_host_files` |
//! | 26 | references to an API server | `manifests::references_to_an_api_server` |
//! | 28 | a full disk | `volumes::every_write_fails_once` |

mod manifests;
mod runtime;
mod volumes;

use k8s_openapi::api::core::v1::Pod;

use crate::api::{decode, identity::Source, static_pod};

/// What becomes of a manifest: the pod, or why it is refused.
fn taken(metadata: &str, spec: &str) -> Result<Pod, String> {
    let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {spec}\n");
    let pod = decode::manifest(text.as_bytes()).map_err(|e| e.to_string())?;
    static_pod::accept(pod, Source::File("/etc/kubernetes/manifests/x.yaml"), "node1").map_err(|e| e.to_string())
}

fn refused(metadata: &str, spec: &str) -> String {
    taken(metadata, spec).expect_err("refused")
}
