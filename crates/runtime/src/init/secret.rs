//! Secrets: files of a file system in memory that is the container's own, so that they never reach a disk.

use super::Init;
use super::mount::{change, filesystem};
use crate::error::{Error, For, Kind, Result};
use lockstep_abi::errno::Errno;
use lockstep_abi::mount::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID};
use lockstep_kernel::file::OFlags;
use lockstep_kernel::root::Kind as PointKind;
use lockstep_kernel::{file, mount};
use lockstep_plan::mount_options::Attributes;
use lockstep_plan::secret::Secret;
use lockstep_plan::{Op, RootPath};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// What all secrets of a container take at most, with room for their pages.
const SIZE: &str = "size=16777216";

impl Init<'_> {
    /// Makes the files, attaches their directory, and what has a place of its own there.
    pub(super) fn secrets(&mut self, secrets: &[Secret], op: &Op) -> Result<()> {
        let Op::Bind {
            target, attributes, ..
        } = op
        else {
            return Err(super::not_of_init());
        };
        let what = || "file system of the secrets".to_owned();
        let set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        let data = self.labelled(["mode=755".to_owned(), SIZE.to_owned()]);
        let directory = filesystem("tmpfs", "secrets", &data, set).during(what)?;
        let named = |target: &str| !Path::new(target).is_absolute();
        for secret in secrets.iter().filter(|secret| named(&secret.target)) {
            make(&directory, &secret.target, secret)?;
        }
        self.attach_directory(&directory, target, false)?;
        for secret in secrets.iter().filter(|secret| !named(&secret.target)) {
            self.elsewhere(&directory, secret, attributes)?;
        }
        change(directory.as_fd(), attributes).during(what)?;
        file::leave_to_exec(directory);
        Ok(())
    }

    /// A file of that file system at another place. Its directory is attached by now: a tree is opened of what is
    /// attached alone (Linux before 6.15).
    fn elsewhere(
        &mut self,
        directory: &OwnedFd,
        secret: &Secret,
        attributes: &Attributes,
    ) -> Result<()> {
        const NAME: &str = ".elsewhere";
        let what = || format!("secret at {}", secret.target);
        make(directory, NAME, secret)?;
        let tree = mount::open_tree(directory, Path::new(NAME), false, true).during(what)?;
        let point = self.point(&RootPath::new(&secret.target), PointKind::File, false)?;
        mount::attach(&tree, &point).during(what)?;
        file::leave_to_exec(point);
        change(tree.as_fd(), attributes).during(what)?;
        file::leave_to_exec(tree);
        file::unlink(directory, NAME).during(what)
    }
}

fn make(directory: &OwnedFd, name: &str, secret: &Secret) -> Result<()> {
    let what = || format!("secret {}", secret.target);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let made = match file::openat(directory, name, flags, 0o600) {
        Err(e) if e.is(&[Errno::EEXIST.0]) => {
            let text = format!("two secrets have the target {}", secret.target);
            return Err(Error::new(Kind::Invalid, text));
        }
        other => other.during(what)?,
    };
    file::write_fd(made, secret.value.reveal()).during(what)?;
    file::chown(directory, name, secret.uid, secret.gid)
        .during(what)
        .map_err(|e| e.hint("its uid and gid have to be in the container's user namespace"))?;
    file::chmod(directory, name, secret.mode).during(what)
}
