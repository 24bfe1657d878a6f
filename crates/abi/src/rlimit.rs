//! Resource limits by the names of getrlimit(2), as config.json's `process.rlimits` has them.
//!
//! Numbers are those of asm-generic/resource.h; MIPS, SPARC and Alpha order five of them differently
//! and are not built for.

/// Every limit; the index is its number.
pub const ALL: &[&str] = &[
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// "No limit" (`RLIM64_INFINITY`, linux/resource.h).
pub const INFINITY: u64 = u64::MAX;

/// The number of a limit: `RLIMIT_NOFILE` is 7. Case matters, as it does in config.json.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    ALL.iter()
        .position(|known| *known == name)
        .and_then(|index| u32::try_from(index).ok())
}

/// The name of a limit's number.
#[must_use]
pub fn name(number: u32) -> Option<&'static str> {
    ALL.get(usize::try_from(number).ok()?).copied()
}

/// A limit's name, or its number where it has none.
#[must_use]
pub fn display(number: u32) -> String {
    name(number).map_or_else(|| number.to_string(), str::to_owned)
}

/// A limit's value as strace(1) prints it.
#[must_use]
pub fn value(limit: u64) -> String {
    match limit {
        INFINITY => "RLIM64_INFINITY".into(),
        limit => limit.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for known in ALL {
            assert_eq!(number(known).and_then(name), Some(*known));
        }
        assert_eq!(number("NOFILE"), None);
        assert_eq!(name(16), None);
    }
}
