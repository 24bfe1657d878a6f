//! Debian packages that tests need, installed without starting a service.
//!
//! A fresh machine has none of the engines. Their packages start daemons when they are installed,
//! which would change the machine's mounts and cgroups under the tests: `policy-rc.d` says no.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// What `cargo xtask test` installs.
pub(crate) const FOR_TESTS: &[&str] = &[
    "podman",
    "crun",
    "runc",
    "docker.io",
    "containerd",
    "busybox-static",
    "uidmap",
    "musl-tools",
    "skopeo",
    "conmon",
    "slirp4netns",
    "passt",
    "containernetworking-plugins",
    "golang-github-containers-common",
    "libseccomp-dev",
    "jq",
    "iproute2",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "nftables",
    "iptables",
    "strace",
    "systemd",
    "gcc",
    "libc6-dev",
    "nginx-light",
    "redis-server",
    "postgresql",
    "nodejs",
    "python3",
    "git",
    "debootstrap",
    "umoci",
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing of `packages`. The error says why nothing could be installed; the
/// groups that need a package then skip themselves.
pub(crate) fn install(packages: &[&str]) -> Result<(), Failure> {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !super::is_root() {
        return Err(Failure::new(format!("not root, so not installed: {list}")));
    }
    if !super::has_program("apt-get") {
        return Err(Failure::new(format!(
            "no apt-get, so not installed: {list}"
        )));
    }
    println!("installing {list}");
    let policy = Policy::put()?;
    let updated = apt(&["update"]);
    let mut install = vec!["install", "--no-install-recommends"];
    install.extend(&missing);
    let all = apt(&install);
    if all.is_err() {
        // One package that this release does not have must not take the others with it.
        for package in &missing {
            if let Err(failure) = apt(&["install", "--no-install-recommends", package]) {
                println!("not installed: {package}: {failure}");
            }
        }
    }
    drop(policy);
    updated
}

/// Installs a cargo subcommand from the registry, for the full run alone: compiling one takes minutes.
pub(crate) fn install_tool(name: &str) -> Result<(), Failure> {
    println!("installing {name}");
    let mut command = Command::new("cargo");
    command.args(["install", "--locked", "--quiet", name]);
    crate::run::output(&mut command).map(|_| ())
}

fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect()
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${db:Status-Status}", package]);
    crate::run::output(&mut query).is_ok_and(|status| status == "installed")
}

fn apt(args: &[&str]) -> Result<(), Failure> {
    // The limit is for a mirror that does not answer.
    let mut command = Command::new("timeout");
    command
        .args([
            "600",
            "apt-get",
            "-q",
            "-y",
            "-o",
            "DPkg::Lock::Timeout=120",
        ])
        .args(args);
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    crate::run::output(&mut command).map(|_| ())
}

/// Our `policy-rc.d`, removed when the packages are there; a file that was there before stays.
struct Policy(bool);

impl Policy {
    fn put() -> Result<Policy, Failure> {
        let path = Path::new(POLICY);
        if path.exists() {
            return Ok(Policy(false));
        }
        std::fs::write(path, "#!/bin/sh\nexit 101\n")?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
        Ok(Policy(true))
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.0
            && let Err(error) = std::fs::remove_file(POLICY)
        {
            println!("{POLICY}: {error}");
        }
    }
}
