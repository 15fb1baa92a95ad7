//! Compiles the CRI definition with protox, so that building needs no `protoc`. Runs on the building host, outside any world.
#![allow(clippy::disallowed_methods)]

use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.open_file("runtime/v1/api.proto")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Encoded by the compiler itself: the typed set does not know every option, and would drop `debug_redact`.
    let encoded = compiler.encode_file_descriptor_set();
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
    builder.btree_map(".").compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
