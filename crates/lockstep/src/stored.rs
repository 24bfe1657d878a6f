//! Images of the store: found or loaded, and claimed for a container.
//!
//! Root's layers have the owners that they name, and are id-mapped when they are mounted. A user's store is changed inside the
//! user namespace whose ids the containers have that choose none, and has a copy for each map that is chosen.

mod root;

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_image::{
    Image, Layer, Load, Name, Owners, Progress, Reference, Source, Store, overlay, platform_of_host,
};
use lockstep_kernel::root::Root;
use lockstep_kernel::{file, namespace};
use serde::{Deserialize, Serialize};

use crate::container::{Directory, Locations};
use crate::failure::{Doing, Failure};
use crate::print::{self, Meter};
use crate::resolve::{self, Caller, ImageConfig, ImageIds};
use crate::users::{self, Users, lines};

pub(crate) use root::{
    ROOTFS, discard, discard_over, make_point, mount_all, overlay_root, own_mounts, prepare_over,
};

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

fn path_of(directory: BorrowedFd<'_>) -> Result<String, Failure> {
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
