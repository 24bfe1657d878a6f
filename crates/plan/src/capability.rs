//! Capability sets: what is asked, cut to what can be granted, in the order in which the kernel lets them go.

use crate::Downgrade;
use crate::step::Plan;
use lockstep_abi::capability::{CapSet, Capability};
use lockstep_oci::runtime::Capabilities;

/// CAP_SYS_ADMIN, which loading a filter needs without no_new_privs (seccomp(2)).
pub const SYS_ADMIN: u64 = 1 << 21;

/// The five sets as bit masks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    /// What may ever be gained.
    pub bounding: u64,
    /// What the kernel checks.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What passes execve of a marked file.
    pub inheritable: u64,
    /// What passes execve of any file.
    pub ambient: u64,
}

/// Reads the sets of `process.capabilities` (none asked: none kept). What is unknown or cannot be granted is
/// left out and told (config.md), as a downgrade that stays with the container.
pub fn sets(plan: &mut Plan, at: &str, asked: Option<&Capabilities>, grantable: u64) -> Sets {
    let Some(asked) = asked else {
        return Sets::default();
    };
    let mut read = |name: &str, list: &[String]| {
        let mut wanted = CapSet::EMPTY;
        for (n, text) in list.iter().enumerate() {
            match Capability::from_name(text) {
                Some(capability) => wanted.insert(capability),
                None => plan.lost.push(Downgrade {
                    because: format!("{at}/capabilities/{name}/{n}"),
                    lost: format!("unknown capability {text:?} not granted"),
                    call: String::new(),
                }),
            }
        }
        let refused = CapSet::from_bits(wanted.bits() & !grantable);
        if refused.bits() != 0 {
            plan.lost.push(Downgrade {
                because: format!("{at}/capabilities/{name}"),
                lost: format!("{refused} not granted: the caller's bounding set is without"),
                call: String::new(),
            });
        }
        wanted.bits() & grantable
    };
    let bounding = read("bounding", &asked.bounding);
    let permitted = read("permitted", &asked.permitted);
    let effective = read("effective", &asked.effective) & permitted;
    let inheritable = read("inheritable", &asked.inheritable);
    // The kernel holds the ambient set below both of these (capabilities(7)).
    let ambient = read("ambient", &asked.ambient) & permitted & inheritable;
    Sets {
        bounding,
        effective,
        permitted,
        inheritable,
        ambient,
    }
}
