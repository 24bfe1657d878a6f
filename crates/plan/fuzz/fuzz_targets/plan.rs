//! Fuzz target: the config.json of a container, and a last byte that chooses the host.

#![no_main]

#[path = "../planning.rs"]
#[allow(dead_code, reason = "the other target's half")]
mod planning;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((choice, text)) = input.split_last() {
        planning::check(*choice, text);
    }
});
