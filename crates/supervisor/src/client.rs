//! Both ends of a supervisor's connections: how the front starts and reaches one, and how one keeps its clients.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockstep_abi::errno::Errno;
use lockstep_kernel::process::{self, Child, Image};
use lockstep_kernel::{event, exe, file, socket};
use lockstep_runtime::Result;
use lockstep_runtime::error::For;

use crate::job::{Job, SOCKET};
use crate::log::Stream;
use crate::protocol::{Reply, Request, broken};

/// Messages that the other end has not taken yet: nobody who speaks waits for who hears.
#[derive(Debug, Default)]
struct Outbox(VecDeque<Vec<u8>>);

impl Outbox {
    /// Sends what the socket takes.
    ///
    /// # Errors
    ///
    /// EPIPE, ECONNRESET: the other end has gone, and nobody is left to tell.
    fn flush(&mut self, socket: &OwnedFd) -> lockstep_kernel::Result<()> {
        while let Some(message) = self.0.front() {
            if !socket::try_send(socket.as_fd(), message)? {
                break;
            }
            self.0.pop_front();
        }
        Ok(())
    }
}

/// The front's end.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    outbox: Outbox,
    gone: bool,
}

/// Starts the supervisor of a container: this program again, from a file that cannot be written, with `args`.
/// It holds `lock`, the container's locked directory, as long as it lives. `handed` are descriptors for the container,
/// from number 3 on; [`crate::run`] has to be told how many. `users` is the user namespace of [`Job::users`]. It waits
/// for its job, and ends without one.
pub fn start(
    args: &[&str],
    lock: BorrowedFd<'_>,
    handed: &[OwnedFd],
    users: Option<BorrowedFd<'_>>,
) -> Result<(Child, Connection)> {
    let what = || "starting the supervisor".to_owned();
    let program = exe::sealed().during(what)?;
    #[cfg(not(lockstep_weak))]
    let environment: Vec<String> = Vec::new();
    #[cfg(lockstep_weak)]
    let environment = lockstep_kernel::weak::environment();
    let environment = environment.iter().map(String::as_str);
    let image = Image::new("", args.iter().copied(), environment).during(what)?;
    let (ours, theirs) = socket::pair().during(what)?;
    let flags = file::OFlags::RDWR;
    let null = file::openat(file::CWD, "/dev/null", flags, 0).during(what)?;
    let null = null.as_fd();
    let mut fds = vec![null; 3];
    fds.extend(handed.iter().map(AsFd::as_fd));
    fds.extend([theirs.as_fd(), lock].into_iter().chain(users));
    let child = process::spawn(0, program.as_fd(), &image, &fds).during(what)?;
    drop(theirs);
    Ok((child, Connection::new(ours)))
}

/// Connects to the supervisor of a running container.
pub fn connect(directory: BorrowedFd<'_>) -> Result<Connection> {
    reach(directory).during(reaching)
}

/// [`connect`], or nothing where the container has ended.
pub fn connect_if_there(directory: BorrowedFd<'_>) -> Result<Option<Connection>> {
    match reach(directory) {
        Err(e) if e.is(&[Errno::ECONNREFUSED.0, Errno::ENOENT.0]) => Ok(None),
        other => other.map(Some).during(reaching),
    }
}

fn reach(directory: BorrowedFd<'_>) -> lockstep_kernel::Result<Connection> {
    socket::connect(directory, SOCKET).map(Connection::new)
}

fn reaching() -> String {
    "reaching the container's supervisor".into()
}

impl Connection {
    fn new(socket: OwnedFd) -> Connection {
        Connection {
            socket,
            outbox: Outbox::default(),
            gone: false,
        }
    }

    /// Sends one of the few messages for which a connection always has room.
    pub fn send(&self, request: &Request) -> Result<()> {
        let sent = socket::try_send(self.socket.as_fd(), &request.encode())
            .during(|| "telling the supervisor".to_owned())?;
        match sent {
            true => Ok(()),
            false => Err(broken("does not listen")),
        }
    }

    /// Says something now or, when the socket is full, at a later [`flush`](Connection::flush). A supervisor that is not
    /// there any more is no error: what it had to say is there to be received.
    pub fn post(&mut self, request: &Request) {
        self.outbox.0.push_back(request.encode());
        self.flush();
    }

