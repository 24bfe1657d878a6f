//! The fuzz targets for a few seconds, without libFuzzer: mutations of their seeds by a seeded generator.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test reads its seeds from the tree"
)]

#[path = "fuzz_site/mutation.rs"]
mod mutation;

use lockstep_image::foreign;
use mutation::{Random, mutate};

#[test]
fn layers() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/layer");
    let mut random = Random(0x10c5_7e9d);
    for seed in std::fs::read_dir(seeds).expect("seeds") {
        let seed = std::fs::read(seed.expect("a seed").path()).expect("a seed");
        foreign::layer(&seed);
        for _ in 0..3000 {
            let mut bytes = seed.clone();
            mutate(&mut random, &mut bytes);
            foreign::layer(&bytes);
        }
    }
}

#[test]
fn references() {
    let mut random = Random(0x10c5_7e9d);
    let words = [
        "a",
        "b1",
        "/",
        ":",
        "@",
        ".",
        "_",
        "__",
        "-",
        "localhost",
        "docker://",
        "h:5000",
        "sha256:",
        "latest",
        "A",
        "\u{e9}",
        "oci:",
        "0",
    ];
    for _ in 0..50_000 {
        let text: String = (0..random.next(7))
            .map(|_| words[random.next(words.len())])
            .collect();
        foreign::reference(text.as_bytes());
    }
}
