//! `run`, `create`, `start`, `attach`: a container comes to life, and somebody is there.

use lockstep_supervisor::{Connection, Request};

use crate::argv::Arguments;
use crate::asker::Asker;
use crate::container::{Directory, Record, Status};
use crate::failure::{Doing, Failure};
use crate::front::{
    self, Created, Ended, Front, Launched, Session, detach_keys, keep, launch, launch_new,
};
use crate::print::{note, print};

pub(super) fn run(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    if args.flag("why") {
        return front::explain(front, args);
    }
    let handed = front::claim_handed(args)?;
    let detached = args.flag("detach");
    let streams = Streams::read(args)?;
    check(args, detached)?;
    for option in front::PID_FILES {
        if let Some(path) = args.path(option) {
            front::check_pid_file(option, &path)?;
        }
    }
    let keys = detach_keys(args.text("detach-keys")?)?;
    let created = front::create(front, args, super::reap::replace)?;
    warn(&created.record);
    // From here on no signal is lost: they are taken one at a time while the container lives.
    let mask = front::block_signals()?;
    let launched = match launch_new(front, &created, !detached, &handed) {
        Ok(launched) => launched,
        Err(failure) => return Err(fail(front, &created, failure)),
    };
    let Created {
        directory,
        record,
        spec,
    } = created;
    // The lock and what was handed over are the supervisor's alone now.
    drop((directory, handed));
    report(args, &launched, Asker::new(&spec, &record.settings))?;
    if detached {
        mask.restore().doing(|| "restoring signals".into())?;
        keep(front, &record, &launched)?;
        front::tell_manager(front, &record, &launched, true)?;
        print(&format!("{}\n", record.id))?;
        return Ok(0);
    }
    front::tell_manager(front, &record, &launched, false)?;
    attend(front, args, &record, launched, &streams, &keys)
}

/// The foreground: streams, signals, and what comes after the end.
fn attend(
    front: &Front,
    args: &Arguments,
    record: &Record,
    launched: Launched,
    streams: &Streams,
    keys: &[u8],
) -> Result<u8, Failure> {
    let Launched {
        supervisor,
        connection,
        place,
        ..
    } = launched;
    let restarts = record.restart != crate::container::Restart::No;
    front::watch(front, record, &supervisor, place.as_ref())?;
    let input = match record.job.stdin && streams.stdin {
        true => give_input(front, &record.id),
        false => Ok(None),
    };
    let ended = input.and_then(|input| {
        let session = Session {
            control: connection,
            input,
            terminal: record.job.terminal,
            shown: streams.shown,
            detach_keys: keys,
            pass_signals: !args.denied("sig-proxy"),
        };
        session.serve()
    });
    match ended {
        Ok(Ended::Exited(exit)) if !restarts => {
            front::finish(front, &record.id, &supervisor)?;
            Ok(status(exit.status))
        }
        other => {
            front::succeed(front, record, &supervisor, place.as_ref())?;
            code(other?)
        }
    }
}

/// What the line means otherwise than its words.
fn warn(record: &Record) {
    for warning in &record.warnings {
        note(&format!("note: {}", crate::escape::text(warning)));
    }
}

/// The connection that the container's input comes over; none where its program has ended before there was one.
fn give_input(front: &Front, id: &str) -> Result<Option<Connection>, Failure> {
    let Some(directory) = front.store()?.by_id(id)? else {
        return Ok(None);
    };
    let mut input = directory.connect_if_there()?;
    if let Some(input) = &mut input {
        // That it is the giver's, whose end is the input's end.
        input.post(&Request::Input(Vec::new()));
    }
    Ok(input)
}

/// A container whose program could not be started: removed with `--rm`, else left as ended.
fn fail(front: &Front, created: &Created, failure: Failure) -> Failure {
    let (directory, record) = (&created.directory, &created.record);
    let cleaned = front.store().and_then(|store| {
        front.with_runtime(store, |runtime| match record.auto_remove {
            true => store.remove(runtime, directory, Some(record)),
            false => crate::container::end_in_runtime(runtime, &directory.id),
        })
    });
    // The first error is the one to report; the next command repairs what is left.
    drop(cleaned);
    failure
}

/// What the kernel refused, and the process id for who wants it.
fn report(args: &Arguments, launched: &Launched, asker: Asker<'_>) -> Result<(), Failure> {
    let user = lockstep_kernel::credential::euid() != 0;
    // Kept for `inspect` and no reason to worry. No device file can be made in a user namespace, and those that are
    // there were chosen, so that an ordinary user has no device cgroup matters little; cgroups that are not shown and
    // defaults of a network that could not be set take rights away.
    let quiet = |downgrade: &str| {
        (user && downgrade.starts_with("/linux/resources/devices:"))
            || downgrade.starts_with("/mounts:")
            || downgrade.starts_with("<default network>:")
    };
    for downgrade in launched.downgrades.iter().filter(|text| !quiet(text)) {
        note(&format!(
            "warning: not enforced: {}",
            crate::escape::text(&asker.lost(downgrade))
        ));
    }
    let pids = [launched.pid, launched.supervisor.pid];
    for (option, pid) in front::PID_FILES.into_iter().zip(pids) {
        if let Some(path) = args.path(option) {
            front::write_pid(option, &path, pid)?;
        }
    }
    Ok(())
}

