//! Fuzz target: a text as a state file.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| lockstep_runtime::foreign::state_file(text));
