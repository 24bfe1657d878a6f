//! Secrets: values that containers get and nothing shows. `secrets/NAME` in the store holds the value, `NAME.json` what is
//! known of it, both for their owner alone; a container that is made gets a copy, as in Podman.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{durable, file};
use lockstep_supervisor::{SECRET_BYTES, SECRETS, Secret, SecretPlace};
use serde::{Deserialize, Serialize};

use crate::container::{Directory, Record, Store};
use crate::failure::{Doing, Failure, NO_CONTAINER};

/// Version of what is known of one.
const SCHEMA: u32 = 1;
/// Most bytes of that.
const LIMIT: usize = 1 << 20;
/// The end of its file's name: a secret's own name is let end so by nobody.
pub(crate) const ABOUT: &str = ".json";

/// What is known of a secret; its value is elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    /// When, RFC 3339 in UTC.
    pub(crate) created: String,
    pub(crate) updated: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl About {
    pub(crate) fn new(id: String, name: String, labels: BTreeMap<String, String>) -> About {
        let now = lockstep_runtime::clock::now_rfc3339();
        About {
            schema: SCHEMA,
            id,
            name,
            created: now.clone(),
            updated: now,
            labels,
        }
    }
}

/// What a container wants of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As it was typed: a name or the beginning of an id.
    pub(crate) typed: String,
    pub(crate) place: SecretPlace,
}

/// The secrets of this user.
pub(crate) struct Secrets(OwnedFd);

impl Secrets {
    /// Opens the directory, made where it is missing.
    pub(crate) fn open(store: &Store) -> Result<Secrets, Failure> {
        Ok(Secrets(private(&store.at.data, SECRETS)?))
    }

    /// Everything that is known of all of them, by name.
    pub(crate) fn all(&self) -> Result<Vec<About>, Failure> {
        let mut names = file::list(&self.0, ".").doing(|| "secrets".into())?;
        names.sort_unstable();
        let about = |name: &String| match name.strip_suffix(ABOUT) {
            Some(name) if !name.starts_with('.') => self.about(name).transpose(),
            _ => None,
        };
        names.iter().filter_map(about).collect()
    }

    fn about(&self, name: &str) -> Result<Option<About>, Failure> {
        let what = || format!("secret {name}");
        let text = match file::read_at_once(&self.0, format!("{name}{ABOUT}"), LIMIT) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(None),
            other => other.doing(what)?,
        };
        let about = serde_json::from_slice(&text);
        about
            .map(Some)
            .map_err(|e| Failure::new(format!("{}: {e}", what())))
    }

    /// The one of a name, or of the beginning of an id.
    pub(crate) fn find(&self, typed: &str) -> Result<About, Failure> {
        let all = self.all()?;
        if let Some(about) = all.iter().find(|about| about.name == typed) {
            return Ok(about.clone());
        }
        let mut found = all.into_iter().filter(|about| about.id.starts_with(typed));
        match (found.next(), found.next()) {
            (Some(about), None) if !typed.is_empty() => Ok(about),
            (Some(_), Some(_)) => Err(Failure::new(format!(
                "{typed:?} is the beginning of several ids"
            ))),
            _ => Err(Failure::new(format!("no secret {typed:?}"))
                .hint("lockstep secret ls lists all")
                .code(NO_CONTAINER)),
        }
    }

    /// Keeps a value, and behind it what is known of it: without that there is no secret.
    pub(crate) fn keep(&self, about: &About, value: &[u8]) -> Result<(), Failure> {
        let what = || format!("secret {}", about.name);
        let text =
            serde_json::to_vec(about).map_err(|e| Failure::new(format!("{}: {e}", what())))?;
        durable::replace(&self.0, &about.name, value, 0o600).doing(what)?;
        durable::replace(&self.0, &format!("{}{ABOUT}", about.name), &text, 0o600).doing(what)
    }

    /// Removes one; the copies of containers stay.
    pub(crate) fn remove(&self, about: &About) -> Result<(), Failure> {
        let what = || format!("secret {}", about.name);
        for name in [format!("{}{ABOUT}", about.name), about.name.clone()] {
            match file::unlink(&self.0, name) {
                Err(e) if e.is(&[Errno::ENOENT.0]) => {}
                other => other.doing(what)?,
            }
        }
        durable::sync(&self.0).doing(what)
    }
}

/// Finds those that a container is to have, and where.
pub(crate) fn chosen(store: &Store, wanted: &[Wanted]) -> Result<Vec<Secret>, Failure> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let secrets = Secrets::open(store)?;
    let mut all = Vec::new();
    for wanted in wanted {
        let name = secrets
            .find(&wanted.typed)
            .map_err(|failure| failure.code(crate::failure::OURS))?
            .name;
        let place = match &wanted.place {
            SecretPlace::File {
                target,
                mode,
                uid,
                gid,
            } if target.is_empty() => SecretPlace::File {
                target: name.clone(),
                mode: *mode,
                uid: *uid,
                gid: *gid,
            },
            SecretPlace::Variable(variable) if variable.is_empty() => {
                SecretPlace::Variable(name.clone())
            }
            place => place.clone(),
        };
        all.push(Secret { file: name, place });
    }
    Ok(all)
}

/// Gives a new container its copies.
pub(crate) fn hand_over(
    store: &Store,
    directory: &Directory,
    secrets: &[Secret],
) -> Result<(), Failure> {
    if secrets.is_empty() {
        return Ok(());
    }
    let values = Secrets::open(store)?;
    let copies = private(&directory.path, SECRETS)?;
    let flags = file::OFlags::WRONLY | file::OFlags::CREATE | file::OFlags::TRUNC;
    for Secret { file: name, place } in secrets {
        let what = || format!("secret {name}");
        let value = file::read_at_once(&values.0, name, SECRET_BYTES).doing(what)?;
        if let (SecretPlace::Variable(_), Err(_)) = (place, std::str::from_utf8(&value)) {
            return Err(Failure::new(format!(
                "secret {name} is not UTF-8 and no variable can be it"
            )));
        }
        // Not as a whole: nobody reads it before the record names it.
        let copy = file::openat(&copies, name, flags, 0o600).doing(what)?;
        file::write_fd(&copy, &value).doing(what)?;
        durable::sync(&copy).doing(what)?;
    }
    durable::sync(&copies).doing(|| "copies of the secrets".into())
}

/// The variables that a later process of a container gets as its first one did.
pub(crate) fn variables(directory: &Directory, record: &Record) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for secret in &record.job.secrets {
        let SecretPlace::Variable(name) = &secret.place else {
            continue;
        };
        let path = format!("{SECRETS}/{}", secret.file);
        let value = file::read_at_once(directory.as_fd(), &path, SECRET_BYTES)
            .doing(|| format!("secret {} of container {}", secret.file, directory.id))?;
        all.push(format!("{name}={}", String::from_utf8_lossy(&value)));
    }
    Ok(all)
}

/// A directory for its owner alone.
fn private(parent: &std::path::Path, name: &str) -> Result<OwnedFd, Failure> {
    let path = parent.join(name);
    let what = || path.display().to_string();
    match file::mkdirat(file::CWD, &path, 0o700) {
        Err(e) if e.is(&[Errno::EEXIST.0]) => {}
        other => other.doing(what)?,
    }
    let flags = file::OFlags::RDONLY | file::OFlags::DIRECTORY | file::OFlags::NOFOLLOW;
    file::openat(file::CWD, &path, flags, 0).doing(what)
}
