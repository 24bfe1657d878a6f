//! Capabilities: a small set by default, the flags' additions and removals, the rest dropped for ever.

use lockstep_abi::capability::{CapSet, Capability};
use lockstep_oci::runtime::Capabilities;

use super::{Input, Resolved, wrong};
use crate::argv;
use crate::failure::Failure;

/// What programs need to become another user and to look after their own files. Of Docker's fourteen these are
/// left out: MKNOD and AUDIT_WRITE do nothing in a user namespace, NET_RAW forges packets, SETFCAP and SETPCAP
/// make capabilities for later, SYS_CHROOT is a way out of paths that other programs trust.
pub(crate) const DEFAULT: [Capability; 8] = [
    Capability::CHOWN,
    Capability::DAC_OVERRIDE,
    Capability::FOWNER,
    Capability::FSETID,
    Capability::KILL,
    Capability::NET_BIND_SERVICE,
    Capability::SETGID,
    Capability::SETUID,
];

/// Sets the five sets; what the process can have at most is what the filter is made for.
pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<CapSet, Failure> {
    let args = input.args;
    let (added, dropped) = (args.texts("cap-add")?, args.texts("cap-drop")?);
    let privileged = args.flag("privileged");
    let granted = decide(&added, &dropped, privileged)?;
    let flags = privileged || !added.is_empty() || !dropped.is_empty();
    let list = names(granted);
    out.note(
        "process.capabilities",
        if list.is_empty() {
            "none".to_owned()
        } else {
            list.join(" ")
        },
        super::origin(flags),
        "--cap-add, --cap-drop",
    );
    if privileged {
        out.warn(
            "--privileged gives every capability over what the container's user namespace owns, no filter of \
             system calls, no masked and no read-only paths; devices and the host's own files stay out",
        );
    }
    // Another user than root gets nothing but what was asked for: execve(2) would take it away anyway.
    let process = out.process();
    let root = process.user.uid == 0;
    let asked = decide(&added, &["ALL"], false)
        .unwrap_or(CapSet::EMPTY)
        .intersection(granted);
    let held = names(if root { granted } else { asked });
    process.capabilities = Some(Capabilities {
        bounding: list,
        effective: held.clone(),
        permitted: held.clone(),
        inheritable: if root { Vec::new() } else { held.clone() },
        ambient: if root { Vec::new() } else { held },
    });
    Ok(granted)
}

/// `ALL` first, then single names: adding wins over dropping all, dropping one wins over adding all.
fn decide(added: &[&str], dropped: &[&str], privileged: bool) -> Result<CapSet, Failure> {
    let all = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let mut set = match (privileged || all(added), all(dropped)) {
        (true, _) => CapSet::ALL,
        (false, true) => CapSet::EMPTY,
        (false, false) => DEFAULT.iter().fold(CapSet::EMPTY, |mut set, capability| {
            set.insert(*capability);
            set
        }),
    };
    for (option, names) in [("cap-add", added), ("cap-drop", dropped)] {
        for name in names
            .iter()
            .filter(|name| !name.eq_ignore_ascii_case("all"))
        {
            let capability = find(name).ok_or_else(|| unknown(option, name))?;
            match option {
                "cap-add" => set.insert(capability),
                _ => set.remove(capability),
            }
        }
    }
    Ok(set)
}

/// By its name with or without CAP_, in any case.
fn find(name: &str) -> Option<Capability> {
    let upper = name.to_ascii_uppercase();
    let full = match upper.strip_prefix("CAP_") {
        Some(_) => upper,
        None => format!("CAP_{upper}"),
    };
    Capability::from_name(&full)
}

fn unknown(option: &str, name: &str) -> Failure {
    let failure = wrong(option, name, "a capability or ALL");
    let upper = name.to_ascii_uppercase();
    let short = upper.trim_start_matches("CAP_");
    let known = CapSet::ALL
        .iter()
        .map(|capability| capability.name().trim_start_matches("CAP_"));
    match argv::nearest(short, known) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    }
}

fn names(set: CapSet) -> Vec<String> {
    set.iter()
        .map(|capability| capability.name().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Docker's default (its documentation, "Runtime privilege and Linux capabilities").
    const DOCKER: [Capability; 14] = [
        Capability::AUDIT_WRITE,
        Capability::CHOWN,
        Capability::DAC_OVERRIDE,
        Capability::FOWNER,
        Capability::FSETID,
        Capability::KILL,
        Capability::MKNOD,
        Capability::NET_BIND_SERVICE,
        Capability::NET_RAW,
        Capability::SETFCAP,
        Capability::SETGID,
        Capability::SETPCAP,
        Capability::SETUID,
        Capability::SYS_CHROOT,
    ];

    #[test]
    fn the_default_is_less_than_docker_s() {
        assert!(DEFAULT.iter().all(|capability| DOCKER.contains(capability)));
        assert!(DEFAULT.len() < DOCKER.len());
    }

    #[test]
    fn flags_add_and_drop() {
        let of = |added: &[&str], dropped: &[&str]| decide(added, dropped, false).map(CapSet::len);
        assert_eq!(of(&[], &[]), Ok(8));
        assert_eq!(of(&["net_raw"], &[]), Ok(9));
        assert_eq!(of(&["CAP_NET_RAW"], &["all"]), Ok(1));
        assert_eq!(of(&["ALL"], &["SYS_ADMIN"]), Ok(CapSet::ALL.len() - 1));
        assert_eq!(of(&[], &["chown", "Kill"]), Ok(6));
        assert!(of(&["everything"], &[]).is_err());
    }
}
