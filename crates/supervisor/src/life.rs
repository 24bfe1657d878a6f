//! A supervisor from its first to its last moment.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::{SIGHUP, SIGINT, SIGKILL, SIGTERM};
use lockstep_kernel::event::{self, Want};
use lockstep_kernel::process::{self, Child};
use lockstep_kernel::{caller, exe, file, signal, socket};
use lockstep_profile::seccomp::own::Turnover;
use lockstep_runtime::error::For;
use lockstep_runtime::{
    Begun, CgroupDriver, CreateRequest, Error, Kind, OomCounter, Relay, Result, Runtime, Settings,
};

use crate::client::Client;
use crate::confine::confine;
use crate::job::{
    Exit, FIRST, Job, LIFE, LOG, LogJob, SCHEMA, SECRET_BYTES, SECRETS, SOCKET, Secret, Started,
    USERS,
};
use crate::log::{Stream, Writer};
use crate::protocol::{CHUNK, Reply, Request};
use crate::streams::Streams;

/// The whole life of this process; the status it ends with. `count` descriptors are the container's, behind its
/// standard streams.
pub fn run(count: u8) -> i32 {
    // Its child enters the container, and it executes nothing of the program again.
    exe::let_go();
    let own = FIRST + i32::from(count);
    // Close-on-exec here, and kept open for the program by its own last steps.
    let handed: lockstep_kernel::Result<Vec<OwnedFd>> = (FIRST..own).map(caller::take).collect();
    let (Ok(connection), Ok(directory), Ok(handed)) =
        (caller::take(own), caller::take(own + 1), handed)
    else {
        // Not started by the front: there is nobody to tell.
        return 125;
    };
    let mut starter = Client::new(connection);
    let Some(Request::Begin(job)) = starter.hear() else {
        return 125;
    };
    // Of a job that says so.
    let users = job.users.then(|| caller::take(own + USERS));
    let users = users.transpose().during(|| "the user namespace".into());
    match users.and_then(|users| begin(&job, directory, (handed, count, users))) {
        Ok((attended, pid, lost)) => {
            starter.waits = true;
            starter.attached = job.attached;
            starter.tell(&Reply::Started(pid, lost));
            attended.attend(starter)
        }
        Err(error) => {
            starter.tell(&Reply::Failed(error));
            125
        }
    }
}

/// A running container and everything that its supervisor holds.
struct Attended {
    child: Child,
    streams: Streams,
    log: Option<Writer>,
    listener: OwnedFd,
    /// What the program says to the service manager, until it has said that it is ready.
    relay: Option<Relay>,
    signals: OwnedFd,
    life: OwnedFd,
    /// Keeps the container's lock.
    _directory: OwnedFd,
    /// Read at the end, from a file that was opened while that was allowed.
    oom: Option<OomCounter>,
    clients: Vec<Client>,
    /// Whether somebody asked for the end, and when it will be forced.
    asked: bool,
    deadline: Option<Instant>,
    /// When the container is stopped by itself.
    run_until: Option<Instant>,
    exit: Option<Exit>,
    /// Whether to end although a client has not taken everything.
    hurry: bool,
    stop: (i32, u64),
    stdin_once: bool,
}

