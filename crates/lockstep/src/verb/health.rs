//! `healthcheck run`: the container's check once, by hand or because its keeper's clock says so.
//!
//! The check is an `exec` with the rights of the container's own program. A process that forks off this one enters the
//! container; this one takes the first bytes of what it says and how it ends, and looks at neither.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lockstep_kernel::event::{self, Want};
use lockstep_kernel::process::{self, Child, Side};
use lockstep_kernel::{exe, file, signal, socket};
use lockstep_runtime::{ContainerId, ExecRequest, ProcessSource, Runtime, clock};

use crate::argv::Arguments;
use crate::container::{Check, Directory, OnFailure, Probe, Record, Status, Verdict};
use crate::failure::{Doing, Failure};
use crate::front::{Front, whole_environment};
use crate::print::{note, print};

use super::list::Phase;

/// Bytes of a check's output that are kept, Docker's.
const OUTPUT: usize = 4096;
/// Time beyond the check's own after which its process is not waited for any more.
const GRACE: Duration = Duration::from_secs(10);

pub(super) fn run(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let typed = args.words(0)?[0];
    let store = front.store()?;
    let (directory, record) = store.find(typed)?;
    let Some(check) = &record.health else {
        return Err(
            Failure::new(format!("container {typed} has no health check"))
                .hint("give it one with --health-cmd when it is made"),
        );
    };
    exe::seal(&front.args, whole_environment()).doing(|| "sealing this program".into())?;
    // Asked behind another's check, in which it may have ended and begun anew.
    let lock = directory.lock_health()?;
    let Status::Running(started) = directory.status()? else {
        return Err(Failure::new(format!("container {typed} does not run")));
    };
    let period = super::list::milliseconds_since(&started.at) < check.start_period_ms;
    let begun = (clock::now_rfc3339(), Instant::now());
    let (code, output) = probe(front, &directory, &record, check)?;
    // In another life, or between two, it says nothing of this one; nor does what failed because it was paused.
    let status = directory.status()?;
    let same = matches!(&status, Status::Running(now) if now.at == started.at);
    if !same || code != 0 && is_paused(front, &directory, &record, &status)? {
        return Err(Failure::new(format!(
            "container {typed} does not run any more"
        )));
    }
    let probe = Probe {
        start: begun.0,
        end: clock::now_rfc3339(),
        exit_code: code,
        output,
    };
    let mut health = directory.health(&started.at)?;
    health.note(check, probe, period);
    directory.write_health(&health)?;
    drop(lock);
    if code == 0 {
        return Ok(0);
    }
    print("unhealthy\n")?;
    if health.verdict == Verdict::Unhealthy {
        act(front, check, &record)?;
    }
    Ok(1)
}

/// What was asked for an unhealthy container.
fn act(front: &Front, check: &Check, record: &Record) -> Result<(), Failure> {
    match check.on_failure {
        OnFailure::None => Ok(()),
        OnFailure::Kill => super::life::kill_one(front, &record.id, 9),
        OnFailure::Stop => super::life::stop_one(front, &record.id),
        OnFailure::Restart => super::life::restart_one(front, &record.id),
    }
}

fn is_paused(
    front: &Front,
    directory: &Directory,
    record: &Record,
    status: &Status,
) -> Result<bool, Failure> {
    let phase = |runtime: &Runtime<'_>| Phase::of(runtime, directory, record, status);
    Ok(front.with_runtime(front.store()?, phase)? == Phase::Paused)
}

/// One run: its status, -1 for one that took too long, and the beginning of its output.
fn probe(
    front: &Front,
    directory: &Directory,
    record: &Record,
    check: &Check,
) -> Result<(i32, String), Failure> {
    let what = || "health check".to_owned();
    let (read, write) = socket::pipe().doing(what)?;
    let child = match process::clone(0, None).doing(what)? {
        Side::Child => {
            drop(read);
            let ended = enter(front, directory, record, check, write);
            process::exit(ended.unwrap_or_else(|failure| {
                note(&failure.to_string());
                i32::from(failure.code)
            }))
        }
        Side::Parent(child) => child,
    };
    drop(write);
    let limit = Duration::from_millis(check.timeout_ms);
    let begun = Instant::now();
    let output = listen(&read, &child, limit.saturating_add(GRACE)).doing(what)?;
    let ended = process::wait(child.pid, false).doing(what)?;
    if begun.elapsed() >= limit {
        let text = format!("Health check exceeded timeout ({} ms)", check.timeout_ms);
        return Ok((-1, text));
    }
    let code = ended.map_or(-1, |(_, exit)| exit.status());
    Ok((code, String::from_utf8_lossy(&output).into_owned()))
}

/// The process that enters the container, and waits for the check there.
fn enter(
    front: &Front,
    directory: &Directory,
    record: &Record,
    check: &Check,
    write: OwnedFd,
) -> Result<i32, Failure> {
    let what = || "health check".to_owned();
    let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDONLY, 0).doing(what)?;
    process::dup_onto(null.as_fd(), 0).doing(what)?;
    for number in [1, 2] {
        process::dup_onto(write.as_fd(), number).doing(what)?;
    }
    drop(write);
    signal::default_ignored().doing(what)?;
    let spec = directory.spec()?;
    let mut wanted = spec.process.unwrap_or_default();
    wanted.args = check.command();
    wanted
        .env
        .extend(crate::secret::variables(directory, record)?);
    wanted.terminal = false;
    wanted.console_size = None;
    let text = serde_json::to_vec(&wanted).map_err(|e| Failure::new(format!("JSON: {e}")))?;
    let request = ExecRequest {
        time_limit: Some(Duration::from_millis(check.timeout_ms)),
        ..ExecRequest::new(ContainerId::parse(&record.id)?, ProcessSource::Json(text))
    };
    front.with_runtime(front.store()?, |runtime| Ok(runtime.exec(&request)?))
}

/// The first bytes of what the check says; the rest is taken and forgotten. It ends with its process: one that was
/// left behind by the check may hold the pipe for ever.
fn listen(read: &OwnedFd, child: &Child, limit: Duration) -> lockstep_kernel::Result<Vec<u8>> {
    let (mut output, mut open) = (Vec::new(), true);
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let fds = [
            (child.pidfd.as_fd(), Want::Read),
            (read.as_fd(), Want::Read),
        ];
        let ready = event::ready(&fds[..1 + usize::from(open)], Some(left))?;
        if ready.get(1).is_some_and(|pipe| pipe.read) {
            let bytes = file::read_some(read.as_fd())?;
            let room = OUTPUT - output.len();
            output.extend_from_slice(&bytes[..bytes.len().min(room)]);
            open = !bytes.is_empty();
        }
        if ready[0].read {
            return Ok(output);
        }
        if left == 0 {
            process::pidfd_send_signal(child.pidfd.as_fd(), 9)?;
        }
    }
}
