//! Unix sockets and pipes between the processes of one container.

use crate::call::{self, Error, Result, Told, check};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A connected pair that keeps message boundaries; socketpair(2) with SOCK_SEQPACKET.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .told(|| "socketpair(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC)".into())
}

/// pipe2(2) with O_CLOEXEC: read end, write end.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).told(|| "pipe2(O_CLOEXEC)".into())
}

/// Listens on `name` in a directory given by descriptor, however long the directory's own path is.
pub fn listen(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let socket = seqpacket()?;
    net::bind(&socket, &short_address(dir, name)?)
        .told(|| format!("bind({}, {name:?})", call::fd(dir)))?;
    net::listen(&socket, 8).told(|| format!("listen({name:?})"))?;
    Ok(socket)
}

/// Connects to a socket that [`listen`] made.
pub fn connect(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let socket = seqpacket()?;
    net::connect(&socket, &short_address(dir, name)?)
        .told(|| format!("connect({}, {name:?})", call::fd(dir)))?;
    Ok(socket)
}

/// Connects a stream socket to an absolute path, which engines give for consoles and seccomp agents.
pub fn connect_stream(path: &Path) -> Result<OwnedFd> {
    connect_by(path, None)
}

/// The same, for at most that long (`EAGAIN`): a listener that accepts nobody keeps connect(2) waiting for ever once
/// its backlog is full.
pub fn connect_stream_within(path: &Path, limit: Duration) -> Result<OwnedFd> {
    connect_by(path, Some(limit))
}

fn connect_by(path: &Path, limit: Option<Duration>) -> Result<OwnedFd> {
    let socket = net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .told(|| "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC)".into())?;
    if limit.is_some() {
        net::sockopt::set_socket_timeout(&socket, net::sockopt::Timeout::Send, limit)
            .told(|| format!("setsockopt(SO_SNDTIMEO, {limit:?})"))?;
    }
    let address = match SocketAddrUnix::new(path) {
        Ok(address) => address,
        // ENAMETOOLONG: sun_path has 108 bytes; the parent's descriptor makes it short.
        Err(_) => {
            let (parent, name) = crate::root::split(path);
            let dir = crate::file::open_dir(crate::file::CWD, parent)?;
            let address = short_address(dir.as_fd(), &name.to_string_lossy())?;
            net::connect(&socket, &address).told(|| format!("connect({})", call::path(path)))?;
            return Ok(socket);
        }
    };
    net::connect(&socket, &address).told(|| format!("connect({})", call::path(path)))?;
    Ok(socket)
}

/// A datagram socket named `name` in a directory given by descriptor; bind(2).
pub fn bind_datagram(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let socket = datagram()?;
    net::bind(&socket, &short_address(dir, name)?)
        .told(|| format!("bind({}, {name:?})", call::fd(dir)))?;
    Ok(socket)
}

/// Connects a datagram socket to an absolute path, or with a leading `@` to an abstract name (unix(7)).
pub fn connect_datagram(path: &Path) -> Result<OwnedFd> {
    use std::os::unix::ffi::OsStrExt;
    let socket = datagram()?;
    let address = match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name),
        None => SocketAddrUnix::new(path),
    };
    let address = address.told(|| format!("sockaddr_un({})", call::path(path)))?;
    net::connect(&socket, &address).told(|| format!("connect({})", call::path(path)))?;
    Ok(socket)
}

fn datagram() -> Result<OwnedFd> {
    net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .told(|| "socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC)".into())
}

fn seqpacket() -> Result<OwnedFd> {
    net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .told(|| "socket(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC)".into())
}

fn short_address(dir: BorrowedFd<'_>, name: &str) -> Result<SocketAddrUnix> {
    let path = format!("/proc/self/fd/{}/{name}", dir.as_raw_fd());
    SocketAddrUnix::new(path.as_str()).told(|| format!("sockaddr_un({path:?})"))
}

/// The process that had called listen(2) for the other end of a connected socket, in this pid namespace; getsockopt(2)
/// with SO_PEERCRED (unix(7)). `ESRCH` if it is of another one, which has no number here.
pub fn listener_of(socket: BorrowedFd<'_>) -> Result<i32> {
    let what = || format!("getsockopt({}, SO_PEERCRED)", socket.as_raw_fd());
    // Not rustix's: its Pid cannot be the 0 of a process of another namespace.
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut size = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: a structure of the size that is given.
    let ret = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut size,
        )
    };
    check(ret.into(), what)?;
    match peer.pid {
        0 => Err(Error {
            call: what(),
            errno: libc::ESRCH,
        }),
        pid => Ok(pid),
    }
}

/// accept4(2) with SOCK_CLOEXEC.
pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    loop {
        match net::accept_with(listener, SocketFlags::CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.told(|| format!("accept4({})", listener.as_raw_fd())),
        }
    }
}

/// sendmsg(2) of one message with descriptors (SCM_RIGHTS); MSG_NOSIGNAL.
pub fn send(socket: BorrowedFd<'_>, message: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    send_quietly(socket, message, fds).told(|| {
        format!(
            "sendmsg({}, {} bytes, {} fds)",
            socket.as_raw_fd(),
            message.len(),
            fds.len()
        )
    })
}

/// The same without words, which would have to be allocated.
pub(crate) fn send_quietly(
    socket: BorrowedFd<'_>,
    message: &[u8],
    fds: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    crate::file::retry(|| {
        net::sendmsg(
            socket,
            &[IoSlice::new(message)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
    })
    .map(drop)
}

/// [`send`] without descriptors and without blocking (MSG_DONTWAIT): whether there was room.
pub fn try_send(socket: BorrowedFd<'_>, message: &[u8]) -> Result<bool> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match crate::file::retry(|| net::send(socket, message, flags)) {
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        other => other
            .map(|_| true)
            .told(|| format!("send({}, {} bytes)", socket.as_raw_fd(), message.len())),
    }
}

/// The longest message in bytes; a longer one is not sent.
pub const MESSAGE_LIMIT: usize = 16 << 10;

/// recvmsg(2) of one message with its descriptors; an empty message is the end.
pub fn receive(socket: BorrowedFd<'_>) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
    // Not of this call's own: filling it with zeros would touch all of its pages in each process.
    static BUFFER: Mutex<[u8; MESSAGE_LIMIT]> = Mutex::new([0; MESSAGE_LIMIT]);
    // The other process is a fork, not a thread: nobody can have panicked with it in hand.
    let mut buffer = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match net::recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut *buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            // The peer has ended without having read everything. That is told once, before the messages that
            // it had sent; its last words are behind it, and then the end.
            Err(rustix::io::Errno::CONNRESET) => {}
            other => break other.told(|| format!("recvmsg({})", socket.as_raw_fd()))?,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok((buffer[..received.bytes].to_vec(), fds))
}

/// A socket on which copies of the kernel's audit records arrive: netlink(7), NETLINK_AUDIT, the group
/// AUDIT_NLGRP_READLOG (Linux 3.16; CAP_AUDIT_READ in the first user namespace).
pub fn audit_records() -> Result<OwnedFd> {
    use net::netlink::{AUDIT, SocketAddrNetlink};
    let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    let socket = net::socket_with(AddressFamily::NETLINK, kind, flags, Some(AUDIT))
        .told(|| "socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)".into())?;
    net::bind(&socket, &SocketAddrNetlink::new(0, 1))
        .told(|| format!("bind({}, AUDIT_NLGRP_READLOG)", call::fd(socket.as_fd())))?;
    Ok(socket)
}
