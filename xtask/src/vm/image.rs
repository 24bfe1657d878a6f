//! The one root file system of all kinds: Debian's packages, and what the guest runs first.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::kernel::Built;
use super::{cache, label};
use crate::Failure;
use crate::run::output;

/// What the tests call inside. Their dependencies come with them.
const PACKAGES: &[&str] = &[
    "apparmor",
    "attr",
    "auditd",
    "busybox-static",
    "criu",
    "crun",
    "dbus",
    "dbus-user-session",
    "gcc",
    "git",
    "iproute2",
    "jq",
    "kmod",
    "libc6-dev",
    "libcap2-bin",
    "libpam-systemd",
    "nftables",
    "nginx-light",
    "policycoreutils",
    "procps",
    "python3",
    "redis-server",
    "runc",
    "selinux-policy-default",
    "selinux-utils",
    "semodule-utils",
    "strace",
    "systemd",
    "systemd-sysv",
    "time",
    "udev",
    "uidmap",
    "umoci",
];

/// The SELinux module that Lockstep comes with.
const CONTAINER_POLICY: &str = include_str!("../../../crates/profile/src/selinux/container.cil");

/// Files put over the packages: path, mode, text.
const FILES: &[(&str, u32, &str)] = &[
    ("vm/init", 0o755, include_str!("guest/init")),
    ("vm/job", 0o755, include_str!("guest/job")),
    (
        "etc/systemd/system/vmjob.service",
        0o644,
        include_str!("guest/vmjob.service"),
    ),
    (
        "etc/systemd/system/vm.target",
        0o644,
        include_str!("guest/vm.target"),
    ),
    ("etc/fstab", 0o644, "/dev/vda / ext4 noatime 0 0\n"),
    ("etc/hostname", 0o644, "vm\n"),
    ("etc/hosts", 0o644, "127.0.0.1\tlocalhost\n"),
    (
        "etc/selinux/config",
        0o644,
        "SELINUX=permissive\nSELINUXTYPE=default\n",
    ),
    // Debian's policy has no domain for containers.
    ("vm/lockstep-container.cil", 0o644, CONTAINER_POLICY),
    // The user of rootless tests: systemd starts its manager at boot.
    ("var/lib/systemd/linger/u", 0o644, ""),
];

/// Units that only take time, or would load policies and rules beside those of the tests.
const MASKED: &[&str] = &[
    "apparmor.service",
    "auditd.service",
    "e2scrub_reap.service",
    "selinux-autorelabel-mark.service",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp.service",
];

/// Size of the file system; the file is sparse.
const SIZE: &str = "1200M";

/// The image, made where it is not there for these packages, files and kernels.
pub(crate) fn build(target: &Path, kernels: &[Built]) -> Result<PathBuf, Failure> {
    let mut inputs = vec![
        versions()?,
        include_str!("image.rs"),
        include_str!("label.rs"),
        include_str!("guest/init"),
        include_str!("guest/job"),
        include_str!("guest/vmjob.service"),
        include_str!("guest/vm.target"),
        CONTAINER_POLICY,
    ];
    // By their folders, which are named by what is done to a package's modules too.
    let names = kernels
        .iter()
        .filter_map(|kernel| kernel.folder.file_name());
    let names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    inputs.extend(names.iter().map(String::as_str));
    let folder = cache::folder(target, "root", &inputs, |folder| make(folder, kernels))?;
    Ok(folder.join("root.img"))
}

/// The versions that apt would install now of the packages and all that they depend on. It takes seconds to ask.
fn versions() -> Result<&'static str, Failure> {
    static VERSIONS: OnceLock<String> = OnceLock::new();
    if let Some(known) = VERSIONS.get() {
        return Ok(known);
    }
    let script = "set -o pipefail; apt-cache depends --recurse --important \"$@\" | grep '^[a-z0-9]' | sort -u | \
         xargs apt-cache show --no-all-versions 2>/dev/null | grep -E '^(Package|Version):'";
    let mut ask = Command::new("bash");
    let said = output(ask.args(["-c", script, "bash"]).args(PACKAGES))?;
    Ok(VERSIONS.get_or_init(|| said))
}

fn make(folder: &Path, kernels: &[Built]) -> Result<(), Failure> {
    println!(
        "vm: building the root file system from Debian's packages, which takes one to three minutes"
    );
    let root = folder.join("root");
    packages(&root)?;
    for (path, mode, text) in FILES {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&root))?;
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode))?;
    }
    for unit in MASKED {
        let path = root.join("etc/systemd/system").join(unit);
        if !path.exists() {
            symlink("/dev/null", path)?;
        }
    }
    std::fs::create_dir_all(root.join("job"))?;
    for kernel in kernels {
        let mut copy = Command::new("cp");
        copy.arg("-a")
            .arg(kernel.modules())
            .arg(root.join("usr/lib"));
        output(&mut copy)?;
    }
    inside(&root, "useradd -m -u 1000 -s /bin/sh u && ldconfig")?;
    // Before the labels, which are asked of the policy.
    inside(&root, "semodule -n -i /vm/lockstep-container.cil")?;
    label::label(&root)?;
    let mut pack = Command::new("mke2fs");
    // With a journal, for without one ext4 looks at each inode that was removed in the last minutes before it gives one.
    pack.args(["-q", "-t", "ext4", "-J", "size=16", "-b", "4096", "-d"]);
    output(pack.arg(&root).arg(folder.join("root.img")).arg(SIZE))?;
    Ok(std::fs::remove_dir_all(&root)?)
}

/// The packages, from the sources that this machine's apt knows; documentation stays away.
fn packages(root: &Path) -> Result<(), Failure> {
    let mut make = Command::new("mmdebstrap");
    make.args(["--quiet", "--mode=root", "--variant=minbase"]);
    make.arg("--dpkgopt=force-unsafe-io");
    for path in ["doc", "man", "locale", "info"] {
        make.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    make.arg(format!("--include={}", PACKAGES.join(",")));
    make.arg("bookworm").arg(root);
    let sources = Path::new("/etc/apt/sources.list.d/debian.sources");
    if sources.exists() {
        make.arg(sources);
    }
    output(&mut make)?;
    Ok(())
}

/// Runs a script below the new root, without a way to change this machine's mounts.
pub(crate) fn inside(root: &Path, script: &str) -> Result<String, Failure> {
    let mut run = Command::new("unshare");
    run.args(["--mount", "--pid", "--fork", "--kill-child", "--net"]);
    run.arg("--mount-proc").arg("chroot").arg(root);
    // The caller's variables name folders that are not there.
    run.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    output(run.args(["sh", "-ec", script]))
}