/// From the job to a container whose program runs, with this process confined.
fn begin(
    job: &Job,
    directory: OwnedFd,
    (handed, count, users): (Vec<OwnedFd>, u8, Option<OwnedFd>),
) -> Result<(Attended, i32, Vec<String>)> {
    let what = |name: &'static str| move || format!("{name} in the container's directory");
    signal::block_all().during(|| "blocking signals".into())?;
    // What nohup(1), or the shell of a background job, ignored for the caller is nothing that the program asked for.
    signal::default_ignored().during(|| "resetting signals".into())?;
    let flags = file::OFlags::WRONLY | file::OFlags::CREATE | file::OFlags::TRUNC;
    let life = file::openat(&directory, LIFE, flags, 0o600).during(what(LIFE))?;
    let (log, log_directory) = open_log(job, &directory)?;
    // ENOENT: there was none before.
    drop(file::unlink(&directory, SOCKET));
    let listener = socket::listen(directory.as_fd(), SOCKET).during(what(SOCKET))?;
    let signals = event::signals().during(|| "signals".into())?;
    let mut streams = match job.terminal {
        true => Streams::default(),
        false => Streams::pipes(job.stdin, job.stream_owner)?,
    };
    let runtime = open_runtime(job)?;
    let request = request(job, &directory, count)?;
    let mut waiting = runtime.make_waiting(&request)?;
    // A pipe that this process held open would never end.
    drop((handed, users));
    let pid = waiting.pid();
    if !job.terminal {
        Streams::let_go()?;
    }
    let mut lost: Vec<String> = waiting
        .outcome()
        .downgrades
        .iter()
        .map(|d| d.to_string())
        .collect();
    let oom = waiting.oom_counter()?;
    let relay = waiting.take_relay();
    // The last moment before the program's first instruction: from here on nothing that it does finds rights here.
    lost.extend(confine(job.owner, turnover(job.log), log_directory)?);
    write_line(&life, &started(pid, &lost))?;
    let Begun { child, console } = runtime.begin(waiting)?;
    if let Some(master) = console {
        streams = Streams::terminal(master, job.stdin)?;
    }
    let attended = Attended {
        child,
        streams,
        log,
        listener,
        relay,
        signals,
        life,
        _directory: directory,
        oom,
        clients: Vec::new(),
        asked: false,
        deadline: None,
        run_until: job
            .run_time_ms
            .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
        exit: None,
        hurry: false,
        stop: (job.stop_signal, job.stop_timeout_ms),
        stdin_once: job.stdin_once,
    };
    Ok((attended, pid, lost))
}

fn request(job: &Job, directory: &OwnedFd, handed: u8) -> Result<CreateRequest> {
    let value = |secret: &Secret| {
        let path = format!("{SECRETS}/{}", secret.file);
        file::read_at_once(directory, &path, SECRET_BYTES)
            .during(|| format!("{path} in the container's directory"))
    };
    let values: Result<Vec<Vec<u8>>> = job.secrets.iter().map(value).collect();
    job.request_with(values?, handed)
}

/// What would be a warning is a downgrade too, and those the front shows.
fn open_runtime(job: &Job) -> Result<Runtime<'static>> {
    Runtime::open(Settings {
        root: job.state.clone(),
        cgroup_driver: match job.systemd_cgroup {
            true => CgroupDriver::Systemd,
            false => CgroupDriver::Cgroupfs,
        },
        rootless: job.no_cgroups.then_some(true),
        runtime_dir: job.runtime_dir.clone(),
        warn: &|_| {},
    })
}

fn started(pid: i32, lost: &[String]) -> Started {
    Started {
        schema: SCHEMA,
        pid,
        at: lockstep_runtime::clock::now_rfc3339(),
        downgrades: lost.to_vec(),
    }
}

fn write_line<T: serde::Serialize>(life: &OwnedFd, value: &T) -> Result<()> {
    let mut text =
        serde_json::to_vec(value).map_err(|e| Error::new(Kind::Kernel, format!("{LIFE}: {e}")))?;
    text.push(b'\n');
    file::write_fd(life, &text).during(|| format!("writing {LIFE}"))
}

/// The log, and its directory once more for the domain that allows it.
fn open_log(job: &Job, directory: &OwnedFd) -> Result<(Option<Writer>, Option<OwnedFd>)> {
    let Some(limits) = job.log else {
        return Ok((None, None));
    };
    let what = || "the container's log".to_owned();
    match file::mkdirat(directory, LOG, 0o700) {
        Err(e) if e.is(&[Errno::EEXIST.0]) => {}
        other => other.during(what)?,
    }
    if let Some(owner) = job.owner {
        file::chown(directory, LOG, owner, owner).during(what)?;
    }
    let open = || file::open_dir(directory, LOG).during(what);
    let writer = Writer::open(open()?, limits).during(what)?;
    if let Some(owner) = job.owner {
        file::chown(&open()?, Writer::CURRENT, owner, owner).during(what)?;
    }
    Ok((Some(writer), Some(open()?)))
}

fn turnover(log: Option<LogJob>) -> Turnover {
    match log {
        Some(limits) if limits.max_size > 0 && limits.max_files > 1 => Turnover::Renames,
        Some(limits) if limits.max_size > 0 => Turnover::Truncates,
        _ => Turnover::Never,
    }
}

/// What a descriptor in the poll set is.
enum Watched {
    Exit,
    Signals,
    Listener,
    Notification,
    Manager,
    Output(Stream),
    Input,
    Client(usize),
}

