//! Namespaces: leave, join, map ids, and ask what a descriptor belongs to (namespaces(7)).

use crate::call::{self, Error, Result, check};
use crate::file;
use crate::process::{self, Image, Side};
use crate::signal;
use rustix::fs::OFlags;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// CLONE_NEWTIME (Linux 5.6).
pub const NEWTIME: u64 = 0x80;

/// unshare(2).
pub fn unshare(flags: u64) -> Result<()> {
    // SAFETY: takes flags; this process has one thread, so none is left behind in the old namespaces.
    let ret = unsafe { libc::unshare(flags as i32) };
    check(ret.into(), || format!("unshare({flags:#x})")).map(drop)
}

/// setns(2) of a namespace file or, with several flags, of all of a pidfd's namespaces (Linux 5.8).
pub fn setns(fd: BorrowedFd<'_>, flags: u64) -> Result<()> {
    // SAFETY: takes a descriptor and flags.
    let ret = unsafe { libc::setns(fd.as_raw_fd(), flags as i32) };
    check(ret.into(), || {
        format!("setns({}, {flags:#x})", call::fd(fd))
    })
    .map(drop)
}

/// The CLONE_NEW* type of a namespace file; ioctl_ns(2) NS_GET_NSTYPE (Linux 4.11).
pub fn kind(fd: BorrowedFd<'_>) -> Result<u64> {
    const NS_GET_NSTYPE: u32 = 0xb703;
    // SAFETY: this ioctl takes no argument.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE as _) };
    check(ret.into(), || {
        format!("ioctl({}, NS_GET_NSTYPE)", call::fd(fd))
    })
    .map(|kind| kind as u64)
}

/// One line of uid_map or gid_map: ids `inside..inside+size` are `outside..outside+size` of the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map {
    /// First id in the namespace.
    pub inside: u32,
    /// First id in the parent namespace.
    pub outside: u32,
    /// How many.
    pub size: u32,
}

/// Which of the two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// uid_map.
    User,
    /// gid_map.
    Group,
}

impl Ids {
    fn file(self) -> &'static str {
        match self {
            Ids::User => "uid_map",
            Ids::Group => "gid_map",
        }
    }

    fn helper(self) -> &'static str {
        match self {
            Ids::User => "/usr/bin/newuidmap",
            Ids::Group => "/usr/bin/newgidmap",
        }
    }
}

/// Writes a map of process `pid`'s user namespace (user_namespaces(7)), below a /proc descriptor.
fn write_map(proc: impl AsFd, pid: i32, ids: Ids, maps: &[Map]) -> Result<()> {
    let text: String = maps
        .iter()
        .map(|m| format!("{} {} {}\n", m.inside, m.outside, m.size))
        .collect();
    file::write(proc, format!("{pid}/{}", ids.file()), text.as_bytes())
}

/// The setuid helper of the shadow suite, which knows the caller's subordinate ids (newuidmap(1)), at work on a map.
#[derive(Debug)]
struct Helper {
    call: String,
    child: process::Child,
    said: OwnedFd,
}

impl Helper {
    fn start(pid: i32, ids: Ids, maps: &[Map]) -> Result<Helper> {
        let mut args = vec![ids.helper().to_string(), pid.to_string()];
        for m in maps {
            args.extend([m.inside, m.outside, m.size].map(|n| n.to_string()));
        }
        let image = Image::new(ids.helper(), args.iter().map(String::as_str), [])?;
        let (said, write) = crate::socket::pipe()?;
        match process::clone(0, None)? {
            Side::Child => {
                let ready =
                    signal::block_stops().and_then(|()| process::dup_onto(write.as_fd(), 2));
                let failure = match ready {
                    Ok(()) => image.exec(),
                    Err(e) => e,
                };
                if failure.is(&[libc::ENOENT]) {
                    process::exit(127)
                }
                // Where the helper's own words would be; if even that fails, the status says that something did.
                drop(file::write_fd(&write, failure.to_string().as_bytes()));
                process::exit(126)
            }
            Side::Parent(child) => Ok(Helper {
                call: format!("execve({:?}, {:?})", ids.helper(), &args[1..]),
                child,
                said,
            }),
        }
    }

    /// Waits until the map is written. What the helper printed is part of the error.
    fn finish(self) -> Result<()> {
        let said = file::read_fd(&self.said, 64 * 1024)?;
        match process::wait(self.child.pid, false)? {
            Some((_, process::Exit::Code(0))) => Ok(()),
            Some((_, process::Exit::Code(127))) => Err(Error {
                call: self.call,
                errno: libc::ENOENT,
            }),
            _ => Err(Error {
                call: format!(
                    "{} [{}]",
                    self.call,
                    String::from_utf8_lossy(&said).trim_end()
                ),
                errno: libc::EPERM,
            }),
        }
    }
}

