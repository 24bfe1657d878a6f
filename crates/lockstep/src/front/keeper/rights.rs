//! What a keeper gives up: capabilities that no start of its container needs.
//!
//! It keeps what the first start had, because it starts the container again, and a filter, a Landlock domain or
//! no_new_privs of its own would be the container's too. It handles no byte of a stranger: its inputs are the end of one
//! process, the clock and files of its user.

use lockstep_abi::capability::{CapSet, Capability};
use lockstep_abi::errno::Errno;
use lockstep_kernel::capability;
use lockstep_oci::runtime::{NamespaceType, Spec};
use lockstep_profile::apparmor;

use crate::container::Directory;
use crate::failure::{Doing, Failure};

/// What starts and ends of containers take, whatever the container itself may do: files and ids of others, namespaces,
/// mounts, networks, devices, limits, signals and capabilities.
const OF_STARTS: [Capability; 17] = [
    Capability::CHOWN,
    Capability::DAC_OVERRIDE,
    Capability::DAC_READ_SEARCH,
    Capability::FOWNER,
    Capability::FSETID,
    Capability::KILL,
    Capability::SETGID,
    Capability::SETUID,
    Capability::SETPCAP,
    Capability::NET_ADMIN,
    Capability::SYS_CHROOT,
    Capability::SYS_PTRACE,
    Capability::SYS_ADMIN,
    Capability::SYS_NICE,
    Capability::SYS_RESOURCE,
    Capability::MKNOD,
    Capability::SETFCAP,
];

/// Gives the others up for ever, but for those that the container itself is given on the host: without a user namespace of
/// its own its program's are this process's.
///
/// # Errors
///
/// The configuration that cannot be read; the refused call.
pub(super) fn keep_for_starts(directory: &Directory) -> Result<(), Failure> {
    let what = || "giving up capabilities".to_owned();
    let have = capability::get().doing(what)?;
    let wanted = wanted(&directory.spec()?);
    if CapSet::from_bits(have.permitted).contains(Capability::SETPCAP) {
        // EINVAL: the kernel knows no capability of that number.
        for number in (0..64).filter(|number| wanted.bits() & 1 << number == 0) {
            match capability::drop_bounding(number) {
                Err(e) if e.is(&[Errno::EINVAL.0]) => break,
                other => other.doing(what)?,
            }
        }
    }
    capability::keep_only(wanted.bits()).doing(what)
}

fn wanted(spec: &Spec) -> CapSet {
    let mut wanted = CapSet::EMPTY;
    OF_STARTS.into_iter().for_each(|one| wanted.insert(one));
    let linux = spec.linux.as_ref();
    let own_users = linux.is_some_and(|linux| linux.has_namespace(&NamespaceType::User));
    let given = spec
        .process
        .as_ref()
        .and_then(|it| it.capabilities.as_ref());
    if let (false, Some(given)) = (own_users, given) {
        let known = given
            .bounding
            .iter()
            .filter_map(|name| Capability::from_name(name));
        known.for_each(|one| wanted.insert(one));
    }
    // A start loads that one again, where it is no longer loaded.
    let profile = spec
        .process
        .as_ref()
        .and_then(|it| it.apparmor_profile.as_ref());
    if profile.is_some_and(|name| *name == apparmor::default_name()) {
        wanted.insert(Capability::MAC_ADMIN);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_oci::runtime::{Capabilities, Linux, Namespace, Process};

    fn spec(namespaces: Vec<Namespace>) -> Spec {
        let given = Capabilities {
            bounding: vec!["CAP_SYS_TIME".into(), "CAP_CHOWN".into()],
            ..Capabilities::default()
        };
        Spec {
            process: Some(Process {
                capabilities: Some(given),
                ..Process::default()
            }),
            linux: Some(Linux {
                namespaces,
                ..Linux::default()
            }),
            ..Spec::default()
        }
    }

    #[test]
    fn a_container_s_own_are_kept_where_they_are_the_host_s() {
        let users = Namespace {
            kind: NamespaceType::User,
            path: None,
        };
        assert!(wanted(&spec(Vec::new())).contains(Capability::SYS_TIME));
        assert!(!wanted(&spec(vec![users])).contains(Capability::SYS_TIME));
        assert!(!wanted(&spec(Vec::new())).contains(Capability::SYS_MODULE));
    }

    #[test]
    fn the_default_profile_can_be_loaded_again() {
        let with = |profile: &str| {
            let mut spec = spec(Vec::new());
            let process = spec.process.get_or_insert_default();
            process.apparmor_profile = Some(profile.into());
            wanted(&spec).contains(Capability::MAC_ADMIN)
        };
        assert!(with(&apparmor::default_name()));
        assert!(!with("of-the-host"));
        assert!(!wanted(&spec(Vec::new())).contains(Capability::MAC_ADMIN));
    }
}
