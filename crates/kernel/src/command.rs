//! Runs a program to its end, with its streams redirected and a time limit: hooks and helpers.

use crate::call::{Result, Told};
use crate::process::{self, Exit, Image, Side};
use crate::signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, BorrowedFd};

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself or by a signal of somebody else.
    Exit(Exit),
    /// Killed because its time was over.
    TimedOut,
}

/// Executes `image` with `input` as its standard input and `output` as its other two streams; after
/// `timeout_s` seconds it is killed. A program that cannot be executed exits with 127.
pub fn run(
    image: &Image,
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    timeout_s: Option<i64>,
) -> Result<Ended> {
    let child = match process::clone(0, None)? {
        Side::Child => {
            let ready = signal::unblock_all()
                .and_then(|()| process::dup_onto(input, 0))
                .and_then(|()| process::dup_onto(output, 1))
                .and_then(|()| process::dup_onto(output, 2))
                // The caller's too: it may have handed more than its streams to the runtime.
                .and_then(|()| process::close_on_exec_from(3));
            let failure = match ready {
                Ok(()) => image.exec(),
                Err(e) => e,
            };
            // The text goes where the program's own would have gone; if even that fails, the status says it.
            drop(crate::file::write_fd(
                output,
                failure.to_string().as_bytes(),
            ));
            process::exit(127)
        }
        Side::Parent(child) => child,
    };
    if let Some(seconds) = timeout_s {
        let limit = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&child.pidfd, PollFlags::IN)];
        let ready =
            crate::file::retry(|| poll(&mut fds, Some(&limit))).told(|| "poll(pidfd)".into())?;
        if ready == 0 {
            process::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL)?;
            process::wait(child.pid, false)?;
            return Ok(Ended::TimedOut);
        }
    }
    let exit = process::wait(child.pid, false)?.map_or(Exit::Code(127), |(_, exit)| exit);
    Ok(Ended::Exit(exit))
}
