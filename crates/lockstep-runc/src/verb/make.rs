//! `create` and `run`: a container from a bundle.
//!
//! Besides the options, the caller passes descriptors: systemd's by `$LISTEN_FDS`, an engine's by
//! `--preserve-fds`. Each is checked to be the caller's, because a number that was free is ours by now
//! and would leak into the container.

use std::path::{Path, PathBuf};

use lockstep_kernel::{caller, file};

use crate::argv::Arguments;
use crate::failure::{Failure, words};
use crate::front::{self, Front};
use lockstep_runtime::{CreateRequest, RunRequest};

/// The first descriptor behind the standard streams.
const FIRST_FD: u32 = 3;

pub(super) fn create(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let made =
        request(front, args).and_then(|request| front.with_warnings(false, |r| r.create(&request)));
    made.map_err(|failure| failure.within("runc create failed"))?;
    Ok(0)
}

pub(super) fn run(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let ran = request(front, args).and_then(|create| {
        let request = RunRequest {
            create,
            detach: args.flag("detach"),
            keep: args.flag("keep"),
            no_subreaper: args.flag("no-subreaper"),
        };
        front.with_warnings(!request.detach, |runtime| runtime.run(&request))
    });
    let code = ran.map_err(|failure| failure.within("runc run failed"))?;
    Ok(exit_code(code))
}

/// A container's exit code as this program's own.
pub(super) fn exit_code(code: i32) -> u8 {
    // The kernel keeps eight bits of an exit code, and 128 plus a signal's number fits.
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn request(front: &Front, args: &Arguments) -> Result<CreateRequest, Failure> {
    let listen_fds = listen_fds();
    let preserve_fds = preserve_fds(front, args, listen_fds)?;
    Ok(CreateRequest {
        pidfd_socket: option_path(args, "pidfd-socket")?,
        no_pivot: args.flag("no-pivot"),
        no_new_keyring: args.flag("no-new-keyring"),
        preserve_fds,
        listen_fds,
        ..restored(args)?
    })
}

/// The same for a container whose processes are there already.
pub(super) fn restored(args: &Arguments) -> Result<CreateRequest, Failure> {
    Ok(CreateRequest {
        id: super::id(args)?,
        bundle: bundle(args.path("bundle").as_deref())?,
        console_socket: option_path(args, "console-socket")?,
        pid_file: option_path(args, "pid-file")?,
        pidfd_socket: None,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        listen_fds: 0,
        notify_socket: notify_socket(),
        supervised: None,
    })
}

/// The bundle's own path: the state keeps it, and a link may change later.
fn bundle(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let given = given.unwrap_or(Path::new("."));
    file::canonicalize(given).map_err(|error| Failure::path("chdir", given, &error))
}

/// A path option, absolute, since the library works from other directories.
pub(super) fn option_path(args: &Arguments, name: &str) -> Result<Option<PathBuf>, Failure> {
    let path = args.path(name);
    path.map(|path| front::absolute(&path)).transpose()
}

/// The service manager's socket (sd_notify(3)).
pub(super) fn notify_socket() -> Option<PathBuf> {
    front::environment("NOTIFY_SOCKET")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// How many sockets the service manager passed to this process (sd_listen_fds(3)).
fn listen_fds() -> u32 {
    let number = |name| {
        let value = front::environment(name)?;
        value.to_str()?.parse::<u32>().ok()
    };
    match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

/// How many descriptors to pass on behind those of the service manager; all must be the caller's.
pub(super) fn preserve_fds(
    front: &Front,
    args: &Arguments,
    listen_fds: u32,
) -> Result<u32, Failure> {
    let count: u32 = args.number("preserve-fds").unwrap_or(0);
    let first = FIRST_FD.saturating_add(listen_fds);
    for number in first..first.saturating_add(count) {
        let open = i32::try_from(number)
            .is_ok_and(|number| caller::is_open(number) && !front.log.owns(number));
        if !open {
            return Err(Failure::new(format!(
                "unable to stat preserved-fd {} (of {count}): stat /proc/self/fd/{number}: {}",
                number - first,
                words(lockstep_abi::errno::Errno::ENOENT.0),
            )));
        }
    }
    Ok(count)
}
