//! criu(8), which saves processes to files and brings them back: run as a child that is spoken to over a socket.
//!
//! By its protocol (`criu swrk FD`, messages of `images/rpc.proto`) and not by its command line, because three things are
//! not to be had there: the master of the container's terminal arrives as a descriptor, the restored process becomes a
//! child of this one, whose end it can wait for, and every moment of a restore is told in a message that holds criu up
//! until it is answered. On the command line that last one is a program of ours that a shell starts.
//!
//! criu is a program of the host. It runs outside of the container, with the caller's rights.

mod fit;
mod label;
mod log;
mod message;
mod mounts;
mod streams;
mod wire;

use crate::error::{Error, For, Kind as Wrong, Result};
use crate::request::CriuSettings;
use lockstep_abi::errno::Errno;
use lockstep_kernel::process::{self, Child, Exit, Image, Side};
use lockstep_kernel::{file, signal, socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

pub(crate) use fit::check as check_fit;
pub(crate) use label::{check as check_label, check_saved as check_saved_label};
pub(crate) use message::{Kind, Options, field};
pub(crate) use mounts::{Dumped, Restored, Table};
pub(crate) use streams::Streams;

/// The oldest version that can do what is asked of all: freeze cgroup v2 and leave namespaces to their owner.
const OLDEST: u64 = 31_500;
/// The first that takes another label for the processes (`--lsm-profile`, `--lsm-mount-context`).
pub(crate) const RELABELS: u64 = 31_600;
/// The first that keeps the network still by nftables(8) of its own, without another program.
const LOCKS_BY_NFTABLES: u64 = 31_700;
/// `criu_network_lock_method`.
const NFTABLES: u64 = 2;
/// Where an administrator sets what criu does for runc.
const CONFIGURATION: &str = "/etc/criu/runc.conf";
/// By which a configuration names a file of criu's settings.
const CONFIGURED: &str = "org.criu.config";

/// A criu that waits for its order.
#[derive(Debug)]
pub(crate) struct Criu {
    child: Child,
    socket: OwnedFd,
    /// major * 10000 + minor * 100 + sublevel.
    pub(crate) version: u64,
    log: PathBuf,
}

/// How criu's process differs from this one.
pub(crate) struct Surroundings<'a> {
    /// Its standard streams.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// Descriptors from [`FIRST_PASSED`] on.
    pub(crate) passed: Vec<BorrowedFd<'a>>,
    /// Opened `tasks` of cgroups v1, which it joins.
    pub(crate) tasks: Vec<OwnedFd>,
    /// The unified cgroup that it is born into.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Whether it, and so what it restores, gains nothing by execve(2).
    pub(crate) no_new_privs: bool,
    /// What it does last, in the new process.
    pub(crate) last: &'a dyn Fn() -> Result<()>,
}

/// What criu has behind its standard streams: the socket at 3, the directories, then [`Surroundings::passed`].
const IMAGES: u64 = 4;
const WORK: u64 = 5;
pub(crate) const FIRST_PASSED: u64 = 6;

/// A moment of criu's work, which goes on when this has been dealt with.
pub(crate) struct Moment<'a> {
    /// Its name, as action scripts know it (criu(8)).
    pub(crate) name: &'a str,
    /// The container's first process, where there is one.
    pub(crate) pid: i32,
    /// What came with it.
    pub(crate) fds: Vec<OwnedFd>,
}

/// The directories that criu writes to and reads from.
#[derive(Debug)]
pub(crate) struct Directories {
    /// The images.
    pub(crate) images: OwnedFd,
    work: Option<OwnedFd>,
    /// Where the log is.
    log: PathBuf,
}

impl Directories {
    /// Opens them; with `make` the images' is made, 0700, because it will hold the memory of all processes.
    pub(crate) fn open(settings: &CriuSettings, make: bool, log: &str) -> Result<Directories> {
        let open = |path: &Path, what: &str, make: bool| {
            let what = || format!("{what} {}", path.display());
            if make {
                file::make_with_parents(path, 0o700).during(what)?;
            }
            file::open_dir(file::CWD, path).during(what)
        };
        let images = open(&settings.images, "image directory", make)?;
        let work = settings.work.as_deref();
        let log = work.unwrap_or(&settings.images).join(log);
        let work = work.map(|path| open(path, "work directory", true));
        Ok(Directories {
            images,
            work: work.transpose()?,
            log,
        })
    }

