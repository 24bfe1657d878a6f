//! Fuzz target: a text as each of an image's documents.
//!
//! They come from registries and archives, so from anybody.

#![no_main]

use lockstep_oci::image::{self, DockerImage, ImageConfig, Index, Layout, Manifest};

#[path = "../round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    round_trip::document::<Index>(text);
    round_trip::document::<Manifest>(text);
    round_trip::document::<ImageConfig>(text);
    round_trip::document::<Layout>(text);
    round_trip::document::<Vec<DockerImage>>(text);
    // One text has at most one meaning.
    assert!(image::parse_index(text).is_err() || image::parse_manifest(text).is_err());
});
