//! Fuzzes manifests, from bytes to what the runtime would be asked. The checks are in `kubelet::hostile`, not here.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kubelet::hostile::manifest(bytes);
});
