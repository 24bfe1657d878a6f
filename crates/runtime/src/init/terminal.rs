//! The container's terminal: made from its own devpts, its master handed to the supervisor.

use super::Init;
use crate::error::{For, Result};
use crate::message;
use lockstep_kernel::root::Kind as PointKind;
use lockstep_kernel::{console, file, mount, process};
use std::os::fd::AsFd;
use std::path::Path;

impl Init<'_> {
    /// Both ends are descriptors from the first moment: neither /dev/pts/N nor /dev/console is opened by a
    /// path that the container could have replaced (CVE-2025-52565).
    pub(super) fn console(&mut self, size: Option<(u16, u16)>, in_root: bool) -> Result<()> {
        let what = || "terminal".to_string();
        let flags = file::OFlags::RDWR | file::OFlags::NOCTTY;
        let master = match &self.root {
            Some(root) => root
                .open(Path::new("/dev/pts/ptmx"), flags, 0)
                .during(what)?,
            None => file::openat(file::CWD, "/dev/ptmx", flags, 0).during(what)?,
        };
        let slave = console::peer(master.as_fd());
        #[cfg(lockstep_weak)]
        let slave = weak_slave(self.root.as_ref()).unwrap_or(slave);
        let slave = slave.during(what)?;
        if let Some((rows, columns)) = size {
            console::set_size(master.as_fd(), rows, columns).during(what)?;
        }
        if in_root && let Some(root) = &self.root {
            let what = || "/dev/console".to_string();
            let tree = mount::open_tree(&slave, Path::new(""), false, false).during(what)?;
            let point = root
                .mount_point(Path::new("/dev/console"), PointKind::File, true)
                .during(what)?;
            mount::attach(&tree, &point).during(what)?;
        }
        message::send_console(self.peer.as_fd(), master.as_fd()).during(what)?;
        for number in 0..3 {
            process::dup_onto(slave.as_fd(), number).during(what)?;
        }
        #[cfg(lockstep_weak)]
        if lockstep_kernel::weak::is("console-by-path") {
            return Ok(());
        }
        console::set_controlling(slave.as_fd()).during(what)
    }
}

/// The terminal's other end by its path in the container.
#[cfg(lockstep_weak)]
fn weak_slave(
    root: Option<&lockstep_kernel::root::Root>,
) -> Option<lockstep_kernel::Result<std::os::fd::OwnedFd>> {
    let flags = file::OFlags::RDWR | file::OFlags::NOCTTY;
    let wanted = lockstep_kernel::weak::is("console-by-path");
    lockstep_kernel::weak::pause("slow-console");
    wanted.then(|| Some(root?.open(Path::new("/dev/pts/0"), flags, 0)))?
}
