//! People's tool and Podman as an ordinary user sees them: with a home, subordinate ids, and no right beyond that.
//!
//! The user exists in the benchmark's mount namespace alone. Who measures is that user too, so that no change of
//! credentials is part of the time.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::engines::{self, IMAGE};
use super::sample::{Case, owned};
use crate::Failure;

const USER: u32 = 54_323;
/// The first of the subordinate ids.
const RANGE: u32 = 700_000;

/// An ordinary user.
pub(crate) struct User {
    home: PathBuf,
    /// The measuring parent as this user.
    pub(crate) measure: PathBuf,
}

impl User {
    /// Makes the user and the home; the machine keeps its own.
    pub(crate) fn new(folder: &Path, measure: &Path) -> Result<User, Failure> {
        let user = User {
            home: folder.join("user"),
            measure: folder.join("measure-as-user"),
        };
        let at = user.home.display();
        let script = format!(
            "set -e; mount --make-rshared /; mkdir -p {at} /run/user/{USER}\n\
             printf 'root:x:0:0:root:/root:/bin/sh\\nbench:x:{USER}:{USER}::{at}:/bin/sh\\n' >{at}/passwd\n\
             printf 'root:x:0:\\nbench:x:{USER}:\\n' >{at}/group\n\
             printf 'bench:{RANGE}:65536\\n' >{at}/ranges\n\
             mount --bind {at}/passwd /etc/passwd; mount --bind {at}/group /etc/group\n\
             mount --bind {at}/ranges /etc/subuid; mount --bind {at}/ranges /etc/subgid\n\
             chown {USER}:{USER} {at} /run/user/{USER}; chmod 700 /run/user/{USER}"
        );
        crate::run::output(Command::new("sh").args(["-c", &script]))?;
        let measuring = format!(
            "#!/bin/sh\ncd {at} && exec {}\n",
            user.words(&[&measure.to_string_lossy()]).join(" ")
        );
        std::fs::write(&user.measure, measuring)?;
        std::fs::set_permissions(&user.measure, PermissionsExt::from_mode(0o755))?;
        Ok(user)
    }

    /// A command line as this user, with nothing of the caller's environment.
    fn words(&self, args: &[&str]) -> Vec<String> {
        let mut words = owned(&["/usr/bin/setpriv", "--clear-groups"]);
        words.push(format!("--reuid={USER}"));
        words.push(format!("--regid={USER}"));
        words.extend(owned(&[
            "/usr/bin/env",
            "-i",
            "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
        ]));
        words.push(format!("HOME={}", self.home.display()));
        words.push(format!("XDG_RUNTIME_DIR=/run/user/{USER}"));
        words.extend(owned(args));
        words
    }

    /// `lockstep run` of an OCI layout, which is in the user's store after this.
    pub(crate) fn lockstep(&self, program: &str, layout: &Path) -> Result<Case, Failure> {
        let image = format!("oci:{}", layout.display());
        self.case(
            "lockstep run oci:",
            &[program, "run", "--rm", &image, "/bin/true"],
        )
    }

    /// `podman run` of the same files.
    pub(crate) fn podman(&self, archive: &Path) -> Result<Case, Failure> {
        let at = self.home.join("engine");
        let settings = engines::settings(&at)?;
        std::os::unix::fs::chown(&at, Some(USER), Some(USER))?;
        let podman: Vec<&str> = settings.iter().map(String::as_str).collect();
        let archive = archive.to_string_lossy();
        super::status(
            &self.words(&[&podman[..], &["import", "--quiet", &archive, IMAGE]].concat()),
        )?;
        let run = ["run", "--rm", "--network", "none", IMAGE, "/bin/true"];
        self.case("podman run", &[&podman[..], &run].concat())
    }

    /// A case that works.
    fn case(&self, name: &str, args: &[&str]) -> Result<Case, Failure> {
        super::status(&self.words(args))?;
        Ok(Case {
            name: name.into(),
            commands: vec![owned(args)],
        })
    }
}