    /// Refuses images that somebody else could have written: they are processes with root's rights to be.
    pub(crate) fn check_owner(&self, path: &Path) -> Result<()> {
        let what = || format!("image directory {}", path.display());
        let found = file::fstat(&self.images).during(what)?;
        let own = found.st_uid == 0 || found.st_uid == lockstep_kernel::credential::euid();
        if own && found.st_mode & 0o022 == 0 {
            return Ok(());
        }
        let text = format!("{} can be written to by other users", what());
        Err(Error::new(Wrong::Invalid, text)
            .hint("what it holds becomes processes with the rights that it says"))
    }
}

/// What both verbs ask of criu in the same way.
pub(crate) fn options(
    settings: &CriuSettings,
    directories: &Directories,
    annotations: &lockstep_oci::ordered_map::OrderedMap<String>,
) -> Options {
    let mut options = Options::default();
    options.number(field::IMAGES_DIR_FD, IMAGES);
    options.number(field::WORK_DIR_FD, WORK);
    // Messages, warnings and errors; debugging as runc has it.
    options.number(field::LOG_LEVEL, 4);
    let log = directories
        .log
        .file_name()
        .map(|name| name.to_string_lossy());
    options.text(field::LOG_FILE, &log.unwrap_or_default());
    options.flag(field::NOTIFY_SCRIPTS, true);
    options.flag(field::MANAGE_CGROUPS, true);
    options.number(field::MANAGE_CGROUPS_MODE, settings.cgroups as u64);
    options.flag(field::EXT_UNIX_SK, settings.ext_unix_sk);
    options.flag(field::TCP_ESTABLISHED, settings.tcp_established);
    options.flag(field::SHELL_JOB, settings.shell_job);
    options.flag(field::FILE_LOCKS, settings.file_locks);
    options.flag(field::AUTO_DEDUP, settings.auto_dedup);
    options.flag(field::LAZY_PAGES, settings.lazy_pages);
    // The other end of the container's terminal is the engine's.
    options.flag(field::ORPHAN_PTS_MASTER, true);
    // Devices of the network are whoever's who has set them up.
    options.number(field::EMPTY_NS, lockstep_plan::namespace::NEWNET);
    // An empty annotation asks for no settings; one that names a file is refused (`fit.rs`).
    if annotations.get(CONFIGURED).is_none() {
        options.text(field::CONFIG_FILE, CONFIGURATION);
    }
    options
}

impl Criu {
    /// Starts criu and learns its version.
    pub(crate) fn start(
        settings: &CriuSettings,
        directories: &Directories,
        around: &Surroundings<'_>,
    ) -> Result<Criu> {
        let program = find(settings)?;
        let what = || format!("executing {}", program.display());
        let path = program.to_string_lossy();
        let env = settings.env.iter().map(String::as_str);
        let image = Image::new(&path, ["criu", "swrk", "3"], env).during(what)?;
        let (told, tell) = socket::pair().during(what)?;
        let child = match process::clone(0, around.cgroup).during(what)? {
            Side::Child => {
                let failed = become_criu(&image, directories, around, tell.as_fd());
                process::exit(i32::from(failed))
            }
            Side::Parent(child) => child,
        };
        drop(tell);
        // First its socket, then nothing more when it is executed; or why not.
        let mut socket = None;
        let said = loop {
            let (said, fds) = socket::receive(told.as_fd()).during(what)?;
            match fds.into_iter().next() {
                Some(fd) => socket = Some(fd),
                None => break said,
            }
        };
        let mut criu = match socket.filter(|_| said.is_empty()) {
            Some(socket) => Criu {
                child,
                socket,
                version: 0,
                log: directories.log.clone(),
            },
            None => {
                process::wait(child.pid, false).during(what)?;
                let unreadable = || Error::new(Wrong::Kernel, what());
                return Err(serde_json::from_slice(&said).unwrap_or_else(|_| unreadable()));
            }
        };
        criu.version = criu.ask(Kind::Version)?.version;
        if criu.version < OLDEST {
            let text = format!("CRIU version {} must be {OLDEST} or higher", criu.version);
            return Err(Error::new(Wrong::Invalid, text));
        }
        Ok(criu)
    }

