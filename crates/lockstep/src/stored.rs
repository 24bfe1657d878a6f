//! Images of the store as root file systems: found or loaded, claimed for a container, mounted, given up again.
//!
//! Root's layers have the owners that they name; they are id-mapped when they are mounted, in a mount namespace that
//! the supervisor inherits and that ends with it, so nothing of it has to be cleaned up. A user's store is changed
//! inside the user namespace whose ids the containers have, and the container's own process mounts the layers there.

use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_abi::errno::Errno;
use lockstep_image::{
    Image, Layer, Load, Name, Overlay, Owners, Progress, Reference, Source, Store, overlay,
    platform_of_host,
};
use lockstep_kernel::namespace::{self, Map};
use lockstep_kernel::root::Root;
use lockstep_kernel::{exe, file, mount, tree};
use lockstep_oci::runtime::Spec;
use lockstep_plan::namespace::NEWNS;
use lockstep_plan::step::OverlayRoot;
use lockstep_supervisor::{OVER, Over};
use serde::{Deserialize, Serialize};

use crate::container::{Directory, Locations};
use crate::failure::{Doing, Failure};
use crate::print::{self, Meter};
use crate::resolve::{self, Caller, ImageConfig, ImageIds};
use crate::users::{self, Users, lines};

/// Where a container's root file system is mounted, in its directory.
pub(crate) const ROOTFS: &str = "rootfs";
/// Directories of a container's changes.
const CHANGES: [&str; 2] = ["upper", "work"];

/// MS_SLAVE | MS_REC.
const SLAVE: u64 = 0x8_0000 | 0x4000;

/// The store of this user's images.
pub(crate) struct Images<'a> {
    path: PathBuf,
    users: Rc<Users>,
    caller: &'a Caller,
    store: OnceCell<Store>,
    /// An ordinary user's, with the maps of containers.
    outside: OnceCell<Store>,
    /// Those of a container that chooses others.
    ids: ImageIds,
}

impl<'a> Images<'a> {
    /// The store below Lockstep's own directory.
    pub(crate) fn new(at: &Locations, caller: &'a Caller) -> Images<'a> {
        Images {
            path: at.data.join("images"),
            users: Rc::clone(&at.users),
            caller,
            store: OnceCell::new(),
            outside: OnceCell::new(),
            ids: ImageIds::Default,
        }
    }

    /// The same for a container with these ids.
    pub(crate) fn with_ids(self, ids: ImageIds) -> Images<'a> {
        Images { ids, ..self }
    }

