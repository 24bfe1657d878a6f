//! Any bytes as the seccomp object of a config.json: what compiles means what its rules say.
//!
//! tests/fuzz_seccomp.rs does a little of it in every run of the tests.

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
