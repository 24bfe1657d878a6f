//! `--security-opt`, and what has no other home: no_new_privs, AppArmor, SELinux labels.

use lockstep_abi::capability::CapSet;
use lockstep_oci::runtime::NamespaceType;
use lockstep_profile::{apparmor, selinux};

use super::{Input, Resolved, wrong};
use crate::failure::Failure;
use crate::modules::{Apparmor, Selinux};
use crate::why::Origin;

/// What `--security-opt` said, option by option.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) no_new_privileges: Option<bool>,
    /// `unconfined`, `builtin` or a file.
    pub(super) seccomp: Option<String>,
    apparmor: Option<String>,
    /// user, role, type, level.
    label: [Option<String>; 4],
    label_disabled: bool,
    pub(super) mask: Vec<String>,
    pub(super) unmask: Vec<String>,
    /// Mount options of /proc.
    pub(super) proc: Option<String>,
}

pub(super) fn options(input: &Input<'_>) -> Result<Options, Failure> {
    let mut options = Options::default();
    for text in input.args.texts("security-opt")? {
        options.take(text)?;
    }
    if input.args.flag("privileged") {
        options.no_new_privileges.get_or_insert(false);
        options.seccomp.get_or_insert_with(|| "unconfined".into());
        options.unmask.push("ALL".into());
    }
    Ok(options)
}

