//! Random bytes.

use crate::call::{Result, Told};
use rustix::rand::{GetRandomFlags, getrandom};

/// getrandom(2): so many bytes, fit for keys.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole.
    const { assert!(N <= 256, "a short read is not handled") };
    crate::file::retry(|| getrandom(&mut bytes, GetRandomFlags::empty()))
        .map(|_| bytes)
        .told(|| format!("getrandom({N}, 0)"))
}
