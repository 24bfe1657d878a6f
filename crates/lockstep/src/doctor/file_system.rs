//! File systems: overlays, and mounts with other ids.

use std::os::fd::AsRawFd as _;
use std::path::Path;

use lockstep_abi::mount::MOUNT_ATTR_IDMAP;
use lockstep_kernel::mount::{self, Attributes};
use lockstep_kernel::namespace::{self, Map, Mapper};
use lockstep_kernel::{credential, file};

use super::{Fact, fact, lacking};
use crate::container::{BLOCK_SIZE, FIRST_BLOCK};
use crate::resolve::Caller;

/// Images of the store are mounted by overlay, where their user makes containers: an ordinary one in a user namespace
/// (Linux 5.11).
pub(super) fn overlay(caller: &Caller) -> Fact {
    if caller.mounts() {
        return match mount::Context::open("overlay") {
            Ok(_) => fact("overlay", "can be mounted"),
            Err(why) => lacking("overlay", format!("refused: {why}"), "modprobe overlay"),
        };
    }
    match in_user_namespace() {
        Ok(()) => fact("overlay", "can be mounted in a user namespace"),
        Err(why) => lacking(
            "overlay",
            format!("refused in a user namespace: {why}: no images of the store"),
            "Linux 5.11 or later; root: modprobe overlay",
        ),
    }
}

/// Mounts one there, over directories in memory that go with the process.
fn in_user_namespace() -> Result<(), String> {
    let text = |e: lockstep_kernel::Error| e.to_string();
    let proc = file::open_dir(file::CWD, "/proc").map_err(text)?;
    let own = |id| {
        [Map {
            inside: 0,
            outside: id,
            size: 1,
        }]
    };
    let (users, groups) = (own(credential::euid()), own(credential::egid()));
    let users = namespace::detached(&proc, (&users, &groups), Mapper::OwnIds).map_err(text)?;
    let attempt = || match overlay_in_memory() {
        Ok(()) => b"ok".to_vec(),
        Err(e) => e.to_string().into_bytes(),
    };
    let (said, _) =
        namespace::within(&users, lockstep_plan::namespace::NEWNS, attempt).map_err(text)?;
    match &*String::from_utf8_lossy(&said) {
        "ok" => Ok(()),
        "" => Err("it ended without a word".into()),
        why => Err(why.to_owned()),
    }
}

fn overlay_in_memory() -> lockstep_kernel::Result<()> {
    let at = file::open_dir(file::CWD, "/tmp")?;
    mount::mount("tmpfs", &at, 0, "")?;
    for name in ["lower", "upper", "work"] {
        file::mkdirat(file::CWD, Path::new("/tmp").join(name), 0o700)?;
    }
    let overlay = mount::Context::open("overlay")?;
    for option in [
        "lowerdir=/tmp/lower",
        "upperdir=/tmp/upper",
        "workdir=/tmp/work",
        "userxattr",
    ] {
        overlay.set(option)?;
    }
    overlay.mount(0).map(drop)
}

/// Whether files where the store is can be shown with a container's ids. Without it root's volumes need `noidmap`; an ordinary
/// user's never are: that takes rights over the file system.
pub(super) fn id_maps(caller: &Caller, store: &Path) -> Fact {
    const NAME: &str = "id-mapped mounts";
    if !(caller.mounts() && caller.maps_any_id()) {
        return fact(NAME, "root's alone: images are unpacked once for your ids");
    }
    match id_map(store) {
        Ok(()) => fact(NAME, format!("where {} is", store.display())),
        Err(why) => lacking(
            NAME,
            format!("refused: {why}"),
            "another file system for --root (ext4, xfs, btrfs, tmpfs of Linux 5.12 to 6.3), or volumes with noidmap",
        ),
    }
}

fn id_map(store: &Path) -> lockstep_kernel::Result<()> {
    let proc = file::open_dir(file::CWD, "/proc")?;
    let block = [Map {
        inside: 0,
        outside: FIRST_BLOCK,
        size: BLOCK_SIZE - 1,
    }];
    let users = namespace::detached_user_namespace(&proc, &block, &block)?;
    let tree = mount::open_tree(file::CWD, store, false, false)?;
    let map = Attributes {
        set: MOUNT_ATTR_IDMAP,
        userns_fd: users.as_raw_fd() as u64,
        ..Attributes::default()
    };
    mount::set_attributes(&tree, &map, false)
}
