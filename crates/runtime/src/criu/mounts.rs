//! The mounts that a container has from the host: left out of a dump under a name, and mounted from the host again.
//!
//! criu wants to know each: bind mounts of the configuration with what was mounted below them, and files of the host's
//! /dev, which are devices of a user namespace and what masked paths are hidden behind. Names are runc's, so that a
//! checkpoint of the one can be restored by the other.

use super::message::{Options, field};
use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFMT};
use lockstep_abi::mount::{MS_REC, MS_SLAVE};
use lockstep_kernel::root::{Kind as PointKind, Root, is_root};
use lockstep_kernel::{file, mount, namespace};
use lockstep_oci::runtime::{Mount, Spec};
use lockstep_plan::mount_options;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Beside the images: for each name the destination in config.json, and what of its tree it is.
const FILE: &str = "lockstep-mounts.json";
/// The largest table of mounts that is read, in bytes.
const LIMIT: usize = 64 << 20;
/// Where the host has its devices, and what criu and runc call a mask.
const DEVICES: &str = "/dev/";
/// Devices that every container has (config-linux.md, "Default Devices").
const DEFAULT_DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

/// One line of mountinfo (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
struct Line {
    id: u64,
    device: String,
    root: String,
    point: String,
}

/// The mounts of a process.
#[derive(Debug)]
pub(crate) struct Table(Vec<Line>);

impl Table {
    /// Reads them.
    pub(crate) fn of(proc: BorrowedFd<'_>, pid: i32) -> Result<Table> {
        let text = file::read(proc, format!("{pid}/mountinfo"), LIMIT)
            .during(|| "mounts of the container".into())?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Table(text.lines().filter_map(line).collect()))
    }

    /// Whether a mount is among them.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.0.iter().any(|line| line.id == id)
    }
}

fn line(text: &str) -> Option<Line> {
    let mut fields = text.split(' ');
    let id = fields.next()?.parse().ok()?;
    let device = fields.nth(1)?.to_owned();
    Some(Line {
        id,
        device,
        root: unescape(fields.next()?),
        point: unescape(fields.next()?),
    })
}

/// Blanks, tabs, newlines and backslashes are octal numbers there.
fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (code, character) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        out = out.replace(code, character);
    }
    out
}

/// What a dump leaves out.
#[derive(Debug)]
pub(crate) struct Dumped(Vec<(String, String, String)>);

impl Dumped {
    /// Leaves out the mounts of the host in the container of this process.
    pub(crate) fn of(
        proc: BorrowedFd<'_>,
        pid: i32,
        spec: &Spec,
        table: &Table,
        options: &mut Options,
    ) -> Result<Dumped> {
        let what = || "root of the container".to_owned();
        let root = file::open_dir(proc, format!("{pid}/root")).during(what)?;
        let root = Root::new(root);
        let host = file::stat(file::CWD, "/dev/null", true)
            .during(|| "/dev/null".into())?
            .st_dev;
        let host = format!("{}:{}", file::major(host), file::minor(host));
        let mut dumped = Dumped(Vec::new());
        let binds = spec.mounts.iter().filter(|mount| is_bind(mount));
        for bind in binds {
            // ENOENT: the container has unmounted it.
            let flags = file::OFlags::PATH;
            let found = root.open_if_there(Path::new(&bind.destination), flags);
            let found = found.during(|| bind.destination.clone())?;
            let id = found
                .map(mount::mount_id)
                .transpose()
                .during(|| bind.destination.clone())?;
            if let Some(at) = table.0.iter().find(|line| Some(line.id) == id) {
                dumped.add_tree(table, at, &bind.destination, options);
            }
        }
        for line in table.0.iter().filter(|line| line.device == host) {
            if dumped.0.iter().any(|(name, ..)| *name == line.point) {
                continue;
            }
            let name = format!("/dev{}", line.root);
            options.pair(field::EXT_MNT, &line.point, &name);
            dumped.note(name, String::new(), String::new());
        }
        Ok(dumped)
    }