/// Both helpers at once: neither map waits for the other (user_namespaces(7)), and each is a program to be loaded.
#[derive(Debug)]
struct Helpers {
    users: Result<Helper>,
    groups: Result<Helper>,
}

impl Helpers {
    fn start(pid: i32, users: &[Map], groups: &[Map]) -> Helpers {
        Helpers {
            users: Helper::start(pid, Ids::User, users),
            groups: Helper::start(pid, Ids::Group, groups),
        }
    }

    fn finish(self) -> std::result::Result<(), (Ids, Error)> {
        let users = self.users.and_then(Helper::finish);
        let groups = self.groups.and_then(Helper::finish);
        users
            .map_err(|e| (Ids::User, e))
            .and(groups.map_err(|e| (Ids::Group, e)))
    }
}

/// Forbids setgroups(2) in the namespace of `pid`, which an unprivileged gid_map requires (Linux 3.19).
fn deny_setgroups(proc: impl AsFd, pid: i32) -> Result<()> {
    file::write(proc, format!("{pid}/setgroups"), b"deny")
}

/// A user namespace that exists only as a descriptor with these maps, for MOUNT_ATTR_IDMAP.
pub fn detached_user_namespace(proc: impl AsFd, users: &[Map], groups: &[Map]) -> Result<OwnedFd> {
    detached(proc, (users, groups), Mapper::Privileged)
}

/// The same by any mapper, for [`within`].
pub fn detached(proc: impl AsFd, maps: (&[Map], &[Map]), mapper: Mapper) -> Result<OwnedFd> {
    let (users, writing) = begin(proc, maps, mapper, (0, || ()))?;
    writing.finish()?;
    Ok(users)
}

/// The maps of a user namespace on their way: the setuid helpers are at work while this process does something else.
#[derive(Debug)]
pub struct Writing {
    /// Is in the namespace as long as somebody can write to `hold`: the helpers want to be told of a process.
    holder: process::Child,
    hold: OwnedFd,
    helpers: Option<Helpers>,
}

/// [`detached`] without waiting for its maps. Where no helper is needed they are written. The process that is in it until then
/// calls `first` in new namespaces by CLONE_NEW* `flags` too, with no id mapped yet.
pub fn begin(
    proc: impl AsFd,
    (users, groups): (&[Map], &[Map]),
    mapper: Mapper,
    (flags, first): (u64, impl FnOnce()),
) -> Result<(OwnedFd, Writing)> {
    let proc = proc.as_fd();
    let (held, hold) = crate::socket::pipe()?;
    let (settled, settling) = crate::socket::pipe()?;
    let holder = match process::clone(libc::CLONE_NEWUSER as u64 | flags, None)? {
        Side::Child => {
            // Of an untraceable maker's copy the files in /proc are root's, whom no ordinary user's helper works for.
            let ready = process::set_dumpable(true).and_then(|()| signal::block_stops());
            if let Err(error) = ready {
                // Without it the maker goes on, and says what the helpers do: nothing is left to tell it with.
                drop(file::write_fd(&settling, &sent(&error)));
                process::exit(1)
            }
            drop((hold, settling));
            first();
            // Ends with its maker, also when that is killed: the read returns when nobody can write any more.
            process::exit(i32::from(file::read_fd(&held, 1).is_err()))
        }
        Side::Parent(child) => child,
    };
    drop((first, settling));
    // At its end too.
    let said = file::read_fd(&settled, SENT)?;
    let pid = holder.pid;
    let mut writing = Writing {
        holder,
        hold,
        helpers: None,
    };
    let made = received(&said).and_then(|()| {
        let made = file::openat(proc, format!("{pid}/ns/user"), OFlags::RDONLY, 0)?;
        match mapper {
            Mapper::Helpers => writing.helpers = Some(Helpers::start(pid, users, groups)),
            _ => write_maps(proc, pid, (users, groups), mapper).map_err(|(_, error)| error)?,
        }
        Ok(made)
    });
    match made {
        Ok(made) => Ok((made, writing)),
        Err(error) => {
            writing.finish()?;
            Err(error)
        }
    }
}

/// Longest [`sent`] that is read, in bytes.
const SENT: usize = 4096;

/// An error for the process that made this one.
fn sent(error: &Error) -> Vec<u8> {
    let mut said = error.errno.to_ne_bytes().to_vec();
    said.extend_from_slice(error.call.as_bytes());
    said
}

