//! A foreground process's terminal: what is typed, what is shown, and leaving it by keys.
//!
//! No end of it is waited for alone: the program may not read, and nobody may read what it writes, while signals get
//! through.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_abi::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use lockstep_kernel::console::{self, Raw};
use lockstep_kernel::event::{self, Ready, Want};
use lockstep_kernel::process::{self, Child, Exit, Side};
use lockstep_kernel::{capability, file, signal};

use super::{pass_on, reap};
use crate::error::{For, Result};
use crate::keys::Keys;
use crate::notify::Notify;

/// Most bytes of one write to the caller's output: what poll(2) calls writable takes them without blocking (PIPE_BUF of
/// pipe(7)), and that file is not ours to make non-blocking.
const PIECE: usize = 4096;

fn what() -> String {
    "relaying the terminal".into()
}

/// What a descriptor in the poll set is.
enum Watched {
    Signals,
    Master,
    Stdin,
    Stdout,
    Notify,
}

/// A process and what is on its way to and from its terminal.
pub(super) struct Attended<'a> {
    child: &'a Child,
    master: Option<OwnedFd>,
    notify: Option<Notify>,
    warn: &'a dyn Fn(&str),
    keys: Keys<'a>,
    stdin_open: bool,
    typed: Vec<u8>,
    output: Vec<u8>,
    exit: Option<Exit>,
    left: bool,
    /// Whether nothing comes from the terminal any more. It stays there: a program may open it again.
    silent: bool,
}

