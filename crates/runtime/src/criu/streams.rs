//! The standard streams of a container whose other ends are somebody else's: noted at the dump by the names that criu
//! has for them, replaced by the caller's at the restore.

use super::message::{Options, field};
use super::mounts::Table;
use crate::error::{Error, For, Kind, Result};
use lockstep_kernel::file;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Beside the images, in runc's form: a list of three names.
const FILE: &str = "descriptors.json";
/// The largest such file that is read, in bytes.
const LIMIT: usize = 64 << 10;

/// Their names: `pipe:[INODE]` of a pipe, `file[MOUNT:INODE]` of a file outside of the container, else the path.
#[derive(Debug)]
pub(crate) struct Streams(Vec<String>);

impl Streams {
    /// Those of a process; `mounts` are what it sees.
    pub(crate) fn of(proc: BorrowedFd<'_>, pid: i32, mounts: &Table) -> Result<Streams> {
        (0..3)
            .map(|n| name(proc, pid, n, mounts))
            .collect::<Result<_>>()
            .map(Streams)
    }

    /// Tells criu to leave out what is outside of the container.
    pub(crate) fn leave(&self, options: &mut Options) {
        for file in self.0.iter().filter(|name| name.starts_with("file[")) {
            options.text(field::EXTERNAL, file);
        }
    }

    /// Tells criu to take its own streams instead, each under a name once.
    pub(crate) fn replace(&self, options: &mut Options) {
        for (n, name) in self.0.iter().enumerate().take(3) {
            let outside = name.starts_with("pipe:") || name.starts_with("file[");
            if outside && !self.0[..n].contains(name) {
                options.numbered(field::INHERIT_FD, name, n as u64);
            }
        }
    }

    /// Writes them beside the images.
    pub(crate) fn write(&self, images: &OwnedFd) -> Result<()> {
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        file::replace(images, FILE, &text, 0o600).during(|| FILE.into())
    }

    /// Reads what [`Streams::write`] or runc has written.
    pub(crate) fn read(images: &OwnedFd) -> Result<Streams> {
        let text = file::read_at_once(images, FILE, LIMIT).map_err(|e| {
            Error::refused(format!("reading {FILE} of the checkpoint"), &e)
                .hint("--image-path is to name the directory of a checkpoint")
        })?;
        let names = serde_json::from_slice(&text)
            .map_err(|e| Error::new(Kind::Invalid, format!("{FILE} of the checkpoint: {e}")))?;
        Ok(Streams(names))
    }
}

fn name(proc: BorrowedFd<'_>, pid: i32, n: i32, mounts: &Table) -> Result<String> {
    let what = || format!("stream {n} of the container");
    let link = format!("{pid}/fd/{n}");
    let path = match file::readlink(proc, &link) {
        // It has closed that one.
        Err(e) if e.is(&[lockstep_abi::errno::Errno::ENOENT.0]) => return Ok(String::new()),
        other => other.during(what)?.to_string_lossy().into_owned(),
    };
    if !path.starts_with('/') {
        return Ok(path);
    }
    let info = file::read_at_once(proc, format!("{pid}/fdinfo/{n}"), LIMIT).during(what)?;
    let info = String::from_utf8_lossy(&info).into_owned();
    let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    let mount: Option<u64> = mount.and_then(|id| id.trim().parse().ok());
    match mount.filter(|id| !mounts.has(*id)) {
        Some(id) => {
            let inode = file::stat(proc, &link, true).during(what)?.st_ino;
            Ok(format!("file[{id:x}:{inode:x}]"))
        }
        None => Ok(path),
    }
}
