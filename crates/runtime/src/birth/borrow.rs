//! What is borrowed of another container: its namespaces by number, and a mount of its own.

use super::Birth;
use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::process::{self, Side};
use lockstep_kernel::root::Root;
use lockstep_kernel::{file, mount, namespace, socket};
use lockstep_oci::state::Status;
use lockstep_plan::namespace::{NEWNS, NEWUSER};
use lockstep_plan::{HostPath, RootPath};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

impl Birth<'_> {
    /// Asked behind every opening of a neighbour's namespace files: its process id may have come to mean another
    /// process before it, the host's even.
    pub(super) fn confirm_neighbours(&self) -> Result<()> {
        for (directory, pid) in &self.neighbours {
            let (status, init) = directory.status()?;
            if status == Status::Stopped || init.is_none_or(|init| init.pid != *pid) {
                let text = format!("container {} has just ended", directory.id);
                return Err(Error::new(Kind::WrongState, text).asked("/linux/namespaces"));
            }
        }
        Ok(())
    }

    /// Opens a copy of another container's mount. The kernel copies a mount for who is in its mount namespace alone
    /// (open_tree(2)), so a process goes there for it; links of the container lead it nowhere.
    pub(super) fn borrow_tree(&self, namespaces: &HostPath, path: &RootPath) -> Result<OwnedFd> {
        let what = || format!("{} of another container", path.as_path().display());
        let open = |name: &str, flag| namespace::open(&namespaces.as_path().join(name), flag);
        let mounts = open("mnt", NEWNS).during(what)?;
        let users = open("user", NEWUSER).during(what)?;
        self.confirm_neighbours()?;
        // It has rights over the container and nothing that the container may trace.
        self.hide()?;
        let (ours, theirs) = socket::pair().during(what)?;
        let child = match process::clone(0, None).during(what)? {
            Side::Parent(child) => child,
            Side::Child => {
                drop(ours);
                let copied = copy(&mounts, &users, path.as_path());
                let sent = match &copied {
                    Ok(tree) => socket::send(theirs.as_fd(), b".", &[tree.as_fd()]),
                    Err(error) => socket::send(theirs.as_fd(), error.to_string().as_bytes(), &[]),
                };
                process::exit(i32::from(sent.is_err()))
            }
        };
        drop(theirs);
        let answer = socket::receive(ours.as_fd()).during(what);
        process::wait(child.pid, false).during(what)?;
        let (said, mut fds) = answer?;
        fds.pop().ok_or_else(|| {
            let said = String::from_utf8_lossy(&said);
            Error::new(Kind::Kernel, format!("{}: {said}", what()))
        })
    }
}

fn copy(mounts: &OwnedFd, users: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let enter = || "entering another container".to_owned();
    match namespace::setns(mounts.as_fd(), NEWNS) {
        // An ordinary user has the right to it in the container's user namespace alone.
        Err(e) if e.is(&[Errno::EPERM.0]) => {
            namespace::setns(users.as_fd(), NEWUSER).during(enter)?;
            namespace::setns(mounts.as_fd(), NEWNS).during(enter)?;
        }
        other => other.during(enter)?,
    }
    let what = || path.display().to_string();
    let root = Root::new(file::open_dir(file::CWD, "/").during(what)?);
    let flags = file::OFlags::PATH | file::OFlags::DIRECTORY;
    let found = root.open_without_links(path, flags).during(what)?;
    let found =
        found.ok_or_else(|| Error::new(Kind::Invalid, format!("{} is not there", what())))?;
    mount::open_tree(&found, Path::new(""), false, true).during(what)
}
