//! Images as root file systems: mounted, and given up again.
//!
//! What only the host's root can mount is mounted in a mount namespace that the supervisor inherits and that ends with it, so
//! nothing of it has to be cleaned up; a user's layers are mounted by the container's own process.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use lockstep_abi::errno::Errno;
use lockstep_image::{Overlay, overlay};
use lockstep_kernel::namespace::{self, Map};
use lockstep_kernel::{exe, file, mount, tree};
use lockstep_oci::runtime::Spec;
use lockstep_plan::namespace::NEWNS;
use lockstep_plan::step::OverlayRoot;
use lockstep_supervisor::{OVER, Over};

use super::Images;
use crate::container::{Directory, Locations};
use crate::failure::{Doing, Failure};
use crate::resolve::Caller;
use crate::users::lines;

/// Where a container's root file system is mounted, in its directory.
pub(crate) const ROOTFS: &str = "rootfs";
/// Directories of a container's changes.
const CHANGES: [&str; 2] = ["upper", "work"];

/// MS_SLAVE | MS_REC.
const SLAVE: u64 = 0x8_0000 | 0x4000;

/// The directories of a container's changes.
pub(crate) fn overlay_root(directory: &Path, layers: &[PathBuf]) -> OverlayRoot {
    OverlayRoot {
        layers: layers.to_vec(),
        upper: directory.join(CHANGES[0]),
        work: directory.join(CHANGES[1]),
    }
}

/// Makes the mount point in a new container's directory.
pub(crate) fn make_point(directory: &Directory) -> Result<(), Failure> {
    file::mkdirat(directory.as_fd(), ROOTFS, 0o755).doing(|| "mount point of the container".into())
}

/// Mounts what root's container sees through overlays, its layers and what it changes copies of, in a mount namespace of
/// this process's own: what the supervisor inherits goes away with it.
pub(crate) fn mount_all(
    directory: &Directory,
    (layers, over): (Option<&OverlayRoot>, &[Over]),
    spec: &Spec,
) -> Result<(), Failure> {
    if layers.is_none() && over.is_empty() {
        return Ok(());
    }
    let what = || "root file system of the container".to_owned();
    exe::keep().doing(what)?;
    own_mounts().doing(what)?;
    let view = View::new(spec)?;
    if let Some(layers) = layers {
        unmount(&directory.path)?;
        let open = |layer| file::openat(file::CWD, layer, DIRECTORY, 0).doing(what);
        let opened: Result<Vec<OwnedFd>, Failure> = layers.layers.iter().map(open).collect();
        view.mount(&directory.path, &opened?)?;
    }
    for (n, over) in over.iter().enumerate() {
        let layer = open_chosen(&over.source)?;
        view.mount(&directory.path.join(Over::place(n)), &[layer])?;
    }
    Ok(())
}

const DIRECTORY: file::OFlags = file::OFlags::DIRECTORY;

/// How a container sees files: by maps of users and groups, and with an SELinux label.
struct View<'a> {
    maps: Option<(Vec<Map>, Vec<Map>)>,
    /// A user namespace with those maps.
    users: Option<OwnedFd>,
    label: Option<&'a str>,
}

