//! From what people type to a container: a name, an id, or the beginning of one.

use super::{Directory, Record, Store};
use crate::failure::{Failure, NO_CONTAINER};

impl Store {
    /// The container that `typed` means.
    pub(crate) fn find(&self, typed: &str) -> Result<(Directory, Record), Failure> {
        let directory = self.locate(typed)?;
        let record = directory.record()?.ok_or_else(|| no_container(typed))?;
        Ok((directory, record))
    }

    /// The same without its record, which is perhaps another version's.
    pub(crate) fn locate(&self, typed: &str) -> Result<Directory, Failure> {
        // What can be no name is not looked for: it may be a path.
        let named = match super::name::check(typed) {
            Ok(()) => self.holder(typed)?,
            Err(_no_name) => None,
        };
        let id = match named {
            Some(id) => id,
            None => self.by_prefix(typed)?,
        };
        self.by_id(&id)?.ok_or_else(|| no_container(typed))
    }

    /// The record of every container that can be read; of the others [`Store::sweep`] has told.
    pub(crate) fn all(&self) -> Result<Vec<Record>, Failure> {
        let mut all = Vec::new();
        for id in self.ids()? {
            if let Some(directory) = self.by_id(&id)?
                && let Ok(Some(record)) = directory.record()
            {
                all.push(record);
            }
        }
        Ok(all)
    }

    fn by_prefix(&self, typed: &str) -> Result<String, Failure> {
        let digits = !typed.is_empty() && typed.bytes().all(|b| b.is_ascii_hexdigit());
        let ids = match digits {
            true => self.ids()?,
            false => Vec::new(),
        };
        let mut found = ids.into_iter().filter(|id| id.starts_with(typed));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(Failure::new(format!(
                "{typed:?} is the beginning of several ids"
            ))),
            _ => Err(no_container(typed)),
        }
    }
}

/// Whatever was typed has no container.
pub(crate) fn no_container(typed: &str) -> Failure {
    Failure::new(format!("no container {typed:?}"))
        .hint("lockstep ps -a lists all")
        .code(NO_CONTAINER)
}