    /// A bind mount, and what came with it from the host below.
    fn add_tree(&mut self, table: &Table, top: &Line, destination: &str, options: &mut Options) {
        let below = format!("{}/", top.point);
        let with = table.0.iter().filter(|line| {
            line.id == top.id || line.point.starts_with(&below) && line.device != top.device
        });
        for line in with {
            options.pair(field::EXT_MNT, &line.point, &line.point);
            let rest = line.point[top.point.len()..].to_owned();
            self.note(line.point.clone(), destination.to_owned(), rest);
        }
    }

    fn note(&mut self, name: String, destination: String, rest: String) {
        if !self.0.iter().any(|(other, ..)| *other == name) {
            self.0.push((name, destination, rest));
        }
    }

    /// Writes them beside the images.
    pub(crate) fn write(&self, images: &OwnedFd) -> Result<()> {
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        file::replace(images, FILE, &text, 0o600).during(|| FILE.into())
    }
}

/// What a restore mounts from the host.
#[derive(Debug)]
pub(crate) struct Restored {
    rootfs: PathBuf,
    /// Destination, and source where it is a bind mount; none where nothing is to be made for it.
    points: Vec<(PathBuf, Option<PathBuf>)>,
}

impl Restored {
    /// Names to criu the sources of what a dump has left out.
    pub(crate) fn of(
        images: &OwnedFd,
        spec: &Spec,
        bundle: &Path,
        rootfs: &Path,
        options: &mut Options,
    ) -> Result<Restored> {
        let mut named = |name: &str, source: &str| options.pair(field::EXT_MNT, name, source);
        let binds = || spec.mounts.iter().filter(|mount| is_bind(mount));
        let source = |mount: &Mount, rest: &str| {
            let source = bundle.join(mount.source.as_deref().unwrap_or_default());
            format!("{}{rest}", source.display())
        };
        let text = match file::read_at_once(images, FILE, LIMIT) {
            // runc's checkpoints have none.
            Err(e) if e.is(&[Errno::ENOENT.0]) => Vec::new(),
            other => other.during(|| format!("reading {FILE} of the checkpoint"))?,
        };
        let noted: Vec<(String, String, String)> = match text.is_empty() {
            true => binds()
                .map(|m| (m.destination.clone(), m.destination.clone(), String::new()))
                .collect(),
            false => serde_json::from_slice(&text)
                .map_err(|e| Error::new(Kind::Invalid, format!("{FILE} of the checkpoint: {e}")))?,
        };
        let devices = spec.linux.iter().flat_map(|linux| &linux.devices);
        let devices = devices.map(|device| device.path.as_str());
        for device in DEFAULT_DEVICES.into_iter().chain(devices) {
            named(device, device);
        }
        for (name, destination, rest) in noted.iter().filter(|(_, to, _)| !to.is_empty()) {
            let bind = binds().find(|mount| mount.destination == *destination);
            let bind = bind.ok_or_else(|| {
                let text = format!(
                    "the checkpoint has a bind mount at {destination:?}, this configuration none"
                );
                Error::new(Kind::Invalid, text).asked("/mounts")
            })?;
            named(name, &source(bind, rest));
        }
        for (name, ..) in noted
            .iter()
            .filter(|(name, to, _)| to.is_empty() && name.starts_with(DEVICES))
        {
            named(name, name);
        }
        // What is below any other file system comes with that one.
        let below = |at: &Path, mount: &Mount| {
            let other = Path::new(&mount.destination);
            !is_bind(mount) && at != other && at.starts_with(other)
        };
        let made = spec.mounts.iter().enumerate().filter(|(n, mount)| {
            let at = Path::new(&mount.destination);
            !is_root(at) && !spec.mounts[..*n].iter().any(|mount| below(at, mount))
        });
        let points = made.map(|(_, mount)| {
            let from = is_bind(mount).then(|| PathBuf::from(source(mount, "")));
            (PathBuf::from(&mount.destination), from)
        });
        Ok(Restored {
            rootfs: rootfs.to_owned(),
            points: points.collect(),
        })
    }

