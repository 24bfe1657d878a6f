//! `checkpoint` and `restore`: what criu(8) is told.

use std::os::fd::OwnedFd;

use lockstep_kernel::caller;
use lockstep_runtime::{CheckpointRequest, CriuCgroups, CriuSettings, RestoreRequest};

use super::make;
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{self, Front};
use crate::quote;

/// Where the images are by default, below the working directory, as with runc.
const IMAGES: &str = "checkpoint";
/// What of the environment criu gets: where it finds the programs that it calls, and a user's settings of it.
const PASSED_ON: [&str; 2] = ["PATH", "HOME"];

pub(super) fn checkpoint(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let request = CheckpointRequest {
        id: super::id(args)?,
        criu: settings(front, args)?,
        parent: args.text("parent-path"),
        leave_running: args.flag("leave-running"),
        pre_dump: args.flag("pre-dump"),
        tcp_skip_in_flight: args.flag("tcp-skip-in-flight"),
        link_remap: args.flag("link-remap"),
        page_server: args
            .text("page-server")
            .map(|at| page_server(&at))
            .transpose()?,
        status: status(args)?,
    };
    front.with_runtime(|runtime| runtime.checkpoint(request))?;
    Ok(0)
}

pub(super) fn restore(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let request = RestoreRequest {
        create: make::restored(args)?,
        criu: settings(front, args)?,
        detach: args.flag("detach"),
        no_subreaper: args.flag("no-subreaper"),
        lsm_profile: args.text("lsm-profile"),
        lsm_mount_context: args.text("lsm-mount-context"),
    };
    let code = front.with_warnings(!request.detach, |runtime| runtime.restore(&request))?;
    Ok(make::exit_code(code))
}

fn settings(front: &Front, args: &Arguments) -> Result<CriuSettings, Failure> {
    let images = make::option_path(args, "image-path")?;
    let images = images.map_or_else(|| front::absolute(IMAGES.as_ref()), Ok)?;
    let cgroups = args.text("manage-cgroups-mode");
    let cgroups = match cgroups.as_deref() {
        None => CriuCgroups::Default,
        Some("soft") => CriuCgroups::Soft,
        Some("full") => CriuCgroups::Full,
        Some("strict") => CriuCgroups::Strict,
        Some("ignore") => CriuCgroups::Ignore,
        Some(_) => return Err(Failure::new("Invalid manage-cgroups-mode value")),
    };
    let empty = args.utf8("empty-ns").map_err(Failure::new)?;
    if let Some(other) = empty.iter().find(|name| *name != "network") {
        let text = format!("namespace {} is not supported", quote::go(other));
        return Err(Failure::new(text));
    }
    let env = PASSED_ON.iter().filter_map(|name| {
        let value = front::environment(name)?.into_string().ok()?;
        Some(format!("{name}={value}"))
    });
    Ok(CriuSettings {
        program: front.criu.clone(),
        env: env.collect(),
        images,
        work: make::option_path(args, "work-path")?,
        tcp_established: args.flag("tcp-established"),
        ext_unix_sk: args.flag("ext-unix-sk"),
        shell_job: args.flag("shell-job"),
        file_locks: args.flag("file-locks"),
        lazy_pages: args.flag("lazy-pages"),
        auto_dedup: args.flag("auto-dedup"),
        cgroups,
    })
}

/// `ADDRESS:PORT`; an address of IPv6 stands in brackets.
fn page_server(text: &str) -> Result<(String, u16), Failure> {
    let usage = || Failure::new("Use --page-server ADDRESS:PORT to specify page server");
    let (address, port) = text.rsplit_once(':').ok_or_else(usage)?;
    let bracketed = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(address);
    if address.is_empty() || port.is_empty() || bracketed.is_none() && address.contains(':') {
        return Err(usage());
    }
    match port.parse() {
        Ok(port @ 1..) => Ok((address.to_owned(), port)),
        _ => Err(Failure::new("Invalid port number")),
    }
}

/// The caller's descriptor that is told when pages are served; without lazy pages there is nothing to tell.
fn status(args: &Arguments) -> Result<Option<OwnedFd>, Failure> {
    let number: i32 = args.number("status-fd").unwrap_or(-1);
    if number == -1 {
        return Ok(None);
    }
    if !args.flag("lazy-pages") {
        return Err(Failure::new("--status-fd is told of --lazy-pages alone"));
    }
    let wrong = |why: &str| Failure::new(format!("invalid --status-fd argument {number}: {why}"));
    if !caller::is_open(number) {
        return Err(wrong("bad file descriptor"));
    }
    let taken = caller::take(number).map_err(|e| wrong(&e.to_string()))?;
    Ok(Some(taken))
}

#[cfg(test)]
mod tests {
    use super::page_server;

    #[test]
    fn an_address_and_a_port() {
        let read = |text| page_server(text).map_err(|failure| failure.text);
        assert_eq!(read("10.0.0.1:27"), Ok(("10.0.0.1".to_owned(), 27)));
        assert_eq!(read("[::1]:27"), Ok(("::1".to_owned(), 27)));
        for text in ["", "27", ":27", "a:", "::1:27"] {
            assert!(
                read(text).is_err_and(|said| said.contains("ADDRESS:PORT")),
                "{text}"
            );
        }
        for text in ["a:0", "a:x", "a:65536", "a:-1"] {
            assert_eq!(read(text), Err("Invalid port number".to_owned()), "{text}");
        }
    }
}
