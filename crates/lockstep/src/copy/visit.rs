//! A container's files as the container sees them: through its own namespaces, with its ids and mounts.
//!
//! Of one that does not run the namespaces are made for the moment, by the same plan as when it is started, up to the
//! program. The process that holds them does nothing else: it ends, and takes everything with it, when the one that asked
//! has ended, however it did.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_abi::mountinfo;
use lockstep_abi::signal::SIGKILL;
use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{credential, file, mount, namespace, socket};
use lockstep_oci::runtime::IdMapping;
use lockstep_plan::namespace::{NEWNS, NEWUSER};
use lockstep_runtime::{ContainerId, Waiting};

use crate::container::{Directory, Record, Status, end_in_runtime, no_container};
use crate::failure::{Doing, Failure};
use crate::front::{self, Front};

/// A container whose namespaces can be entered until this is dropped.
pub(crate) struct Visit<'a> {
    front: &'a Front,
    /// As it was typed.
    pub(crate) name: String,
    /// The container's user namespace, where it is another than this process's.
    user_namespace: Option<OwnedFd>,
    mount_namespace: OwnedFd,
    user: u32,
    group: u32,
    /// How what passes is known from what stays, of a container that does not run.
    lasting: Option<Lasting>,
    made: Option<Made>,
}

/// What of a container that was made for the moment outlives that: its root file system, unless that is in memory, and
/// whatever the caller has mounted too. All else began with it: tmpfs, message queues, layers over a volume.
struct Lasting {
    root: bool,
    /// Devices of the file systems of the caller's mounts, as mountinfo has them.
    devices: BTreeSet<String>,
}

/// Most bytes of mountinfo, which grows with the number of mounts.
const MOUNTINFO: usize = 16 << 20;

/// The process that holds a container which does not run, and the container's lock.
struct Made {
    directory: Directory,
    child: Child,
    /// Where it is told to go.
    socket: OwnedFd,
}

impl<'a> Visit<'a> {
    pub(crate) fn to(front: &'a Front, typed: &str) -> Result<Visit<'a>, Failure> {
        let store = front.store()?;
        let (directory, record) = store.find(typed)?;
        let linux = directory.spec()?.linux.unwrap_or_default();
        let ((user, mount), made, lasting) = match directory.status()? {
            Status::Running(started) => (running(front, &record, started.pid)?, None, None),
            _ => {
                let (namespaces, made, record) = Made::new(front, directory)?;
                (namespaces, Some(made), Some(Lasting::of(&record)?))
            }
        };
        let own = namespace_of("self", "user").doing(|| "this user namespace".into())?;
        let number = |namespace: &OwnedFd| {
            let found = file::fstat(namespace).doing(|| "a user namespace".into())?;
            Ok::<_, Failure>((found.st_dev, found.st_ino))
        };
        let other = number(&own)? != number(&user)?;
        Ok(Visit {
            front,
            name: typed.to_owned(),
            user_namespace: other.then_some(user),
            mount_namespace: mount,
            user: first(&linux.uid_mappings),
            group: first(&linux.gid_mappings),
            lasting,
            made,
        })
    }

    /// The descriptors that [`Visit::enter`] needs.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let user = self.user_namespace.iter().map(AsFd::as_fd);
        user.chain([self.mount_namespace.as_fd()])
    }