    /// The same for input, in as many messages as it takes.
    pub fn post_input(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(crate::protocol::CHUNK) {
            self.post(&Request::Input(chunk.to_vec()));
        }
    }

    /// Sends what the socket takes of what was posted.
    pub fn flush(&mut self) {
        if self.outbox.flush(&self.socket).is_err() {
            self.gone = true;
            self.outbox.0.clear();
        }
    }

    /// Whether something posted waits for room.
    pub fn is_behind(&self) -> bool {
        !self.outbox.0.is_empty()
    }

    /// Whether nobody was there to take something posted.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Waits for the next message.
    pub fn receive(&self) -> Result<Reply> {
        let (bytes, _) = socket::receive(self.socket.as_fd())
            .during(|| "hearing from the supervisor".to_owned())?;
        Ok(Reply::decode(&bytes))
    }

    /// Gives a supervisor that was just started its job.
    pub fn begin(&self, job: Job) -> Result<()> {
        self.send(&Request::Begin(Box::new(job)))
    }

    /// Waits for the answer to [`Connection::begin`]: the first process and what was downgraded, or why there is none.
    ///
    /// # Errors
    ///
    /// There was no answer, so the supervisor may be there still.
    pub fn started(&self) -> Result<Result<(i32, Vec<String>)>> {
        match self.receive()? {
            Reply::Started(pid, lost) => Ok(Ok((pid, lost))),
            Reply::Failed(error) => Ok(Err(error)),
            _ => Err(broken("ended before the container had begun")),
        }
    }

    /// The supervisor's process.
    ///
    /// # Errors
    ///
    /// It has ended; a refused call.
    pub fn process(&self) -> Result<OwnedFd> {
        let what = || "the supervisor's process".to_owned();
        let pid = socket::listener_of(self.as_fd()).during(what)?;
        let process = process::pidfd_open(pid).during(what)?;
        // Its end of the connection goes with it, so the number was still its own.
        match event::readable_now(self.as_fd()) {
            false => Ok(process),
            true => Err(broken("has just ended")),
        }
    }

    /// The socket, to wait for it beside others.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The supervisor's end of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    socket: OwnedFd,
    /// Whether it gets the output, and which of it (1 or 2) it does not.
    pub(crate) attached: bool,
    spared: [bool; 2],
    /// Whether it is told of the container's end.
    pub(crate) waits: bool,
    /// Whether it gives input.
    pub(crate) gives_input: bool,
    outbox: Outbox,
    /// Whether it is there no more.
    pub(crate) gone: bool,
}

impl Client {
    pub(crate) fn new(socket: OwnedFd) -> Client {
        Client {
            socket,
            attached: false,
            waits: false,
            spared: [false; 2],
            gives_input: false,
            outbox: Outbox::default(),
            gone: false,
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether it is slower than the container.
    pub(crate) fn is_behind(&self) -> bool {
        !self.outbox.0.is_empty()
    }

    /// Whether it is to be told what comes from this output.
    pub(crate) fn hears(&self, stream: Stream) -> bool {
        self.attached && !self.spared[usize::from(stream.number()) - 1]
    }

    /// Tells it no more of one output.
    pub(crate) fn spare(&mut self, number: u8) {
        let place = usize::from(number).checked_sub(1);
        if let Some(spared) = place.and_then(|n| self.spared.get_mut(n)) {
            *spared = true;
        }
    }

    /// Sends now or, when the socket is full, later.
    pub(crate) fn tell(&mut self, reply: &Reply) {
        self.outbox.0.push_back(reply.encode());
        self.flush();
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self) {
        if self.outbox.flush(&self.socket).is_err() {
            self.gone = true;
            self.outbox.0.clear();
        }
    }

    /// Its next message; `None` when it has gone or says what this version does not understand.
    pub(crate) fn hear(&mut self) -> Option<Request> {
        let heard = socket::receive(self.socket.as_fd()).ok();
        let request = heard.and_then(|(bytes, _)| Request::decode(&bytes));
        self.gone = request.is_none();
        request
    }
}
