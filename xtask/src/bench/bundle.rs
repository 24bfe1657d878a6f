//! Bundles of the benchmark: `runc spec` with a root file system of one static program.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::seccomp;
use crate::Failure;

/// What differs between the bundles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As `runc spec` writes it, without a terminal
    Plain,
    /// With the engines' default seccomp profile
    Seccomp,
    /// Running until it is killed, for `exec`
    Pause,
    /// With a memory limit of 1 MiB
    MemoryLimit,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Seccomp => "seccomp",
            Kind::Pause => "pause",
            Kind::MemoryLimit => "memory-limit",
        }
    }
}

/// A directory for bundles, with the runtime whose `spec` is the base of all of them.
pub(crate) struct Bundles {
    folder: PathBuf,
    base: Value,
}

impl Bundles {
    /// Prepares `folder`; `payload` becomes all programs of the containers.
    pub(crate) fn new(folder: &Path, payload: &Path, spec_by: &Path) -> Result<Bundles, Failure> {
        let rootfs = rootfs(folder);
        for name in ["bin", "proc", "dev", "sys"] {
            std::fs::create_dir_all(rootfs.join(name))?;
        }
        for name in ["true", "pause", "spin"] {
            std::fs::copy(payload, rootfs.join("bin").join(name))?;
        }
        let spec = folder.join("spec");
        std::fs::create_dir_all(&spec)?;
        crate::run::output(Command::new(spec_by).arg("spec").current_dir(&spec))?;
        let mut base: Value =
            serde_json::from_str(&std::fs::read_to_string(spec.join("config.json"))?)?;
        base["process"]["terminal"] = json!(false);
        base["process"]["args"] = json!(["/bin/true"]);
        base["root"]["path"] = json!(rootfs);
        Ok(Bundles {
            folder: folder.to_path_buf(),
            base,
        })
    }

    /// The root file system that all bundles share.
    pub(crate) fn rootfs(&self) -> PathBuf {
        rootfs(&self.folder)
    }

    /// Writes a bundle and returns its directory.
    pub(crate) fn make(&self, kind: Kind) -> Result<PathBuf, Failure> {
        let mut config = self.base.clone();
        match kind {
            Kind::Plain => {}
            Kind::Pause => config["process"]["args"] = json!(["/bin/pause"]),
            Kind::MemoryLimit => {
                config["linux"]["resources"]["memory"] = json!({ "limit": 1 << 20 });
            }
            Kind::Seccomp => {
                let profile = serde_json::from_str(&std::fs::read_to_string(seccomp::PROFILE)?)?;
                let caps = config["process"]["capabilities"]["bounding"].clone();
                let caps = caps.as_array().map_or(&[][..], Vec::as_slice);
                let caps: Vec<&str> = caps.iter().filter_map(Value::as_str).collect();
                config["linux"]["seccomp"] = seccomp::resolve(&profile, &caps)?;
            }
        }
        let bundle = self.folder.join(kind.name());
        std::fs::create_dir_all(&bundle)?;
        std::fs::write(
            bundle.join("config.json"),
            serde_json::to_string_pretty(&config)?,
        )?;
        Ok(bundle)
    }
}

fn rootfs(folder: &Path) -> PathBuf {
    folder.join("rootfs")
}
