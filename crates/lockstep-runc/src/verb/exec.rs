//! `exec`: another process in a running container.
//!
//! Its own failures exit with 255, so that they differ from what most programs return.

use std::path::Path;

use clap::ArgMatches;
use lockstep_kernel::file;

use super::make::{exit_code, option_path, preserve_fds};
use crate::failure::Failure;
use crate::front::{self, Front};
use crate::{number, quote};
use lockstep_runtime::{ExecArgs, ExecRequest, ProcessSource};

/// Exit code when the process could not be started.
const NOT_STARTED: u8 = 255;

/// Most bytes of a process description.
const LIMIT: usize = 16 << 20;

pub(super) fn exec(front: &Front, matches: &ArgMatches) -> Result<u8, Failure> {
    let ran = request(front, matches).and_then(|request| front.with_runtime(|r| r.exec(&request)));
    let code = ran.map_err(|failure| failure.within("exec failed").with_code(NOT_STARTED))?;
    Ok(exit_code(code))
}

fn request(front: &Front, matches: &ArgMatches) -> Result<ExecRequest, Failure> {
    Ok(ExecRequest {
        id: super::id(matches)?,
        process: process(matches)?,
        detach: matches.get_flag("detach"),
        console_socket: option_path(matches, "console-socket")?,
        pid_file: option_path(matches, "pid-file")?,
        pidfd_socket: option_path(matches, "pidfd-socket")?,
        preserve_fds: preserve_fds(front, matches, 0)?,
        ignore_paused: matches.get_flag("ignore-paused"),
        cgroup: super::utf8(matches, "cgroup")?,
    })
}

fn process(matches: &ArgMatches) -> Result<ProcessSource, Failure> {
    if let Some(path) = front::path(matches, "process") {
        return Ok(ProcessSource::Json(read(&path)?));
    }
    let mut args = super::utf8(matches, "command")?;
    if args.first().is_some_and(|first| first == "--") {
        args.remove(0);
    }
    if args.is_empty() {
        return Err(Failure::new("process args cannot be empty"));
    }
    let user = front::text(matches, "user");
    user.as_deref().map_or(Ok(()), check_user)?;
    Ok(ProcessSource::Args(ExecArgs {
        args,
        cwd: front::text(matches, "cwd"),
        env: super::utf8(matches, "env")?,
        tty: matches.get_flag("tty"),
        user,
        additional_gids: matches
            .get_many("additional-gids")
            .unwrap_or_default()
            .copied()
            .collect(),
        caps: super::utf8(matches, "cap")?,
        no_new_privs: matches.get_flag("no-new-privs"),
        apparmor: front::text(matches, "apparmor"),
        process_label: front::text(matches, "process-label"),
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(file::CWD, path, LIMIT).map_err(|error| Failure::path("open", path, &error))
}

/// `uid[:gid]`, each a number of 32 bits.
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
        parsed.map_err(|why| {
            let text = quote::plain(text);
            Failure::new(format!("parsing {text} as int for {what} failed: {why}"))
        })?;
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
        for bad in ["", ":", "1:", ":1", "1:2:3", "-1", "1x", "4294967296"] {
            assert!(check_user(bad).is_err(), "{bad}");
        }
    }
}
