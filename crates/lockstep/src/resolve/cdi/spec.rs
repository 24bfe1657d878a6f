//! A vendor's description of devices (CDI, the Container Device Interface, SPEC.md of version 1.0.0), as JSON.
//!
//! Root wrote the file, or a vendor's program that root started. All the same what is not known is an error: a field that
//! was left out in silence could be the one that makes the device work, or that holds it back.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Largest file that is read, in bytes. A machine of eight graphics cards has 60 KiB.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Most devices of a file, and most edits of one kind.
const MOST: usize = 4096;

/// A file's content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) cdi_version: String,
    /// `VENDOR/CLASS`.
    pub(crate) kind: String,
    /// About the file; nothing is done by them.
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    pub(crate) devices: Vec<Device>,
    /// What each of the devices needs.
    #[serde(default)]
    pub(crate) container_edits: Edits,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) name: String,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) container_edits: Edits,
}

/// What changes in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Edits {
    pub(crate) env: Vec<String>,
    pub(crate) device_nodes: Vec<Node>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) intel_rdt: Option<serde_json::Value>,
    #[serde(rename = "additionalGids")]
    pub(crate) additional_gids: Vec<u32>,
    pub(crate) net_devices: Vec<serde_json::Value>,
}

/// A device file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Node {
    /// In the container.
    pub(crate) path: String,
    pub(crate) host_path: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) major: Option<i64>,
    pub(crate) minor: Option<i64>,
    pub(crate) file_mode: Option<u32>,
    pub(crate) permissions: Option<String>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mount {
    pub(crate) host_path: String,
    pub(crate) container_path: String,
    #[serde(default)]
    pub(crate) options: Vec<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
}

/// A program that the vendor wants to be executed beside the container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Hook {
    pub(crate) hook_name: String,
    pub(crate) path: String,
    #[serde(default, rename = "args")]
    _args: Vec<String>,
    #[serde(default, rename = "env")]
    _env: Vec<String>,
    #[serde(default, rename = "timeout")]
    _timeout: Option<i64>,
}

/// Reads a file's text.
///
/// # Errors
///
/// What is wrong, with line and column or field and value.
pub(crate) fn parse(text: &[u8]) -> Result<Spec, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("{} bytes are more than {MAX_BYTES}", text.len()));
    }
    let spec: Spec = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    // 1.1 adds network devices, which are refused by name.
    let known = |version: &str| {
        let mut numbers = version.split('.').map(str::parse::<u8>);
        let parts = [(); 4].map(|()| numbers.next());
        matches!(
            parts,
            [Some(Ok(0)), Some(Ok(2..)), Some(Ok(_)), None]
                | [Some(Ok(1)), Some(Ok(0 | 1)), Some(Ok(_)), None]
        )
    };
    if !known(&spec.cdi_version) {
        return Err(format!(
            "cdiVersion {:?} is not known, 0.2.0 to 1.1.0 are",
            spec.cdi_version
        ));
    }
    if !spec
        .kind
        .split_once('/')
        .is_some_and(|(vendor, class)| is_vendor(vendor) && is_class(class))
    {
        return Err(format!("kind {:?} is no VENDOR/CLASS", spec.kind));
    }
    if spec.devices.len() > MOST {
        return Err(format!(
            "{} devices are more than {MOST}",
            spec.devices.len()
        ));
    }
    let mut names: Vec<&str> = spec.devices.iter().map(|device| &*device.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("device {:?} is described twice", twice[0]));
    }
    for device in &spec.devices {
        if !is_name(&device.name) {
            return Err(format!("{:?} is no name of a device", device.name));
        }
        check(&device.container_edits)?;
    }
    check(&spec.container_edits)?;
    Ok(spec)
}

fn check(edits: &Edits) -> Result<(), String> {
    let counts = [
        edits.env.len(),
        edits.device_nodes.len(),
        edits.mounts.len(),
        edits.hooks.len(),
    ];
    if let Some(count) = counts.into_iter().find(|count| *count > MOST) {
        return Err(format!("{count} edits are more than {MOST}"));
    }
    let variable =
        |entry: &&String| !entry.starts_with('=') && entry.contains('=') && !entry.contains('\0');
    if let Some(wrong) = edits.env.iter().find(|entry| !variable(entry)) {
        return Err(format!("env {wrong:?} is no NAME=VALUE"));
    }
    let nodes = edits.device_nodes.iter();
    let mounts = edits.mounts.iter();
    let paths = nodes
        .flat_map(|node| [Some(&node.path), node.host_path.as_ref()])
        .flatten()
        .chain(mounts.flat_map(|mount| [&mount.host_path, &mount.container_path]));
    match paths.into_iter().find(|path| !is_plain(path)) {
        Some(path) => Err(format!("{path:?} is no absolute path without \"..\"")),
        None => Ok(()),
    }
}

fn is_plain(path: &str) -> bool {
    path.len() > 1
        && path.starts_with('/')
        && !path.contains('\0')
        && path.split('/').all(|part| part != "..")
}

/// A device as it is typed: `VENDOR/CLASS=NAME`.
pub(crate) fn qualified(text: &str) -> Option<(&str, &str)> {
    let (kind, name) = text.split_once('=')?;
    let (vendor, class) = kind.split_once('/')?;
    (is_vendor(vendor) && is_class(class) && is_name(name)).then_some((kind, name))
}

fn is_vendor(text: &str) -> bool {
    is_word(text, "_-.") && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_class(text: &str) -> bool {
    is_word(text, "_-") && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_name(text: &str) -> bool {
    is_word(text, "_-.:")
}

/// Letters and digits, and these in between.
fn is_word(text: &str, between: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(plain)
        && text.ends_with(plain)
        && text.len() <= 255
        && text.chars().all(|c| plain(c) || between.contains(c))
}
