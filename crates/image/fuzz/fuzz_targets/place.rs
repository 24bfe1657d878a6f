//! Fuzz target: how `cp` is called, and bytes as the stream that it reads.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

#[path = "../../tests/fuzz_site/mod.rs"]
mod site;

/// In memory: a file takes microseconds there.
static SITE: LazyLock<site::Site> = LazyLock::new(|| {
    let dir = format!("/dev/shm/lockstep-fuzz-{}", std::process::id());
    site::Site::new(&PathBuf::from(dir))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| SITE.play(bytes));
