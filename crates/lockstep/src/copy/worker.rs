//! One side of a copy, in a process of its own that has the rights for it and no others.
//!
//! The side of a container enters that container. The side of the caller is confined to the directory that was named. Both
//! have a filter, no descriptor but their own, and no capability but those over files; what they say of themselves is read
//! as a stranger's word.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use lockstep_abi::arch::Arch;
use lockstep_image::transfer::{self, Pack, Place, Summary};
use lockstep_image::{Error, Kind};
use lockstep_kernel::capability::{self, Sets};
use lockstep_kernel::landlock::{self, Domain};
use lockstep_kernel::process::{self, Child, Exit, Side};
use lockstep_kernel::root::Root;
use lockstep_kernel::{file, seccomp, socket};
use lockstep_profile::seccomp::{compile, own};

use super::visit::Visit;
use crate::failure::{Doing, Failure};

/// Most bytes of an answer.
const LIMIT: usize = 64 << 10;

/// CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP: over files, whoever's they are.
const OVER_FILES: u64 = 0b1_1111 | 1 << 31;

/// LANDLOCK_ACCESS_FS_* up to ABI 5, LANDLOCK_ACCESS_NET_* of ABI 4 (linux/landlock.h).
const ALL_FS: u64 = (1 << 16) - 1;
const ALL_NET: u64 = 0b11;
/// Read files and directories.
const READ: u64 = 1 << 2 | 1 << 3;
/// Besides, everything but executing, devices and sockets.
const WRITE: u64 =
    READ | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 14;
/// The ABI in which a file can be moved to another directory at all (LANDLOCK_ACCESS_FS_REFER; Linux 5.19).
const MOVES: i32 = 2;

/// Whose files.
#[derive(Clone, Copy)]
pub(super) enum Whose<'a> {
    /// The caller's.
    Caller,
    Container(&'a Visit<'a>),
}

/// What is done with them.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Read {
        follow: bool,
    },
    Make {
        stream: transfer::Stream,
        owners: transfer::Ownership,
        privileges: bool,
        overwrite: bool,
    },
}

/// A side at work.
pub(super) struct Worker {
    child: Child,
    answer: OwnedFd,
    what: String,
}

impl Worker {
    /// Starts it, with `stream` to write to or to read from.
    pub(super) fn start(
        whose: Whose<'_>,
        path: PathBuf,
        task: Task,
        stream: BorrowedFd<'_>,
    ) -> Result<Worker, Failure> {
        let what = || "starting a side of the copy".to_owned();
        let (answer, tell) = socket::pipe().doing(what)?;
        match process::clone(0, None).doing(what)? {
            Side::Parent(child) => Ok(Worker {
                child,
                answer,
                what: path.display().to_string(),
            }),
            Side::Child => {
                let done = Work { whose, path, task }.carry_out(stream, tell.as_fd());
                // Our own types: serialising them cannot fail. The other end may have gone.
                let text = serde_json::to_vec(&done).unwrap_or_default();
                process::exit(i32::from(file::write_fd(&tell, &text).is_err()))
            }
        }
    }

    /// Waits for its end; what it did.
    pub(super) fn finish(self) -> Result<Summary, Failure> {
        let what = || format!("copying {}", self.what);
        let answer = file::read_fd(&self.answer, LIMIT).doing(what)?;
        let ended = process::wait(self.child.pid, false).doing(what)?;
        if let Ok(answer) = serde_json::from_slice::<Result<Summary, Failure>>(&answer) {
            return answer;
        }
        let how = match ended {
            // It writes to whoever reads, and that one has gone.
            Some((_, Exit::Signal(SIGPIPE))) => return Err(Failure::new(transfer::CUT_OFF)),
            Some((_, Exit::Signal(number))) => format!("was killed by signal {number}"),
            _ => "ended without an answer".to_owned(),
        };
        Err(Failure::new(format!("{}: its process {how}", what())))
    }
}

const SIGPIPE: i32 = 13;

struct Work<'a> {
    whose: Whose<'a>,
    path: PathBuf,
    task: Task,
}

