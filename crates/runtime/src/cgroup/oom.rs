//! Waiting for the kernel to kill for want of memory, for `events`.
//!
//! v1 tells it through an eventfd registered in `cgroup.event_control`, v2 by `POLLPRI` on
//! `memory.events`; both also wake up when the cgroup is removed.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;

use super::{Cgroup, Error, GONE};

/// What a wait ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomEvent {
    /// The container ran out of memory.
    Oom,
    /// The container's cgroup is empty or gone; nothing more will happen.
    Gone,
    /// Neither: the time is over, or a signal or a lesser event came.
    Nothing,
}

/// A registration for out-of-memory events.
#[derive(Debug)]
pub struct OomWatch(Source);

#[derive(Debug)]
enum Source {
    V1 {
        event: OwnedFd,
        // The registration lasts as long as this descriptor.
        _control: OwnedFd,
        path: String,
    },
    V2 {
        memory: OwnedFd,
        cgroup: OwnedFd,
        seen: u64,
    },
}

/// A count of out-of-memory kills, held open for who may open nothing any more.
#[derive(Debug)]
pub struct OomCounter(OwnedFd);

impl Cgroup {
    /// Registers for out-of-memory events; none where the container has no memory controller.
    pub fn oom_watch(&self) -> Result<Option<OomWatch>, Error> {
        let fail = |call| Error::call("cannot watch for out of memory", call);
        if let Some(dir) = self.with("memory") {
            let event = kernel::cgroup::eventfd().map_err(fail)?;
            let path = format!("{}/memory.oom_control", dir.path);
            let control = kernel::cgroup::open_events(CWD, &path).map_err(fail)?;
            let line = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
            let register = format!("{}/cgroup.event_control", dir.path);
            kernel::file::write(CWD, register, line.as_bytes()).map_err(fail)?;
            return Ok(Some(OomWatch(Source::V1 {
                event,
                _control: control,
                path,
            })));
        }
        let Some(dir) = self.unified_dir() else {
            return Ok(None);
        };
        let open = |file: &str| kernel::cgroup::open_events(CWD, format!("{}/{file}", dir.path));
        let memory = match open("memory.events") {
            Err(call) if call.is(&GONE) => return Ok(None),
            other => other.map_err(fail)?,
        };
        let cgroup = open("cgroup.events").map_err(fail)?;
        // Read once: an event file that was never read counts as changed.
        kernel::cgroup::reread(&cgroup).map_err(fail)?;
        let seen = kills(&kernel::cgroup::reread(&memory).map_err(fail)?);
        Ok(Some(OomWatch(Source::V2 {
            memory,
            cgroup,
            seen,
        })))
    }

    /// The kernel's count of the processes that it has killed here for want of memory; none where nothing counts.
    pub fn oom_counter(&self) -> Result<Option<OomCounter>, Error> {
        let (dir, file) = match (self.with("memory"), self.unified_dir()) {
            (Some(dir), _) => (dir, "memory.oom_control"),
            (None, Some(dir)) => (dir, "memory.events"),
            (None, None) => return Ok(None),
        };
        match kernel::cgroup::open_events(CWD, format!("{}/{file}", dir.path)) {
            Err(call) if call.is(&GONE) => Ok(None),
            other => other
                .map(|open| Some(OomCounter(open)))
                .map_err(|call| Error::call("cannot count out-of-memory kills", call)),
        }
    }
}

impl OomCounter {
    /// How many there were. Once, by read(2) alone, which a confined process has left; 0 when the cgroup has gone.
    pub fn read(self) -> u64 {
        let text = kernel::file::read_some(&self.0).unwrap_or_default();
        kills(&String::from_utf8_lossy(&text))
    }
}

impl OomWatch {
    /// Waits for the next event, at most `timeout_ms`.
    pub fn wait(&mut self, timeout_ms: Option<u32>) -> Result<OomEvent, Error> {
        let fail = |call| Error::call("cannot wait for out of memory", call);
        match &mut self.0 {
            Source::V1 { event, path, .. } => {
                if !kernel::cgroup::wait_eventfd(&*event, timeout_ms).map_err(fail)? {
                    return Ok(OomEvent::Nothing);
                }
                // The eventfd fires for the removal of the cgroup as well.
                Ok(match kernel::file::stat(CWD, path.as_str(), false) {
                    Ok(_) => OomEvent::Oom,
                    Err(_) => OomEvent::Gone,
                })
            }
            Source::V2 {
                memory,
                cgroup,
                seen,
            } => {
                let files = [memory.as_fd(), cgroup.as_fd()];
                kernel::cgroup::wait(&files, timeout_ms).map_err(fail)?;
                // Reading says that the change was noticed; the next wait is for the next one.
                let (Ok(memory), Ok(cgroup)) = (
                    kernel::cgroup::reread(&*memory),
                    kernel::cgroup::reread(&*cgroup),
                ) else {
                    return Ok(OomEvent::Gone);
                };
                let now = kills(&memory);
                if now > std::mem::replace(seen, now) {
                    return Ok(OomEvent::Oom);
                }
                if cgroup.lines().any(|line| line == "populated 0") {
                    return Ok(OomEvent::Gone);
                }
                Ok(OomEvent::Nothing)
            }
        }
    }
}

fn kills(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}