impl<'a> Attended<'a> {
    pub(super) fn new(
        child: &'a Child,
        (master, notify): (Option<OwnedFd>, Option<Notify>),
        detach_keys: &'a [u8],
        warn: &'a dyn Fn(&str),
    ) -> Attended<'a> {
        Attended {
            child,
            stdin_open: master.is_some(),
            master,
            notify,
            warn,
            keys: Keys::new(detach_keys),
            typed: Vec::new(),
            output: Vec::new(),
            exit: None,
            left: false,
            silent: false,
        }
    }

    /// Until the process has ended and its output is written; `None` if it was left by the keys.
    pub(super) fn run(mut self) -> Result<Option<Exit>> {
        let [stdin, ..] = console::standard_streams();
        let signals = event::signals().during(what)?;
        let raw = match &self.master {
            Some(master) => {
                file::set_nonblocking(master).during(what)?;
                follow_size(stdin, master.as_fd());
                Raw::enter(stdin).during(what)?
            }
            None => None,
        };
        while self.exit.is_none() || self.output_is_left() {
            self.round(&signals)?;
            if self.left {
                drop(raw);
                return self.hold().map(|()| None);
            }
        }
        drop(raw);
        Ok(self.exit)
    }

    /// Behind the end of the process: whether more of what it wrote is to be shown. Others may have the terminal yet.
    fn output_is_left(&mut self) -> bool {
        if self.output.is_empty() {
            self.hear();
        }
        !self.output.is_empty()
    }

    fn round(&mut self, signals: &OwnedFd) -> Result<()> {
        let [stdin, stdout, _] = console::standard_streams();
        let (mut watched, mut fds) = (Vec::with_capacity(5), Vec::with_capacity(5));
        let mut watch = |what, fd, want| {
            watched.push(what);
            fds.push((fd, want));
        };
        watch(Watched::Signals, signals.as_fd(), Want::Read);
        if !self.output.is_empty() {
            watch(Watched::Stdout, stdout, Want::Write);
        }
        let (shows, takes) = (self.output.is_empty(), !self.typed.is_empty());
        if let Some(master) = self
            .master
            .as_ref()
            .filter(|_| self.exit.is_none() && !self.silent)
        {
            match (shows, takes) {
                (true, false) => watch(Watched::Master, master.as_fd(), Want::Read),
                (true, true) => watch(Watched::Master, master.as_fd(), Want::Both),
                (false, true) => watch(Watched::Master, master.as_fd(), Want::Write),
                (false, false) => {}
            }
            if self.stdin_open && !takes {
                watch(Watched::Stdin, stdin, Want::Read);
            }
        }
        if let Some(notify) = &self.notify {
            watch(Watched::Notify, notify.as_fd(), Want::Read);
        }
        let ready = event::ready(&fds, None).during(what)?;
        drop(fds);
        for (what, ready) in watched.into_iter().zip(ready) {
            self.serve(&what, ready, signals.as_fd())?;
        }
        Ok(())
    }

    fn serve(&mut self, what: &Watched, ready: Ready, signals: BorrowedFd<'_>) -> Result<()> {
        match what {
            Watched::Signals if ready.read => self.signal(signals)?,
            Watched::Master => {
                if ready.write {
                    self.give();
                }
                if ready.read {
                    self.hear();
                }
            }
            Watched::Stdin if ready.read => self.type_on(),
            Watched::Stdout if ready.write => self.show(),
            Watched::Notify if ready.read => {
                self.notify = super::hear(self.notify.take(), self.warn);
            }
            _ => {}
        }
        Ok(())
    }

    fn signal(&mut self, signals: BorrowedFd<'_>) -> Result<()> {
        let [stdin, ..] = console::standard_streams();
        let number = event::next_signal(signals).during(what)?;
        match &self.master {
            Some(master) if number == SIGWINCH => follow_size(stdin, master.as_fd()),
            _ if self.exit.is_none() => pass_on(self.child, number)?,
            // It is this process's own now, which only waits for a reader.
            _ if matches!(number, SIGTERM | SIGINT | SIGHUP | SIGQUIT) => {
                self.output.clear();
                self.master = None;
            }
            _ => {}
        }
        if self.exit.is_none() {
            self.exit = reap(self.child)?;
        }
        Ok(())
    }

    /// Takes what the program wrote.
    fn hear(&mut self) {
        let Some(master) = &self.master else {
            return;
        };
        match file::read_some(master) {
            Ok(bytes) if !bytes.is_empty() => self.output = bytes,
            Err(e) if e.is(&[Errno::EAGAIN.0]) => {}
            // EIO: nobody has the terminal open any more; the end of the process is what is left to hear of.
            _ => self.silent = true,
        }
    }

    /// Writes to the caller. Where nobody reads, the terminal is hung up, as a real one would be.
    fn show(&mut self) {
        let [_, stdout, _] = console::standard_streams();
        let piece = &self.output[..self.output.len().min(PIECE)];
        match file::write_some(stdout, piece) {
            Ok(taken) => drop(self.output.drain(..taken)),
            Err(_) => {
                self.output.clear();
                self.master = None;
            }
        }
    }

    fn type_on(&mut self) {
        let [stdin, ..] = console::standard_streams();
        match file::read_some(stdin) {
            Ok(bytes) if !bytes.is_empty() => {
                (self.typed, self.left) = self.keys.take(&bytes);
                self.give();
            }
            Err(e) if e.is(&[Errno::EAGAIN.0]) => {}
            _ => self.stdin_open = false,
        }
    }

    /// Gives the program what was typed.
    fn give(&mut self) {
        let Some(master) = &self.master else {
            return self.typed.clear();
        };
        match file::write_some(master, &self.typed) {
            Ok(taken) => drop(self.typed.drain(..taken)),
            Err(_) => self.typed.clear(),
        }
    }

    /// Leaves somebody with the terminal, or it would be hung up: a process without rights that reads and forgets.
    fn hold(self) -> Result<()> {
        let what = || "leaving the terminal".to_string();
        let Some(master) = self.master else {
            return Ok(());
        };
        let null = file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).during(what)?;
        if let Side::Child = process::clone(0, None).during(what)? {
            let held = forget(&master, &null);
            process::exit(i32::from(held.is_err()));
        }
        Ok(())
    }
}

/// Until nobody has the terminal open any more.
fn forget(master: &OwnedFd, null: &OwnedFd) -> lockstep_kernel::Result<()> {
    process::set_dumpable(false)?;
    process::setsid()?;
    // What waits was for the caller's group, as the hangup of a terminal whose session ended with this process's parent.
    while signal::wait(Some(0))?.is_some() {}
    for number in 0..3 {
        process::dup_onto(null.as_fd(), number)?;
    }
    process::close_all_but(&[master.as_fd()])?;
    capability::keep_only(0)?;
    process::set_no_new_privs()?;
    signal::unblock_all()?;
    loop {
        event::readable(&[Some(master.as_fd())])?;
        if file::read_some(master)?.is_empty() {
            return Ok(());
        }
    }
}

fn follow_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    if let Some((rows, columns)) = console::size(from) {
        // The container may have closed its terminal; a size that nobody sees is no loss.
        drop(console::set_size(to, rows, columns));
    }
}
