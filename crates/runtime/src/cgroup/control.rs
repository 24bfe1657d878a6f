//! Joining, freezing and listing: what acts on the container's processes as a whole.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_plan::cgroup::Version;

use super::{Cgroup, DirState, Error, FORBIDDEN, GONE, TEXT_MAX, systemd};

/// How long all processes may take to stop. A task in uninterruptible sleep holds it up.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(10);

/// After so many attempts a v1 freezer that hangs in FREEZING is thawed for a moment: a task that was
/// caught between vfork and exec can then go on to where it can be frozen.
const ATTEMPTS_BEFORE_THAW: u32 = 50;

impl Cgroup {
    /// Opens the `tasks` file of every v1 directory, for a process that is going to write `0` to them and so
    /// moves itself. A process that is moved by another one costs a grace period of the kernel, ten
    /// milliseconds and more; a thread that moves itself costs nothing (`cgroup_procs_write_start`).
    ///
    /// A directory that an unprivileged user could make but may not use is given up, if the plan tolerates
    /// that and no limit was set in it: the state has changed then.
    pub fn tasks(&mut self) -> Result<Vec<OwnedFd>, Error> {
        let mut opened = Vec::new();
        let mut refused = Vec::new();
        for dir in self.state.dirs.iter().filter(|d| d.version == Version::V1) {
            let flags = kernel::file::OFlags::WRONLY;
            match kernel::file::openat(CWD, format!("{}/tasks", dir.path), flags, 0) {
                Ok(tasks) => opened.push(tasks),
                Err(call) if self.may_leave(dir) && call.is(&FORBIDDEN) => {
                    refused.push(dir.label.clone());
                }
                Err(call) => return Err(Error::call("cannot join the container's cgroup", call)),
            }
        }
        self.give_up(&refused);
        Ok(opened)
    }

    /// Moves a process into the unified directory. Where the container's own cgroup has children with
    /// controllers, v2 takes no process there (`EBUSY`), only in the leaf of its `init`. A user may move none out of
    /// a session, which is not the user's (`EACCES`): the manager of the unit is asked to.
    pub fn join_unified(&mut self, pid: i32, init: Option<i32>) -> Result<(), Error> {
        let Some(dir) = self.unified_dir().cloned() else {
            return Ok(());
        };
        let result = join_dir(&dir, &pid.to_string());
        if let (Err(error), Some(unit)) = (&result, &self.state.unit)
            && forbidden(error)
        {
            let leaf = init.map(|init| leaf(&dir, init)).transpose()?.flatten();
            let below = leaf
                .as_ref()
                .and_then(|leaf| leaf.path.strip_prefix(&dir.path));
            return systemd::attach(unit, below.unwrap_or_default(), pid);
        }
        match result {
            Err(error) if self.may_leave(&dir) && forbidden(&error) => {
                self.give_up(&[dir.label]);
                Ok(())
            }
            Err(error) => match init.filter(|_| busy(&error)).map(|init| leaf(&dir, init)) {
                Some(leaf) => leaf?.map_or(Err(error), |leaf| join_dir(&leaf, &pid.to_string())),
                None => Err(error),
            },
            Ok(()) => Ok(()),
        }
    }

    /// Moves another process into every directory.
    pub fn join(&mut self, pid: i32) -> Result<(), Error> {
        for dir in self.state.dirs.iter().filter(|d| d.version == Version::V1) {
            join_dir(dir, &pid.to_string())?;
        }
        self.join_unified(pid, None)?;
        self.joined();
        Ok(())
    }

    /// The container's process holds its cgroup from now on.
    pub fn joined(&mut self) {
        self.placeholder = None;
    }

    fn may_leave(&self, dir: &DirState) -> bool {
        self.tolerated.contains(&dir.label) && !self.limited.contains(&dir.label)
    }

    fn give_up(&mut self, labels: &[String]) {
        for dir in self
            .state
            .dirs
            .extract_if(.., |dir| labels.contains(&dir.label))
        {
            // Empty and ours; the user who may not join it may not remove it either, perhaps.
            drop(kernel::file::rmdir(CWD, &dir.path));
        }
    }