/// Combinations that would lose a stream.
fn check(args: &Arguments, detached: bool) -> Result<(), Failure> {
    if detached && !args.texts("attach")?.is_empty() {
        return Err(Failure::new("--detach and --attach exclude each other"));
    }
    let [stdin, ..] = lockstep_kernel::console::standard_streams();
    let terminal = || lockstep_kernel::console::size(stdin).is_some();
    if args.flag("tty") && args.flag("interactive") && !detached && !terminal() {
        return Err(Failure::new("the input device is not a terminal").hint("leave -t out"));
    }
    Ok(())
}

/// Which streams the caller wants.
struct Streams {
    stdin: bool,
    shown: [bool; 2],
}

impl Streams {
    fn read(args: &Arguments) -> Result<Streams, Failure> {
        let named = args.texts("attach")?;
        let mut streams = Streams {
            stdin: named.is_empty(),
            shown: [named.is_empty(); 2],
        };
        for name in named {
            match name.to_ascii_lowercase().as_str() {
                "stdin" => streams.stdin = true,
                "stdout" => streams.shown[0] = true,
                "stderr" => streams.shown[1] = true,
                _ => {
                    return Err(Failure::new(format!(
                        "--attach takes stdin, stdout or stderr, not {name:?}"
                    )));
                }
            }
        }
        Ok(streams)
    }
}

pub(super) fn create(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    if args.flag("why") {
        return front::explain(front, args);
    }
    let record = front::create(front, args, super::reap::replace)?.record;
    warn(&record);
    print(&format!("{}\n", record.id))?;
    Ok(0)
}

pub(super) fn start(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let (attached, interactive) = (args.flag("attach"), args.flag("interactive"));
    if !attached && !interactive {
        return super::each(args, |typed| begin(front, typed).map(|()| true));
    }
    let words = args.words(0)?;
    let [typed] = words.as_slice() else {
        return Err(Failure::new("one container alone can be attached to"));
    };
    let keys = detach_keys(args.text("detach-keys")?)?;
    let (directory, record) = ready(front, typed)?;
    let _mask = front::block_signals()?;
    let launched = launch(front, &directory, &record, true)?;
    drop(directory);
    front::tell_manager(front, &record, &launched, false)?;
    let streams = Streams {
        stdin: interactive,
        shown: [true; 2],
    };
    attend(front, args, &record, launched, &streams, &keys)
}

/// Starts a container behind which nobody waits.
pub(super) fn begin(front: &Front, typed: &str) -> Result<(), Failure> {
    let (directory, record) = match ready(front, typed) {
        // Docker's answer to a container that runs is that it does.
        Err(failure) if failure.message.ends_with(RUNS) => return Ok(()),
        other => other?,
    };
    let launched = launch(front, &directory, &record, false)?;
    drop(directory);
    keep(front, &record, &launched)?;
    front::tell_manager(front, &record, &launched, true)
}

const RUNS: &str = "runs already";

/// Takes the lock of a container that can be started, with nothing left of its last run.
fn ready(front: &Front, typed: &str) -> Result<(Directory, Record), Failure> {
    let store = front.store()?;
    let directory = store.locate(typed)?;
    front.with_runtime(store, |runtime| store.repair(runtime, &directory))?;
    // Another command may only be looking at it.
    if !directory.lock_unless_running()? {
        return Err(Failure::new(format!("container {typed} {RUNS}")));
    }
    front.with_runtime(store, |runtime| {
        crate::container::end_in_runtime(runtime, &directory.id)
    })?;
    // Read now that nobody else writes it: it may have been renamed, updated or removed until then.
    let record = directory.edit(|record| {
        // Somebody starts it, so its policy counts anew.
        record.restarts = 0;
        Ok(())
    })?;
    Ok((directory, record))
}

pub(super) fn attach(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let typed = args.words(0)?[0];
    let (directory, record) = front.store()?.find(typed)?;
    let ended = || {
        Failure::new(format!("container {typed} does not run"))
            .hint(format!("lockstep start -a {typed}"))
    };
    if !matches!(directory.status()?, Status::Running(_)) {
        return Err(ended());
    }
    let keys = detach_keys(args.text("detach-keys")?)?;
    let _mask = front::block_signals()?;
    let mut control = directory.connect_if_there()?.ok_or_else(ended)?;
    control.post(&Request::Attach);
    let input = match record.job.stdin && !args.flag("no-stdin") {
        true => directory.connect_if_there()?,
        false => None,
    };
    let session = Session {
        control,
        input,
        terminal: record.job.terminal,
        shown: [true; 2],
        detach_keys: &keys,
        pass_signals: !args.denied("sig-proxy"),
    };
    match session.serve()? {
        Ended::Unheard => match directory.status()? {
            // Too late to be told of the end, as who came when it had just been.
            Status::Exited(_, exit) => Ok(status(exit.status)),
            _ => code(Ended::Unheard),
        },
        ended => code(ended),
    }
}

/// What this program ends with: as a signal would have ended it, where one came that was not passed on.
fn code(ended: Ended) -> Result<u8, Failure> {
    match ended {
        Ended::Exited(exit) => Ok(status(exit.status)),
        Ended::Detached => Ok(0),
        Ended::Signalled(number) => Ok(status(128 + number)),
        Ended::Unheard => Err(
            Failure::new("the container's supervisor has ended without a word")
                .hint("it was killed, and the container with it"),
        ),
    }
}

/// A container's exit status as this program's own: the kernel keeps eight bits of one.
fn status(status: i32) -> u8 {
    u8::try_from(status).unwrap_or(u8::MAX)
}
