//! Network devices: loopback up, and moving a host device with its addresses into a container.
//!
//! Four messages of rtnetlink(7) are all that is needed, so they are encoded here, over one short-lived socket.

use crate::call::{Error, Result, Told, check};
use crate::process::{self, Side};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Brings `lo` up in this network namespace; netdevice(7) SIOCSIFFLAGS.
pub fn loopback_up() -> Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .told(|| "socket(AF_INET, SOCK_DGRAM)".into())?;
    // SAFETY: ifreq is plain old data, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which outlives the call.
    let ret = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS,
            std::ptr::from_mut(&mut request),
        )
    };
    check(ret.into(), || {
        "ioctl(SIOCSIFFLAGS, {\"lo\", IFF_UP})".into()
    })
    .map(drop)
}

/// A permanent address of global scope.
#[derive(Debug)]
pub struct Address {
    /// AF_INET, AF_INET6.
    pub family: u8,
    /// Bits of the network.
    pub prefix: u8,
    /// IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST ... as they came, type and bytes.
    pub attributes: Vec<(u16, Vec<u8>)>,
}

/// How a device is set up.
#[derive(Debug)]
pub struct Setup {
    /// Whether it is up (netdevice(7), IFF_UP).
    pub up: bool,
    /// What the kernel forgets when the device moves.
    pub addresses: Vec<Address>,
}

/// How a device of this network namespace is set up.
pub fn setup_of(name: &str) -> Result<Setup> {
    let route = Route::open()?;
    let (index, flags) = route.link(name)?;
    Ok(Setup {
        up: flags & UP != 0,
        addresses: route.addresses(index)?,
    })
}

/// Moves device `host`, which is `was`, into the network namespace `target` as `name`, keeps its addresses and
/// brings it up there (config-linux.md, "Network Devices"). On an error it may be here, or there under either name.
pub fn move_device(host: &str, name: &str, target: BorrowedFd<'_>, was: &Setup) -> Result<()> {
    move_to(host, name, target, was, true)
}

fn move_to(host: &str, name: &str, target: BorrowedFd<'_>, was: &Setup, up: bool) -> Result<()> {
    let route = Route::open()?;
    let (index, _) = route.link(host)?;
    let mut attributes = vec![(
        IFLA_NET_NS_FD,
        (target.as_raw_fd() as u32).to_ne_bytes().to_vec(),
    )];
    let mut text = name.as_bytes().to_vec();
    text.push(0);
    attributes.push((libc::IFLA_IFNAME, text));
    // A device that is up cannot be renamed, and loses its addresses in the move either way.
    let down = route.set_link(index, 0, UP, &[]);
    // The name that `%d` becomes, and so the device, is found by a new index in the namespace: give it one
    // that is free there, which lets the message fail instead when the name is taken.
    let moved = down.and_then(|()| {
        route.set_link(index, 0, 0, &attributes).map_err(|e| Error {
            call: format!(
                "RTM_NEWLINK {host:?} as {name:?} into {} [{}]",
                crate::call::fd(target),
                e.call
            ),
            errno: e.errno,
        })
    });
    if moved.is_err() && was.up {
        // As it was; ENODEV when it has moved nevertheless.
        drop(route.set_link(index, UP, UP, &[]));
    }
    moved?;
    in_namespace(target, || settle(index, name, &was.addresses, up))
}

/// Moves device `name` of the network namespace `from` back to this one as `host`, set up as it was: for a
/// container that could not be made, whose namespace would take a virtual device with it.
pub fn return_device(host: &str, name: &str, from: BorrowedFd<'_>, was: &Setup) -> Result<()> {
    let here = crate::file::openat(
        crate::file::CWD,
        "/proc/self/ns/net",
        crate::file::OFlags::RDONLY,
        0,
    )?;
    in_namespace(from, || move_to(name, host, here.as_fd(), was, was.up))
}

const IFLA_NET_NS_FD: u16 = 28;
const UP: u32 = libc::IFF_UP as u32;

fn settle(index: u32, name: &str, addresses: &[Address], up: bool) -> Result<()> {
    let route = Route::open()?;
    // The kernel keeps the index unless it is taken in the new namespace; then only the name finds the device.
    let index = if name.contains('%') {
        index
    } else {
        route.link(name)?.0
    };
    for address in addresses {
        route.add_address(index, address)?;
    }
    route.set_link(index, if up { UP } else { 0 }, UP, &[])
}

/// Runs `work` in a process of its own that has joined the namespace.
fn in_namespace(target: BorrowedFd<'_>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let (read, write) = crate::socket::pipe()?;
    match process::clone(0, None)? {
        Side::Child => {
            let done =
                crate::namespace::setns(target, libc::CLONE_NEWNET as u64).and_then(|()| work());
            let Err(e) = done else { process::exit(0) };
            let text = format!("{}\0{}", e.errno, e.call);
            // The exit status says enough when the parent has gone.
            drop(crate::file::write_fd(&write, text.as_bytes()));
            process::exit(1)
        }
        Side::Parent(child) => {
            drop(write);
            let said = crate::file::read_fd(&read, 64 * 1024)?;
            if let Some((_, process::Exit::Code(0))) = process::wait(child.pid, false)? {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&said).into_owned();
            let (errno, call) = text
                .split_once('\0')
                .unwrap_or(("5", "network configuration"));
            Err(Error {
                call: call.into(),
                errno: errno.parse().unwrap_or(libc::EIO),
            })
        }
    }
}

