//! Fuzz target: the texts of /proc/self/mountinfo, /proc/self/cgroup and a cgroup's controllers, a cgroup path
//! and a unit's property.

#![no_main]

#[path = "../planning.rs"]
#[allow(dead_code, reason = "the other target's half")]
mod planning;

libfuzzer_sys::fuzz_target!(|text: &[u8]| planning::check_host(text));
