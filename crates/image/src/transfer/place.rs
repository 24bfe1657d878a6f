//! Making of the other side of a copy: a stream of tar becomes files, each of which is whole when it gets its name.
//!
//! What is new is made in a directory of its own beside its place and comes there by one rename, a tree as well as a file.
//! Into a directory that is there already the files come one by one. The directories on the way to the current entry are
//! held open, so no path is walked twice, and depth is what costs descriptors.

use super::settle::{Manner, Ownership};
use super::stage::{Replaced, Staging, bring};
use super::target::{Target, There};
use super::{Ready, Summary, shown};
use crate::archive::{Entry, Reader, Type};
use crate::error::{During, Error, Kind, Result, Within};
use crate::limits::{self, Limits};
use crate::stream::{Decoder, buffered};
use crate::unpack::{Settled, components};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::root::Root;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

mod make;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What [`super::pack`] writes: one file or one tree, under the rules of `docker cp` for its name.
    Copy,
    /// Somebody's archive, compressed or not, whose entries go into a directory.
    Archive,
}

/// How the other side is made.
pub struct Place<'a> {
    /// What is read.
    pub stream: Stream,
    /// Whom the files belong to.
    pub owners: Ownership,
    /// Whether setuid, setgid and file capabilities stay.
    pub privileges: bool,
    /// Whether a directory may take the place of something else, and the other way round.
    pub overwrite: bool,
    /// Whether a link that leads to a directory is one on the way to an entry: inside of a container, where it leads
    /// nowhere else.
    pub follow: bool,
    /// Ids of mounts of which nothing stays, so that nothing is made there.
    pub passing: &'a [u64],
    /// Called before the first byte is read.
    pub ready: Ready<'a>,
}

/// Makes what the stream says at `path` below `root`.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no directory for it; [`Kind::Limit`] names the limit; [`Kind::Invalid`] the entry;
/// [`Kind::Unsupported`] what cannot be copied, or not to there; [`Kind::Kernel`] the refused call. What has no name yet
/// goes; files that went into a directory that was there stay.
pub fn place(root: &Root, path: &Path, how: &Place<'_>, from: impl Read) -> Result<Summary> {
    let target = Target::find(root, path)?;
    if how.stream == Stream::Archive && target.there != There::Directory {
        let message = format!(
            "{} is no directory, into which an archive could go",
            shown(path)
        );
        return Err(Error::invalid(message));
    }
    let mut staging = Staging::new(how.passing)?;
    let done = (how.ready)(target.directory.as_fd());
    let done = done.and_then(|()| fill(root, target, how, &mut staging, from));
    staging.close(done)
}

fn fill(
    root: &Root,
    target: Target,
    how: &Place<'_>,
    staging: &mut Staging,
    from: impl Read,
) -> Result<Summary> {
    let limits = Limits::of_copies();
    match how.stream {
        Stream::Copy => {
            let mut reader = Reader::new(buffered(from), &limits);
            let first = reader.next()?.ok_or_else(cut_off)?;
            let mut placing = Placing::copy(root, target, how, staging, &first)?;
            let first = placing.entry(&first, &mut reader);
            let done = first.and_then(|()| placing.rest(&mut reader));
            done.map_err(|error| placing.told(error))?;
            if !reader.is_complete() {
                return Err(placing.told(cut_off()));
            }
            placing.finish()
        }
        Stream::Archive => {
            let stream = buffered(Decoder::new(buffered(from))?);
            let mut reader = Reader::new(stream, &limits);
            let mut placing = Placing::new(root, &target, how, staging);
            let done = placing.rest(&mut reader);
            done.map_err(|error| placing.told(error))?;
            let done = placing.finish()?;
            // Whoever writes it should not find nobody reading.
            reader.drain()?;
            Ok(done)
        }
    }
}

fn cut_off() -> Error {
    Error::invalid(super::CUT_OFF)
}

struct Placing<'a> {
    how: &'a Place<'a>,
    limits: Limits,
    root: &'a Root,
    /// The path of the lowest level from the root, where one follows links.
    base: PathBuf,
    /// What the first component of each path is, and becomes.
    rename: Option<(Vec<u8>, Vec<u8>)>,
    /// The directory that all names are in, and those on the way to the last entry.
    levels: Vec<Level>,
    staging: &'a mut Staging,
    /// Where the one tree or file goes when it is whole.
    goal: Option<Goal>,
    done: Summary,
}

struct Level {
    name: Vec<u8>,
    directory: Rc<OwnedFd>,
    /// Whether nobody knows of it yet, so that what is in it needs not be whole.
    hidden: bool,
    /// What it gets when all that is in it is there.
    pending: Option<Entry>,
}