    /// Makes this process, which has one thread and is not dumpable, root of the container's user namespace in its mount
    /// namespace: `/` is the container's from now on.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        let what = || format!("entering container {}", self.name);
        if let Some(user) = &self.user_namespace {
            // First: it gives the right to enter the other.
            namespace::setns(user.as_fd(), NEWUSER).doing(what)?;
        }
        namespace::setns(self.mount_namespace.as_fd(), NEWNS).doing(what)?;
        match credential::setgroups(&[]) {
            // The namespace of a user without subordinate ids: the groups are the container's too.
            Err(e) if e.is(&[Errno::EPERM.0]) => {}
            other => other.doing(what)?,
        }
        credential::setgid(self.group).doing(what)?;
        credential::setuid(self.user).doing(what)
    }

    /// The container's root, as a process that has not entered it sees it.
    #[cfg(lockstep_weak)]
    pub(crate) fn seen_from_outside(&self) -> Result<OwnedFd, Failure> {
        let what = || format!("looking into container {}", self.name);
        let own = namespace_of("self", "mnt").doing(what)?;
        namespace::setns(self.mount_namespace.as_fd(), NEWNS).doing(what)?;
        let root = file::open_dir(file::CWD, "/").doing(what)?;
        namespace::setns(own.as_fd(), NEWNS).doing(what)?;
        Ok(root)
    }

    /// The mounts of which nothing would be left when the container is started, by their ids, as a process that has
    /// entered it is shown them. `process` is its directory in the host's /proc.
    pub(crate) fn passing(&self, process: BorrowedFd<'_>) -> Result<Vec<u64>, Failure> {
        let Some(lasting) = &self.lasting else {
            return Ok(Vec::new());
        };
        let what = || format!("mounts of container {}", self.name);
        let root = file::open_dir(file::CWD, "/").doing(what)?;
        let root = mount::mount_id(&root).doing(what)?;
        let text = file::read(process, "mountinfo", MOUNTINFO).doing(what)?;
        let text = String::from_utf8_lossy(&text);
        let mounts = text.lines().filter_map(mountinfo::Line::parse);
        let passing = mounts.filter(|mount| match mount.id == root {
            true => !lasting.root,
            false => !lasting.devices.contains(mount.device),
        });
        Ok(passing.map(|mount| mount.id).collect())
    }
}

/// User and mount namespace of a running container.
fn running(front: &Front, record: &Record, pid: i32) -> Result<(OwnedFd, OwnedFd), Failure> {
    let what = || format!("namespaces of container {}", record.name);
    let of = |kind: &str| namespace_of(&pid.to_string(), kind).doing(what);
    let opened = (of("user")?, of("mnt")?);
    // Asked behind that, so that they are not of another process to which the number has come.
    let id = ContainerId::parse(&record.id)?;
    let info = front.with_runtime(front.store()?, |runtime| Ok(runtime.info(&id)?))?;
    match info.pid == pid {
        true => Ok(opened),
        false => Err(Failure::new(format!(
            "container {} has just ended",
            record.name
        ))),
    }
}

fn namespace_of(process: &str, kind: &str) -> lockstep_kernel::Result<OwnedFd> {
    let path = format!("/proc/{process}/ns/{kind}");
    file::openat(file::CWD, path, file::OFlags::RDONLY, 0)
}

/// The id inside that acts for the container: root, where it has one.
fn first(maps: &[IdMapping]) -> u32 {
    let root = maps.is_empty() || maps.iter().any(|map| map.container_id == 0);
    match root {
        true => 0,
        false => maps.first().map_or(0, |map| map.container_id),
    }
}

impl Lasting {
    fn of(record: &Record) -> Result<Lasting, Failure> {
        let text = file::read(file::CWD, "/proc/self/mountinfo", MOUNTINFO);
        let text = text.doing(|| "this process's mounts".into())?;
        let text = String::from_utf8_lossy(&text);
        let mounts = text.lines().filter_map(mountinfo::Line::parse);
        Ok(Lasting {
            root: record.job.memory_root.is_none(),
            devices: mounts.map(|mount| mount.device.to_owned()).collect(),
        })
    }
}

impl Made {
    /// Makes the container up to its program; its user and mount namespace, who holds it, and what it was made by.
    fn new(
        front: &Front,
        directory: Directory,
    ) -> Result<((OwnedFd, OwnedFd), Made, Record), Failure> {
        let store = front.store()?;
        front.with_runtime(store, |runtime| store.repair(runtime, &directory))?;
        directory.lock_soon()?;
        // Under the lock: it may have been updated, renamed or removed before.
        let record = directory.record()?;
        let record = record.ok_or_else(|| no_container(&directory.id))?;
        front.with_runtime(store, |runtime| end_in_runtime(runtime, &record.id))?;
        let what = || format!("making container {} for a moment", record.name);
        // Its messages have ends of their own: the container's first process has copies of every descriptor.
        let (ours, theirs) = socket::pair().doing(what)?;
        let child = match process::clone(0, None).doing(what)? {
            Side::Parent(child) => child,
            Side::Child => {
                drop(ours);
                let made = serve(front, &directory, &record, theirs.as_fd());
                process::exit(i32::from(made.is_err()))
            }
        };
        drop(theirs);
        let made = Made {
            directory,
            child,
            socket: ours,
        };
        match made.namespaces() {
            Ok(namespaces) => Ok((namespaces, made, record)),
            Err(failure) => {
                made.end(front);
                Err(failure)
            }
        }
    }

