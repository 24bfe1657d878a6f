//! Where images lie outside the store: a layout directory, or an archive of which any member can be read.
//!
//! Members of an archive come in any order (the list of images may be last), so it is walked once for names and
//! offsets, and nothing is unpacked to be looked at. What cannot be sought, or is compressed as a whole, is
//! copied into an unnamed file first.

use crate::archive::{Reader, Type};
use crate::error::{During, Error, Kind, Result, Within, shown};
use crate::limits::{self, Limits};
use crate::stream::{Decoder, buffered, compression};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::root::Root;
use lockstep_oci::image::Compression;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

/// Symbolic links followed inside an archive, which old `docker save` made for layers.
const MAX_LINKS: usize = 8;

/// A directory or an archive.
pub(crate) enum Members {
    Directory(Root),
    Archive(Archive),
}

/// An archive with the places of its members.
pub(crate) struct Archive {
    file: Rc<File>,
    members: HashMap<Vec<u8>, Place>,
}

enum Place {
    Data { offset: u64, size: u64 },
    Link(Vec<u8>),
}

/// One member as a stream.
pub(crate) struct Member {
    file: Rc<File>,
    at: u64,
    end: u64,
}

impl Member {
    /// Bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.at
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = buffer
            .len()
            .min(usize::try_from(self.len()).unwrap_or(usize::MAX));
        if n == 0 {
            return Ok(0);
        }
        let n = self.file.read_at(&mut buffer[..n], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Members {
    /// Opens a layout directory.
    pub(crate) fn directory(path: &Path) -> Result<Members> {
        let what = || format!("oci:{}", path.display());
        let dir = file::open_dir(file::CWD, path).map_err(|e| not_found(e, what()))?;
        Ok(Members::Directory(Root::new(dir)))
    }

    /// Opens an archive by its path; `scratch` is a directory for what has to be copied.
    pub(crate) fn archive(path: &Path, scratch: &OwnedFd, limits: &Limits) -> Result<Members> {
        let what = || format!("archive {}", path.display());
        let flags = OFlags::RDONLY | OFlags::NOCTTY;
        let opened = file::openat(file::CWD, path, flags, 0).map_err(|e| not_found(e, what()))?;
        Members::of_file(opened, scratch, limits).within(what)
    }

    fn of_file(opened: OwnedFd, scratch: &OwnedFd, limits: &Limits) -> Result<Members> {
        let mut opened = File::from(opened);
        let seekable = opened.stream_position().is_ok();
        let mut stream = buffered(&opened);
        let compressed = compression(&mut stream)? != Compression::None;
        let file = if compressed || !seekable {
            spool(Decoder::new(stream)?, scratch, limits)?
        } else {
            drop(stream);
            opened.seek(SeekFrom::Start(0))?;
            opened
        };
        Ok(Members::Archive(Archive::index(file, limits)?))
    }

    /// Opens a member.
    pub(crate) fn open(&self, name: &str) -> Result<Member> {
        match self {
            Members::Directory(root) => {
                // O_NONBLOCK: a FIFO of that name must not hold the reader up.
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let path = Path::new("/").join(name);
                let found = root
                    .open(&path, flags, 0)
                    .map_err(|e| not_found(e, name.to_owned()))?;
                let file = Rc::new(File::from(found));
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Err(Error::invalid(format!("{name:?} is not a regular file")));
                }
                let end = metadata.len();
                Ok(Member { file, at: 0, end })
            }
            Members::Archive(archive) => archive.open(name),
        }
    }

    /// A whole document.
    pub(crate) fn read(&self, name: &str, limits: &Limits) -> Result<Vec<u8>> {
        let member = self.open(name)?;
        limits::check("document_bytes", member.len(), limits.document_bytes)
            .within(|| name.to_owned())?;
        // Read in one go: the length is that of the member, and is within the bound.
        let mut text = Vec::with_capacity(usize::try_from(member.len()).unwrap_or(0));
        let mut bounded = member.take(limits.document_bytes + 1);
        bounded.read_to_end(&mut text).within(|| name.to_owned())?;
        limits::check("document_bytes", text.len() as u64, limits.document_bytes)?;
        Ok(text)
    }
}

fn not_found(error: lockstep_kernel::Error, what: String) -> Error {
    let absent = error.is(&[Errno::ENOENT.0]);
    if absent {
        return Error::new(Kind::NotFound, format!("{what}: no such file: {error}"));
    }
    Error::call(what, error)
}

/// Copies a stream into a file without a name, which the next crash removes.
fn spool(mut from: impl Read, scratch: &OwnedFd, limits: &Limits) -> Result<File> {
    let what = || "copying the archive".to_owned();
    let mut file = File::from(unnamed(scratch).during(what)?);
    let mut bounded = (&mut from).take(limits.layer_bytes + 1);
    let copied = std::io::copy(&mut bounded, &mut file).within(what)?;
    limits::check("layer_bytes", copied, limits.layer_bytes)?;
    Ok(file)
}

/// O_TMPFILE; where the file system does not know it, a file whose name is taken away at once.
fn unnamed(scratch: &OwnedFd) -> lockstep_kernel::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::TMPFILE;
    match file::openat(scratch, ".", flags, 0o600) {
        Err(e) if e.is(&[Errno::EOPNOTSUPP.0, Errno::EISDIR.0]) => {
            let name = format!("archive-{}", lockstep_kernel::process::id());
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let opened = file::openat(scratch, &name, flags, 0o600)?;
            file::unlink(scratch, &name)?;
            Ok(opened)
        }
        other => other,
    }
}

