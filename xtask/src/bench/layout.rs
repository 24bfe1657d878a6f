//! Cgroup layouts, made by unmounting in a private mount namespace.
//!
//! A peer that refuses the hybrid layout can be measured where only v1 is to be seen, and a v1
//! machine can show what v2 costs, without a change that anyone else would see.

use std::path::{Path, PathBuf};

use crate::Failure;

const CGROUP: &str = "/sys/fs/cgroup";

/// What a runtime finds below `/sys/fs/cgroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// The v1 hierarchies alone
    V1,
    /// v1 with `unified` beside it, as the machine has it
    Hybrid,
    /// One cgroup2 mount
    V2,
}

impl Layout {
    /// All layouts.
    pub(crate) const ALL: [Layout; 3] = [Layout::V1, Layout::Hybrid, Layout::V2];

    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Layout::V1 => "v1",
            Layout::Hybrid => "hybrid",
            Layout::V2 => "v2",
        }
    }

    /// Whether this machine can show it: v1 cannot be had on a machine booted with v2 alone.
    pub(crate) fn is_possible(self) -> bool {
        let v1 = Path::new(CGROUP).join("memory/cgroup.procs").exists();
        let unified = Path::new(CGROUP).join("unified/cgroup.procs").exists();
        match self {
            Layout::V1 => v1,
            Layout::Hybrid => v1 && unified,
            Layout::V2 => true,
        }
    }

    /// Shell lines that turn the machine's own layout into this one.
    pub(crate) fn script(self) -> &'static str {
        match self {
            Layout::V1 => {
                "if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi\n"
            }
            Layout::Hybrid => "",
            Layout::V2 => {
                "if [ ! -e /sys/fs/cgroup/cgroup.procs ]; then umount -R -l /sys/fs/cgroup\n\
                 mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi\n"
            }
        }
    }

    /// The directories that a container called `name` gets, one per hierarchy.
    pub(crate) fn directories(self, name: &str) -> Result<Vec<PathBuf>, Failure> {
        if self == Layout::V2 {
            return Ok(vec![Path::new(CGROUP).join(name)]);
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(CGROUP)?.flatten() {
            // Symbolic links such as `cpu -> cpu,cpuacct` name a hierarchy twice.
            let linked = entry.file_type()?.is_symlink();
            if !linked && entry.path().join("cgroup.procs").exists() {
                found.push(entry.path().join(name));
            }
        }
        found.sort();
        Ok(found)
    }
}