    /// In criu's process: gives it a mount namespace whose mounts at `root` are the container's root file system alone,
    /// with every mount point in it. criu wants the root to be a mount whose parent nothing covers; nothing of it is
    /// ever mounted in the host's namespace, so that nothing can be left there.
    pub(crate) fn enter(&self, root: &Path) -> Result<()> {
        let what = || format!("root file system of the container at {}", root.display());
        namespace::unshare(lockstep_plan::namespace::NEWNS).during(what)?;
        mount::change_propagation(Path::new("/"), MS_REC | MS_SLAVE).during(what)?;
        let attach = || {
            let tree = mount::open_tree(file::CWD, &self.rootfs, true, false)?;
            mount::attach(&tree, &file::open_dir(file::CWD, root)?)
        };
        attach().during(what)?;
        let top = file::open_dir(file::CWD, root).during(what)?;
        self.make_points(&Root::new(file::duplicate(&top).during(what)?))?;
        // With all that was mounted to find places below bind mounts.
        mount::detach(&top).during(what)?;
        attach().during(what)
    }

    /// As when a container is made: missing directories and files, in the order of the configuration.
    fn make_points(&self, root: &Root) -> Result<()> {
        for (destination, source) in &self.points {
            let what = || format!("mount point {}", destination.display());
            let kind = match source {
                Some(source) => {
                    let found = file::stat(file::CWD, source, true)
                        .during(|| source.display().to_string())?;
                    match found.st_mode & S_IFMT == S_IFDIR {
                        true => PointKind::Directory,
                        false => PointKind::File,
                    }
                }
                None => PointKind::Directory,
            };
            let point = match root.mount_point(destination, kind, false) {
                // What cannot be written to has them from when the container was made, or criu says what is missing.
                Err(e) if e.is(&[Errno::EROFS.0]) => continue,
                other => other.during(what)?,
            };
            if let Some(source) = source {
                let tree = mount::open_tree(file::CWD, source, true, false).during(what)?;
                mount::attach(&tree, &point).during(what)?;
            }
        }
        Ok(())
    }
}

fn is_bind(mount: &Mount) -> bool {
    let options = mount_options::Options::parse(&mount.options);
    !options.remount && options.bind.is_some() || mount.kind.as_deref() == Some("bind")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo() {
        let text =
            r"36 35 98:0 /mnt1 /a\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let expected = Line {
            id: 36,
            device: "98:0".into(),
            root: "/mnt1".into(),
            point: "/a b".into(),
        };
        assert_eq!(line(text), Some(expected));
        assert_eq!(line("36 35"), None);
    }

    #[test]
    fn what_came_with_a_bind_mount_is_the_hosts_too() {
        let parsed = |text: &str| line(text).expect("a line");
        let table = Table(vec![
            parsed("1 0 8:1 / / rw - ext4 x rw"),
            parsed("2 1 8:2 /data /data rw - ext4 x rw"),
            parsed("3 2 8:3 / /data/more rw - ext4 x rw"),
            // The same file system once more: criu makes it from the other.
            parsed("4 2 8:2 /data/own /data/own ro - ext4 x rw"),
            parsed("5 1 8:4 / /database rw - ext4 x rw"),
        ]);
        let mut dumped = Dumped(Vec::new());
        dumped.add_tree(&table, &table.0[1], "/data/", &mut Options::default());
        let names: Vec<_> = dumped
            .0
            .iter()
            .map(|(name, to, rest)| (&**name, &**to, &**rest))
            .collect();
        assert_eq!(
            names,
            [("/data", "/data/", ""), ("/data/more", "/data/", "/more")]
        );
    }
}
