//! What executing a plan really did: everything that is not exactly as asked is a value here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A step that did less than was asked, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downgrade {
    /// JSON pointer of the asking field.
    pub because: String,
    /// What was lost.
    pub lost: String,
    /// The call that refused, in strace form; empty where none was made.
    pub call: String,
}

impl fmt::Display for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.because, self.lost)?;
        if self.call.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.call)
    }
}

/// The differences between a plan and what was done; empty when everything was enforced.
///
/// Of a step that is not among them nothing is stored: it was enforced, or there was nothing that it applies to (a
/// masked path that does not exist). An entry for each step would be one more file for each container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Steps that did less than was asked.
    pub downgrades: Vec<Downgrade>,
}