    /// criu's process.
    pub(crate) fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Fails where criu or the kernel cannot do without stopping what a pre-dump or lazy pages need.
    pub(crate) fn need(&self, memory_tracking: bool, lazy_pages: bool) -> Result<()> {
        if !memory_tracking && !lazy_pages {
            return Ok(());
        }
        let can = self.ask(Kind::Features);
        let can =
            can.map_err(|e| e.hint("whether criu works with this kernel, `criu check` says"))?;
        let lacks = |what: &str, flag: &str| {
            let text = format!("criu is missing features: [{what}]");
            Err(Error::new(Wrong::Invalid, text).hint(format!("it is needed for {flag}")))
        };
        match () {
            () if memory_tracking && !can.tracks_memory => lacks("MemTrack", "--pre-dump"),
            () if lazy_pages && !can.lazy_pages => lacks("LazyPages", "--lazy-pages"),
            () => Ok(()),
        }
    }

    fn ask(&self, kind: Kind) -> Result<message::Answer> {
        self.send(&message::question(kind))?;
        let (answer, _) = self.receive()?;
        match answer.success && answer.kind == kind as u64 {
            true => Ok(answer),
            false => Err(failure(kind, &answer)),
        }
    }

    /// Has connections kept still in the way that this host has. criu's own choice is iptables(8), which many have not.
    pub(crate) fn lock_network(&self, settings: &CriuSettings, options: &mut Options) {
        if self.version >= LOCKS_BY_NFTABLES && on_path(settings, "iptables-restore").is_none() {
            options.number(field::NETWORK_LOCK, NFTABLES);
        }
    }