struct Goal {
    directory: Rc<OwnedFd>,
    name: OsString,
    replaced: Replaced,
}

impl<'a> Placing<'a> {
    /// Entries go into the target, as they are named.
    fn new(
        root: &'a Root,
        target: &Target,
        how: &'a Place<'a>,
        staging: &'a mut Staging,
    ) -> Placing<'a> {
        Placing {
            how,
            limits: Limits::of_copies(),
            root,
            base: target.path.clone(),
            rename: None,
            levels: vec![Level {
                name: Vec::new(),
                directory: Rc::clone(&target.directory),
                hidden: false,
                pending: None,
            }],
            staging,
            goal: None,
            done: Summary::default(),
        }
    }

    /// The rules of `docker cp`, by what comes and what is there.
    fn copy(
        root: &'a Root,
        target: Target,
        how: &'a Place<'a>,
        staging: &'a mut Staging,
        first: &Entry,
    ) -> Result<Placing<'a>> {
        let mut placing = Placing::new(root, &target, how, staging);
        let top = components(&first.path, &placing.limits)?
            .first()
            .map(|name| name.to_vec());
        let is_directory = first.kind == Type::Directory;
        let (name, there) = match (target.name, top.clone()) {
            // The content of a directory goes into one that is there.
            (None, None) => return Ok(placing),
            (None, Some(top)) => {
                let name = OsString::from_vec(top);
                let there = There::at(&target.directory, Path::new(&name))?;
                (name, there)
            }
            (Some(name), _) => {
                if target.slash && !is_directory {
                    let message = format!("there is no directory {}", shown(Path::new(&name)));
                    return Err(Error::new(Kind::NotFound, message));
                }
                (name, target.there)
            }
        };
        placing.rename = Some((top.unwrap_or_default(), name.as_bytes().to_vec()));
        if is_directory && there == There::Directory {
            return Ok(placing);
        }
        let replaced = placing.may_replace(Path::new(&name), there, is_directory)?;
        let hidden = placing.staging.at(&target.directory);
        let hidden = hidden.within(|| shown(&target.path))?;
        placing.levels[0].directory = hidden;
        placing.levels[0].hidden = true;
        placing.goal = Some(Goal {
            directory: target.directory,
            name,
            replaced,
        });
        Ok(placing)
    }

    /// Whether what is there may go for what comes.
    fn may_replace(&self, name: &Path, there: There, directory: bool) -> Result<Replaced> {
        let conflict = |what: &str, comes: &str| {
            let message = format!("cannot overwrite {what} {} with {comes}", shown(name));
            Err(Error::invalid(message).hint("--overwrite replaces it"))
        };
        match (there, directory) {
            (There::Nothing, _) => Ok(Replaced::Nothing),
            (There::File | There::Link, false) => Ok(Replaced::Alike),
            (There::Special, false) if self.how.overwrite => Ok(Replaced::Alike),
            _ if self.how.overwrite => Ok(Replaced::Other),
            (There::Directory, _) => conflict("directory", "non-directory"),
            (There::Special, false) => conflict("device, FIFO or socket", "a file"),
            (_, true) => conflict("non-directory", "directory"),
        }
    }

    /// What is there although the copy has failed.
    fn told(&self, error: Error) -> Error {
        match (self.goal.is_some(), self.done.entries) {
            (true, _) | (_, 0..=1) => error,
            (false, entries) => {
                let before = entries - 1;
                error.within(format!("after {before} entries, which stay"))
            }
        }
    }

    fn rest<R: BufRead>(&mut self, reader: &mut Reader<'_, R>) -> Result<()> {
        while let Some(entry) = reader.next()? {
            self.entry(&entry, reader)?;
        }
        Ok(())
    }

    fn entry<R: BufRead>(&mut self, entry: &Entry, data: &mut Reader<'_, R>) -> Result<()> {
        self.done.entries += 1;
        limits::check("entries", self.done.entries, self.limits.entries)?;
        self.one(entry, data)
            .within(|| format!("entry {}", crate::error::shown(&entry.path)))
    }

    fn one<R: BufRead>(&mut self, entry: &Entry, data: &mut Reader<'_, R>) -> Result<()> {
        let path = self.mapped(&entry.path)?;
        let Some((last, parents)) = path.split_last() else {
            return match entry.kind {
                // The directory that was named keeps what it has.
                Type::Directory => self.leave(1),
                _ => Err(Error::invalid("no name")),
            };
        };
        self.enter(parents)?;
        let name = Path::new(OsStr::from_bytes(last));
        match entry.kind {
            Type::Directory => self.directory(name, entry),
            Type::File => self.file(name, entry, data),
            Type::Symlink => self.symlink(name, entry),
            Type::HardLink => self.hard_link(name, entry),
            Type::Fifo => self.fifo(name, entry),
            Type::Char | Type::Block => self.device(),
        }
    }

    /// A path of the stream as it is here.
    fn mapped(&self, path: &[u8]) -> Result<Vec<Vec<u8>>> {
        let found = components(path, &self.limits)?;
        let mut found: Vec<Vec<u8>> = found.into_iter().map(<[u8]>::to_vec).collect();
        if let Some((from, to)) = &self.rename {
            match found.first_mut() {
                _ if from.is_empty() => found.insert(0, to.clone()),
                Some(first) if first == from => first.clone_from(to),
                _ => return Err(Error::invalid("it is not below what is copied")),
            }
        }
        Ok(found)
    }

    /// Makes these directories the ones that are open.
    fn enter(&mut self, parents: &[Vec<u8>]) -> Result<()> {
        let open = self.levels.iter().skip(1).map(|level| &level.name);
        let same = open
            .zip(parents)
            .take_while(|(open, name)| open == name)
            .count();
        self.leave(same + 1)?;
        for name in &parents[same..] {
            self.descend(name)?;
        }
        Ok(())
    }

    /// Closes all but so many directories; each gets what its entry said.
    fn leave(&mut self, kept: usize) -> Result<()> {
        while self.levels.len() > kept {
            let Some(level) = self.levels.pop() else {
                break;
            };
            if let Some(entry) = level.pending {
                self.manner().settle(
                    Settled::Open(level.directory.as_fd()),
                    &entry,
                    &mut self.done.left,
                )?;
            }
        }
        Ok(())
    }

    fn manner(&self) -> Manner {
        Manner {
            owners: self.how.owners,
            privileges: self.how.privileges,
        }
    }

    /// The directory that is open, and whether it is hidden.
    fn here(&self) -> (Rc<OwnedFd>, bool) {
        let level = &self.levels[self.levels.len() - 1];
        (Rc::clone(&level.directory), level.hidden)
    }

    /// Goes into a directory that an entry is in, made if no entry has told of it.
    fn descend(&mut self, name: &[u8]) -> Result<()> {
        let path = Path::new(OsStr::from_bytes(name));
        let (above, hidden) = self.here();
        if There::at(&above, path)? == There::Nothing {
            self.make_directory(path, 0o755)?;
        }
        let directory = self.existing(path)?;
        self.push(path, directory, hidden, None);
        Ok(())
    }

    /// A directory that is there, or that a link leads to where links are followed; not in a tree that nobody knows of
    /// yet, which has no path from the root, and in which the stream itself has made what is there. O_PATH, as in
    /// [`Target`].
    fn existing(&self, name: &Path) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let (above, hidden) = self.here();
        match file::openat(&*above, name, flags | OFlags::NOFOLLOW, 0) {
            Err(e) if e.is(&[Errno::ENOTDIR.0]) => {
                let follow = self.how.follow && !hidden;
                if follow && There::at(&above, name)? == There::Link {
                    let mut path = self.base.clone();
                    let open = self.levels.iter().skip(1).map(|level| &*level.name);
                    path.extend(open.map(OsStr::from_bytes));
                    let path = path.join(name);
                    return self.root.open(&path, flags, 0).during(|| shown(&path));
                }
                let message = format!("{} is no directory", shown(name));
                Err(Error::call(message, e))
            }
            other => other.during(|| shown(name)),
        }
    }

    fn push(&mut self, name: &Path, directory: OwnedFd, hidden: bool, pending: Option<Entry>) {
        self.levels.push(Level {
            name: name.as_os_str().as_bytes().to_vec(),
            directory: Rc::new(directory),
            hidden,
            pending,
        });
    }

    /// Everything is there: it gets its name.
    fn finish(mut self) -> Result<Summary> {
        let Some(goal) = self.goal.take() else {
            self.leave(1)?;
            return Ok(self.done);
        };
        // A directory without the right to write to it cannot be moved, so the uppermost comes to its mode afterwards.
        self.leave(2)?;
        let stage = Rc::clone(&self.levels[0].directory);
        let name = Path::new(&goal.name);
        bring((&stage, name), (&goal.directory, name), goal.replaced)?;
        self.leave(1)?;
        Ok(self.done)
    }
}
