//! Protobuf JSON in the form of the recordings: proto names, 64-bit integers as text, enums by name, defaults left out. The documents
//! are lines of recorded calls.

use cri_proto::{from_json, to_json, v1};
use prost_reflect::ReflectMessage;
use serde_json::{Value, json};

fn round_trip<M: ReflectMessage + Default>(document: &Value) {
    let message: M = from_json(document.clone()).unwrap_or_else(|e| panic!("{e}: {document}"));
    assert_eq!(to_json(&message), *document);
}

#[test]
fn recorded_messages_come_back_as_they_were() {
    round_trip::<v1::VersionResponse>(&json!({
        "version": "0.1.0", "runtime_name": "containerd", "runtime_version": "1.6.20~ds1", "runtime_api_version": "v1"
    }));
    round_trip::<v1::ImageFsInfoResponse>(&json!({ "image_filesystems": [{
        "timestamp": "1795426643727925473",
        "fs_id": { "mountpoint": "/run/ctrd/io.containerd.snapshotter.v1.overlayfs" },
        "used_bytes": { "value": "2859008" },
        "inodes_used": { "value": "566" }
    }] }));
    round_trip::<v1::ListContainersRequest>(&json!({ "filter": {} }));
    round_trip::<v1::ListContainersResponse>(&json!({}));
    round_trip::<v1::PodSandboxConfig>(&json!({
        "metadata": { "name": "static-web-node", "uid": "f5b6b3f2a6d7a2b1c0d9e8f7a6b5c4d3", "namespace": "default" },
        "labels": { "a": "1", "b": "" },
        "port_mappings": [{ "container_port": 80 }, { "protocol": "UDP", "container_port": 53, "host_port": 5353 }],
        "linux": { "security_context": { "namespace_options": { "pid": "CONTAINER" }, "seccomp": { "profile_type": "Localhost", "localhost_ref": "p.json" } } }
    }));
    round_trip::<v1::ContainerConfig>(&json!({
        "CDI_devices": [{ "name": "vendor.example/device=x" }],
        "mounts": [{ "container_path": "/x", "host_path": "/y", "uidMappings": [{ "host_id": 1, "length": 2 }] }],
        "stop_signal": "SIGTERM"
    }));
    round_trip::<v1::ExecSyncResponse>(&json!({ "stdout": "aGkK", "exit_code": -1 }));
}

#[test]
fn defaults_are_left_out_but_presence_is_kept() {
    let filter = v1::ContainerFilter { state: Some(v1::ContainerStateValue::default()), ..Default::default() };
    assert_eq!(to_json(&filter), json!({ "state": {} }));
}

#[test]
fn json_that_is_no_such_message_says_which() {
    let unknown = from_json::<v1::VersionRequest>(json!({ "versoin": "1" })).unwrap_err().to_string();
    assert!(unknown.starts_with("not a runtime.v1.VersionRequest: ") && unknown.contains("versoin"), "{unknown}");
    let mistyped = from_json::<v1::ExecSyncRequest>(json!({ "timeout": [] })).unwrap_err().to_string();
    assert!(mistyped.starts_with("not a runtime.v1.ExecSyncRequest: "), "{mistyped}");
}
