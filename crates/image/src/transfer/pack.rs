//! Reading of one side of a copy: what is at a path becomes a stream of tar.

use super::{Ready, Summary, absent, ends_with_slash, from_root, is_inside, shown};
use crate::archive::{Entry, Type, Writer};
use crate::error::{During, Error, Kind, Result, Within};
use crate::limits::{self, Limits};
use crate::stream::BUFFER;
use crate::unpack::is_allowed;
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG};
use lockstep_kernel::file::{self, OFlags, Stat};
use lockstep_kernel::root::Root;
use lockstep_kernel::tree::Listing;
use lockstep_kernel::{metadata, mount, sparse};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Names of files with several that are remembered; more of them are copied once for each name.
const MOST_LINKED: usize = 1 << 20;

/// How one side is read.
pub struct Pack<'a> {
    /// Whether a link at the end of the path is followed.
    pub follow: bool,
    /// `/proc/self/fd` of this process, opened where `/proc` was the host's: files are opened through it.
    pub descriptors: BorrowedFd<'a>,
    /// Called before the first byte is read.
    pub ready: Ready<'a>,
}

/// Writes what is at `path` below `root` as an archive: a directory under its own name, or under `.` where the path means
/// what is inside of it; a file or link under its name.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is nothing; [`Kind::Limit`] names the limit; [`Kind::Kernel`] the refused call. The archive
/// then lacks its end, which [`super::place`] notices.
pub fn pack(root: &Root, path: &Path, how: &Pack<'_>, out: impl Write) -> Result<Summary> {
    let (name, located) = find(root, path, how.follow)?;
    (how.ready)(located.as_fd())?;
    let mut packing = Packing {
        out: Writer::new(BufWriter::with_capacity(BUFFER, out)),
        descriptors: how.descriptors,
        limits: Limits::of_copies(),
        linked: HashMap::new(),
        filesystem: None,
        buffer: vec![0; BUFFER],
        done: Summary::default(),
    };
    packing.tree(name, located)?;
    packing.out.end()?;
    Ok(packing.done)
}

/// What the path means, as a location, and the name that it has in the archive.
fn find(root: &Root, path: &Path, follow: bool) -> Result<(Vec<u8>, OwnedFd)> {
    let clean = from_root(path);
    let inside = is_inside(path);
    let opened = match inside || ends_with_slash(path) {
        true => root.open(&clean, OFlags::PATH | OFlags::DIRECTORY, 0),
        false if follow => root.locate(&clean),
        false => root.locate_nofollow(&clean),
    };
    let located = match opened {
        Err(e) if e.is(&[Errno::ENOENT.0]) => return Err(absent(path)),
        Err(e) if e.is(&[Errno::ENOTDIR.0]) => {
            let message = format!(
                "{} leads through something that is no directory",
                shown(path)
            );
            return Err(Error::call(message, e));
        }
        other => other.during(|| shown(path))?,
    };
    let name = match clean.file_name() {
        Some(name) if !inside => name.as_bytes().to_vec(),
        _ => b".".to_vec(),
    };
    Ok((name, located))
}

struct Packing<'a, W: Write> {
    out: Writer<BufWriter<W>>,
    descriptors: BorrowedFd<'a>,
    limits: Limits,
    /// Where a file of several names is in the archive, by device and inode.
    linked: HashMap<(u64, u64), Vec<u8>>,
    /// The last device number, and whether its file system is one that the kernel makes up.
    filesystem: Option<(u64, bool)>,
    buffer: Vec<u8>,
    done: Summary,
}

/// A directory that is being read.
struct Level {
    listing: Listing,
    path: Vec<u8>,
}

