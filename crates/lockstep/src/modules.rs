//! The security modules that confine a container besides everything else: AppArmor by a profile, SELinux by labels.
//! What of them this host has is found out here, and the default profile is loaded.

use lockstep_abi::errno::Errno;
use lockstep_kernel::command::{self, Ended};
use lockstep_kernel::process::{Exit, Image};
use lockstep_kernel::{capability, credential, file};
use lockstep_oci::runtime::Spec;
use lockstep_profile::{apparmor, selinux};

use crate::failure::{Doing, Failure};

/// CAP_MAC_ADMIN: AppArmor's policy may be changed.
const MAC_ADMIN: u64 = 1 << 33;
/// The profiles that are loaded, a directory each, which users may list too (Linux 4.13).
const DIRECTORIES: &str = "/sys/kernel/security/apparmor/policy/profiles";
/// The same with their modes, for root alone.
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";
/// Takes policies: from whoever the kernel lets change them, in its namespaces.
const REPLACE: &str = "/sys/kernel/security/apparmor/.replace";
/// Where distributions have the parser.
const PARSERS: [&str; 2] = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"];
/// What the parser may take, in seconds.
const PATIENCE_S: i64 = 60;

/// What AppArmor does for a container that asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Apparmor {
    /// It is off.
    #[default]
    Off,
    /// The default profile is loaded, or can be.
    Ready,
    /// It is on, and this is why the default profile is not there.
    Unavailable(String),
}

/// What SELinux does for a container that asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Selinux {
    /// It is off.
    #[default]
    Off,
    /// The loaded policy has a domain for containers.
    Ready,
    /// It has none.
    WithoutContainers,
}

/// Finds out what AppArmor does. Where it is off that is one file that is not there.
pub(crate) fn probe_apparmor() -> Result<Apparmor, Failure> {
    const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
    if !read(ENABLED, 16)?.is_some_and(|text| text.starts_with('Y')) {
        return Ok(Apparmor::Off);
    }
    if is_loaded(&apparmor::default_name())? {
        return Ok(Apparmor::Ready);
    }
    let effective = capability::get().doing(|| "capabilities".into())?.effective;
    Ok(match (effective & MAC_ADMIN != 0, parser()) {
        (true, Some(_)) if may_load()? => Apparmor::Ready,
        (true, Some(_)) => Apparmor::Unavailable(
            "the kernel takes policies from root of the host alone, or they are locked".into(),
        ),
        (true, None) => Apparmor::Unavailable("there is no apparmor_parser to load it".into()),
        (false, _) if credential::euid() == 0 => {
            Apparmor::Unavailable("loading it needs CAP_MAC_ADMIN".into())
        }
        (false, _) => {
            Apparmor::Unavailable("root has not loaded it; its first container does".into())
        }
    })
}

/// Whether the kernel takes policies from this process. The capability alone does not say: in a user namespace it is one
/// over that namespace, which owns policies only where AppArmor's own are namespaces too. So it is tried, with a policy of
/// no profile, which the kernel refuses as such after it has judged the sender.
fn may_load() -> Result<bool, Failure> {
    match file::write(file::CWD, REPLACE, b"") {
        Ok(()) => Ok(true),
        Err(e) if e.is(&[Errno::EINVAL.0]) => Ok(true),
        // ENOENT: securityfs is not mounted, as in other containers.
        Err(e)
            if e.is(&[
                Errno::EACCES.0,
                Errno::EPERM.0,
                Errno::EROFS.0,
                Errno::ENOENT.0,
            ]) =>
        {
            Ok(false)
        }
        Err(e) => Err(Failure::call("asking AppArmor who may load profiles", &e)),
    }
}