impl<'a> View<'a> {
    fn new(spec: &'a Spec) -> Result<View<'a>, Failure> {
        let linux = spec.linux.as_ref();
        let maps = linux.filter(|linux| !linux.uid_mappings.is_empty());
        let maps = maps.map(|linux| (lines(&linux.uid_mappings), lines(&linux.gid_mappings)));
        let users = match &maps {
            Some((users, groups)) => {
                let proc = file::open_dir(file::CWD, "/proc").doing(|| "/proc".into())?;
                let made = namespace::detached_user_namespace(&proc, users, groups);
                Some(made.doing(|| "id map of the layers".into())?)
            }
            None => None,
        };
        Ok(View {
            maps,
            users,
            label: linux.and_then(|linux| linux.mount_label.as_deref()),
        })
    }

    /// Mounts layers, which were opened in this mount namespace, with the changes that are in `place`, on the directory
    /// there.
    fn mount(&self, place: &Path, layers: &[OwnedFd]) -> Result<(), Failure> {
        let what = || format!("overlay at {}", place.display());
        // Opened anew: overlay takes no directory that was opened in another mount namespace.
        let here = file::openat(file::CWD, place, DIRECTORY, 0).doing(what)?;
        let maps = self.maps.as_ref();
        let maps = maps.map(|(users, groups)| (users.as_slice(), groups.as_slice()));
        let changes = overlay::prepare_upper(here.as_fd(), layers, maps)?;
        let root = Overlay {
            layers,
            upper: Some(changes.as_upper()),
            idmap: self.users.as_ref().map(AsFd::as_fd),
            volatile: false,
            label: self.label,
        };
        root.mount(&place.join(ROOTFS))?;
        Ok(())
    }
}

/// Makes the directories for one run's changes of what a container sees through an overlay, in the place of those of the run
/// before it.
pub(crate) fn prepare_over(
    images: &Images<'_>,
    directory: &Directory,
    over: &[Over],
) -> Result<(), Failure> {
    let what = || "directories for changes that do not last".to_owned();
    let here = directory.as_fd();
    // Where this process has mounted those of the run before.
    for n in 0..over.len() {
        unmount(&directory.path.join(Over::place(n)))?;
    }
    images.inside(|_, _| {
        tree::remove(here, OVER).doing(what)?;
        file::mkdirat(here, OVER, 0o700).doing(what)?;
        for (n, over) in over.iter().enumerate() {
            let place = Over::place(n);
            file::mkdirat(here, &place, 0o700).doing(what)?;
            file::mkdirat(here, format!("{place}/{ROOTFS}"), 0o700).doing(what)?;
            // Root's are made when they are mounted, with the ids of the container's map.
            if !images.caller.maps_any_id() {
                let source = open_chosen(&over.source)?;
                let place = file::open_dir(here, &place).doing(what)?;
                overlay::prepare_upper(place.as_fd(), &[source], None)?;
            }
        }
        Ok(Vec::new())
    })?;
    Ok(())
}

/// Opens the directory that was chosen when it had no link on the way: one that has come since is somebody else's choice.
fn open_chosen(path: &Path) -> Result<OwnedFd, Failure> {
    let opened = file::open_without_links(path, DIRECTORY);
    let swapped = matches!(&opened, Err(e) if e.is(&[Errno::ELOOP.0]));
    let opened = opened.doing(|| path.display().to_string());
    opened.map_err(|failure| match swapped {
        true => {
            failure.hint("a symbolic link has taken the place of the directory that was chosen")
        }
        false => failure,
    })
}

/// Removes the changes of a run, of which there were so many directories.
pub(crate) fn discard_over(
    at: &Locations,
    directory: &Directory,
    (caller, count): (&Caller, usize),
) -> Result<(), Failure> {
    for n in 0..count {
        unmount(&directory.path.join(Over::place(n)))?;
    }
    Images::new(at, caller).inside(|_, _| {
        tree::remove(directory.as_fd(), OVER)
            .doing(|| format!("changes of container {}", directory.id))?;
        Ok(Vec::new())
    })?;
    Ok(())
}

/// A mount namespace of this process's own, into which the host's further mounts still come.
pub(crate) fn own_mounts() -> lockstep_kernel::Result<()> {
    namespace::unshare(NEWNS)?;
    mount::change_propagation(Path::new("/"), SLAVE)
}

/// Takes an earlier run's mount away, if this mount namespace has it.
fn unmount(place: &Path) -> Result<(), Failure> {
    // By its path: the descriptor may be of another mount namespace, where nothing is mounted.
    let point = match file::open_dir(file::CWD, place.join(ROOTFS)) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(()),
        other => other.doing(|| format!("overlay at {}", place.display()))?,
    };
    match mount::detach(&point) {
        // EINVAL: nothing is mounted there. EPERM: a user's is mounted nowhere but in the container.
        Err(e) if e.is(&[Errno::EINVAL.0, Errno::EPERM.0]) => Ok(()),
        other => other.doing(|| "taking the root file system away".into()),
    }
}

/// Removes a container's changes and gives its claim on the image up.
pub(crate) fn discard(
    at: &Locations,
    directory: &Directory,
    caller: &Caller,
) -> Result<(), Failure> {
    let images = Images::new(at, caller);
    unmount(&directory.path)?;
    let remove = || -> Result<(), Failure> {
        for name in CHANGES.into_iter().chain([crate::volume::NEW]) {
            tree::remove(directory.as_fd(), name)
                .doing(|| format!("changes of container {}", directory.id))?;
        }
        Ok(())
    };
    // Most containers write as their root, whose files are the caller's own. What is another id's is removed with its rights.
    if remove().is_err() {
        images.inside(|_, _| remove().map(|()| Vec::new()))?;
    }
    Ok(images.open()?.release(&directory.id)?)
}
