//! Fuzzes what a client of the streaming server sends as WebSocket frames. The checks are in `fake_cri::streaming::hostile`, not here.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fake_cri::streaming::hostile::websocket(bytes));
