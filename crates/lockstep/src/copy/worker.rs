//! One side of a copy, in a process of its own that has the rights for it and no others.
//!
//! The side of a container enters that container. The side of the caller is confined to the directory that was named. Both
//! have a filter, no descriptor but their own, and no capability but those over files; what they say of themselves is read
//! as a stranger's word.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use lockstep_abi::arch::Arch;
use lockstep_abi::errno::Errno;
use lockstep_abi::signal::SIGPIPE;
use lockstep_image::Error;
use lockstep_image::transfer::{self, Pack, Place, Summary};
use lockstep_kernel::landlock::{self, Domain};
use lockstep_kernel::process::{self, Child, Exit, Side};
use lockstep_kernel::root::Root;
use lockstep_kernel::{capability, file, mount, seccomp, socket};
use lockstep_profile::seccomp::{compile, own};

use super::visit::Visit;
use crate::failure::{Doing, Failure};

/// Most bytes of an answer.
const LIMIT: usize = 64 << 10;

/// CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP: over files, whoever's they are.
const OVER_FILES: u64 = 0b1_1111 | 1 << 31;

/// LANDLOCK_ACCESS_FS_* that read files and directories.
const READ: u64 = 1 << 2 | 1 << 3;
/// Besides, everything but executing, devices and sockets.
const WRITE: u64 =
    READ | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 14;
/// The ABI in which a domain can allow that a file is moved to another directory, as copies are to their names
/// (LANDLOCK_ACCESS_FS_REFER; Linux 5.19). The first one refuses it whatever it is asked for.
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
        let stream = file::duplicate(stream).doing(what)?;
        // While /proc is the host's.
        let host = file::open_dir(file::CWD, "/proc/self").doing(what)?;
        Ok(match self.task {
            Task::Read { follow } => {
                let descriptors = descriptors(host.as_fd()).doing(what)?;
                let kept = [stream.as_fd(), tell, descriptors.as_fd()];
                let (root, _) = self.leave_host(&kept, host)?;
                let how = Pack {
                    follow,
                    descriptors: descriptors.as_fd(),
                    ready: &|below| self.confine(&root, below),
                };
                transfer::pack(&root, &self.path, &how, File::from(stream))?
            }
            Task::Make {
                stream: kind,
                owners,
                privileges,
                overwrite,
            } => {
                let (root, passing) = self.leave_host(&[stream.as_fd(), tell], host)?;
                let how = Place {
                    stream: kind,
                    owners,
                    privileges,
                    overwrite,
                    follow: matches!(self.whose, Whose::Container(_)),
                    passing: &passing,
                    ready: &|below| self.confine(&root, below),
                };
                transfer::place(&root, &self.path, &how, File::from(stream))?
            }
        })
    }

    /// Enters the container, if there is one, with these descriptors and no others, and gives up every right but those
    /// over files. The root, and which mounts are not to be written to. `host` is this process in the host's /proc.
    fn leave_host(
        &self,
        kept: &[BorrowedFd<'_>],
        host: OwnedFd,
    ) -> Result<(Root, Vec<u64>), Failure> {
        let what = || "confining a side of the copy".to_owned();
        // In the place of the caller's terminal, which bytes can drive, or of a file that it was given.
        let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(what)?;
        for number in 0..3 {
            process::dup_onto(null.as_fd(), number).doing(what)?;
        }
        drop(null);
        let mut kept = kept.to_vec();
        kept.push(host.as_fd());
        if let Whose::Container(visit) = self.whose {
            kept.extend(visit.fds());
        }
        // The store's, above all.
        process::close_all_but(&kept).doing(what)?;
        let mut passing = Vec::new();
        if let Whose::Container(visit) = self.whose {
            #[cfg(lockstep_weak)]
            if lockstep_kernel::weak::is("copy-outside") {
                return Ok((Root::new(visit.seen_from_outside()?), passing));
            }
            visit.enter()?;
            passing = visit.passing(host.as_fd())?;
        }
        drop(host);
        // After the last change of credentials, each of which takes it back.
        process::set_dumpable(false).doing(what)?;
        process::die_with_parent(true).doing(what)?;
        process::umask(0);
        capability::keep_only(OVER_FILES).doing(what)?;
        process::set_no_new_privs().doing(what)?;
        let root = file::open_dir(file::CWD, "/").doing(what)?;
        Ok((Root::new(root), passing))
    }

    /// Gives up the rest, now that it is known what is copied: a Landlock domain, where this kernel has one that is of
    /// use, and a filter.
    fn confine(&self, root: &Root, below: BorrowedFd<'_>) -> Result<(), Error> {
        let makes = matches!(self.task, Task::Make { .. });
        // In a container links may lead to any of its directories.
        let below = match self.whose {
            Whose::Caller => below,
            Whose::Container(_) => root.as_fd(),
        };
        #[cfg(lockstep_weak)]
        if lockstep_kernel::weak::is("copy-domain") {
            return Ok(());
        }
        let confined = domain(below, makes).and_then(|()| filter());
        confined.map_err(|e| Error::call("confining a side of the copy", e))
    }
}

