//! A host in a file: what `doctor --json` writes, and `plan --host` reads, here or elsewhere, or from who invented it.

use std::path::Path;

use lockstep_kernel::file;
use lockstep_plan::Host;
use serde::{Deserialize, Serialize};

use crate::argv::Arguments;
use crate::failure::{Doing, Failure};
use crate::resolve::Caller;

/// Version of the file.
pub(crate) const SCHEMA: u32 = 1;

/// Most bytes of the file.
const MOST: usize = 4 << 20;

/// A host and a user of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// What people read; planning does not.
    #[serde(default)]
    pub(crate) facts: serde_json::Value,
    /// The facts that planning depends on.
    pub(crate) host: Host,
    /// The user's ranges of subordinate ids (start, count).
    #[serde(default)]
    pub(crate) subuids: Vec<(u32, u32)>,
    /// The same of groups.
    #[serde(default)]
    pub(crate) subgids: Vec<(u32, u32)>,
}

impl Saved {
    /// The file that `--host` names, if it is there.
    pub(crate) fn given(args: &Arguments) -> Result<Option<Saved>, Failure> {
        match args.knows("host").then(|| args.path("host")).flatten() {
            Some(path) => Saved::read(&path).map(Some),
            None => Ok(None),
        }
    }

    fn read(path: &Path) -> Result<Saved, Failure> {
        let what = || format!("--host {}", path.display());
        let text = file::read(file::CWD, path, MOST).doing(what)?;
        let saved: Saved = serde_json::from_slice(&text)
            .map_err(|error| Failure::new(format!("{}: {error}", what())))?;
        match saved.schema {
            SCHEMA => Ok(saved),
            other => Err(Failure::new(format!(
                "{}: schema {other} is not {SCHEMA}",
                what()
            ))),
        }
    }

    /// Who asks there.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            uid: self.host.uid,
            gid: self.host.gid,
            capabilities: self.host.capabilities,
            all_ids: !self.host.user_namespace,
            cgroups: true,
            subuids: self.subuids.clone(),
            subgids: self.subgids.clone(),
        }
    }
}
