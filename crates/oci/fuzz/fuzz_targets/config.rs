//! Fuzz target: a text as `config.json`.
//!
//! A bundle may come from anyone, and the runtime that reads it is root.

#![no_main]

#[path = "../configuration.rs"]
mod configuration;
#[path = "../round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|text: &[u8]| configuration::check(text));
