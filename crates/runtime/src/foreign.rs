//! Doors to what reads bytes of others, for the fuzz targets and their smoke run alone; the product has none.
//!
//! State files are root's, but another version's or a full disk's; /proc, passwd files and answers of D-Bus hold
//! what containers and their images choose.

use crate::birth::StoredLent;
use crate::cgroup::dbus;
use crate::init::home_of;
use crate::state::{self, ContainerId, Filter, InitProcess, State};

/// Reads a text as each of the state files. What is read is written and read again without a difference.
///
/// # Panics
///
/// It is not, or an error does not name the file.
pub fn state_file(text: &[u8]) {
    let id = ContainerId::parse("c").expect("an id");
    match state::parse::<State>(text, "state.json", &id) {
        Ok(Some(read)) => {
            let written = serde_json::to_vec(&read).expect("a state serialises");
            let again = state::parse::<State>(&written, "state.json", &id).expect("own output");
            let again = serde_json::to_vec(&again).expect("a state serialises");
            assert_eq!(again, written);
            match read.program() {
                Ok(program) => assert_eq!(program.map(Filter::from), read.filter),
                Err(error) => assert!(
                    error.message.starts_with("state.json of container"),
                    "{error:?}"
                ),
            }
        }
        Ok(None) => {}
        Err(error) => assert!(
            error.message.starts_with("state.json of container c"),
            "{error:?}"
        ),
    }
    drop(state::parse::<InitProcess>(text, "init.json", &id));
    drop(state::parse::<StoredLent>(text, "lent.json", &id));
    drop(state::parse::<state::StoredOutcome>(
        text,
        "outcome.json",
        &id,
    ));
}

/// Reads bytes as a process's stat, a passwd file, a message of the new process and one of D-Bus.
pub fn texts(bytes: &[u8]) {
    assert!(state::stat_fields(bytes).is_none_or(|(state, _)| !state.is_whitespace()));
    let text = String::from_utf8_lossy(bytes);
    assert!(!home_of(0, &text).is_empty());
    drop(ContainerId::parse(&text));
    drop(crate::message::parse(bytes, Vec::new()));
    crate::criu::read_answer(bytes);
    dbus::read_all(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATE: &str = include_str!("../../lockstep-runc/tests/data/schema-1/state.json");

    /// Begins a state that keeps a filter: one instruction, which returns SECCOMP_RET_ALLOW.
    const FILTER: &str = r#"{"filter":{"insns":[1688852007682048],"flags":0},"#;

    #[test]
    fn fields_of_stat_behind_a_hostile_name() {
        let text = |name: &str| format!("7 ({name}) S 1{} 4711 0 0", " 0".repeat(17));
        for name in ["sleep", ") Z 1 2 3", "a) (b", "", "\u{fffd}"] {
            assert_eq!(
                state::stat_fields(text(name).as_bytes()),
                Some(('S', 4711)),
                "{name:?}"
            );
        }
    }

    #[test]
    fn homes() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nbroken\na:x:7:7::\nb:x:8:8:::\nc:x:9:9::/home/c:/bin/sh\n";
        for (uid, home) in [(0, "/root"), (7, "/"), (8, "/"), (9, "/home/c"), (10, "/")] {
            assert_eq!(home_of(uid, passwd), home, "{uid}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_states(
            filter in any::<bool>(),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..8, "[ -~]{0,4}"), 0..4)
        ) {
            let mut text = STATE
                .replacen('{', if filter { FILTER } else { "{" }, 1)
                .replace("@VERSION@", "v2");
            for (index, length, piece) in cuts {
                let start = index.index(text.len());
                let end = (start + length).min(text.len());
                text.replace_range(start..end, &piece);
            }
            state_file(text.as_bytes());
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            texts(&bytes);
            state_file(&bytes);
        }

        #[test]
        fn almost_messages(
            kind in 1_u8..5, fields in 0_u8..40,
            words in proptest::collection::vec(prop_oneof![0_u32..40, any::<u32>()], 0..20)
        ) {
            let mut bytes = vec![kind, fields];
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            texts(&bytes);
        }
    }
}
