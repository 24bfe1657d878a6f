//! What takes long is made once: a folder per artefact, named by the hash of what it is made of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::Failure;

/// The folder `NAME-HASH` below TARGET/vm. `make` fills it where it is not there yet, beside its final name, so that
/// one that was interrupted is never taken for a whole one. Older ones of the same name are removed.
pub(crate) fn folder(
    target: &Path,
    name: &str,
    inputs: &[&str],
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let mut hasher = DefaultHasher::new();
    inputs.hash(&mut hasher);
    let all = target.join("vm");
    let wanted = all.join(format!("{name}-{:016x}", hasher.finish()));
    if wanted.is_dir() {
        return Ok(wanted);
    }
    std::fs::create_dir_all(&all)?;
    // Somebody else may be making it: then it is waited for, and used.
    let lock = std::fs::File::create(all.join("lock"))?;
    lock.lock()?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let unfinished = all.join(format!("{name}-unfinished"));
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    let prefix = format!("{name}-");
    for entry in std::fs::read_dir(&all)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // Under another name first: what is half removed must not be taken for a whole one.
            std::fs::rename(entry.path(), &unfinished)?;
            std::fs::remove_dir_all(&unfinished)?;
        }
    }
    std::fs::create_dir_all(&unfinished)?;
    make(&unfinished)?;
    std::fs::rename(&unfinished, &wanted)?;
    Ok(wanted)
}
