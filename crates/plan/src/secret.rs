//! Secrets: files in memory at paths of the container, whose content nothing prints.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::mount_options::Attributes;
use crate::step::{Op, Plan, Source};
use crate::{Error, Result, RootPath};
use lockstep_abi::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY,
};

/// Where those that say no absolute path are found.
pub const DIRECTORY: &str = "/run/secrets";

/// A value that is in no output of a plan.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(Vec<u8>);

impl Hidden {
    /// Hides a value.
    pub fn new(value: Vec<u8>) -> Hidden {
        Hidden(value)
    }

    /// The value, for who puts it where it belongs.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str("hidden")
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// A name in [`DIRECTORY`], or an absolute path.
    pub target: String,
    /// Its content.
    pub value: Hidden,
    /// Permission bits.
    pub mode: u32,
    /// Owner, in the container.
    pub uid: u32,
    /// Group, in the container.
    pub gid: u32,
}

/// Mounts them, behind everything else, so that nothing covers them.
pub(crate) fn plan(plan: &mut Plan, secrets: &[Secret]) -> Result<()> {
    for secret in secrets {
        let name = &secret.target;
        let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        let path = name.starts_with('/') && !name.split('/').any(|part| part == "..");
        if !plain && !path {
            let reason = "a name without a slash, or an absolute path";
            return Err(Error::new("<secrets>", name, reason));
        }
    }
    if secrets.is_empty() {
        return Ok(());
    }
    let op = Op::Bind {
        source: Source::Secrets(secrets.to_vec()),
        recursive: false,
        attributes: Attributes {
            set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
            ..Attributes::default()
        },
        target: RootPath::new(DIRECTORY),
        nofollow: false,
    };
    plan.init("<secrets>", op);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(target: &str) -> Secret {
        Secret {
            target: target.into(),
            value: Hidden::new(b"hush".to_vec()),
            mode: 0o444,
            uid: 0,
            gid: 0,
        }
    }

    #[test]
    fn nothing_prints_a_value() {
        let mut made = Plan::default();
        plan(&mut made, &[secret("key"), secret("/etc/key")]).expect("a plan");
        let json = serde_json::to_string(&made.steps).expect("JSON");
        for shown in [made.to_string(), format!("{made:?}"), json] {
            assert!(!shown.contains("hush") && !shown.contains("104"), "{shown}");
            assert!(shown.contains("key"), "{shown}");
        }
    }

    #[test]
    fn targets_are_names_or_absolute_paths() {
        for wrong in ["", "..", "a/b", "/etc/../key"] {
            assert!(
                plan(&mut Plan::default(), &[secret(wrong)]).is_err(),
                "{wrong}"
            );
        }
    }
}
