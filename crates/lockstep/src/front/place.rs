//! Where Lockstep keeps its things.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{credential, file};

use super::{Front, absolute, environment};
use crate::config::Config;
use crate::container::Locations;
use crate::failure::{Doing, Failure};
use crate::resolve::{DESCRIPTIONS, Described, description};

/// Most bytes of a configuration file.
const MOST: usize = 1 << 20;

/// The machine's configuration, and keys beside it.
pub(super) const CONFIGURATION: &str = "/etc/lockstep";

impl Front {
    /// The store and the state: as the command line says, else where they are for this user.
    pub(crate) fn locations(&self) -> Result<Locations, Failure> {
        let runtime_dir =
            environment("XDG_RUNTIME_DIR").filter(|dir| dir.as_encoded_bytes().starts_with(b"/"));
        let data = match &self.root {
            Some(root) => absolute(root)?,
            None => standard_data().ok_or_else(|| {
                Failure::new("neither HOME nor XDG_DATA_HOME says where the store is")
                    .hint("give it with --root")
            })?,
        };
        let state = match &self.runroot {
            Some(root) => absolute(root)?,
            None => standard_state(),
        };
        Ok(Locations {
            data,
            state,
            runtime_dir: runtime_dir.and_then(|dir| dir.into_string().ok()),
            users: Rc::default(),
        })
    }
}

/// What vendors say of their devices, from the files in the directories for it. A description is believed as a configuration
/// is: nobody but root and the user may have written it.
pub(super) fn descriptions() -> Result<Vec<Described>, Failure> {
    let mut all = Vec::new();
    for (rank, place) in DESCRIPTIONS.iter().enumerate() {
        let names = match file::list(file::CWD, place) {
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0]) => continue,
            other => other.doing(|| (*place).into())?,
        };
        for name in names {
            let path = Path::new(place).join(&name);
            let spec = match path.extension().and_then(OsStr::to_str) {
                Some("json") => match read_own(&path) {
                    Ok(Some(text)) => description::parse(text.as_bytes()),
                    Ok(None) => continue,
                    Err(failure) => Err(failure.message),
                },
                Some("yaml" | "yml") => {
                    Err("YAML is not read, JSON is (nvidia-ctk cdi generate --format=json)".into())
                }
                _ => continue,
            };
            all.push(Described { path, rank, spec });
        }
    }
    Ok(all)
}

/// Reads the configuration files: the machine's, then the user's.
pub(super) fn configuration() -> Result<Config, Failure> {
    let mut config = Config::default();
    let places = [Some(PathBuf::from(CONFIGURATION)), user_configuration()];
    for place in places.into_iter().flatten() {
        let path = place.join("config.toml");
        let text = read_own(&path)?;
        config.add(path, text.as_deref())?;
    }
    Ok(config)
}

/// A file that nobody but root and the user may have written; `None` where there is none.
fn read_own(path: &Path) -> Result<Option<String>, Failure> {
    let what = || format!("configuration {}", path.display());
    let opened = match file::openat(file::CWD, path, file::OFlags::RDONLY, 0) {
        // ENOTDIR: something else has the directory's name, so that no file is there.
        Err(e) if e.is(&[Errno::ENOENT.0, Errno::ENOTDIR.0]) => return Ok(None),
        other => other.doing(what)?,
    };
    let found = file::fstat(&opened).doing(what)?;
    if found.st_uid != 0 && found.st_uid != credential::euid() {
        let why = format!(
            "{} belongs to user {}, who is neither root nor you",
            what(),
            found.st_uid
        );
        return Err(Failure::new(why));
    }
    if found.st_mode & 0o022 != 0 {
        let change = format!(
            "chmod go-w {}",
            crate::escape::shell(&path.to_string_lossy())
        );
        return Err(Failure::new(format!("{} may be written by others", what())).hint(change));
    }
    let bytes = file::read_fd(&opened, MOST).doing(what)?;
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|_bytes| Failure::new(format!("{} is not UTF-8", what())))
}

/// Where the user's configuration is, if anywhere: root has the machine's alone.
pub(super) fn user_configuration() -> Option<PathBuf> {
    match (credential::euid(), from("XDG_CONFIG_HOME"), from("HOME")) {
        (0, ..) => None,
        (_, Some(config), _) => Some(config.join("lockstep")),
        (_, None, home) => home.map(|home| home.join(".config/lockstep")),
    }
}

pub(super) fn standard_data() -> Option<PathBuf> {
    match (credential::euid(), from("XDG_DATA_HOME"), from("HOME")) {
        (0, ..) => Some("/var/lib/lockstep".into()),
        (_, Some(data), _) => Some(data.join("lockstep")),
        (_, None, home) => home.map(|home| home.join(".local/share/lockstep")),
    }
}

pub(super) fn standard_state() -> PathBuf {
    state_of(crate::cli::NAME)
}

/// The state of `lockstep-runc`, which chooses it in the same way, but for root of a user namespace: that one's is where a
/// user's is, if the engine that made the namespace says where.
pub(super) fn states_of_runtime() -> impl Iterator<Item = PathBuf> {
    const NAME: &str = "lockstep-runc";
    let of_user = from("XDG_RUNTIME_DIR").map(|dir| dir.join(NAME));
    std::iter::once(state_of(NAME)).chain(of_user)
}

fn state_of(program: &str) -> PathBuf {
    match (credential::euid(), from("XDG_RUNTIME_DIR")) {
        (0, _) => Path::new("/run").join(program),
        (_, Some(dir)) => dir.join(program),
        (uid, None) => format!("/tmp/{program}-{uid}").into(),
    }
}

/// A directory that a variable names; XDG's rule is that a relative one is none.
fn from(name: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(environment(name)?);
    Path::new(&dir).is_absolute().then_some(dir)
}
