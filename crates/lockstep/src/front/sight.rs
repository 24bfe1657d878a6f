//! What resolution may look at, looked up for real.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG};
use lockstep_kernel::{console, file};

use super::Front;
use crate::container::Locations;
use crate::failure::{Doing, Failure, OURS};
use crate::modules::Selinux;
use crate::resolve::{Image, Mounts, Neighbour, Node, Sight, Source};

/// Most bytes of a file that an option names.
const LIMIT: usize = 4 << 20;

/// Everything is looked up when it is asked for, and what several mounts ask for once.
pub(crate) struct Eyes<'a> {
    roots: Vec<PathBuf>,
    front: &'a Front,
    at: &'a Locations,
    mounts: OnceCell<Rc<Mounts>>,
    own: OnceCell<Rc<[PathBuf]>>,
    kept_out: OnceCell<Rc<[PathBuf]>>,
    volumes: OnceCell<PathBuf>,
    selinux: OnceCell<Selinux>,
    /// By what was typed.
    neighbours: RefCell<Vec<(String, Rc<Neighbour>)>>,
}

impl<'a> Eyes<'a> {
    pub(crate) fn new(image: &Image, front: &'a Front, at: &'a Locations) -> Self {
        Eyes {
            front,
            at,
            mounts: OnceCell::new(),
            own: OnceCell::new(),
            kept_out: OnceCell::new(),
            volumes: OnceCell::new(),
            selinux: OnceCell::new(),
            neighbours: RefCell::default(),
            roots: match &image.source {
                Source::Host { .. } => vec![PathBuf::from("/")],
                Source::Directory(path) => vec![path.clone()],
                Source::Layers(layers) => layers.clone(),
            },
        }
    }

    /// Calls `action` with everything that can be looked up.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&Sight<'_>) -> T) -> T {
        action(&Sight {
            read: &read,
            look: &look,
            mounts: &|| self.mounts(),
            own: &|| self.own(),
            others_in: &|directories| super::own::of_others(&*self.mounts()?, Some(directories)),
            kept_out: &|| self.kept_out(),
            volumes: &|| {
                let found = || volumes(&self.at.data);
                self.volumes.get_or_init(found).clone()
            },
            terminal: &|| {
                let [stdin, stdout, _] = console::standard_streams();
                console::size(stdin).or_else(|| console::size(stdout))
            },
            absolute: &absolute,
            image_file: &|path| self.image_file(path),
            mounts_of: &|typed| {
                let found = self.front.store()?.find(typed);
                // Its absence is a mistake in the line and no answer of it.
                Ok(found.map_err(|failure| failure.code(OURS))?.1.mounts)
            },
            descriptions: &super::place::descriptions,
            neighbour: &|typed| self.neighbour(typed),
            apparmor: &crate::modules::probe_apparmor,
            selinux: &|| self.selinux(),
            variable: &|name| super::environment(name)?.into_string().ok(),
            variables: &|| {
                let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                };
                super::whole_environment().filter_map(text).collect()
            },
        })
    }

    fn own(&self) -> Rc<[PathBuf]> {
        let own = || self.front.own(self.at).into();
        self.own.get_or_init(own).clone()
    }

    fn kept_out(&self) -> Result<Rc<[PathBuf]>, Failure> {
        if let Some(all) = self.kept_out.get() {
            return Ok(all.clone());
        }
        let others = super::own::of_others(&*self.mounts()?, None)?;
        let all = [&*self.own(), &super::own::programs(), &others].concat();
        Ok(self.kept_out.get_or_init(|| all.into()).clone())
    }

    fn mounts(&self) -> Result<Rc<Mounts>, Failure> {
        if let Some(mounts) = self.mounts.get() {
            return Ok(mounts.clone());
        }
        const PATH: &str = "/proc/self/mountinfo";
        // Mountinfo grows with the number of mounts.
        let text = file::read(file::CWD, PATH, 64 << 20).doing(|| PATH.into())?;
        let there = |path: &Path| matches!(look(path), Ok(Some(_)));
        let mounts = Mounts::parse(&String::from_utf8_lossy(&text), there);
        Ok(self.mounts.get_or_init(|| Rc::new(mounts)).clone())
    }

    pub(super) fn selinux(&self) -> Result<Selinux, Failure> {
        if let Some(found) = self.selinux.get() {
            return Ok(*found);
        }
        let found = crate::modules::probe_selinux()?;
        Ok(*self.selinux.get_or_init(|| found))
    }

    /// A container whose namespaces are shared: the same one and the same first process for whoever asks, in one resolution.
    pub(super) fn neighbour(&self, typed: &str) -> Result<Rc<Neighbour>, Failure> {
        let known =
            |(name, found): &(String, Rc<Neighbour>)| (name == typed).then(|| found.clone());
        if let Some(found) = self.neighbours.borrow().iter().find_map(known) {
            return Ok(found);
        }
        let found = Rc::new(super::neighbour::find(self.front, typed)?);
        let entry = (typed.to_owned(), found.clone());
        self.neighbours.borrow_mut().push(entry);
        Ok(found)
    }

    /// Resolved below the image's root: a link of the image cannot lead to a file of the host.
    fn image_file(&self, path: &str) -> Option<Vec<u8>> {
        crate::stored::file_of(&self.roots, path, LIMIT)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(file::CWD, path, LIMIT).doing(|| path.display().to_string())
}

pub(super) fn volumes(data: &Path) -> PathBuf {
    // As in `own`: ENOENT and EACCES leave a name as it is.
    let data = file::canonicalize(data).unwrap_or_else(|_| data.to_owned());
    data.join("volumes")
}

fn look(path: &Path) -> Result<Option<Node>, Failure> {
    let found = match file::stat(file::CWD, path, true) {
        Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
        other => other.doing(|| path.display().to_string())?,
    };
    let (major, minor) = (file::major(found.st_rdev), file::minor(found.st_rdev));
    Ok(Some(match found.st_mode & S_IFMT {
        S_IFDIR => Node::Directory,
        S_IFREG => Node::File,
        S_IFCHR => Node::Char(major, minor),
        S_IFBLK => Node::Block(major, minor),
        _ => Node::Other,
    }))
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let found = file::canonicalize(super::absolute(path)?).doing(|| path.display().to_string())?;
    found
        .into_os_string()
        .into_string()
        .map_err(|name| Failure::new(format!("{name:?} is not UTF-8")))
}
