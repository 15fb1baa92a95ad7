//! CRI v1 (`runtime.v1`) on the wire: messages, client and server, and their protobuf JSON.
//!
//! Everything is generated at build time from `proto/runtime/v1/api.proto`; nothing generated is kept.

mod document;
pub mod json;

/// The `runtime.v1` package: messages, enums, `runtime_service_*` and `image_service_*`.
#[allow(missing_docs, clippy::all, clippy::disallowed_methods, clippy::disallowed_types)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/runtime.v1.rs"));
}

pub use document::Document;
pub use json::{descriptor_pool, from_json, to_json};

/// The API version that kubelets send in `VersionRequest.version`.
pub const KUBELET_API_VERSION: &str = "0.1.0";

/// Largest gRPC message either side accepts, in bytes (16 MiB, as upstream's client and both common runtimes).
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