/// `/proc/self/fd`, through which files are opened that are known to be files. A mount of its own where that may be made:
/// the directory above it is the host's /proc. Else the way there is left to Landlock, and to the caller's own rights.
fn descriptors(host: BorrowedFd<'_>) -> lockstep_kernel::Result<OwnedFd> {
    match mount::open_tree(host, Path::new("fd"), false, false) {
        // EPERM: an ordinary user, or a filter around this program; ENOSYS: such a filter, too; EINVAL: a /proc that is
        // not to be bound elsewhere.
        Err(e) if e.is(&[Errno::EPERM.0, Errno::ENOSYS.0, Errno::EINVAL.0]) => {
            file::open_dir(host, "fd")
        }
        other => other,
    }
}

/// Whether a side can have a Landlock domain on a kernel with this ABI.
fn has_domain(abi: i32, makes: bool) -> bool {
    abi >= if makes { MOVES } else { 1 }
}

/// What is lost of the confinement of the sides that there are, on a kernel with this Landlock ABI.
pub(super) fn lost(abi: i32, reads: bool, makes: bool) -> Option<String> {
    let without = match (
        reads && !has_domain(abi, false),
        makes && !has_domain(abi, true),
    ) {
        (false, false) => return None,
        (true, false) => "the process that reads has",
        (false, true) => "the process that makes files has",
        (true, true) => "the processes of the copy have",
    };
    let why = match abi {
        0 => "this kernel has no Landlock".to_owned(),
        _ => format!(
            "Landlock of this kernel (ABI {abi}) refuses every move between directories, which ABI {MOVES} of Linux 5.19 can allow"
        ),
    };
    Some(format!(
        "warning: {why}: {without} no domain, and is held by rights, mounts and a filter alone"
    ))
}

fn domain(below: BorrowedFd<'_>, makes: bool) -> lockstep_kernel::Result<()> {
    if !has_domain(landlock::abi(), makes) {
        return Ok(());
    }
    let domain = Domain {
        handled_fs: landlock::ALL_FS,
        handled_net: landlock::ALL_NET,
        scoped: 0,
        paths: vec![(file::duplicate(below)?, if makes { WRITE } else { READ })],
        ports: Vec::new(),
        best_effort: true,
    };
    landlock::restrict(domain).map(drop)
}

fn filter() -> lockstep_kernel::Result<()> {
    let filter = own::copier(Arch::native());
    let program = compile(&filter, Arch::native()).map_err(|e| lockstep_kernel::Error {
        call: format!("seccomp(SECCOMP_SET_MODE_FILTER) [{e}]"),
        errno: Errno::EINVAL.0,
    })?;
    seccomp::load(&program.insns, program.flags).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_lacks_is_said_of_the_sides_that_lack_it() {
        let told = |abi, reads, makes| lost(abi, reads, makes).unwrap_or_default();
        assert!(told(0, true, true).contains("no Landlock: the processes of the copy have"));
        assert!(told(1, true, true).contains("the process that makes files has no domain"));
        // A reader has all that it needs from the first ABI on.
        assert!(has_domain(1, false));
        assert_eq!(lost(1, true, false), None);
        assert_eq!(lost(2, true, true), None);
    }
}
