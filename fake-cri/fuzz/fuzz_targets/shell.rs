//! Fuzzes the shell: scripts as bytes, and scripts composed of fragments, which get further. The checks are in `fake_cri::shell::hostile`.
#![no_main]

use fake_cri::shell::hostile;

// The parser's panics are syntax errors to the shell, which catches them; all others reach the end of the simulation, and this process.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let script = if first & 1 == 0 { hostile::compose(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
    hostile::run(&script);
});