impl<W: Write> Packing<'_, W> {
    fn tree(&mut self, name: Vec<u8>, located: OwnedFd) -> Result<()> {
        let mut levels: Vec<Level> = Vec::new();
        levels.extend(self.one(name, located)?);
        while let Some(level) = levels.last_mut() {
            let what = || shown(&path_of(&level.path));
            let Some(name) = level.listing.next_name().during(what)? else {
                levels.pop();
                continue;
            };
            let directory = level.listing.directory().during(what)?;
            let path = [&level.path, &b"/"[..], name.as_bytes()].concat();
            let flags = OFlags::PATH | OFlags::NOFOLLOW;
            let located = match file::openat(directory, &name, flags, 0) {
                // It was removed meanwhile, as if it had been before.
                Err(e) if e.is(&[Errno::ENOENT.0]) => continue,
                other => other.during(|| shown(&path_of(&path)))?,
            };
            let depth = levels.len() as u64 + 1;
            limits::check("depth", depth, self.limits.depth as u64)?;
            levels.extend(self.one(path, located)?);
        }
        Ok(())
    }

    /// Writes one entry; of a directory what is left to be read.
    fn one(&mut self, path: Vec<u8>, located: OwnedFd) -> Result<Option<Level>> {
        let shown = || shown(&path_of(&path));
        limits::check(
            "path_bytes",
            path.len() as u64,
            self.limits.path_bytes as u64,
        )
        .within(shown)?;
        let stat = file::fstat(&located).during(shown)?;
        let kind = match stat.st_mode & S_IFMT {
            S_IFDIR => Type::Directory,
            S_IFREG => Type::File,
            S_IFLNK => Type::Symlink,
            S_IFIFO => Type::Fifo,
            S_IFCHR => Type::Char,
            S_IFBLK => Type::Block,
            _ => return self.socket(&path).map(|()| None),
        };
        let mut entry = described(path, kind, &stat);
        if self.is_linked(&mut entry, &stat) {
            self.write(&entry)?;
            return Ok(None);
        }
        match kind {
            Type::Directory => self.directory(entry, &located, &stat),
            Type::File => self.file(entry, &located, &stat).map(|()| None),
            Type::Symlink => {
                let target = file::readlink(&located, "");
                let target = target.during(|| crate::error::shown(&entry.path))?;
                entry.link = OsString::from(target).into_vec();
                self.write(&entry).map(|()| None)
            }
            _ => self.write(&entry).map(|()| None),
        }
    }

    /// Left out, unless nothing else was asked for.
    fn socket(&mut self, path: &[u8]) -> Result<()> {
        if self.done.entries == 0 {
            let message = format!(
                "{} is a socket, which is no file",
                crate::error::shown(path)
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
        self.done.left.sockets += 1;
        Ok(())
    }

    /// Whether the file is in the archive already, under another name.
    fn is_linked(&mut self, entry: &mut Entry, stat: &Stat) -> bool {
        // Of a device not even the first name is made.
        let unlinked = [Type::Directory, Type::Char, Type::Block].contains(&entry.kind);
        if unlinked || stat.st_nlink < 2 {
            return false;
        }
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.linked.get(&inode) {
            (entry.kind, entry.link) = (Type::HardLink, first.clone());
            return true;
        }
        if self.linked.len() < MOST_LINKED {
            self.linked.insert(inode, entry.path.clone());
        }
        false
    }

    /// A directory of procfs and its kind is copied without content: its files have no size, some block their reader, and
    /// some act when they are read.
    fn directory(
        &mut self,
        mut entry: Entry,
        located: &OwnedFd,
        stat: &Stat,
    ) -> Result<Option<Level>> {
        let path = entry.path.clone();
        let what = || crate::error::shown(&path);
        let pseudo = self.is_pseudo(located, stat)?;
        if pseudo && self.done.entries == 0 {
            return Err(made_up(&path));
        }
        if pseudo {
            self.done.left.pseudo += 1;
            return self.write(&entry).map(|()| None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = file::openat(located, ".", flags, 0).during(what)?;
        entry.xattrs = xattrs(&opened).during(what)?;
        self.write(&entry)?;
        let listing = Listing::new(opened).during(what)?;
        Ok(Some(Level { listing, path }))
    }

    fn file(&mut self, mut entry: Entry, located: &OwnedFd, stat: &Stat) -> Result<()> {
        let path = entry.path.clone();
        let what = || crate::error::shown(&path);
        if self.is_pseudo(located, stat)? {
            if self.done.entries == 0 {
                return Err(made_up(&path));
            }
            self.done.left.pseudo += 1;
            return Ok(());
        }
        let number = located.as_raw_fd().to_string();
        let opened = file::openat(self.descriptors, number, OFlags::RDONLY, 0).during(what)?;
        entry.xattrs = xattrs(&opened).during(what)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        entry.size = size;
        let on_disk = u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512);
        if on_disk < size {
            let pieces = sparse::pieces(&opened, size, self.limits.sparse_pieces).during(what)?;
            entry.sparse = (pieces != [(0, size)]).then_some(pieces);
        }
        self.write(&entry)?;
        let opened = File::from(opened);
        let whole = [(0, size)];
        for (offset, length) in entry.sparse.as_deref().unwrap_or(&whole) {
            self.data(&opened, *offset, *length).within(what)?;
        }
        Ok(())
    }

    fn data(&mut self, from: &File, offset: u64, length: u64) -> Result<()> {
        let mut at = 0;
        while at < length {
            let most = usize::try_from(length - at).unwrap_or(usize::MAX);
            let most = most.min(self.buffer.len());
            let n = match from.read_at(&mut self.buffer[..most], offset + at) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if n == 0 {
                return Err(Error::invalid("it has become shorter while it was copied"));
            }
            self.out.write_all(&self.buffer[..n])?;
            at += n as u64;
        }
        self.done.bytes += length;
        Ok(())
    }

    fn write(&mut self, entry: &Entry) -> Result<()> {
        self.done.entries += 1;
        self.out.entry(entry)
    }

    fn is_pseudo(&mut self, located: &OwnedFd, stat: &Stat) -> Result<bool> {
        if let Some((device, pseudo)) = self.filesystem
            && device == stat.st_dev
        {
            return Ok(pseudo);
        }
        let kind = mount::filesystem_type(located).during(|| "its file system".to_owned())?;
        let pseudo = PSEUDO.contains(&kind);
        self.filesystem = Some((stat.st_dev, pseudo));
        Ok(pseudo)
    }
}

/// File systems in which the kernel shows itself (linux/magic.h): procfs, sysfs, cgroup 1 and 2, debugfs, tracefs,
/// securityfs, selinuxfs, bpf, configfs, pstore, efivarfs, binfmt_misc, nsfs.
const PSEUDO: [u64; 14] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xf97c_ff8c,
    0xcafe_4a11,
    0x6265_6570,
    0x6165_676c,
    0xde5e_81e4,
    0x4249_4e4d,
    0x6e73_6673,
];

fn made_up(path: &[u8]) -> Error {
    let message = format!(
        "{} is made up by the kernel while it is read, and no file",
        crate::error::shown(path)
    );
    Error::new(Kind::Unsupported, message).hint("exec with cat shows it")
}

fn described(path: Vec<u8>, kind: Type, stat: &Stat) -> Entry {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Entry {
        path,
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid.into(),
        gid: stat.st_gid.into(),
        modified: (stat.st_mtime, nanoseconds),
        link: Vec::new(),
        size: 0,
        device: (file::major(stat.st_rdev), file::minor(stat.st_rdev)),
        xattrs: Vec::new(),
        sparse: None,
    }
}

/// The extended attributes that a copy may have; the others are the file system's own.
fn xattrs(opened: &OwnedFd) -> lockstep_kernel::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in metadata::xattrs(opened)? {
        if is_allowed(&name)
            && let Some(value) = metadata::xattr(opened, &name)?
        {
            found.push((name, value));
        }
    }
    Ok(found)
}

fn path_of(path: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(path.to_vec()))
}
