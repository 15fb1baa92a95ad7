//! Fuzzes what CNI plugins read. The checks are in `fake_cri::cni::hostile`, not here.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fake_cri::cni::hostile::configuration(bytes);
});
