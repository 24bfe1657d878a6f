//! `spec` and `features`: what a first bundle looks like, and what this runtime can do.

use std::path::{Path, PathBuf};

use lockstep_abi::errno::Errno;
use lockstep_kernel::{caller, file};

use super::look::pretty;
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{self, Front};
use ::lockstep_runtime::default_spec;

/// Name of the configuration in a bundle.
const CONFIG: &str = "config.json";

pub(super) fn spec(args: &Arguments) -> Result<u8, Failure> {
    let rootless = args.flag("rootless").then(caller::effective_ids);
    // A pure v2 host shows its whole tree in /sys/fs/cgroup unless the container has a view of its own.
    let unified = file::stat(file::CWD, "/sys/fs/cgroup/cgroup.controllers", true).is_ok();
    let text = pretty(&default_spec::spec(rootless, unified), b"\t")?;
    let bundle = args.path("bundle").unwrap_or_default();
    if let Err(error) = file::stat(file::CWD, directory(&bundle), true) {
        return Err(Failure::path("chdir", &bundle, &error));
    }
    let path = bundle.join(CONFIG);
    match caller::create_new(&path, text.as_bytes(), 0o666) {
        Ok(()) => Ok(0),
        Err(error) if error.is(&[Errno::EEXIST.0]) => Err(Failure::new(format!(
            "File {CONFIG} exists. Remove it first"
        ))),
        Err(error) => Err(Failure::path("open", &path, &error)),
    }
}

fn directory(bundle: &Path) -> PathBuf {
    match bundle.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => bundle.to_path_buf(),
    }
}

pub(super) fn features(front: &Front) -> Result<u8, Failure> {
    let features = front.with_runtime(|runtime| Ok(runtime.features()))?;
    front::print(&(pretty(&features, b"    ")? + "\n"))?;
    Ok(0)
}
