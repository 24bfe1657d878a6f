//! Names: `names/NAME` is a link to the container's id, so that a name is claimed by one caller alone.

use std::collections::BTreeSet;

use lockstep_abi::errno::Errno;
use lockstep_kernel::file;

use super::Store;
use super::store::Claims;
use crate::failure::{Doing, Failure};

/// Words of names that nobody chose.
const FIRST: [&str; 32] = [
    "amber", "brisk", "calm", "clear", "crisp", "dark", "early", "eager", "fair", "fresh",
    "gentle", "grand", "green", "grey", "keen", "late", "light", "lively", "lucky", "mild",
    "narrow", "noble", "pale", "plain", "proud", "quick", "quiet", "round", "sharp", "steady",
    "swift", "warm",
];
const SECOND: [&str; 32] = [
    "alder", "aspen", "beech", "birch", "cedar", "clover", "cypress", "elder", "elm", "fern",
    "fir", "ginkgo", "hazel", "heather", "holly", "iris", "ivy", "juniper", "larch", "laurel",
    "lilac", "linden", "maple", "moss", "myrtle", "oak", "olive", "pine", "poplar", "reed",
    "rowan", "willow",
];

impl Store {
    /// Claims a name for a container, or one that is made up from `random`.
    pub(crate) fn claim_name(
        &self,
        wanted: Option<&str>,
        id: &str,
        random: [u8; 3],
    ) -> Result<String, Failure> {
        if let Some(name) = wanted {
            check(name)?;
            return match self.link_name(name, id)? {
                true => Ok(name.to_owned()),
                false => Err(Failure::new(format!(
                    "the name {name:?} is in use by another container"
                ))
                .hint(format!(
                    "remove it with lockstep rm {name}, or add --replace"
                ))),
            };
        }
        let pick = |words: &[&'static str; 32], byte: u8| words[usize::from(byte % 32)];
        let base = format!("{}_{}", pick(&FIRST, random[0]), pick(&SECOND, random[1]));
        if self.link_name(&base, id)? {
            return Ok(base);
        }
        for number in u32::from(random[2]).. {
            let name = format!("{base}{number}");
            if self.link_name(&name, id)? {
                return Ok(name);
            }
        }
        Err(Failure::new("no free name"))
    }

    /// Whether the name was free. One whose container does not exist any more is.
    fn link_name(&self, name: &str, id: &str) -> Result<bool, Failure> {
        let what = || format!("name {name:?}");
        match file::symlink(id, &self.names, name) {
            Ok(()) => return Ok(true),
            Err(e) if e.is(&[Errno::EEXIST.0]) => {}
            Err(e) => return Err(Failure::call(what(), &e)),
        }
        let claims = self.hold_claims()?;
        if let Some(holder) = self.holder(name)? {
            match self.by_id(&holder)? {
                Some(directory) if !directory.is_left_over()? => return Ok(false),
                _ => self.release_name(&claims, name, &holder)?,
            }
        }
        match file::symlink(id, &self.names, name) {
            Err(e) if e.is(&[Errno::EEXIST.0]) => Ok(false),
            other => other.map(|()| true).doing(what),
        }
    }

    /// The id of the container of this name.
    pub(super) fn holder(&self, name: &str) -> Result<Option<String>, Failure> {
        match file::readlink(&self.names, name) {
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::EINVAL.0]) => Ok(None),
            other => Ok(Some(
                other
                    .doing(|| format!("name {name:?}"))?
                    .to_string_lossy()
                    .into_owned(),
            )),
        }
    }

    /// Names whose containers do not exist: their claimers were killed, or the host was rebooted. Of those `there` it is
    /// known that they do.
    pub(super) fn sweep_names(&self, there: &BTreeSet<String>) -> Result<(), Failure> {
        for name in file::list(&self.names, ".").doing(|| "names".into())? {
            if let Some(holder) = self.holder(&name)?
                && !there.contains(&holder)
                && self.by_id(&holder)?.is_none()
            {
                self.release_name(&self.hold_claims()?, &name, &holder)?;
            }
        }
        Ok(())
    }

    /// Lets a container's name go, if it has it still.
    pub(crate) fn release_name(&self, _: &Claims, name: &str, id: &str) -> Result<(), Failure> {
        if self.holder(name)?.as_deref() != Some(id) {
            return Ok(());
        }
        file::unlink(&self.names, name).doing(|| format!("name {name:?}"))
    }
}

/// Docker's rule: a letter or digit, then those and `_.-`; no path and nothing that a shell or terminal reads.
pub(crate) fn check(name: &str) -> Result<(), Failure> {
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if first && rest && name.len() <= 128 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{name:?} is no container name: a letter or digit first, then those, _, . and -, 128 at most"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_paths_or_options() {
        for good in ["a", "web-1", "A.b_c"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a\n", "\u{e9}"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
