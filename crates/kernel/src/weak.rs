//! Which protections this build does without, for the tests that attack it.
//!
//! An attack that fails proves something only if it succeeds without the mechanism that stops it. This module
//! exists only under `--cfg lockstep_weak`: no feature and no variable turns it on in what is shipped. It stands
//! here because both other crates with protections use this one.

use std::time::Duration;

/// Whether `LOCKSTEP_WEAK`, a comma-separated list, names this protection or pause.
pub fn is(name: &str) -> bool {
    std::env::var("LOCKSTEP_WEAK").is_ok_and(|all| all.split(',').any(|one| one == name))
}

/// A mistake of ours at this place, to see what becomes of it.
pub fn mistake(name: &str) {
    assert!(!is(name), "a mistake \u{1b}[2J");
}

/// Makes the window of a race wide, with and without the protection.
pub fn pause(name: &str) {
    if is(name) {
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The same for a process that is started with an environment of its own.
pub fn environment() -> Vec<String> {
    let list = std::env::var("LOCKSTEP_WEAK");
    list.map(|list| format!("LOCKSTEP_WEAK={list}"))
        .into_iter()
        .collect()
}
