//! The image of the tests: busybox, without a network and without an engine.
//!
//! Written as a root file system, a tar of it (Podman and Docker import that) and an OCI archive
//! (containerd imports that), by the `tar` and `sha256sum` of the system.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::shell::Shell;

/// What images are made from; Debian's `busybox-static`.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// The image in its three forms.
pub(crate) struct Image {
    /// `docker import` and `podman import` take it.
    pub(crate) tar: PathBuf,
    /// `ctr image import` takes it; holds [`NAME`] and [`SANDBOX`].
    pub(crate) oci: PathBuf,
}

/// What the image is called in every engine.
pub(crate) const NAME: &str = "localhost/busybox:1";
/// The same with an entry point that sleeps, which CRI needs for its sandboxes.
pub(crate) const SANDBOX: &str = "localhost/sandbox:1";

/// Make a root file system of busybox in `root`.
///
/// # Errors
/// What could not be written.
pub(crate) fn rootfs(root: &Path, shell: &Shell) -> Result<(), String> {
    let io = |error: std::io::Error| format!("{}: {error}", root.display());
    for dir in [
        "bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "tmp", "usr/bin",
        "var/tmp",
    ] {
        fs::create_dir_all(root.join(dir)).map_err(io)?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).map_err(io)?;
    fs::copy(BUSYBOX, root.join("bin/busybox")).map_err(io)?;
    for applet in shell.ok(&[BUSYBOX, "--list"])?.lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet)).map_err(io)?;
        }
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/home:/bin/sh\n";
    fs::write(root.join("etc/passwd"), passwd).map_err(io)?;
    fs::write(
        root.join("etc/group"),
        "root:x:0:\nguest:x:1000:\nextra:x:2000:guest\n",
    )
    .map_err(io)
}

/// Make all forms below `work`.
///
/// # Errors
/// What could not be written, or the tool that failed.
pub(crate) fn make(work: &Path, shell: &Shell) -> Result<Image, String> {
    let root = work.join("image/rootfs");
    rootfs(&root, shell)?;
    let tar = work.join("image/rootfs.tar");
    pack(shell, &root, &tar)?;
    let oci = oci_archive(work, &tar, shell)?;
    Ok(Image { tar, oci })
}

fn pack(shell: &Shell, dir: &Path, tar: &Path) -> Result<(), String> {
    let (dir, tar) = (dir.display().to_string(), tar.display().to_string());
    shell
        .ok(&[
            "tar",
            "--numeric-owner",
            "--owner=0",
            "--group=0",
            "-C",
            &dir,
            "-cf",
            &tar,
            ".",
        ])
        .map(drop)
}

fn oci_archive(work: &Path, tar: &Path, shell: &Shell) -> Result<PathBuf, String> {
    let layout = work.join("image/oci");
    let io = |error: std::io::Error| format!("{}: {error}", layout.display());
    fs::create_dir_all(layout.join("blobs/sha256")).map_err(io)?;
    let layer = blob(&layout, &fs::read(tar).map_err(io)?, shell)?;
    let mut manifests = Vec::new();
    for (name, entrypoint) in [
        (NAME, ""),
        (SANDBOX, r#","Entrypoint":["/bin/sleep","100000"]"#),
    ] {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Env":["PATH=/bin:/usr/bin"]{entrypoint}}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
            layer.digest
        );
        let config = blob(&layout, config.as_bytes(), shell)?;
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
            config.descriptor("config.v1+json", ""),
            layer.descriptor("layer.v1.tar", "")
        );
        let manifest = blob(&layout, manifest.as_bytes(), shell)?;
        let reference = format!(
            r#","annotations":{{"io.containerd.image.name":"{name}","org.opencontainers.image.ref.name":"1"}}"#
        );
        manifests.push(manifest.descriptor("manifest.v1+json", &reference));
    }
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        manifests.join(",")
    );
    fs::write(layout.join("index.json"), index).map_err(io)?;
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .map_err(io)?;
    let archive = work.join("image/oci.tar");
    pack(shell, &layout, &archive)?;
    Ok(archive)
}

struct Blob {
    digest: String,
    size: usize,
}

impl Blob {
    fn descriptor(&self, kind: &str, more: &str) -> String {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{}","size":{}{more}}}"#,
            self.digest, self.size
        )
    }
}

fn blob(layout: &Path, bytes: &[u8], shell: &Shell) -> Result<Blob, String> {
    let dir = layout.join("blobs/sha256");
    let io = |error: std::io::Error| format!("{}: {error}", dir.display());
    let unnamed = dir.join("unnamed");
    fs::write(&unnamed, bytes).map_err(io)?;
    let line = shell.ok(&["sha256sum", &unnamed.display().to_string()])?;
    let digest = line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    fs::rename(&unnamed, dir.join(&digest)).map_err(io)?;
    Ok(Blob {
        digest,
        size: bytes.len(),
    })
}
