//! AppArmor: the default profile of containers, as text for apparmor_parser(8).

use lockstep_abi::capability::Capability;

/// Capabilities that the profile refuses, whoever gave them: they end AppArmor's confinement itself.
pub const REFUSED: [Capability; 3] = [
    Capability::MAC_ADMIN,
    Capability::MAC_OVERRIDE,
    Capability::SYS_MODULE,
];

/// What the parser is to take for the kernel that the text was written for (apparmor.d(5), "Policy feature ABI"; AppArmor
/// 3.0). Without it that is the parser's or the kernel's own idea, and what is newer than the text and has no rule in it
/// (user namespaces, io_uring, message queues) is then refused on some hosts.
const PINNED: &str = "abi <abi/3.0>,\n";

/// The file that [`PINNED`] names, where parsers before 3.0, which do not know the word, have none.
pub const PINNED_FILE: &str = "/etc/apparmor.d/abi/3.0";

/// The text, with `NAME` in the place of the profile's name.
const TEMPLATE: &str = include_str!("default.profile");

/// The profile of `lockstep` itself, for hosts where only programs with one may make user namespaces. It is no profile of
/// `lockstep-runc`: engines start that one under their own, and their containers' profiles admit signals from those.
pub const PROGRAM: &str = include_str!("program.profile");

/// What the default profile's names begin with.
const PREFIX: &str = "lockstep-default-";

/// A profile that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name: what a process is confined by.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The default profile. Its name carries a hash of its text, so that another version's is another profile: one that
/// is loaded already confines running containers, and is not replaced beneath them. `pinned` where [`PINNED_FILE`] is there.
pub fn default_profile(pinned: bool) -> Profile {
    let name = default_name();
    let before = if pinned { PINNED } else { "" };
    let text = format!("{before}{}", TEMPLATE.replace("NAME", &name));
    Profile { name, text }
}

/// The name of [`default_profile`] alone.
pub fn default_name() -> String {
    format!("{PREFIX}{:016x}", fnv1a(TEMPLATE.as_bytes()))
}

/// FNV-1a of 64 bits: tells texts of one author apart, and nothing else is asked of it.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_fnv1a() {
        // Test vectors of the function's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_profile_is_its_own_peer_alone_and_stacked() {
        let Profile { name, text } = default_profile(false);
        assert!(text.contains(&format!("\nprofile {name} ")), "{text}");
        let peers = format!("peer={{{name},{name}//&**,**//&{name},**//&{name}//&**}},");
        assert_eq!(text.matches(&peers).count(), 2, "{text}");
        assert!(!text.contains("NAME"), "{text}");
    }

    #[test]
    fn the_policy_s_features_are_pinned_where_that_can_be_said() {
        let (pinned, old) = (default_profile(true), default_profile(false));
        assert_eq!(pinned.text, format!("abi <abi/3.0>,\n{}", old.text));
        assert_eq!(pinned.name, old.name);
        assert!(PINNED_FILE.ends_with("/etc/apparmor.d/abi/3.0"));
    }

    #[test]
    fn the_documents_have_the_program_s_profile() {
        let page = include_str!("../../../../docs/hardening.md");
        assert!(page.contains(&format!("```\n{PROGRAM}```\n")));
    }

    #[test]
    fn what_is_refused_is_named() {
        for capability in REFUSED {
            let name = capability.name().trim_start_matches("CAP_").to_lowercase();
            assert!(
                TEMPLATE.contains(&format!("deny capability {name},")),
                "{name}"
            );
        }
        assert_eq!(TEMPLATE.matches("deny capability").count(), REFUSED.len());
    }
}
