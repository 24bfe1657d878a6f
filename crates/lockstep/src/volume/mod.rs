//! Volumes: directories of the store that outlive containers. A new one begins with what the image has at its target,
//! with owners and all, as Docker's do.

mod owner;
mod record;
mod removal;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lockstep_abi::errno::Errno;
use lockstep_image::{Overlay, overlay};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::root::Root;
use lockstep_kernel::{durable, tree};
use lockstep_oci::runtime::IdMapping;
use lockstep_profile::selinux;

use crate::container::{Directory, Store};
use crate::failure::{Doing, Failure};
use crate::resolve::{Caller, Volume, default_maps};
use crate::stored::{Images, ROOTFS, own_mounts};

pub(crate) use record::Record;

/// A volume that is being filled, in the directory of the container that is the first to have it: a killed command
/// leaves nothing under the volume's name, and what it does leave goes with the container.
pub(crate) const NEW: &str = "volume";

/// Makes the volumes that are not there yet; `layers` are the image's, uppermost first, if it has any.
pub(crate) fn make(
    store: &Store,
    images: &Images<'_>,
    directory: &Directory,
    volumes: &[Volume],
    layers: &[PathBuf],
) -> Result<(), Failure> {
    for volume in volumes {
        let there = store.has_volume(&volume.name)?;
        let mut record = match there {
            true => store.volume_record(&volume.name)?,
            false => Record::new(volume.anonymous, true),
        };
        if !there {
            store.write_volume_record(&volume.name, &record)?;
        }
        match layers.is_empty() || !volume.filled || !record.fresh {
            true => store.make_volume(&volume.name)?,
            false => fill(&store.volumes()?, images, directory, volume, layers)?,
        }
        if record.fresh {
            record.fresh = false;
            store.write_volume_record(&volume.name, &record)?;
        }
    }
    Ok(())
}

/// Gives what is at each path an SELinux label, where the files of the store have the owners that containers see. The label
/// that every volume gets lets containers in; nobody asked for it, and no container is kept out of more without it.
pub(crate) fn relabel(
    store: &Store,
    images: &Images<'_>,
    relabelled: &[(PathBuf, String)],
) -> Result<(), Failure> {
    if relabelled.is_empty() {
        return Ok(());
    }
    let what = || "directory of the volumes".to_owned();
    let volumes = file::canonicalize(store.volumes()?).doing(what)?;
    images.inside(|_, _| {
        for (path, label) in relabelled {
            let anywhere = label == selinux::SHARED_FILES && path.starts_with(&volumes);
            owner::relabel(path, label, anywhere)?;
        }
        Ok(Vec::new())
    })?;
    Ok(())
}

/// Gives what is at these paths of the host to these users and groups of the host. An ordinary user has the right to that in
/// a user namespace with the ids that containers have.
pub(crate) fn give(
    images: &Images<'_>,
    caller: &Caller,
    given: &[(PathBuf, (u32, u32))],
) -> Result<(), Failure> {
    if given.is_empty() {
        return Ok(());
    }
    let inside = |id: u32, maps: &[IdMapping]| match caller.maps_any_id() {
        true => Ok(id),
        false => maps
            .iter()
            .find_map(|map| {
                let offset = id.checked_sub(map.host_id)?;
                (offset < map.size).then(|| map.container_id + offset)
            })
            .ok_or_else(|| Failure::new(format!("id {id} of the host is not yours to give"))),
    };
    let (users, groups) = default_maps(caller);
    images.inside(|_, _| {
        for (path, (uid, gid)) in given {
            owner::give(path, (inside(*uid, &users)?, inside(*gid, &groups)?))?;
        }
        Ok(Vec::new())
    })?;
    Ok(())
}

/// Where the files of the store have the owners that containers see; there the layers are mounted for a moment.
fn fill(
    volumes: &Path,
    images: &Images<'_>,
    directory: &Directory,
    volume: &Volume,
    layers: &[PathBuf],
) -> Result<(), Failure> {
    let what = || format!("volume {}", volume.name);
    let filled = images.inside(|_, _| {
        own_mounts().doing(what)?;
        // Everything is opened behind that: a rename needs both directories in one mount.
        let layers: Result<Vec<OwnedFd>, Failure> =
            layers.iter().map(|layer| open(layer).doing(what)).collect();
        let root = Overlay {
            layers: &layers?,
            upper: None,
            idmap: None,
            volatile: false,
            label: None,
        };
        let root = root.mount(&directory.path.join(ROOTFS))?;
        let here = open(&directory.path).doing(what)?;
        file::mkdirat(&here, NEW, 0o755).doing(what)?;
        let new = open(&directory.path.join(NEW)).doing(what)?;
        let image = Root::new(file::duplicate(&root).doing(what)?);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let there = image.open_if_there(Path::new(&volume.target), flags);
        if let Some(there) = there.doing(what)? {
            lockstep_image::copy(there, file::duplicate(&new).doing(what)?)?;
        }
        durable::sync_filesystem(&new).doing(what)?;
        // Over an empty one that was made by a command of its own.
        let named = durable::rename(&here, NEW, open(volumes).doing(what)?, &volume.name);
        match named {
            // Another container's has just got the name, or somebody has put files there.
            Err(e) if e.is(&[Errno::EEXIST.0, Errno::ENOTEMPTY.0]) => {
                tree::remove(&here, NEW).doing(what)?;
            }
            other => other.doing(what)?,
        }
        overlay::unmount(&root)?;
        Ok(Vec::new())
    });
    filled.map(drop)
}

fn open(path: &Path) -> lockstep_kernel::Result<OwnedFd> {
    file::openat(file::CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, 0)
}
