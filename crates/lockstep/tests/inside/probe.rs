//! The probe, and the image that is nothing but the probe.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall::Syscall;

const SOURCE: &str = include_str!("inside.c");

pub(crate) struct Image {
    /// As our command line names it: a directory with the probe, and with a copy that is setuid root.
    pub(crate) source: String,
    /// The same as a tar archive.
    pub(crate) tar: PathBuf,
    /// The system calls to try, NAME=NUMBER.
    pub(crate) calls: Vec<String>,
}

pub(crate) fn image(dir: &Path) -> Result<Image, String> {
    let (source, root, tar) = (
        dir.join("inside.c"),
        dir.join("rootfs"),
        dir.join("rootfs.tar"),
    );
    for below in ["proc", "sys", "dev", "etc", "tmp"] {
        std::fs::create_dir_all(root.join(below)).expect("a directory");
    }
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode(&root.join("tmp"), 0o1777);
    // A user's container cannot make mount points in a directory of another's.
    for point in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
        std::fs::write(root.join(point), "").expect("a file");
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("a file");
    std::fs::write(&source, SOURCE).expect("a file");
    let probe = root.join("inside");
    succeed(
        Command::new("gcc")
            .args(["-static", "-O1", "-Wall", "-o"])
            .arg(&probe)
            .arg(&source),
    )?;
    std::fs::copy(&probe, root.join("inside-setuid")).expect("a copy");
    mode(&root.join("inside-setuid"), 0o4755);
    succeed(
        Command::new("tar")
            .arg("-C")
            .arg(&root)
            .args(["--numeric-owner", "-cf"])
            .arg(&tar)
            .arg("."),
    )?;
    Ok(Image {
        source: format!("rootfs:{}", root.display()),
        tar,
        calls: calls(),
    })
}

/// All of this machine's calls, but those that the probe lives by, and sync(2), which would wait for the machine's disks.
/// personality(2) is asked for with arguments that mean something.
fn calls() -> Vec<String> {
    let without = ["fork", "vfork", "sync", "personality"];
    Syscall::all()
        .filter(|call| !without.contains(&call.name()))
        .filter_map(|call| Some(format!("{}={}", call.name(), call.number(Arch::X86_64)?)))
        .collect()
}

/// Runs a command; what it said when it failed.
pub(crate) fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