impl Options {
    fn take(&mut self, text: &str) -> Result<(), Failure> {
        let takes = "no-new-privileges[=BOOL], seccomp=, apparmor=, label=, mask=, unmask=, \
                     systempaths=unconfined or proc-opts=";
        let wrong = || wrong("security-opt", text, takes);
        // Docker took a colon first and still does.
        let (name, value) = text
            .split_once(['=', ':'])
            .map_or((text, ""), |(name, value)| (name, value));
        match (name, value) {
            ("no-new-privileges", "" | "true") => self.no_new_privileges = Some(true),
            ("no-new-privileges", "false") => self.no_new_privileges = Some(false),
            (_, "") => return Err(wrong()),
            ("seccomp", value) => self.seccomp = Some(value.into()),
            ("apparmor", value) => self.apparmor = Some(value.into()),
            ("label", "disable") => self.label_disabled = true,
            ("label", "nested") => {
                return Err(Failure::new(
                    "--security-opt label=nested is refused: labels inside a container are the host's policy's to allow",
                ));
            }
            ("label", value) => {
                let (part, value) = value.split_once(':').ok_or_else(wrong)?;
                let parts = ["user", "role", "type", "level"];
                let at = parts
                    .iter()
                    .position(|known| *known == part)
                    .ok_or_else(wrong)?;
                self.label[at] = Some(value.into());
            }
            ("mask", value) => self.mask.extend(paths(value).ok_or_else(wrong)?),
            ("unmask", "ALL" | "all") => self.unmask.push("ALL".into()),
            ("unmask", value) => self.unmask.extend(paths(value).ok_or_else(wrong)?),
            ("systempaths", "unconfined") => self.unmask.push("ALL".into()),
            ("proc-opts", value) => self.proc = Some(value.into()),
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// Absolute paths between colons.
fn paths(text: &str) -> Option<Vec<String>> {
    let all: Vec<String> = text.split(':').map(str::to_owned).collect();
    all.iter().all(|path| path.starts_with('/')).then_some(all)
}

pub(super) fn apply(
    input: &Input<'_>,
    options: &Options,
    granted: CapSet,
    out: &mut Resolved,
) -> Result<(), Failure> {
    let given = options.no_new_privileges;
    let set = given.unwrap_or(true);
    out.process().no_new_privileges = set;
    let change = "--security-opt no-new-privileges=false";
    out.note(
        "process.noNewPrivileges",
        set.to_string(),
        super::origin(given.is_some()),
        change,
    );
    apparmor_profile(input, options, granted, out)?;
    labels(input, options, out)?;
    if input.args.flag("privileged") {
        out.note("privileged", "true", Origin::Flag, "--privileged");
    }
    Ok(())
}

fn apparmor_profile(
    input: &Input<'_>,
    options: &Options,
    granted: CapSet,
    out: &mut Resolved,
) -> Result<(), Failure> {
    let (profile, given) = match options.apparmor.as_deref() {
        Some("unconfined") => return Ok(()),
        Some(profile) => (profile.to_owned(), true),
        None if input.args.flag("privileged") => return Ok(()),
        None => match (input.sight.apparmor)()? {
            Apparmor::Off => return Ok(()),
            Apparmor::Ready => (apparmor::default_name(), false),
            Apparmor::Unavailable(why) => {
                out.warn(format!(
                    "AppArmor does not confine this container: the default profile is not loaded, {why}"
                ));
                return Ok(());
            }
        },
    };
    let change = match given {
        true => "--security-opt apparmor=",
        false => "--security-opt apparmor=unconfined",
    };
    out.note(
        "process.apparmorProfile",
        &*profile,
        super::origin(given),
        change,
    );
    out.process().apparmor_profile = Some(profile);
    // In a user namespace of its own they would be none over the host in any case.
    let namespaces = &out.linux().namespaces;
    let hosts = namespaces.iter().all(|it| it.kind != NamespaceType::User);
    let refused = apparmor::REFUSED
        .iter()
        .filter(|one| granted.contains(**one));
    let refused: Vec<&str> = refused.map(|one| one.name()).collect();
    if !given && hosts && !refused.is_empty() {
        out.warn(format!(
            "the default AppArmor profile refuses {}, which --security-opt apparmor=unconfined gives back",
            refused.join(" ")
        ));
    }
    Ok(())
}

/// The label of the container's processes, and that of its files at the same level.
fn labels(input: &Input<'_>, options: &Options, out: &mut Resolved) -> Result<(), Failure> {
    let given = options.label.iter().any(Option::is_some);
    if options.label_disabled || input.args.flag("privileged") && !given {
        return Ok(());
    }
    // What is asked for where it is off the runtime refuses.
    if !given {
        match (input.sight.selinux)()? {
            Selinux::Ready => {}
            Selinux::Off => return Ok(()),
            Selinux::WithoutContainers => {
                out.warn(
                    "SELinux does not confine this container: the loaded policy has no container_t, lockstep doctor has \
                     the line that adds it",
                );
                return Ok(());
            }
        }
    }
    let level = input
        .level
        .map_or_else(|| level(input.block, input.id), str::to_owned);
    let defaults = ["system_u", "system_r", selinux::PROCESS_TYPE, &level];
    let parts = options.label.iter().zip(defaults);
    let parts: Vec<&str> = parts
        .map(|(given, default)| given.as_deref().unwrap_or(default))
        .collect();
    let label = parts.join(":");
    let change = match given {
        true => "--security-opt label=",
        false => "--security-opt label=disable",
    };
    let origin = super::origin(given);
    out.note("process.selinuxLabel", label.clone(), origin, change);
    out.process().selinux_label = Some(label);
    let files = format!("{}:object_r:{}:{}", parts[0], selinux::FILE_TYPE, parts[3]);
    out.note("linux.mountLabel", files.clone(), origin, change);
    out.linux().mount_label = Some(files);
    Ok(())
}

/// The two categories that a container takes where nobody else has them. They are counted by the block of user ids, which
/// is one container's of its store. What has no block takes them out of its id, which is random.
pub(crate) fn level(block: Option<u32>, id: &str) -> String {
    use crate::container::{BLOCK_SIZE, FIRST_BLOCK};
    match block {
        Some(first) => selinux::level_of(first.saturating_sub(FIRST_BLOCK) / BLOCK_SIZE),
        None => {
            let digits = id.get(..8).unwrap_or_default();
            selinux::level_at_random(u32::from_str_radix(digits, 16).unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Options, Failure> {
        let mut options = Options::default();
        texts
            .iter()
            .try_for_each(|text| options.take(text))
            .map(|()| options)
    }

    #[test]
    fn options_are_read_in_every_spelling() {
        let options = read(&[
            "no-new-privileges:false",
            "seccomp=unconfined",
            "label=type:x_t",
            "unmask=/proc/acpi:/sys/firmware",
        ])
        .expect("options");
        assert_eq!(options.no_new_privileges, Some(false));
        assert_eq!(options.seccomp.as_deref(), Some("unconfined"));
        assert_eq!(options.label[2].as_deref(), Some("x_t"));
        assert_eq!(options.unmask, ["/proc/acpi", "/sys/firmware"]);
    }

    #[test]
    fn nothing_is_ignored() {
        for wrong in [
            "",
            "seccomp",
            "seccomp=",
            "no-new-privileges=maybe",
            "mask=relative",
            "label=x",
            "magic=1",
        ] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
    }
}
