//! Who is outside a container and takes part in its birth: the receiver of its terminal, the agent that answers its
//! notifications, and the network from which it gets a device.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::harness::{Bundle, Host, Test, View, short_path};

/// The device that the container gets, by its name outside.
const DEVICE: &str = "ls0";
const ADDRESS: &str = "192.0.2.1/24";

/// What listens and what is given, for the containers of one walk.
pub(crate) struct Agents {
    console: Socket,
    notifications: Socket,
    /// The process whose network namespace has the device.
    network: Option<u32>,
    pairs: std::cell::Cell<u32>,
}

impl Agents {
    /// Skips the test where they cannot be there.
    pub(crate) fn need(test: &Test) {
        test.need(Host::get().has_program("ip"), "no ip(8) (iproute2)");
    }

    pub(crate) fn start(test: &Test, view: &View) -> Self {
        let network = match view {
            View::Held { holder, of } if **of == View::Network => Some(*holder),
            _ => None,
        };
        Self {
            console: Socket::listen(console(test)),
            notifications: Socket::listen(agent(test)),
            network,
            pairs: std::cell::Cell::new(0),
        }
    }

    /// The argument of `--console-socket`.
    pub(crate) fn console(&self) -> String {
        self.console.path.display().to_string()
    }

    /// Lets go of what the last container sent, and has a device for the next.
    pub(crate) fn refresh(&self) {
        self.console.forget();
        self.notifications.forget();
        if self.network.is_some() {
            // A device's other end goes when the kernel gets to it, so its name is not used again.
            let pair = self.pairs.replace(self.pairs.get() + 1);
            let make = format!(
                "ip link show {DEVICE} || ip link add {DEVICE} type veth peer name ls-other{pair} && \
                 ip address replace {ADDRESS} dev {DEVICE} && ip link set {DEVICE} up"
            );
            assert!(self.inside(&make).is_some(), "no veth can be made");
        }
    }

    /// Whether the device is outside, as it was.
    pub(crate) fn has_device(&self) -> bool {
        let show = format!("ip -o link show {DEVICE} && ip -o address show {DEVICE}");
        let is_whole = |text: String| text.contains(",UP") && text.contains(ADDRESS);
        self.network.is_none() || self.inside(&show).is_some_and(is_whole)
    }

    /// What a shell script prints in the network namespace, if it succeeds.
    fn inside(&self, script: &str) -> Option<String> {
        let namespace = format!("--net=/proc/{}/ns/net", self.network?);
        let output = Command::new("nsenter")
            .args([&namespace, "sh", "-c", script])
            .output()
            .expect("nsenter can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }
}

fn console(test: &Test) -> PathBuf {
    short_path(test, "console")
}

fn agent(test: &Test) -> PathBuf {
    short_path(test, "agent")
}

/// A container that has to do with all of them; `network` where it can be given a device.
pub(crate) fn facing<'t>(bundle: Bundle<'t>, test: &Test, network: bool) -> Bundle<'t> {
    let notify = json!({"names": ["reboot"], "action": "SCMP_ACT_NOTIFY"});
    let bundle = bundle
        .set("/process/terminal", true)
        .set("/process/consoleSize", json!({"height": 25, "width": 80}))
        .push("/linux/seccomp/syscalls", notify)
        .set(
            "/linux/seccomp/listenerPath",
            agent(test).display().to_string(),
        )
        .set("/linux/seccomp/listenerMetadata", "walk");
    match network {
        true => bundle.set("/linux/netDevices", json!({DEVICE: {"name": "eth0"}})),
        false => bundle,
    }
}

/// A listening socket; the descriptors that were sent to it are kept, as a terminal hangs up when its master is closed.
struct Socket {
    path: PathBuf,
    received: Arc<Mutex<Vec<OwnedFd>>>,
}

impl Socket {
    fn listen(path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).expect("a socket can be made");
        // A user's runtime connects too.
        let everyone = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&path, everyone).expect("own socket");
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let fds = descriptors(&stream);
                kept.lock().expect("no panic inside").extend(fds);
            }
        });
        Self { path, received }
    }

    fn forget(&self) {
        self.received.lock().expect("no panic inside").clear();
    }
}

/// What a peer sends; nothing of one that was killed before.
fn descriptors(stream: &UnixStream) -> Vec<OwnedFd> {
    // Long, for one that is stopped at each of its calls while others want the processor too.
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).expect("a timeout");
    let mut text = [0; 8192];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut vectors = [IoSliceMut::new(&mut text)];
    if recvmsg(stream, &mut vectors, &mut ancillary, RecvFlags::empty()).is_err() {
        return Vec::new();
    }
    let rights = |message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    };
    ancillary.drain().filter_map(rights).flatten().collect()
}
