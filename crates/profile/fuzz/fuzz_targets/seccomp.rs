//! Any bytes as the seccomp object of a config.json: what compiles means what its rules say.
//!
//! `cargo +nightly fuzz run seccomp corpus/seccomp seeds/seccomp` in `crates/profile/fuzz`; tests/fuzz_seccomp.rs does a
//! little of it with a stable compiler.

#![no_main]

#[path = "../../tests/corpus/mod.rs"]
mod corpus;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(profile) = serde_json::from_slice(data)
        && let Err(difference) = corpus::check_if_compilable(&profile)
    {
        panic!("{difference}");
    }
});
