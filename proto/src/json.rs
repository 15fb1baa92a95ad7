//! Protobuf JSON of CRI messages: field names as in the proto, default values left out.
//!
//! This is the form of journals, recordings and traces. It is not how messages travel.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions};
use serde_json::Value;

/// Descriptors of everything in `runtime.v1`.
pub(crate) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(include_bytes!(concat!(env!("OUT_DIR"), "/cri.bin")).as_slice())
        .expect("the build script wrote a descriptor set that it had just decoded")
});

/// A JSON document that is not the message it was read as.
#[derive(Debug, thiserror::Error)]
#[error("not a {message}: {source}")]
pub struct JsonError {
    /// Full name of the message.
    message: String,
    /// What the decoder said, with the place.
    source: serde_json::Error,
}

/// Descriptors of all CRI messages and services.
pub fn descriptor_pool() -> &'static DescriptorPool {
    &POOL
}

/// The message as protobuf JSON: proto field names, 64-bit integers as strings, enums by name, defaults left out.
pub fn to_json<M: ReflectMessage>(message: &M) -> Value {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    message
        .transcode_to_dynamic()
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("a message that prost encodes has a JSON form")
}

/// The message that a protobuf JSON document describes; unknown fields are an error.
pub fn from_json<M: ReflectMessage + Default>(value: Value) -> Result<M, JsonError> {
    let descriptor: MessageDescriptor = M::default().descriptor();
    let fail = |source| JsonError { message: descriptor.full_name().to_owned(), source };
    let dynamic = DynamicMessage::deserialize(descriptor.clone(), value).map_err(fail)?;
    dynamic.transcode_to().map_err(|e| fail(serde::de::Error::custom(e)))
}