    /// User and mount namespace of the container that is held, once there is one.
    fn namespaces(&self) -> Result<(OwnedFd, OwnedFd), Failure> {
        let what = || format!("making container {} for a moment", self.directory.id);
        let (answer, mut fds) = socket::receive(self.socket.as_fd()).doing(what)?;
        let answer: Result<(), Failure> = serde_json::from_slice(&answer)
            .map_err(|_cut_off| Failure::new(format!("{} ended without an answer", what())))?;
        answer?;
        match (fds.pop(), fds.pop()) {
            (Some(mount), Some(user)) => Ok((user, mount)),
            _ => Err(Failure::new(format!("{}: it has no namespaces", what()))),
        }
    }

    /// Ends what is held, also where the holder was killed.
    fn end(self, front: &Front) {
        // Not by its end alone: another process that holds a container may have a copy. EPIPE: it was killed.
        if socket::send(self.socket.as_fd(), b".", &[]).is_err() {
            // It would wait for ever; what it leaves is seen to below.
            drop(process::kill(self.child.pid, SIGKILL));
        }
        // ECHILD, if it could not be started.
        drop(process::wait(self.child.pid, false));
        // Where it was killed; else there is nothing left to do.
        if let Ok(store) = front.store() {
            let id = &self.directory.id;
            let ended = front.with_runtime(store, |runtime| end_in_runtime(runtime, id));
            if let Err(failure) = ended {
                crate::print::note(&format!("warning: {failure}"));
            }
        }
    }
}

/// The process that holds the container.
fn serve(
    front: &Front,
    directory: &Directory,
    record: &Record,
    socket: BorrowedFd<'_>,
) -> Result<(), Failure> {
    let made = alone().and_then(|()| {
        let mut job = record.job.clone();
        front::ready(front, directory, &mut job, &directory.spec()?)?;
        let mut request = job.request()?;
        if let Some(supervised) = &mut request.supervised {
            supervised.held = true;
        }
        // Root without cgroups has none here either.
        front.with_runtime_for(front.store()?, Some(&job), |runtime| {
            Ok(runtime.make_waiting(&request)?)
        })
    });
    let told = made.as_ref().map(drop).map_err(Clone::clone);
    let text = serde_json::to_vec(&told).map_err(|e| Failure::new(format!("JSON: {e}")))?;
    let namespaces = made.as_ref().ok().and_then(Waiting::namespaces);
    let fds: Vec<_> = namespaces
        .into_iter()
        .flat_map(|(user, mount)| [user, mount])
        .collect();
    // EPIPE: whoever asked has been killed. What was made is ended all the same.
    if socket::send(socket, &text, &fds).is_ok() {
        // A word, or the end of whoever asked.
        drop(socket::receive(socket));
    }
    if let Ok(made) = &made {
        let pid = made.pid();
        // It is this one's child: until it has been waited for, it has not ended for the runtime.
        process::kill(pid, SIGKILL).doing(|| "ending the container".into())?;
        process::wait(pid, false).doing(|| "ending the container".into())?;
    }
    front.with_runtime(front.store()?, |runtime| {
        end_in_runtime(runtime, &record.id)
    })
}

/// Away from the terminal, whose keys end the others, and from the caller's files.
fn alone() -> Result<(), Failure> {
    let what = || "a process that holds the container".to_owned();
    process::setsid().doing(what)?;
    let root = file::open_dir(file::CWD, "/").doing(what)?;
    process::fchdir(root.as_fd()).doing(what)?;
    let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(what)?;
    for number in 0..3 {
        process::dup_onto(null.as_fd(), number).doing(what)?;
    }
    Ok(())
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if let Some(made) = self.made.take() {
            made.end(self.front);
        }
    }
}
