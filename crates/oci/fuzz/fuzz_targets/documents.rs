//! Fuzz target: a text as each of the smaller documents.
//!
//! Processes and resources come from engines, Landlock rules from whoever may annotate, states from
//! the hooks' side of a pipe.

#![no_main]

use lockstep_oci::features::Features;
use lockstep_oci::landlock;
use lockstep_oci::runtime::{Process, Resources};
use lockstep_oci::state::{ContainerProcessState, State};

#[path = "../round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    round_trip::document::<Process>(text);
    round_trip::document::<Resources>(text);
    round_trip::document::<State>(text);
    round_trip::document::<ContainerProcessState>(text);
    round_trip::document::<Features>(text);
    if let Ok(text) = std::str::from_utf8(text) {
        drop(landlock::parse(text));
    }
});
