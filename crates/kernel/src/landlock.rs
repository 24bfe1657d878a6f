//! Landlock domains: unprivileged, stacked, for ever (landlock(7)).

use crate::call::{Error, Result};
use ::landlock::{
    AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::os::fd::OwnedFd;

/// LANDLOCK_ACCESS_FS_* up to ABI 5 (linux/landlock.h).
pub const ALL_FS: u64 = (1 << 16) - 1;
/// Those that a file can have, of any ABI: EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV, RESOLVE_UNIX.
const OF_FILES: u64 = 0b111 | 1 << 14 | 1 << 15 | 1 << 16;
/// LANDLOCK_ACCESS_NET_* of ABI 4.
pub const ALL_NET: u64 = 0b11;

/// What a domain handles and allows, as LANDLOCK_ACCESS_* and LANDLOCK_SCOPE_* bits (linux/landlock.h).
#[derive(Debug, Default)]
pub struct Domain {
    /// File-system accesses that are denied unless a rule allows them.
    pub handled_fs: u64,
    /// Network accesses that are denied unless a rule allows them.
    pub handled_net: u64,
    /// Scopes: abstract unix sockets, signals.
    pub scoped: u64,
    /// Allowed accesses below an open directory, or of an open file.
    pub paths: Vec<(OwnedFd, u64)>,
    /// Allowed accesses of a TCP port.
    pub ports: Vec<(u16, u64)>,
    /// An older kernel drops what it does not know instead of refusing.
    pub best_effort: bool,
}

/// How much of a domain the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// All of it.
    Fully,
    /// What this kernel's Landlock ABI knows.
    Partially,
    /// Nothing: the kernel has no Landlock, or it is off.
    Not,
}

/// landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2). Needs no_new_privs.
pub fn restrict(mut domain: Domain) -> Result<Enforced> {
    for (fd, access) in &mut domain.paths {
        // A directory's right means nothing at a file: the kernel refuses it (EINVAL), and the library drops it, but
        // counts that as less than was asked for.
        let stat = crate::file::fstat(&*fd)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
            *access &= OF_FILES;
        }
    }
    domain.paths.retain(|(_, access)| *access != 0);
    // The library drops bits that it does not know without a word. No kernel has them that it was made for.
    let all = [domain.handled_fs, domain.handled_net, domain.scoped];
    let known = [
        BitFlags::<AccessFs>::from_bits_truncate(domain.handled_fs).bits(),
        BitFlags::<AccessNet>::from_bits_truncate(domain.handled_net).bits(),
        BitFlags::<Scope>::from_bits_truncate(domain.scoped).bits(),
    ];
    if all == known {
        return apply_told(domain);
    }
    if !domain.best_effort {
        let [fs, net, scope] = [0, 1, 2].map(|at: usize| all[at] & !known[at]);
        return Err(Error {
            call: format!("landlock_create_ruleset({{{fs:#x}, {net:#x}, {scope:#x}}})"),
            errno: libc::EINVAL,
        });
    }
    if known == [0; 3] {
        return Ok(Enforced::Not);
    }
    Ok(match apply_told(domain)? {
        Enforced::Fully => Enforced::Partially,
        less => less,
    })
}

fn apply_told(domain: Domain) -> Result<Enforced> {
    apply(domain).map_err(|e| Error {
        call: format!("{}() [{e}]", call_of(&e)),
        errno: errno(&e),
    })
}

/// The call that was refused, which the library's errors tell only by their kind.
fn call_of(error: &::landlock::RulesetError) -> &'static str {
    use ::landlock::{
        AddRuleError, AddRulesError, CompatError, PathBeneathError, RestrictSelfError, RulesetError,
    };
    match error {
        RulesetError::AddRules(AddRulesError::Fs(AddRuleError::Compat(
            CompatError::PathBeneath(PathBeneathError::StatCall { .. }),
        ))) => "fstat",
        RulesetError::AddRules(_) => "landlock_add_rule",
        RulesetError::RestrictSelf(RestrictSelfError::SetNoNewPrivsCall { .. }) => "prctl",
        RulesetError::RestrictSelf(_) | RulesetError::RestrictSelfFlags(_) => {
            "landlock_restrict_self"
        }
        _ => "landlock_create_ruleset",
    }
}

fn errno(error: &::landlock::RulesetError) -> i32 {
    use std::error::Error as _;
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(errno) = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error)
        {
            return errno;
        }
        source = inner.source();
    }
    libc::EOPNOTSUPP
}

fn apply(domain: Domain) -> std::result::Result<Enforced, ::landlock::RulesetError> {
    let level = if domain.best_effort {
        CompatLevel::BestEffort
    } else {
        CompatLevel::HardRequirement
    };
    let mut ruleset = ::landlock::Ruleset::default().set_compatibility(level);
    let (fs, net, scope) = (
        BitFlags::<AccessFs>::from_bits_truncate(domain.handled_fs),
        BitFlags::<AccessNet>::from_bits_truncate(domain.handled_net),
        BitFlags::<Scope>::from_bits_truncate(domain.scoped),
    );
    if !fs.is_empty() {
        ruleset = ruleset.handle_access(fs)?;
    }
    if !net.is_empty() {
        ruleset = ruleset.handle_access(net)?;
    }
    if !scope.is_empty() {
        ruleset = ruleset.scope(scope)?;
    }
    let mut created = ruleset.create()?;
    for (fd, access) in domain.paths {
        let access = BitFlags::<AccessFs>::from_bits_truncate(access) & fs;
        created = created
            .add_rule(PathBeneath::new(fd, access).set_compatibility(CompatLevel::BestEffort))?;
    }
    for (port, access) in domain.ports {
        created = created.add_rule(NetPort::new(
            port,
            BitFlags::<AccessNet>::from_bits_truncate(access),
        ))?;
    }
    Ok(match created.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partially,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

/// The Landlock ABI version of the running kernel, 0 where there is none; landlock_create_ruleset(2).
pub fn abi() -> i32 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call takes a null attribute of size zero and returns a number.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(ret).unwrap_or(0).max(0)
}