/// The error that was [`sent`]; nothing is none.
fn received(said: &[u8]) -> Result<()> {
    match said.split_first_chunk() {
        Some((errno, call)) => Err(Error {
            call: String::from_utf8_lossy(call).into_owned(),
            errno: i32::from_ne_bytes(*errno),
        }),
        None => Ok(()),
    }
}

impl Writing {
    /// Waits until the maps are written, and until nobody is in the namespace any more.
    pub fn finish(self) -> Result<()> {
        let written = self.helpers.map_or(Ok(()), Helpers::finish);
        drop(self.hold);
        process::wait(self.holder.pid, false)?;
        written.map_err(|(_, error)| error)
    }
}

/// Who writes the maps of a new user namespace (user_namespaces(7), "Defining user and group ID mappings").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapper {
    /// This process, which has CAP_SETUID and CAP_SETGID.
    Privileged,
    /// This process, for its own two ids alone; setgroups(2) is denied before.
    OwnIds,
    /// The setuid helpers, which know the caller's subordinate ids.
    Helpers,
}

/// Runs `f` as uid and gid 0 of a user namespace that this process or its user has made (and in new namespaces by
/// CLONE_NEW* `flags`), and gives back what it returned and how it ended. More than 1 MiB of answer is `EFBIG`.
///
/// The process must have one thread, as for every fork here; the child may start more.
pub fn within(
    users: impl AsFd,
    flags: u64,
    f: impl FnOnce() -> Vec<u8>,
) -> Result<(Vec<u8>, process::Exit)> {
    let (answer, write) = crate::socket::pipe()?;
    let child = match process::clone(0, None)? {
        Side::Child => {
            drop(answer);
            // Whom it concerns: nothing is answered then, and the status is not 0.
            process::exit(i32::from(enter(users.as_fd(), flags, &write, f).is_err()))
        }
        Side::Parent(child) => child,
    };
    drop(write);
    let answer = file::read_fd(answer, 1 << 20);
    let ended = process::wait(child.pid, false)?;
    let exit = ended.map_or(process::Exit::Code(0), |(_, exit)| exit);
    Ok((answer?, exit))
}

/// The child of [`within`]: becomes root in the namespace, works, answers.
fn enter(
    users: BorrowedFd<'_>,
    flags: u64,
    write: &OwnedFd,
    f: impl FnOnce() -> Vec<u8>,
) -> Result<()> {
    // Others may be root there, and see this process where they share the host's process ids.
    process::set_dumpable(false)?;
    setns(users, libc::CLONE_NEWUSER as u64)?;
    if flags != 0 {
        unshare(flags)?;
    }
    crate::credential::setgid(0)?;
    crate::credential::setuid(0)?;
    file::write_fd(write, &f())
}

/// Writes both maps of process `pid`'s user namespace. The error says at which of them it was.
pub fn write_maps(
    proc: impl AsFd,
    pid: i32,
    (users, groups): (&[Map], &[Map]),
    mapper: Mapper,
) -> std::result::Result<(), (Ids, Error)> {
    let proc = proc.as_fd();
    if mapper == Mapper::Helpers {
        return Helpers::start(pid, users, groups).finish();
    }
    write_map(proc, pid, Ids::User, users).map_err(|e| (Ids::User, e))?;
    if mapper == Mapper::OwnIds {
        deny_setgroups(proc, pid).map_err(|e| (Ids::Group, e))?;
    }
    write_map(proc, pid, Ids::Group, groups).map_err(|e| (Ids::Group, e))
}

/// Opens a namespace file and refuses one of another type than `flag` (CLONE_NEW*), as `EINVAL`.
pub fn open(path: &Path, flag: u64) -> Result<OwnedFd> {
    let fd = file::openat(file::CWD, path, OFlags::RDONLY, 0)?;
    match kind(fd.as_fd()) {
        Ok(found) if found == flag => Ok(fd),
        Ok(found) => Err(Error {
            call: format!(
                "ioctl({}, NS_GET_NSTYPE) is {found:#x}, not {flag:#x}",
                call::path(path)
            ),
            errno: libc::EINVAL,
        }),
        Err(e) => Err(e),
    }
}

/// sethostname(2).
pub fn sethostname(name: &str) -> Result<()> {
    // SAFETY: pointer and length of one string.
    let ret = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    check(ret.into(), || format!("sethostname({name:?})")).map(drop)
}

/// setdomainname(2).
pub fn setdomainname(name: &str) -> Result<()> {
    // SAFETY: pointer and length of one string.
    let ret = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    check(ret.into(), || format!("setdomainname({name:?})")).map(drop)
}
