//! Blocks of user ids: each container of root has one that no other container and no user of the host has.
//!
//! A block is claimed by a link `blocks/N` to the container's id, which the kernel makes for one caller alone. A container
//! that shares another's user namespace shares its block, by a link `blocks/N+ID`. It is let go, by one command at a time,
//! when nothing on disk can belong to its ids any more.

use std::collections::BTreeSet;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{durable, file};

use super::Store;
use super::store::Claims;
use crate::failure::{Doing, Failure};

/// Ids in a block. The last one is no user inside (as 16 bits it is -1, "no change"); on the host it is the
/// supervisor's own.
pub(crate) const SIZE: u32 = 65_536;

/// The first id of the first block: a range that systemd's table of user ids leaves unused, above what
/// containers of systemd-nspawn take and below 2^31, where some file systems end.
pub(crate) const FIRST: u32 = 0x7000_0000;
/// How many blocks there are before systemd's foreign ids.
const COUNT: u32 = 4_093;

impl Store {
    /// Claims a block for a container; the block's first id.
    pub(crate) fn claim_block(&self, id: &str) -> Result<u32, Failure> {
        let what = || "blocks of user ids".to_owned();
        let mut taken: Vec<u32> = file::list(&self.blocks, ".")
            .doing(what)?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        taken.sort_unstable();
        let others = subordinate_ranges();
        for number in (0..COUNT).filter(|n| taken.binary_search(n).is_err()) {
            let first = FIRST + number * SIZE;
            if others
                .iter()
                .any(|(start, end)| first < *end && *start < first + SIZE)
            {
                continue;
            }
            match file::symlink(id, &self.blocks, number.to_string()) {
                Ok(()) => return Ok(first),
                Err(e) if e.is(&[Errno::EEXIST.0]) => {}
                Err(e) => return Err(Failure::call(what(), &e)),
            }
        }
        Err(Failure::new("every block of user ids is taken")
            .hint("remove containers with lockstep rm, or run one with --userns=host"))
    }

    /// Shares the block of the container `other` with the container `id`, which outlives it perhaps.
    pub(crate) fn share_block(&self, first: u32, (other, id): (&str, &str)) -> Result<(), Failure> {
        let number = number(first);
        file::symlink(id, &self.blocks, format!("{number}{SHARED}{id}"))
            .doing(|| format!("block {number} of user ids"))?;
        // Asked behind that: who lets the block go from now on finds the link.
        match self.by_id(other)?.map(|directory| directory.record()) {
            Some(Ok(Some(_))) => Ok(()),
            _ => Err(Failure::new(format!(
                "container {other} has just been removed"
            ))),
        }
    }

    /// Lets a container's block go, or its share in one.
    pub(super) fn release_block(
        &self,
        claims: &Claims,
        first: u32,
        id: &str,
    ) -> Result<(), Failure> {
        let number = number(first);
        if self.block_holder(&number)?.as_deref() == Some(id) {
            return self.pass_on(claims, &number);
        }
        // ENOENT: a remover before this one was killed right behind it.
        match file::unlink(&self.blocks, format!("{number}{SHARED}{id}")) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(()),
            other => other.doing(|| format!("block {number} of user ids")),
        }
    }

    /// A block whose holder lets it go is the next one's that shares it, else nobody's.
    fn pass_on(&self, _: &Claims, number: &str) -> Result<(), Failure> {
        let what = || format!("block {number} of user ids");
        let share = format!("{number}{SHARED}");
        let names = file::list(&self.blocks, ".").doing(what)?;
        match names.iter().find(|name| name.starts_with(&share)) {
            Some(heir) => durable::rename(&self.blocks, heir, &self.blocks, number).doing(what),
            None => file::unlink(&self.blocks, number).doing(what),
        }
    }

    /// Blocks whose containers do not exist: their claimers were killed, or the host was rebooted. Of those `there` it is
    /// known that they do.
    pub(super) fn sweep_blocks(&self, there: &BTreeSet<String>) -> Result<(), Failure> {
        for name in file::list(&self.blocks, ".").doing(|| "blocks of user ids".into())? {
            let Some(holder) = self.block_holder(&name)? else {
                continue;
            };
            if there.contains(&holder) || self.by_id(&holder)?.is_some() {
                continue;
            }
            let claims = self.hold_claims()?;
            // Another command may have done it, and the block have the next holder.
            if self.block_holder(&name)?.as_ref() != Some(&holder) {
                continue;
            }
            match name.contains(SHARED) {
                true => file::unlink(&self.blocks, &name).doing(|| format!("share {name}"))?,
                false => self.pass_on(&claims, &name)?,
            }
        }
        Ok(())
    }

    /// The id that a block or a share in one belongs to.
    fn block_holder(&self, name: &str) -> Result<Option<String>, Failure> {
        match file::readlink(&self.blocks, name) {
            Err(e) if e.is(&[Errno::ENOENT.0, Errno::EINVAL.0]) => Ok(None),
            other => {
                let holder = other.doing(|| format!("block {name} of user ids"))?;
                Ok(Some(holder.to_string_lossy().into_owned()))
            }
        }
    }
}

/// Between the number of a block and the container that shares it.
const SHARED: char = '+';

/// A block's number, which is its name.
fn number(first: u32) -> String {
    (first.saturating_sub(FIRST) / SIZE).to_string()
}

/// Ids that the host's files give to users for containers of their own (subuid(5), subgid(5)), as half-open
/// ranges. What cannot be read gives nothing away.
pub(crate) fn subordinate_ranges() -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    for path in ["/etc/subuid", "/etc/subgid"] {
        let text = file::read_at_once(file::CWD, path, 4 << 20).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        all.extend(text.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(1);
            let start: u32 = fields.next()?.trim().parse().ok()?;
            let count: u32 = fields.next()?.trim().parse().ok()?;
            Some((start, start.saturating_add(count)))
        }));
    }
    all
}
