//! `exec`: another program in a running container, with no more rights than its first one.

use std::path::{Path, PathBuf};

use lockstep_kernel::file;
use lockstep_kernel::root::Root;
use lockstep_kernel::{console, exe, process, signal};
use lockstep_oci::runtime::{Process, Spec, validate_process};
use lockstep_runtime::{ContainerId, Error, ExecRequest, Kind, ProcessSource, Runtime};

use crate::argv::Arguments;
use crate::asker::Asker;
use crate::container::Status;
use crate::failure::{Doing, Failure};
use crate::front::{Front, whole_environment};
use crate::resolve::{self, Accounts};

/// Most bytes of a file that says who is who.
const LIMIT: usize = 4 << 20;

pub(super) fn exec(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let handed = crate::front::count_handed(args)?;
    let words = args.words(0)?;
    let (directory, record) = front.store()?.find(words[0])?;
    let Status::Running(started) = directory.status()? else {
        return Err(Failure::new(format!("container {} does not run", words[0])));
    };
    let detached = args.flag("detach");
    let detach_keys = crate::front::detach_keys(args.text("detach-keys")?)?;
    if args.flag("tty") && detached {
        return Err(
            Failure::new("a detached process has no terminal to be seen on").hint("leave -t out"),
        );
    }
    // This process is going to enter the container, so it must not run from the host's file (CVE-2019-5736).
    exe::seal(&front.args, whole_environment()).doing(|| "sealing this program".into())?;
    signal::default_ignored().doing(|| "resetting signals".into())?;
    let mut spec = directory.spec()?;
    let variables = crate::secret::variables(&directory, &record)?;
    spec.process.get_or_insert_default().env.extend(variables);
    let wanted = wanted(args, &spec, &words[1..], started.pid)?;
    let asker = Asker::new(&spec, &record.settings).or(args, "/process");
    if let Err(invalid) = validate_process(&wanted) {
        return Err(asker.invalid(&invalid.problems));
    }
    let text = serde_json::to_vec(&wanted).map_err(|e| Failure::new(format!("JSON: {e}")))?;
    if !args.flag("interactive") {
        let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDONLY, 0);
        let null = null.doing(|| "/dev/null".into())?;
        process::dup_onto(std::os::fd::AsFd::as_fd(&null), 0).doing(|| "standard input".into())?;
    }
    let request = ExecRequest {
        detach: detached,
        preserve_fds: handed,
        detach_keys,
        ..ExecRequest::new(ContainerId::parse(&record.id)?, ProcessSource::Json(text))
    };
    let status = front.with_runtime_asked(asker, |runtime| {
        // Its own words name an option of runc's.
        let paused = |e: &Error| e.kind == Kind::WrongState && is_paused(runtime, &request.id);
        runtime.exec(&request).map_err(|e| match paused(&e) {
            true => Failure::new(format!("container {} is paused", words[0])).hint(format!(
                "lockstep unpause {}",
                crate::escape::shell(words[0])
            )),
            false => e.into(),
        })
    })?;
    Ok(u8::try_from(status).unwrap_or(u8::MAX))
}

/// False where it cannot be told: the refusal that is being explained stands then.
fn is_paused(runtime: &Runtime<'_>, id: &ContainerId) -> bool {
    runtime.paused(id).unwrap_or(false)
}

/// The container's own process with what the command line changes.
fn wanted(args: &Arguments, spec: &Spec, command: &[&str], pid: i32) -> Result<Process, Failure> {
    let mut process = spec.process.clone().unwrap_or_default();
    process.args = command.iter().map(|word| (*word).to_owned()).collect();
    process.terminal = args.flag("tty");
    process.console_size = None;
    if process.terminal {
        let [stdin, stdout, _] = console::standard_streams();
        process.console_size = console::size(stdin)
            .or_else(|| console::size(stdout))
            .map(resolve::size);
        if !process.env.iter().any(|entry| entry.starts_with("TERM=")) {
            process.env.push("TERM=xterm".into());
        }
    }
    process.env.extend(resolve::given_environment(
        args,
        &|path| file::read(file::CWD, path, LIMIT).doing(|| path.display().to_string()),
        &|name| crate::front::environment(name)?.into_string().ok(),
    )?);
    match args.text("workdir")? {
        Some(dir) if dir.starts_with('/') => process.cwd = dir.into(),
        Some(dir) => {
            return Err(Failure::new(format!(
                "--workdir takes an absolute path, not {dir:?}"
            )));
        }
        None => {}
    }
    if let Some(user) = args.text("user")? {
        // Below the root of the container's first process, where no link leads out.
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let root =
            Root::new(file::open_dir(file::CWD, &root).doing(|| "the container's root".into())?);
        let accounts = Accounts::read(&|path| root.read_if_regular(Path::new(path), LIMIT).ok()?);
        let umask = process.user.umask;
        process.user = accounts.resolve(user, &[])?;
        process.user.umask = umask;
        let linux = spec.linux.clone().unwrap_or_default();
        resolve::without_groups(&mut process.user, &linux, &crate::caller::probe()?);
        // Another user than root holds no capabilities, as at the start.
        if let (Some(sets), true) = (&mut process.capabilities, process.user.uid != 0) {
            sets.effective.clear();
            sets.permitted.clear();
            sets.inheritable.clear();
            sets.ambient.clear();
        }
        if let (Some(sets), true) = (&mut process.capabilities, process.user.uid == 0) {
            sets.effective.clone_from(&sets.bounding);
            sets.permitted.clone_from(&sets.bounding);
        }
    }
    Ok(process)
}
