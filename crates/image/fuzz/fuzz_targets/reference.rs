//! Fuzz target: bytes as an image's name.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lockstep_image::foreign::reference(bytes));