    /// Has criu do one thing to its end, `noted` at each moment of it; the container's first process, of a restore.
    pub(crate) fn order(
        mut self,
        kind: Kind,
        options: &Options,
        warn: &dyn Fn(&str),
        noted: &mut dyn FnMut(Moment<'_>) -> Result<()>,
    ) -> Result<i32> {
        let done = self.send(&message::order(kind, options));
        let done = done.and_then(|()| self.converse(kind, noted));
        // It ends at once when nobody speaks to it any more.
        let (ours, _) = socket::pair().during(|| "leaving criu".into())?;
        drop(std::mem::replace(&mut self.socket, ours));
        let exit = self.wait()?;
        let done = done.and_then(|pid| match (kind, exit) {
            // After a pre-dump criu waits for the next one, and takes the end of the connection for a fault.
            (Kind::PreDump, _) | (_, Some(Exit::Code(0)) | None) => Ok(pid),
            (_, Some(exit)) => {
                let text = format!("criu failed: exit status {}", exit.status());
                Err(Error::new(Wrong::Kernel, text))
            }
        });
        done.map_err(|e| log::quote(&self.log, e, warn))
    }

    fn converse(&self, kind: Kind, noted: &mut dyn FnMut(Moment<'_>) -> Result<()>) -> Result<i32> {
        loop {
            let (answer, fds) = self.receive()?;
            if answer.kind != Kind::Notify as u64 {
                return match answer.success && answer.kind == kind as u64 {
                    true => Ok(answer.pid),
                    false => Err(failure(kind, &answer)),
                };
            }
            let moment = Moment {
                name: &answer.moment,
                pid: answer.pid,
                fds,
            };
            if let Err(e) = noted(moment) {
                // What it says to that is known already; it undoes what it has done.
                drop(self.send(&message::noted(false)));
                while self
                    .receive()
                    .is_ok_and(|(answer, _)| answer.kind == Kind::Notify as u64)
                {
                    drop(self.send(&message::noted(false)));
                }
                return Err(e);
            }
            self.send(&message::noted(true))?;
        }
    }

    fn send(&self, request: &wire::Writer) -> Result<()> {
        match socket::send(self.socket.as_fd(), request.as_bytes(), &[]) {
            Err(e) if e.is(&[Errno::EPIPE.0]) => Err(ended()),
            sent => sent.during(|| "speaking to criu".into()),
        }
    }

    fn receive(&self) -> Result<(message::Answer, Vec<OwnedFd>)> {
        let (bytes, fds) =
            socket::receive(self.socket.as_fd()).during(|| "listening to criu".into())?;
        if bytes.is_empty() {
            return Err(ended());
        }
        let answer = message::read(&bytes).ok_or_else(|| {
            Error::new(Wrong::Kernel, "criu has given an answer of an unknown form")
        })?;
        Ok((answer, fds))
    }

    fn wait(&self) -> Result<Option<Exit>> {
        let ended = process::wait(self.child.pid, false).during(|| "waiting for criu".into())?;
        Ok(ended.map(|(_, exit)| exit))
    }
}

fn ended() -> Error {
    Error::new(Wrong::Kernel, "criu has ended without an answer")
}

fn failure(kind: Kind, answer: &message::Answer) -> Error {
    let kind = match kind {
        Kind::Dump => "DUMP",
        Kind::Restore => "RESTORE",
        Kind::PreDump => "PRE_DUMP",
        Kind::Notify => "NOTIFY",
        Kind::Features => "FEATURE_CHECK",
        Kind::Version => "VERSION",
    };
    let text = format!("criu failed: type {kind} errno {}", answer.errno);
    match answer.text.is_empty() {
        true => Error::new(Wrong::Kernel, text),
        false => Error::new(Wrong::Kernel, format!("{text}: {}", answer.text)),
    }
}

/// In the new process: executes criu, or says why not; whether it could not be said.
///
/// criu opens the directories that it is told of as descriptors of whoever has made the socket, and mounts in them. So
/// both are made here, in criu's mount namespace.
fn become_criu(
    image: &Image,
    directories: &Directories,
    around: &Surroundings<'_>,
    tell: BorrowedFd<'_>,
) -> bool {
    let what = || "starting criu".to_owned();
    let ready = || {
        signal::unblock_all().during(what)?;
        for tasks in &around.tasks {
            file::write_fd(tasks, b"0").during(what)?;
        }
        (around.last)()?;
        if around.no_new_privs {
            process::set_no_new_privs().during(what)?;
        }
        let images = again(&directories.images)?;
        let work = again(directories.work.as_ref().unwrap_or(&directories.images))?;
        let (ours, theirs) = socket::pair().during(what)?;
        socket::send(tell, b".", &[ours.as_fd()]).during(what)?;
        drop(ours);
        let mut fds = around.streams.to_vec();
        fds.extend([theirs.as_fd(), images.as_fd(), work.as_fd()]);
        fds.extend(&around.passed);
        process::only(&fds, tell).during(what)
    };
    let say = |tell: BorrowedFd<'_>, error: &Error| {
        let text = serde_json::to_vec(error).unwrap_or_default();
        socket::send(tell, &text, &[]).is_err()
    };
    match ready() {
        Ok(tell) => say(tell.as_fd(), &Error::call("executing criu", &image.exec())),
        Err(error) => say(tell, &error),
    }
}

/// The same directory once more, as this mount namespace has it.
fn again(directory: &OwnedFd) -> Result<OwnedFd> {
    let path = file::readlink(
        file::CWD,
        format!("/proc/self/fd/{}", directory.as_raw_fd()),
    );
    let path = path.during(|| "directory of the images".into())?;
    let what = || format!("directory {}", path.display());
    let found = file::open_dir(file::CWD, &path).during(what)?;
    let (old, new) = (
        file::fstat(directory).during(what)?,
        file::fstat(&found).during(what)?,
    );
    match (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino) {
        true => Ok(found),
        false => Err(Error::new(
            Wrong::Kernel,
            format!("{} was replaced", what()),
        )),
    }
}

/// The program, as exec.LookPath of Go finds it: never below the working directory.
fn find(settings: &CriuSettings) -> Result<PathBuf> {
    let program = &settings.program;
    let missing = |said: &str| {
        let text = format!("CRIU version check failed: exec: \"{program}\": {said}");
        Error::new(Wrong::Invalid, text)
            .hint("install criu (Debian: criu), or name the program with --criu")
    };
    if program.contains('/') {
        let path = PathBuf::from(program);
        return match file::may_execute(file::CWD, &path) {
            Ok(()) => Ok(path),
            Err(e) => Err(missing(&Errno(e.errno).description().to_lowercase())),
        };
    }
    on_path(settings, program).ok_or_else(|| missing("executable file not found in $PATH"))
}

/// A program below one of PATH's absolute directories.
fn on_path(settings: &CriuSettings, program: &str) -> Option<PathBuf> {
    let path = settings
        .env
        .iter()
        .find_map(|entry| entry.strip_prefix("PATH="))?;
    path.split(':').map(Path::new).find_map(|directory| {
        let path = directory.join(program);
        let is = directory.is_absolute() && file::may_execute(file::CWD, &path).is_ok();
        is.then_some(path)
    })
}

/// Any bytes as an answer of criu.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_answer(bytes: &[u8]) {
    drop(message::read(bytes));
}
