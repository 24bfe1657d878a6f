//! A seeded part of the cases, for runs that must be short.
//!
//! The choice depends on the seed and the names alone, so that a failure is repeated by its seed.

use crate::case::Case;

/// The cases that `LOCKSTEP_TEST_SAMPLE` (`percent,seed`) leaves; all of them without it, and at
/// least one with it.
///
/// # Errors
/// The variable is not two numbers.
pub(crate) fn chosen(cases: Vec<Case>) -> Result<Vec<Case>, String> {
    let Ok(text) = std::env::var("LOCKSTEP_TEST_SAMPLE") else {
        return Ok(cases);
    };
    let wrong = || format!("LOCKSTEP_TEST_SAMPLE: \"{text}\" is not percent,seed");
    let (percent, seed) = text.split_once(',').ok_or_else(wrong)?;
    let percent: usize = percent.trim().parse().ok().ok_or_else(wrong)?;
    let seed: u64 = seed.trim().parse().ok().ok_or_else(wrong)?;
    let mut ranked: Vec<(u64, Case)> = cases
        .into_iter()
        .map(|case| (rank(&case.name(), seed), case))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let keep = (ranked.len() * percent.min(100)).div_ceil(100).max(1);
    Ok(ranked
        .into_iter()
        .take(keep)
        .map(|(_, case)| case)
        .collect())
}

/// FNV-1a over seed and name, finished by a multiply-xorshift so that near seeds differ.
fn rank(name: &str, seed: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in seed.to_le_bytes().into_iter().chain(name.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
