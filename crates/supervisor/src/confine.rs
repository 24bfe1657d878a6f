//! The supervisor gives up what it needed to make the container, before the container's first instruction.
//!
//! What is left: the descriptors that it holds, its socket, one directory for its log, and the right of a user
//! namespace's owner to signal what lives in it. From here on it handles bytes of the container.

use std::os::fd::OwnedFd;

use lockstep_abi::arch::Arch;
use lockstep_kernel::landlock::{self, Domain, Enforced};
use lockstep_kernel::{capability, credential, process, seccomp};
use lockstep_profile::seccomp::compile;
use lockstep_profile::seccomp::own::{self, Turnover};
use lockstep_runtime::error::For;
use lockstep_runtime::{Error, Kind, Result};

/// The scope of abstract sockets of Landlock's ABI 6 (linux/landlock.h). Signals are not scoped: the container's
/// processes are outside of this domain.
const SCOPE_ABSTRACT_SOCKETS: u64 = 1;
/// Write, make and remove regular files.
const LOG_FS: u64 = 1 << 1 | 1 << 5 | 1 << 8;

/// CAP_KILL.
const KILL: u64 = 1 << 5;

/// Confines this process for ever. `owner` is the user of its own that it becomes; without one it keeps its
/// user. `log` says how its log makes room, and `directory` is where it may begin another file then: nothing else is
/// opened any more. What this kernel could not do is returned, one line each.
pub(crate) fn confine(
    owner: Option<u32>,
    log: Turnover,
    directory: Option<OwnedFd>,
) -> Result<Vec<String>> {
    let mut lost = Vec::new();
    #[cfg(lockstep_weak)]
    if lockstep_kernel::weak::is("unconfined-supervisor") {
        return Ok(lost);
    }
    match owner {
        Some(owner) => become_own_user(owner)?,
        // Without a user namespace of its own the container's processes may be of any user: the right to signal them
        // is all that root keeps.
        None => capability::keep_only(KILL).during(|| "capabilities of the supervisor".into())?,
    }
    process::set_dumpable(false).during(|| "becoming untraceable".into())?;
    process::set_no_new_privs().during(|| "no_new_privs of the supervisor".into())?;
    let domain = Domain {
        handled_fs: landlock::ALL_FS,
        handled_net: landlock::ALL_NET,
        scoped: SCOPE_ABSTRACT_SOCKETS,
        paths: directory
            .into_iter()
            .filter(|_| log == Turnover::Renames)
            .map(|directory| (directory, LOG_FS))
            .collect(),
        ports: Vec::new(),
        best_effort: true,
    };
    match landlock::restrict(domain).during(|| "Landlock domain of the supervisor".into())? {
        Enforced::Fully | Enforced::Partially => {}
        Enforced::Not => lost.push("supervisor: this kernel has no Landlock".into()),
    }
    let program = compile(&own::supervisor(Arch::native(), log), Arch::native())
        .map_err(|e| Error::new(Kind::Invalid, format!("filter of the supervisor: {e}")))?;
    seccomp::load(&program.insns, program.flags).during(|| "filter of the supervisor".into())?;
    Ok(lost)
}

/// From root to a user that nobody else is; that takes every capability too (capabilities(7)).
fn become_own_user(owner: u32) -> Result<()> {
    let what = || format!("becoming user {owner}");
    credential::setgroups(&[]).during(what)?;
    credential::setgid(owner).during(what)?;
    credential::setuid(owner).during(what)
}