/// A rtnetlink socket.
struct Route(OwnedFd);

impl Route {
    fn open() -> Result<Route> {
        // SAFETY: takes integers and returns a new descriptor.
        let ret = unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::NETLINK_ROUTE,
            )
        };
        let fd = check(ret.into(), || {
            "socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)".into()
        })?;
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Route(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Sends one request and hands every answer's type and payload to `each`, until the end or an error.
    fn request(
        &self,
        kind: u16,
        flags: i32,
        body: &[u8],
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<()> {
        let length = 16 + body.len();
        let mut message = Vec::with_capacity(length);
        message.extend((length as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        message.extend([0u8; 8]);
        message.extend(body);
        crate::file::write_fd(&self.0, &message)?;
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            let n = rustix::io::read(self.0.as_fd(), &mut buffer[..])
                .told(|| "recv(NETLINK_ROUTE)".into())?;
            let mut rest = &buffer[..n];
            while rest.len() >= 16 {
                let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
                let answer = u16::from_ne_bytes([rest[4], rest[5]]);
                if length < 16 || length > rest.len() {
                    break;
                }
                let payload = &rest[16..length];
                match i32::from(answer) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return acknowledgement(kind, payload),
                    _ => each(answer, payload),
                }
                if flags & libc::NLM_F_DUMP == 0 && flags & libc::NLM_F_ACK == 0 {
                    return Ok(());
                }
                rest = &rest[align(length).min(rest.len())..];
            }
        }
    }

    /// A device's index and flags.
    fn link(&self, name: &str) -> Result<(u32, u32)> {
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        let mut body = link_header(0, 0, 0);
        attribute(&mut body, libc::IFLA_IFNAME, &text);
        let mut found = (0, 0);
        self.request(libc::RTM_GETLINK, 0, &body, |_, payload| {
            if let Some(&[a, b, c, d, e, f, g, h]) = payload.get(4..12) {
                found = (
                    u32::from_ne_bytes([a, b, c, d]),
                    u32::from_ne_bytes([e, f, g, h]),
                );
            }
        })
        .map_err(|e| Error {
            call: format!("RTM_GETLINK {name:?}"),
            errno: e.errno,
        })?;
        Ok(found)
    }

    fn addresses(&self, index: u32) -> Result<Vec<Address>> {
        let mut found = Vec::new();
        self.request(
            libc::RTM_GETADDR,
            libc::NLM_F_DUMP,
            &[0u8; 8],
            |_, payload| {
                let Some(header) = payload.get(..8) else {
                    return;
                };
                let at = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
                let permanent = u32::from(header[2]) & libc::IFA_F_PERMANENT != 0;
                if at == index && permanent && header[3] == libc::RT_SCOPE_UNIVERSE {
                    let attributes = attributes(&payload[8..])
                        .filter(|(kind, _)| {
                            [libc::IFA_ADDRESS, libc::IFA_LOCAL, libc::IFA_BROADCAST].contains(kind)
                        })
                        .collect();
                    found.push(Address {
                        family: header[0],
                        prefix: header[1],
                        attributes,
                    });
                }
            },
        )?;
        Ok(found)
    }

    fn add_address(&self, index: u32, address: &Address) -> Result<()> {
        let mut body = vec![
            address.family,
            address.prefix,
            libc::IFA_F_PERMANENT as u8,
            libc::RT_SCOPE_UNIVERSE,
        ];
        body.extend(index.to_ne_bytes());
        for (kind, value) in &address.attributes {
            attribute(&mut body, *kind, value);
        }
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        match self.request(libc::RTM_NEWADDR, flags, &body, |_, _| {}) {
            // EEXIST: the address came along with the device.
            Err(e) if e.is(&[libc::EEXIST]) => Ok(()),
            other => other,
        }
    }

    fn set_link(
        &self,
        index: u32,
        flags: u32,
        change: u32,
        attributes: &[(u16, Vec<u8>)],
    ) -> Result<()> {
        let mut body = link_header(index, flags, change);
        for (kind, value) in attributes {
            attribute(&mut body, *kind, value);
        }
        self.request(libc::RTM_NEWLINK, libc::NLM_F_ACK, &body, |_, _| {})
    }
}

/// `struct nlmsgerr`: a negative errno, or zero for success.
fn acknowledgement(kind: u16, payload: &[u8]) -> Result<()> {
    let errno = payload
        .get(..4)
        .map_or(-libc::EIO, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    if errno == 0 {
        Ok(())
    } else {
        Err(Error {
            call: format!("rtnetlink request {kind}"),
            errno: -errno,
        })
    }
}

/// `struct ifinfomsg`.
fn link_header(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut body = vec![0u8; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(change.to_ne_bytes());
    body
}

fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((4 + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(align(body.len()), 0);
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, Vec<u8>)> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*rest.first()?, *rest.get(1)?]));
        let kind = u16::from_ne_bytes([*rest.get(2)?, *rest.get(3)?]);
        let value = rest.get(4..length)?.to_vec();
        rest = rest.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}
