//! `--security-opt`, and what has no other home: no_new_privs, AppArmor, SELinux labels.

use super::{Input, Resolved, wrong};
use crate::failure::Failure;
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

pub(super) fn apply(input: &Input<'_>, options: &Options, out: &mut Resolved) {
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
    if let Some(profile) = options
        .apparmor
        .as_deref()
        .filter(|name| *name != "unconfined")
    {
        out.process().apparmor_profile = Some(profile.into());
        out.note(
            "process.apparmorProfile",
            profile,
            Origin::Flag,
            "--security-opt apparmor=",
        );
    }
    if !options.label_disabled && options.label.iter().any(Option::is_some) {
        let defaults = ["system_u", "system_r", "container_t", "s0"];
        let parts = options.label.iter().zip(defaults);
        let label: Vec<&str> = parts
            .map(|(given, default)| given.as_deref().unwrap_or(default))
            .collect();
        let label = label.join(":");
        out.note(
            "process.selinuxLabel",
            label.clone(),
            Origin::Flag,
            "--security-opt label=",
        );
        out.process().selinux_label = Some(label);
    }
    if input.args.flag("privileged") {
        out.note("privileged", "true", Origin::Flag, "--privileged");
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
