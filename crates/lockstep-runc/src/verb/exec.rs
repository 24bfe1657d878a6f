//! `exec`: another process in a running container.
//!
//! Its own failures exit with 255, so that they differ from what most programs return.

use std::path::Path;

use lockstep_abi::id::{LAST_ID, NO_ID};
use lockstep_kernel::file;

use super::make::{exit_code, option_path, preserve_fds};
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::Front;
use crate::{number, quote};
use lockstep_runtime::{ExecArgs, ExecRequest, ProcessSource};

/// Exit code when the process could not be started.
const NOT_STARTED: u8 = 255;

/// Most bytes of a process description.
const LIMIT: usize = 16 << 20;

pub(super) fn exec(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let ran = request(front, args)
        .and_then(|request| front.with_warnings(!request.detach, |r| r.exec(&request)));
    let code = ran.map_err(|failure| failure.within("exec failed").with_code(NOT_STARTED))?;
    Ok(exit_code(code))
}

fn request(front: &Front, args: &Arguments) -> Result<ExecRequest, Failure> {
    Ok(ExecRequest {
        id: super::id(args)?,
        process: process(args)?,
        detach: args.flag("detach"),
        console_socket: option_path(args, "console-socket")?,
        pid_file: option_path(args, "pid-file")?,
        pidfd_socket: option_path(args, "pidfd-socket")?,
        preserve_fds: preserve_fds(front, args, 0)?,
        ignore_paused: args.flag("ignore-paused"),
        cgroup: args.utf8("cgroup").map_err(Failure::new)?,
        time_limit: None,
        detach_keys: Vec::new(),
    })
}

fn process(args: &Arguments) -> Result<ProcessSource, Failure> {
    if let Some(path) = args.path("process") {
        return Ok(ProcessSource::Json(read(&path)?));
    }
    let first = match args.positionals().get(1) {
        Some(word) if word == "--" => 2,
        _ => 1,
    };
    let command = args.words(first).map_err(Failure::new)?;
    if command.is_empty() {
        return Err(Failure::new("process args cannot be empty"));
    }
    let user = args.text("user");
    user.as_deref().map_or(Ok(()), check_user)?;
    Ok(ProcessSource::Args(ExecArgs {
        args: command,
        cwd: args.text("cwd"),
        env: args.utf8("env").map_err(Failure::new)?,
        tty: args.flag("tty"),
        user,
        additional_gids: args.numbers("additional-gids"),
        caps: args.utf8("cap").map_err(Failure::new)?,
        no_new_privs: args.flag("no-new-privs"),
        apparmor: args.text("apparmor"),
        process_label: args.text("process-label"),
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(file::CWD, path, LIMIT).map_err(|error| Failure::path("open", path, &error))
}

/// `uid[:gid]`, each a number of 32 bits that is an id.
fn check_user(text: &str) -> Result<(), Failure> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    let parts = [("uid", Some(uid)), ("gid", gid)];
    for (what, text) in parts
        .into_iter()
        .filter_map(|(what, text)| Some((what, text?)))
    {
        let parsed = number::decimal::<u32>(text, "Atoi");
        let id = parsed.map_err(|why| {
            let text = quote::plain(text);
            Failure::new(format!("parsing {text} as int for {what} failed: {why}"))
        })?;
        // Root would stay root.
        if id == NO_ID {
            let range = format!("uids and gids must be in range 0-{LAST_ID}");
            return Err(Failure::new(format!("{what} {id}: {range}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers() {
        for good in ["0", "1000", "1:2", "4294967294:5"] {
            assert_eq!(check_user(good), Ok(()), "{good}");
        }
        let failure = check_user("foo").expect_err("a name");
        assert_eq!(
            failure.text,
            "parsing foo as int for uid failed: strconv.Atoi: parsing \"foo\": invalid syntax"
        );
        for bad in [
            "",
            ":",
            "1:",
            ":1",
            "1:2:3",
            "-1",
            "1x",
            "4294967295",
            "1:4294967295",
            "4294967296",
        ] {
            assert!(check_user(bad).is_err(), "{bad}");
        }
    }
}