/// The same of SELinux.
pub(crate) fn probe_selinux() -> Result<Selinux, Failure> {
    let asked = format!("system_u:system_r:{}:s0", selinux::PROCESS_TYPE);
    // The file has an answer behind each question; that a label is known is the question's success.
    match file::write(file::CWD, "/sys/fs/selinux/context", asked.as_bytes()) {
        Ok(()) => Ok(Selinux::Ready),
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0]) => Ok(Selinux::Off),
        Err(e) if e.is(&[Errno::EINVAL.0]) => Ok(Selinux::WithoutContainers),
        // Who may not ask the policy cannot be given a label that it may not have: the kernel says so at its use.
        Err(e) if e.is(&[Errno::EACCES.0, Errno::EPERM.0, Errno::EROFS.0]) => Ok(Selinux::Off),
        Err(e) => Err(Failure::call("asking SELinux's policy", &e)),
    }
}

/// Whether a container is confined by the profile that Lockstep loads itself.
pub(crate) fn is_default_profile(spec: &Spec) -> bool {
    let process = spec.process.as_ref();
    let profile = process.and_then(|process| process.apparmor_profile.as_deref());
    profile.is_some_and(|profile| profile == apparmor::default_name())
}

/// Loads the default profile where it is not loaded yet.
///
/// # Errors
///
/// What the parser said. A container is not started without what its configuration names.
pub(crate) fn load_default_profile() -> Result<(), Failure> {
    if is_loaded(&apparmor::default_name())? {
        return Ok(());
    }
    let pinned = file::stat(file::CWD, apparmor::PINNED_FILE, true).is_ok();
    let profile = apparmor::default_profile(pinned);
    let what = || format!("loading AppArmor's profile {}", profile.name);
    let Some(parser) = parser() else {
        return Err(Failure::new(format!(
            "{}: there is no apparmor_parser",
            what()
        )));
    };
    let memory = |text: &str| {
        let made = file::memory("lockstep-profile")?;
        file::write_fd(&made, text.as_bytes())?;
        file::rewind(&made).map(|()| made)
    };
    let (text, said) = (memory(&profile.text).doing(what)?, memory("").doing(what)?);
    let args = ["apparmor_parser", "--replace", "--skip-cache", "--quiet"];
    let image = Image::new(parser, args, ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]).doing(what)?;
    use std::os::fd::AsFd;
    match command::run(&image, text.as_fd(), said.as_fd(), Some(PATIENCE_S)).doing(what)? {
        Ended::Exit(Exit::Code(0)) => Ok(()),
        ended => {
            file::rewind(&said).doing(what)?;
            let said = file::read_fd(&said, 4096).doing(what)?;
            let said = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
            Err(
                Failure::new(format!("{}: {parser} ended with {ended:?}: {said}", what()))
                    .hint("--security-opt apparmor=unconfined starts a container without it"),
            )
        }
    }
}

/// Whether a profile is loaded; not, where that cannot be looked up.
fn is_loaded(name: &str) -> Result<bool, Failure> {
    match file::list(file::CWD, DIRECTORIES) {
        // NAME.NUMBER for each.
        Ok(all) => Ok(all
            .iter()
            .any(|one| one.rsplit_once('.').is_some_and(|(one, _)| one == name))),
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::EACCES.0, Errno::EPERM.0]) => {
            let loaded = read(PROFILES, 4 << 20)?.unwrap_or_default();
            Ok(loaded
                .lines()
                .any(|line| line.split(' ').next() == Some(name)))
        }
        Err(e) => Err(Failure::call(DIRECTORIES, &e)),
    }
}

fn parser() -> Option<&'static str> {
    let is_there = |path: &&&str| file::may_execute(file::CWD, path).is_ok();
    PARSERS.iter().find(is_there).copied()
}

fn read(path: &str, limit: usize) -> Result<Option<String>, Failure> {
    match file::read(file::CWD, path, limit) {
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::EACCES.0, Errno::EPERM.0]) => Ok(None),
        other => {
            let text = other.doing(|| path.into())?;
            Ok(Some(String::from_utf8_lossy(&text).into_owned()))
        }
    }
}