impl Work<'_> {
    fn carry_out(&self, stream: BorrowedFd<'_>, tell: BorrowedFd<'_>) -> Result<Summary, Failure> {
        let what = || "confining a side of the copy".to_owned();
        // Before the container is entered: nobody there may look into this process (CVE-2016-9962).
        process::set_dumpable(false).doing(what)?;
        // While /proc is the host's. Files are opened through it, which no mount of the container can stand in for.
        let descriptors = file::open_dir(file::CWD, "/proc/self/fd").doing(what)?;
        let mut kept = vec![stream, tell, descriptors.as_fd()];
        if let Whose::Container(visit) = self.whose {
            kept.extend(visit.fds());
        }
        // The store's, above all.
        process::close_all_but(&kept).doing(what)?;
        if let Whose::Container(visit) = self.whose {
            visit.enter()?;
        }
        // After the last change of credentials, each of which takes it back.
        process::set_dumpable(false).doing(what)?;
        process::die_with_parent(true).doing(what)?;
        process::umask(0);
        only_over_files().doing(what)?;
        process::set_no_new_privs().doing(what)?;
        let root = file::openat(
            file::CWD,
            "/",
            file::OFlags::PATH | file::OFlags::DIRECTORY,
            0,
        );
        let root = Root::new(root.doing(what)?);
        let stream = File::from(file::duplicate(stream).doing(what)?);
        let ready = |below: BorrowedFd<'_>| self.ready(&root, below, descriptors.as_fd());
        Ok(match self.task {
            Task::Read { follow } => {
                let how = Pack {
                    follow,
                    descriptors: descriptors.as_fd(),
                    ready: &ready,
                };
                transfer::pack(&root, &self.path, &how, stream)?
            }
            Task::Make {
                stream: kind,
                owners,
                privileges,
                overwrite,
            } => {
                let how = Place {
                    stream: kind,
                    owners,
                    privileges,
                    overwrite,
                    follow: matches!(self.whose, Whose::Container(_)),
                    ready: &ready,
                };
                transfer::place(&root, &self.path, &how, stream)?
            }
        })
    }

    /// Gives up the rest, now that it is known what is copied.
    fn ready(
        &self,
        root: &Root,
        below: BorrowedFd<'_>,
        descriptors: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let makes = matches!(self.task, Task::Make { .. });
        if let (Whose::Container(visit), true) = (self.whose, makes) {
            let number = below.as_raw_fd().to_string();
            let path = file::readlink(descriptors, number);
            let path = path.map_err(|e| Error::call("the path of the destination", e))?;
            visit
                .keeps(&path)
                .map_err(|text| Error::new(Kind::Unsupported, text).hint("start it first"))?;
        }
        // In a container links may lead to any of its directories.
        let below = match self.whose {
            Whose::Caller => below,
            Whose::Container(_) => root.as_fd(),
        };
        confine(below, makes).map_err(|e| Error::call("confining a side of the copy", e))
    }
}

fn only_over_files() -> lockstep_kernel::Result<()> {
    let kept = capability::get()?.permitted & OVER_FILES;
    capability::clear_ambient()?;
    capability::set(&Sets {
        effective: kept,
        permitted: kept,
        inheritable: 0,
    })
}

/// A Landlock domain, where this kernel has one in which files can be moved, and a filter.
fn confine(below: BorrowedFd<'_>, makes: bool) -> lockstep_kernel::Result<()> {
    if landlock::abi() >= MOVES {
        landlock::restrict(Domain {
            handled_fs: ALL_FS,
            handled_net: ALL_NET,
            scoped: 0,
            paths: vec![(file::duplicate(below)?, if makes { WRITE } else { READ })],
            ports: Vec::new(),
            best_effort: true,
        })?;
    }
    let filter = own::copier(Arch::native());
    let program = compile(&filter, Arch::native()).map_err(|e| lockstep_kernel::Error {
        call: format!("seccomp(SECCOMP_SET_MODE_FILTER) [{e}]"),
        errno: lockstep_abi::errno::Errno::EINVAL.0,
    })?;
    seccomp::load(&program.insns, program.flags).map(drop)
}
