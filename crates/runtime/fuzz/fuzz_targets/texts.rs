//! Fuzz target: bytes as what /proc, an image's passwd file, the new process and D-Bus say.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lockstep_runtime::foreign::texts(bytes));
