//! Mutations of archives by a seeded generator.

/// xorshift64*: the same bytes on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % below.max(1)
    }
}

/// Changes bytes of an archive here and there.
pub(crate) fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
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