    /// The store, opened at the first use.
    pub(crate) fn open(&self) -> Result<&Store, Failure> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = Store::open(&self.path)?;
        Ok(self.store.get_or_init(|| store))
    }

    /// The image of a name, loaded from where the name says if it is not a name of the store.
    pub(crate) fn find(&self, typed: &str) -> Result<Image, Failure> {
        match typed.parse::<Reference>()? {
            Reference::Source(source) => {
                let mut images = self.load(&source, true, &Meter::new(false))?;
                images.pop().ok_or_else(|| Failure::new(format!("{typed} has no image")))
            }
            Reference::Name(name) => self.open()?.resolve(&name).map_err(|error| {
                let absent = error.kind == lockstep_image::Kind::NotFound;
                let failure = Failure::from(error);
                match absent {
                    true => failure.hint(
                        "pulling from registries is not implemented yet; oci:DIR, oci-archive:FILE and \
                         docker-archive:FILE are read, host: needs no image",
                    ),
                    false => failure,
                }
            }),
            Reference::Host | Reference::Rootfs(_) => {
                Err(Failure::new(format!("{typed} is no image of the store")))
            }
        }
    }

    /// Brings images into the store.
    pub(crate) fn load(
        &self,
        source: &Source,
        only_one: bool,
        meter: &Meter,
    ) -> Result<Vec<Image>, Failure> {
        let show = |it: Progress| {
            meter.show(|| {
                let part = print::part(it.done, it.total);
                format!("layer {} of {}: {part}", it.layer + 1, it.layers)
            });
        };
        let how = Load {
            owners: &self.owners(),
            platform: &platform_of_host(),
            only_one,
            progress: Some(&show),
        };
        if self.caller.maps_any_id() {
            return Ok(self.open()?.load(source, &how)?);
        }
        if let Ok(Some(store)) = self.outside()
            && let Ok(Some(images)) = store.loaded(source, &how)
        {
            return Ok(images);
        }
        let ids = self.inside(|store, _| {
            let images = store.load(source, &how)?;
            Ok(images.iter().map(|image| image.id().to_string()).collect())
        })?;
        let store = self.open()?;
        let find = |id: &String| -> Result<Image, Failure> {
            let digits = id.split_once(':').map_or(&**id, |(_, digits)| digits);
            Ok(store.resolve(&digits.parse::<Name>()?)?)
        };
        ids.iter().map(find).collect()
    }

    /// Claims an image for a container and has its layers unpacked; their directories, uppermost first.
    pub(crate) fn claim(
        &self,
        image: &Image,
        directory: &Directory,
    ) -> Result<Vec<PathBuf>, Failure> {
        if let Ok(Some(paths)) = self.claim_outside(image, directory) {
            return Ok(paths);
        }
        let paths = self.inside(|store, owners| {
            store.claim(image, &directory.id)?;
            let layers = store.layers(image, owners)?;
            // Root's are made when they are mounted, with the ids of the container's map.
            if !self.caller.maps_any_id() {
                overlay::prepare_upper(directory.as_fd(), &layers, None)?;
            }
            layers.iter().map(|layer| path_of(layer.as_fd())).collect()
        })?;
        Ok(paths.into_iter().map(PathBuf::from).collect())
    }

    /// The same where it takes no other id than the caller's: the layers are unpacked, and the uppermost is container root's,
    /// as nearly every image's is.
    fn claim_outside(
        &self,
        image: &Image,
        directory: &Directory,
    ) -> Result<Option<Vec<PathBuf>>, Failure> {
        let Some(store) = self.outside()? else {
            return Ok(None);
        };
        store.claim(image, &directory.id)?;
        let layers = match store.unpacked(image, &self.owners())? {
            Some(layers) if overlay::is_own(&layers)? => layers,
            _ => return Ok(None),
        };
        overlay::prepare_upper(directory.as_fd(), &layers, None)?;
        let path = |layer: &Layer| path_of(layer.as_fd()).map(PathBuf::from);
        layers.iter().map(path).collect::<Result<_, _>>().map(Some)
    }

    /// The layers' directories for a container that is not made. Nothing keeps the image from being removed.
    pub(crate) fn layers(&self, image: &Image) -> Result<Vec<PathBuf>, Failure> {
        let path = |layer: &Layer| path_of(layer.as_fd());
        if let Ok(Some(store)) = self.outside()
            && let Ok(Some(layers)) = store.unpacked(image, &self.owners())
        {
            return layers
                .iter()
                .map(|one| path(one).map(PathBuf::from))
                .collect();
        }
        let paths =
            self.inside(|store, owners| store.layers(image, owners)?.iter().map(path).collect())?;
        Ok(paths.into_iter().map(PathBuf::from).collect())
    }

    /// What becomes of the owners of files, for who is inside.
    fn owners(&self) -> Owners {
        match &self.ids {
            ImageIds::Shifted((users, groups)) => Owners::Shifted(lines(users), lines(groups)),
            _ if self.caller.maps_any_id() || self.caller.has_subordinates() => Owners::Kept,
            _ => Owners::Squashed,
        }
    }

    /// An ordinary user's store as seen without the ids of containers, so that nobody has to wait for them. What cannot be
    /// done so is done inside, which says what is wrong.
    fn outside(&self) -> Result<Option<&Store>, Failure> {
        if self.caller.maps_any_id() {
            return Ok(None);
        }
        if let Some(store) = self.outside.get() {
            return Ok(Some(store));
        }
        let (users, groups) = resolve::default_maps(self.caller);
        let maps = (&*lines(&users), &*lines(&groups));
        let store = Store::open_outside(&self.path, maps)?;
        Ok(Some(self.outside.get_or_init(|| store)))
    }

    /// Runs `action` where files of the store get the owners that containers see.
    pub(crate) fn inside(
        &self,
        action: impl FnOnce(&Store, &Owners) -> Result<Vec<String>, Failure>,
    ) -> Result<Vec<String>, Failure> {
        if self.caller.maps_any_id() {
            return action(self.open()?, &Owners::Kept);
        }
        let owners = self.owners();
        let (answer, _) = namespace::within(self.users.ready(self.caller)?, 0, || {
            // Opened with the rights of that namespace.
            let answer = Store::open(&self.path)
                .map_err(Failure::from)
                .and_then(|store| action(&store, &owners))
                .map_err(|failure| failure.to_string());
            // Our own types of strings: serialising them cannot fail.
            serde_json::to_vec(&Answer::from(answer)).unwrap_or_default()
        })
        .doing(users::what)?;
        match serde_json::from_slice(&answer) {
            Ok(Answer::Done(texts)) => Ok(texts),
            Ok(Answer::Failed(text)) => Err(Failure::new(
                text.strip_prefix("error: ").unwrap_or(&text).to_owned(),
            )),
            Err(_) => Err(Failure::new(format!(
                "{} ended without an answer",
                users::what()
            ))),
        }
    }
}

/// What a process in another user namespace found.
#[derive(Serialize, Deserialize)]
enum Answer {
    Done(Vec<String>),
    Failed(String),
}

impl From<Result<Vec<String>, String>> for Answer {
    fn from(result: Result<Vec<String>, String>) -> Answer {
        match result {
            Ok(texts) => Answer::Done(texts),
            Err(text) => Answer::Failed(text),
        }
    }
}

fn path_of(directory: std::os::fd::BorrowedFd<'_>) -> Result<String, Failure> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let path = file::readlink(file::CWD, link).doing(|| "the path of a layer".into())?;
    path.into_os_string()
        .into_string()
        .map_err(|path| Failure::new(format!("{path:?} is not UTF-8")))
}

/// The image's wishes as resolution takes them.
pub(crate) fn config(image: &Image) -> ImageConfig {
    let config = &image.config.config;
    ImageConfig {
        user: config.user.clone().unwrap_or_default(),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        working_dir: config.working_dir.clone().unwrap_or_default(),
        stop_signal: config.stop_signal.clone().unwrap_or_default(),
        labels: config
            .labels
            .iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect(),
        volumes: config.volumes.keys().map(str::to_owned).collect(),
        health: config.healthcheck.clone(),
    }
}

/// A file of the image: of the uppermost layer that has it. What is hidden by a layer above is not there.
pub(crate) fn file_of(layers: &[PathBuf], path: &str, limit: usize) -> Option<Vec<u8>> {
    for layer in layers {
        let root = Root::new(file::open_dir(file::CWD, layer).ok()?);
        match root.read_if_regular(Path::new(path), limit) {
            Ok(Some(text)) => return Some(text),
            // A whiteout, or another kind of file in its place.
            Err(_) => return None,
            Ok(None) => {}
        }
    }
    None
}

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
