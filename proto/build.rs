//! Compiles the CRI definition with protox, so that building needs no `protoc`. Runs on the building host, outside any world.
#![allow(clippy::disallowed_methods)]

use prost_reflect::prost::Message as _;
use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["runtime/v1/api.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let encoded = files.encode_to_vec();
    fs::write(out.join("cri.bin"), &encoded)?;

    let pool = prost_reflect::DescriptorPool::decode(encoded.as_slice())?;
    let mut builder = tonic_prost_build::configure();
    // Every message learns its own descriptor, which is what turns it into protobuf JSON.
    for message in pool.all_messages() {
        let name = message.full_name();
        builder = builder
            .type_attribute(name, "#[derive(::prost_reflect::ReflectMessage)]")
            .type_attribute(name, format!("#[prost_reflect(message_name = \"{name}\")]"))
            .type_attribute(name, "#[prost_reflect(descriptor_pool = \"crate::json::POOL\")]");
    }
    builder.btree_map(".").compile_fds(files)?;
    Ok(())
}