impl Attended {
    /// Serves until the container has ended and everybody who waited knows.
    fn attend(mut self, starter: Client) -> i32 {
        self.clients.push(starter);
        // Most of the program was for making the container.
        exe::release_text();
        let mut buffer = vec![0u8; CHUNK];
        while !self.is_over() {
            // Before the first wait too: the starter may be one who could not be told.
            self.clients.retain(|client| !client.gone);
            if self.wait(&mut buffer).is_err() {
                // Nothing can be served without waiting; the container ends with this process.
                return 125;
            }
            self.act_on_time();
        }
        0
    }

    fn act_on_time(&mut self) {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.signal(SIGKILL);
        }
        if self.run_until.is_some_and(|until| until <= now) {
            self.run_until = None;
            self.stop(None, None);
        }
    }

    fn is_over(&self) -> bool {
        self.exit.is_some() && (self.hurry || !self.clients.iter().any(Client::is_behind))
    }

    /// One round: waits without a time limit, unless a stop is under way, and serves what is ready.
    fn wait(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut watched = Vec::with_capacity(8);
        let mut fds = Vec::with_capacity(8);
        let mut watch = |what, fd, want| {
            watched.push(what);
            fds.push((fd, want));
        };
        watch(Watched::Listener, self.listener.as_fd(), Want::Read);
        watch(Watched::Signals, self.signals.as_fd(), Want::Read);
        if let Some(relay) = &self.relay {
            watch(Watched::Notification, relay.as_fd(), Want::Read);
            if let Some(manager) = relay.untold() {
                watch(Watched::Manager, manager, Want::Both);
            }
        }
        if self.exit.is_none() {
            watch(Watched::Exit, self.child.pidfd.as_fd(), Want::Read);
        }
        // Who reads slowly makes the container wait, as a pipe would.
        if !self.clients.iter().any(|c| c.attached && c.is_behind()) {
            for (stream, fd) in self.streams.outputs() {
                watch(Watched::Output(stream), fd, Want::Read);
            }
        }
        // For room alone: of a terminal the same file is the output, which may be kept waiting.
        if let Some(input) = self.streams.waiting_input() {
            watch(Watched::Input, input, Want::Write);
        }
        let full = self.streams.input_is_full();
        for (n, client) in self.clients.iter().enumerate() {
            let want = match (full && client.gives_input, client.is_behind()) {
                (true, true) => Want::Write,
                (true, false) => continue,
                (false, true) => Want::Both,
                (false, false) => Want::Read,
            };
            watch(Watched::Client(n), client.as_fd(), want);
        }
        let next = self.deadline.into_iter().chain(self.run_until).min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX) + 1);
        let ready = event::ready(&fds, timeout).during(|| "waiting for the container".into())?;
        drop(fds);
        for (what, ready) in watched.into_iter().zip(ready) {
            self.serve(&what, ready, buffer)?;
        }
        Ok(())
    }

    fn serve(&mut self, what: &Watched, ready: event::Ready, buffer: &mut [u8]) -> Result<()> {
        match what {
            Watched::Input if ready.write => self.streams.flush(),
            Watched::Client(n) => {
                if ready.write {
                    self.clients[*n].flush();
                }
                if ready.read && !self.clients[*n].gone {
                    self.hear(*n);
                }
            }
            Watched::Manager if ready.read || ready.write => {
                self.relay.take_if(|it| !matches!(it.tell(), Ok(false)));
            }
            _ if !ready.read => {}
            Watched::Output(stream) => {
                self.pass_on(*stream, buffer);
            }
            Watched::Listener => self.accept(),
            // ECONNREFUSED: the manager has gone, and nobody is there to be told.
            Watched::Notification => {
                self.relay.take_if(|it| !matches!(it.pass_on(), Ok(false)));
            }
            Watched::Signals => {
                let number =
                    event::next_signal(self.signals.as_fd()).during(|| "signals".into())?;
                // The host goes down, or somebody means the container.
                if matches!(number, SIGTERM | SIGINT | SIGHUP) {
                    self.stop(None, None);
                }
            }
            Watched::Exit => self.ended(buffer)?,
            Watched::Input | Watched::Manager => {}
        }
        Ok(())
    }

    /// Moves one read of output to the log and to who is attached; whether there was any.
    fn pass_on(&mut self, stream: Stream, buffer: &mut [u8]) -> bool {
        let bytes = match self.streams.read(stream, buffer) {
            Some(bytes) if !bytes.is_empty() => bytes,
            _ => return false,
        };
        if let Some(log) = &mut self.log {
            log.write(stream, bytes);
        }
        let mut hearers = self.clients.iter_mut().filter(|it| it.hears(stream));
        if let Some(first) = hearers.next() {
            let reply = Reply::Output(stream.number(), bytes.to_vec());
            first.tell(&reply);
            hearers.for_each(|client| client.tell(&reply));
        }
        true
    }

    fn accept(&mut self) {
        // ECONNABORTED, EMFILE: whoever it was tries again or has gone.
        if let Ok(connection) = socket::accept(self.listener.as_fd()) {
            self.clients.push(Client::new(connection));
        }
    }

    fn hear(&mut self, n: usize) {
        let Some(request) = self.clients[n].hear() else {
            // The input of a container that was started with one ends with whoever gave it.
            if self.stdin_once && self.clients[n].gives_input {
                self.streams.lose_giver();
            }
            return;
        };
        match request {
            Request::Attach => {
                self.clients[n].attached = true;
                self.wait_for_end(n);
            }
            Request::Wait => self.wait_for_end(n),
            Request::Input(bytes) => {
                self.clients[n].gives_input = true;
                self.streams.give(&bytes);
            }
            Request::InputEnd => self.streams.end_input(),
            // A log still reads.
            Request::Hangup(number) if self.log.is_none() => self.streams.hang_up(number),
            Request::Hangup(number) => self.clients[n].spare(number),
            Request::Resize(rows, columns) => self.streams.resize(rows, columns),
            Request::Signal(number) => self.signal(number),
            Request::Stop(number, timeout) => self.stop(number, timeout),
            // Only the first message of the first client is one.
            Request::Begin(_) => self.clients[n].gone = true,
        }
    }

    /// Tells a client of the end, when it comes or at once.
    fn wait_for_end(&mut self, n: usize) {
        self.clients[n].waits = true;
        if let Some(exit) = &self.exit {
            self.clients[n].tell(&Reply::Exited(exit.clone()));
        }
    }

    fn signal(&mut self, number: i32) {
        if self.exit.is_none() {
            self.asked |= number == SIGKILL || number == self.stop.0;
            // ESRCH: it has just ended. EINVAL: no signal, which the front checked.
            drop(process::pidfd_send_signal(self.child.pidfd.as_fd(), number));
        }
    }

    fn stop(&mut self, number: Option<i32>, timeout_ms: Option<u64>) {
        // There is nothing left to stop but the wait for a reader that takes its time.
        self.hurry |= self.exit.is_some();
        self.asked = true;
        self.signal(number.unwrap_or(self.stop.0));
        let timeout = Duration::from_millis(timeout_ms.unwrap_or(self.stop.1));
        // A later stop can only be more impatient.
        let deadline = Instant::now().checked_add(timeout);
        self.deadline = match (self.deadline, deadline) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => old.or(new),
        };
    }

    /// The first process has ended, and so has the container.
    fn ended(&mut self, buffer: &mut [u8]) -> Result<()> {
        let what = || "the container's exit status".to_owned();
        let Some((_, exit)) = process::wait(self.child.pid, false).during(what)? else {
            return Err(Error::new(
                Kind::Kernel,
                "the container's process is not a child",
            ));
        };
        (self.deadline, self.run_until) = (None, None);
        self.drain(buffer);
        let mut exit = Exit::now(exit.status(), self.asked);
        exit.oom_killed = self.oom.take().is_some_and(|kills| kills.read() > 0);
        if let Some(log) = &mut self.log {
            log.close();
        }
        // ENOSPC: who waits is told all the same; for everybody else it ended without a status, as by a kill.
        drop(write_line(&self.life, &exit));
        for client in self.clients.iter_mut().filter(|client| client.waits) {
            client.tell(&Reply::Exited(exit.clone()));
        }
        self.exit = Some(exit);
        Ok(())
    }

    /// What was written before the end, and no more: with a shared pid namespace others may write for ever.
    fn drain(&mut self, buffer: &mut [u8]) {
        const MOST: usize = 1 << 10;
        for stream in [Stream::Out, Stream::Err] {
            for _read in 0..MOST {
                let there = |s: &Streams| {
                    s.outputs()
                        .any(|(found, fd)| found == stream && event::readable_now(fd))
                };
                if !there(&self.streams) || !self.pass_on(stream, buffer) {
                    break;
                }
            }
        }
    }
}
