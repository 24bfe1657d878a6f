//! Fuzz target: bytes as a layer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lockstep_image::foreign::layer(bytes));
