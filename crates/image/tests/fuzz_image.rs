//! The fuzz targets for a few seconds, without libFuzzer: mutations of their seeds by a seeded generator.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test reads its seeds from the tree"
)]

use lockstep_image::foreign;

/// xorshift64*: the same bytes on every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % below.max(1)
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.next(6) {
        let at = random.next(bytes.len());
        match random.next(5) {
            0 => bytes[at] ^= 1 << random.next(8),
            1 => bytes[at] = *b"0189/.\0\xff".get(random.next(8)).expect("a byte"),
            2 => bytes.truncate(at.max(1)),
            3 => {
                let block = bytes[at..(at + 512).min(bytes.len())].to_vec();
                bytes.splice(at..at, block);
            }
            // Checksums stay right, so that what stands behind them is reached.
            _ => seal(bytes, at / 512 * 512),
        }
    }
    let last = random.next(bytes.len());
    seal(bytes, last / 512 * 512);
}

fn seal(bytes: &mut [u8], at: usize) {
    let Some(block) = bytes.get_mut(at..at + 512) else {
        return;
    };
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    block[154] = 0;
}

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
