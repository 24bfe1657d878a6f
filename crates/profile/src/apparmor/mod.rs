//! AppArmor: the default profile of containers, as text for apparmor_parser(8).

/// The text, with `NAME` in the place of the profile's name.
const TEMPLATE: &str = include_str!("default.profile");

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
/// is loaded already confines running containers, and is not replaced beneath them.
pub fn default_profile() -> Profile {
    let name = default_name();
    let text = TEMPLATE.replace("NAME", &name);
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
    fn the_profile_is_its_own_peer() {
        let Profile { name, text } = default_profile();
        assert!(text.contains(&format!("profile {name} ")), "{text}");
        assert!(
            text.contains(&format!("signal (send, receive) peer={name},")),
            "{text}"
        );
        assert!(!text.contains("NAME"), "{text}");
    }
}
