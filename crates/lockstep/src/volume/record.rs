//! What is known of a volume beside its files: `volume-records/NAME.json` in the store.
//!
//! A volume is its directory; one that has no record, of an older version or of a killed command, has no labels.

use std::collections::BTreeMap;

use lockstep_abi::errno::Errno;
use lockstep_kernel::{durable, file};
use lockstep_runtime::clock;
use serde::{Deserialize, Serialize};

use crate::container::Store;
use crate::failure::{Doing, Failure};

/// Version of the file.
const SCHEMA: u32 = 1;
/// Most bytes of one.
const LIMIT: usize = 1 << 20;

/// A volume as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// When, RFC 3339 in UTC; empty where nobody knows.
    pub(crate) created: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether nobody gave it a name: it goes with its container where that is asked for.
    pub(crate) anonymous: bool,
    /// Whether no container has had it yet: the first one fills it.
    pub(crate) fresh: bool,
}

impl Record {
    pub(crate) fn new(anonymous: bool, fresh: bool) -> Record {
        Record {
            schema: SCHEMA,
            created: clock::now_rfc3339(),
            labels: BTreeMap::new(),
            anonymous,
            fresh,
        }
    }

    fn unknown() -> Record {
        Record {
            created: String::new(),
            ..Record::new(false, false)
        }
    }
}

impl Store {
    /// The record of a volume.
    pub(crate) fn volume_record(&self, name: &str) -> Result<Record, Failure> {
        let what = || format!("record of volume {name}");
        let path = self.volume_records()?.join(format!("{name}.json"));
        let text = match file::read_at_once(file::CWD, path, LIMIT) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => return Ok(Record::unknown()),
            other => other.doing(what)?,
        };
        serde_json::from_slice(&text).map_err(|e| Failure::new(format!("{}: {e}", what())))
    }

    /// Writes it as a whole, before the volume itself is made.
    pub(crate) fn write_volume_record(&self, name: &str, record: &Record) -> Result<(), Failure> {
        let what = || format!("record of volume {name}");
        let flags = file::OFlags::RDONLY | file::OFlags::DIRECTORY;
        let directory = file::openat(file::CWD, self.volume_records()?, flags, 0).doing(what)?;
        let text =
            serde_json::to_vec(record).map_err(|e| Failure::new(format!("{}: {e}", what())))?;
        durable::replace(&directory, &format!("{name}.json"), &text, 0o600).doing(what)
    }

    /// Removes it, behind the volume.
    pub(super) fn forget_volume(&self, name: &str) -> Result<(), Failure> {
        let path = self.volume_records()?.join(format!("{name}.json"));
        match file::unlink(file::CWD, path) {
            Err(e) if e.is(&[Errno::ENOENT.0]) => Ok(()),
            other => other.doing(|| format!("record of volume {name}")),
        }
    }
}
