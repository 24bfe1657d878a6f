//! A kernel of Debian, in the form in which QEMU starts it fastest, and the first file system that it sees.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache;
use super::kind::Kernel;
use crate::Failure;
use crate::run::output;

/// Modules without which the root file system cannot be mounted or the answer not be written.
const MODULES: [&str; 5] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "ext4",
    "overlay",
];
/// Magic number and program of the compressions that Debian's kernels have.
const PACKED: [([u8; 4], &str); 2] = [
    ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    ([0xfd, b'7', b'z', b'X'], "xz"),
];

/// A kernel ready to boot.
pub(crate) struct Built {
    pub(crate) folder: PathBuf,
}

impl Built {
    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    pub(crate) fn initramfs(&self) -> PathBuf {
        self.folder.join("initramfs")
    }

    /// The folder that has `lib/modules/VERSION`.
    pub(crate) fn modules(&self) -> PathBuf {
        self.folder.join("tree/lib/modules")
    }
}

/// Downloads and prepares the newest build of a kernel.
pub(crate) fn build(kernel: Kernel, target: &Path) -> Result<Built, Failure> {
    let package = newest(kernel)?;
    let name = format!("kernel-{}", kernel.package);
    // With its version, and not by name alone.
    let described =
        output(Command::new("apt-cache").args(["show", "--no-all-versions", &package]))?;
    let inputs = [
        described.as_str(),
        include_str!("kernel.rs"),
        include_str!("guest/first"),
    ];
    let folder = cache::folder(target, &name, &inputs, |folder| make(&package, folder))?;
    Ok(Built { folder })
}

/// The package with the build that a meta package depends on now.
fn newest(kernel: Kernel) -> Result<String, Failure> {
    let depends = output(Command::new("apt-cache").args(["depends", kernel.package]))?;
    let build = depends.lines().find_map(|line| {
        let name = line.trim().strip_prefix("Depends: ")?;
        name.starts_with("linux-image-").then(|| name.to_owned())
    });
    build.ok_or_else(|| Failure::new(format!("{} depends on no linux-image-*", kernel.package)))
}

fn make(package: &str, folder: &Path) -> Result<(), Failure> {
    println!("vm: downloading {package}");
    output(
        Command::new("apt-get")
            .args(["download", package])
            .current_dir(folder),
    )?;
    // This kernel reads no compressed modules, whatever kmod of another release hands to it.
    let unpack = "dpkg-deb -x *.deb tree; rm *.deb; rm -rf tree/usr; \
         find tree/lib/modules -name '*.ko.xz' -exec xz -d {} +; depmod -b tree \"$(ls tree/lib/modules)\"";
    output(Command::new("sh").args(["-ec", unpack]).current_dir(folder))?;
    uncompress(folder)?;
    initramfs(folder)
}

/// The ELF file inside the bzImage: QEMU starts it by PVH, without the decompressor, which takes a second under
/// emulation.
fn uncompress(folder: &Path) -> Result<(), Failure> {
    let boot = std::fs::read_dir(folder.join("tree/boot"))?.flatten();
    let image = boot.map(|entry| entry.path()).find(|path| {
        path.file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz"))
    });
    let image = image.ok_or_else(|| Failure::new("the kernel's package has no vmlinuz"))?;
    let bytes = std::fs::read(&image)?;
    for (at, begin) in bytes.windows(4).enumerate() {
        let Some((_, program)) = PACKED.iter().find(|(magic, _)| begin == magic) else {
            continue;
        };
        let packed = folder.join("packed");
        std::fs::write(&packed, &bytes[at..])?;
        // What follows it is nothing of the compression: the program fails after it has written the kernel.
        let mut unpack = Command::new(program);
        unpack.args(["-d", "-c", "-q"]).stdin(File::open(&packed)?);
        let unpacked = unpack.output()?.stdout;
        std::fs::remove_file(&packed)?;
        if unpacked.starts_with(b"\x7fELF") {
            return Ok(std::fs::write(folder.join("vmlinux"), unpacked)?);
        }
    }
    // Another compression: slower, but it boots.
    std::fs::copy(&image, folder.join("vmlinux"))?;
    Ok(())
}

/// Busybox, the modules in the order of their dependencies, and a script that mounts the real root.
fn initramfs(folder: &Path) -> Result<(), Failure> {
    let tree = folder.join("tree");
    let versions = std::fs::read_dir(tree.join("lib/modules"))?.flatten();
    let version = versions.map(|e| e.file_name()).next();
    let version = version.ok_or_else(|| Failure::new("the kernel's package has no modules"))?;
    let first = folder.join("first");
    for part in ["bin", "dev", "proc", "root", "modules"] {
        std::fs::create_dir_all(first.join(part))?;
    }
    std::fs::copy("/bin/busybox", first.join("bin/busybox"))?;
    let mut order = String::new();
    for module in MODULES {
        let mut ask = Command::new("modprobe");
        ask.arg("-d").arg(&tree).arg("-S").arg(&version);
        let Ok(said) = output(ask.args(["--show-depends", module])) else {
            continue; // Built into an own kernel that is described nowhere.
        };
        for file in said.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let file = Path::new(file.trim());
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !order.lines().any(|line| line == name) {
                std::fs::copy(file, first.join("modules").join(&name))?;
                order.push_str(&name);
                order.push('\n');
            }
        }
    }
    std::fs::write(first.join("modules/order"), order)?;
    std::fs::write(first.join("init"), include_str!("guest/first"))?;
    let pack = "chmod 755 init; find . | cpio -o -H newc --quiet > ../initramfs";
    output(Command::new("sh").args(["-ec", pack]).current_dir(&first))?;
    Ok(std::fs::remove_dir_all(first)?)
}