impl Archive {
    fn index(file: File, limits: &Limits) -> Result<Archive> {
        let file = Rc::new(file);
        let mut members = HashMap::new();
        let mut reader = Reader::new(Seeking::new(Rc::clone(&file)), limits);
        while let Some(entry) = reader.next()? {
            limits::check(
                "archive_members",
                members.len() as u64,
                limits.archive_members as u64,
            )?;
            let offset = reader.position();
            let place = match entry.kind {
                Type::File if entry.sparse.is_none() => Place::Data {
                    offset,
                    size: entry.size,
                },
                Type::Symlink => Place::Link(beside(&entry.path, &entry.link)),
                Type::HardLink => Place::Link(clean(&entry.link)),
                _ => Place::Link(Vec::new()),
            };
            reader.leap();
            members.insert(clean(&entry.path), place);
        }
        Ok(Archive { file, members })
    }

    fn open(&self, name: &str) -> Result<Member> {
        let mut name = clean(name.as_bytes());
        for _ in 0..=MAX_LINKS {
            match self.members.get(&name) {
                None => {
                    let message = format!("the archive has no {}", shown(&name));
                    return Err(Error::new(Kind::NotFound, message));
                }
                Some(Place::Link(target)) => name.clone_from(target),
                Some(Place::Data { offset, size }) => {
                    let end = offset + size;
                    if end > self.file.metadata()?.len() {
                        return Err(Error::invalid("the archive ends in the middle of an entry"));
                    }
                    return Ok(Member {
                        file: Rc::clone(&self.file),
                        at: *offset,
                        end,
                    });
                }
            }
        }
        Err(Error::invalid(format!("{}: too many links", shown(&name))))
    }
}

/// A member's name without what means nothing, `..` resolved by text: there is no file system here.
fn clean(name: &[u8]) -> Vec<u8> {
    let mut found: Vec<&[u8]> = Vec::new();
    for component in name.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(found.pop()),
            other => found.push(other),
        }
    }
    found.join(&b'/')
}

/// The target of a symbolic link, from the directory that the link is in.
fn beside(link: &[u8], target: &[u8]) -> Vec<u8> {
    let parent = match link.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &link[..slash],
        None => b"",
    };
    clean(&[parent, target].join(&b'/'))
}

/// A buffered reader that leaps over data instead of reading it.
struct Seeking {
    file: Rc<File>,
    buffer: Vec<u8>,
    used: usize,
    /// Offset in the file of the buffer's end.
    at: u64,
}

impl Seeking {
    fn new(file: Rc<File>) -> Seeking {
        Seeking {
            file,
            buffer: Vec::new(),
            used: 0,
            at: 0,
        }
    }
}

impl BufRead for Seeking {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.used == self.buffer.len() {
            // Headers are far apart: a small piece at a time.
            self.buffer.resize(4096, 0);
            let n = self.file.read_at(&mut self.buffer, self.at)?;
            self.buffer.truncate(n);
            self.at += n as u64;
            self.used = 0;
        }
        Ok(&self.buffer[self.used..])
    }

    fn consume(&mut self, n: usize) {
        self.used += n;
    }
}

impl Read for Seeking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl Reader<'_, Seeking> {
    /// Where the data of the last entry begins.
    fn position(&self) -> u64 {
        let stream = self.stream();
        stream.at - (stream.buffer.len() - stream.used) as u64
    }

    /// Goes past the data of the last entry without reading it.
    fn leap(&mut self) {
        let position = self.position();
        let (left, stream) = self.take_left();
        (stream.buffer, stream.used) = (Vec::new(), 0);
        stream.at = position + left;
    }
}