    /// The directory whose processes are stopped together, if there is one.
    pub(crate) fn freezer_path(&self) -> Option<&str> {
        self.freezer().ok().map(|dir| dir.path.as_str())
    }

    /// Stops every process and returns when all have stopped.
    pub fn freeze(&self) -> Result<(), Error> {
        match self.freezer()? {
            dir if dir.version == Version::V1 => freeze_v1(dir),
            dir => freeze_v2(dir),
        }
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<(), Error> {
        let dir = self.freezer()?;
        let (file, value) = match dir.version {
            Version::V1 => ("freezer.state", "THAWED"),
            Version::V2 => ("cgroup.freeze", "0"),
        };
        kernel::file::write(CWD, format!("{}/{file}", dir.path), value.as_bytes())
            .map_err(|call| Error::call("cannot thaw the container", call))
    }

    /// Whether it is frozen, or on the way there; false where nothing can freeze it, or it is gone.
    pub fn frozen(&self) -> Result<bool, Error> {
        match self.freezer() {
            Ok(dir) => is_frozen(dir),
            Err(_) => Ok(false),
        }
    }

    fn freezer(&self) -> Result<&DirState, Error> {
        self.with("freezer")
            .or_else(|| self.unified_dir())
            .ok_or_else(|| Error::new("the container has no cgroup that can be frozen"))
    }

    /// Every process of the container, also those in cgroups that it made itself; in no order.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        self.main_dir()
            .map_or(Ok(Vec::new()), |dir| pids_below(&dir.path))
    }
}

fn forbidden(error: &Error) -> bool {
    error.refused().is_some_and(|call| call.is(&FORBIDDEN))
}

fn busy(error: &Error) -> bool {
    error.refused().is_some_and(|c| c.is(&[Errno::EBUSY.0]))
}

/// The cgroup below `dir` that a process of the container is in.
fn leaf(dir: &DirState, init: i32) -> Result<Option<DirState>, Error> {
    let fail = |call| Error::call("cannot find the cgroup of the container's init", call);
    let text = kernel::file::read(CWD, format!("/proc/{init}/cgroup"), TEXT_MAX).map_err(fail)?;
    let text = String::from_utf8_lossy(&text);
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    // Its path counts from the root of our cgroup namespace, ours from the mount: what they share
    // is the end of the container's own path.
    let inside = path.and_then(|path| below(&dir.path, path));
    Ok(inside.map(|inside| DirState {
        path: format!("{}/{inside}", dir.path),
        ..dir.clone()
    }))
}

fn join_dir(dir: &DirState, pid: &str) -> Result<(), Error> {
    let path = format!("{}/cgroup.procs", dir.path);
    kernel::file::write(CWD, path, pid.as_bytes()).map_err(|call| {
        let hint = match (Errno(call.errno), dir.version) {
            (Errno::EOPNOTSUPP, _) => {
                let kind = kernel::cgroup::value(CWD, format!("{}/cgroup.type", dir.path));
                format!(
                    "the cgroup's type is {:?}: a container needs a domain, not a threaded one",
                    kind.unwrap_or_default()
                )
            }
            (Errno::EBUSY, Version::V2) => {
                "the cgroup has children with controllers, so cgroup v2 takes no process there"
                    .into()
            }
            _ => String::new(),
        };
        Error::call("cannot join the container's cgroup", call).hint(hint)
    })
}

/// What of `leaf` (a path of /proc/PID/cgroup) lies below the directory `dir`: what follows the longest
/// beginning with which `dir` ends.
fn below<'a>(dir: &str, leaf: &'a str) -> Option<&'a str> {
    leaf.match_indices('/')
        .filter(|&(at, _)| at > 0 && dir.ends_with(&leaf[..at]))
        .map(|(at, _)| &leaf[at + 1..])
        .next_back()
}

