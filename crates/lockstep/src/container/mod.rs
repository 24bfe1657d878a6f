//! The containers of this user: their directories, names, ids, locks and what is left of them.
//!
//! A container is a directory. Its lock is held by whoever makes or removes it and, from its start to its end,
//! by its supervisor, so whether one lives is asked of the kernel and never of a file.

mod block;
mod directory;
mod health;
mod level;
mod lookup;
mod name;
mod record;
mod removal;
mod store;

pub(crate) use block::{FIRST as FIRST_BLOCK, SIZE as BLOCK_SIZE, subordinate_ranges};
pub(crate) use directory::{Directory, Keeping, Status, occupy, vacate};
pub(crate) use health::{Check, Health, OnFailure, Probe, Verdict};
pub(crate) use lookup::no_container;
pub(crate) use name::check as check_name;
pub(crate) use record::{Record, Restart, SCHEMA as RECORD_SCHEMA, Sdnotify};
pub(crate) use removal::{Found, end_in_runtime};
pub(crate) use store::{Locations, Store};