pub(super) fn is_frozen(dir: &DirState) -> Result<bool, Error> {
    let (file, thawed) = match dir.version {
        Version::V2 => ("cgroup.freeze", "0"),
        Version::V1 if dir.label.split(',').any(|c| c == "freezer") => ("freezer.state", "THAWED"),
        Version::V1 => return Ok(false),
    };
    match kernel::cgroup::value(CWD, format!("{}/{file}", dir.path)) {
        Ok(state) => Ok(state != thawed),
        // KERNEL(5.2): no freezer in v2 before it.
        Err(call) if call.is(&GONE) => Ok(false),
        Err(call) => Err(Error::call("cannot read the freezer's state", call)),
    }
}

fn freeze_v1(dir: &DirState) -> Result<(), Error> {
    let path = format!("{}/freezer.state", dir.path);
    let fail = |call| Error::call("cannot freeze the container", call);
    let end = Instant::now() + FREEZE_TIMEOUT;
    let mut pause = Duration::from_micros(20);
    for attempt in 1u32.. {
        // Again each time: a task that was forked or moved in meanwhile is caught only by a new write.
        kernel::file::write(CWD, &path, b"FROZEN").map_err(fail)?;
        match kernel::cgroup::value(CWD, &path).map_err(fail)?.as_str() {
            "FROZEN" => return Ok(()),
            "FREEZING" if Instant::now() < end => {}
            state => {
                let state = state.to_owned();
                kernel::file::write(CWD, &path, b"THAWED").map_err(fail)?;
                let error = Error::new("unable to freeze the container");
                return Err(error.hint(format!("its state stays {state}")));
            }
        }
        if attempt % ATTEMPTS_BEFORE_THAW == 0 {
            kernel::file::write(CWD, &path, b"THAWED").map_err(fail)?;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    Ok(())
}

fn freeze_v2(dir: &DirState) -> Result<(), Error> {
    let fail = |call| Error::call("cannot freeze the container", call);
    let events = kernel::cgroup::open_events(CWD, format!("{}/cgroup.events", dir.path));
    let events = events.map_err(fail)?;
    kernel::file::write(CWD, format!("{}/cgroup.freeze", dir.path), b"1").map_err(fail)?;
    let end = Instant::now() + FREEZE_TIMEOUT;
    loop {
        let text = kernel::cgroup::reread(&events).map_err(fail)?;
        if text.lines().any(|line| line == "frozen 1") {
            return Ok(());
        }
        let left = end.saturating_duration_since(Instant::now()).as_millis();
        if left == 0 {
            kernel::file::write(CWD, format!("{}/cgroup.freeze", dir.path), b"0").map_err(fail)?;
            let error = Error::new("unable to freeze the container");
            return Err(error.hint("a process does not stop"));
        }
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        kernel::cgroup::wait(&[std::os::fd::AsFd::as_fd(&events)], Some(left)).map_err(fail)?;
    }
}

/// The processes in a directory and below it.
pub(super) fn pids_below(path: &str) -> Result<Vec<i32>, Error> {
    let mut pids = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let fail = |call| Error::call("cannot list the container's processes", call);
        match kernel::file::read(CWD, format!("{path}/cgroup.procs"), TEXT_MAX) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text);
                let listed = text.lines().filter_map(|line| line.parse::<i32>().ok());
                // 0 is a process of another pid namespace: not one that we could name.
                pids.extend(listed.filter(|&pid| pid != 0));
            }
            Err(call) if call.is(&GONE) => continue,
            // A threaded child: its processes are listed in the domain above.
            Err(call) if call.is(&[Errno::EOPNOTSUPP.0]) => {}
            Err(call) => return Err(fail(call)),
        }
        for child in super::remove::children(&path)? {
            open.push(format!("{path}/{child}"));
        }
    }
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn the_leaf_of_init_is_found_below_the_container() {
        assert_eq!(below("/sys/fs/cgroup/a/id", "/a/id/init"), Some("init"));
        assert_eq!(below("/sys/fs/cgroup/id", "/id/x/y"), Some("x/y"));
        assert_eq!(below("/sys/fs/cgroup/a/a", "/a/a/a"), Some("a"));
        assert_eq!(below("/sys/fs/cgroup/a/id", "/b/id/init"), None);
        assert_eq!(below("/sys/fs/cgroup/a/id", "/a/id"), None);
        assert_eq!(below("/sys/fs/cgroup/a/id", "/a/identity/x"), None);
    }
}
