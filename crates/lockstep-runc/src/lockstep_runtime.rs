//! The runtime library's interface as this program uses it, until the library itself stands.
#![allow(dead_code, reason = "replaced by the library")]

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use lockstep_oci::runtime::Resources;

#[derive(Debug)]
pub(crate) struct Error(String);
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
fn no<T>() -> Result<T, Error> {
    Err(Error("the runtime library is not linked".into()))
}

pub(crate) struct ContainerId(String);
impl ContainerId {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        Ok(ContainerId(text.into()))
    }
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) enum CgroupDriver {
    Cgroupfs,
    Systemd,
}
pub(crate) struct Settings<'a> {
    pub root: PathBuf,
    pub cgroup_driver: CgroupDriver,
    pub rootless: Option<bool>,
    pub warn: &'a dyn Fn(&str),
}
pub(crate) struct CreateRequest {
    pub id: ContainerId,
    pub bundle: PathBuf,
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub pidfd_socket: Option<PathBuf>,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    pub preserve_fds: u32,
    pub listen_fds: u32,
    pub notify_socket: Option<PathBuf>,
}
pub(crate) struct RunRequest {
    pub create: CreateRequest,
    pub detach: bool,
    pub keep: bool,
    pub no_subreaper: bool,
}
pub(crate) enum ProcessSource {
    Json(Vec<u8>),
    Args(ExecArgs),
}
#[derive(Default)]
pub(crate) struct ExecArgs {
    pub args: Vec<String>,
    pub cwd: Option<String>,
    pub env: Vec<String>,
    pub tty: bool,
    pub user: Option<String>,
    pub additional_gids: Vec<u32>,
    pub caps: Vec<String>,
    pub no_new_privs: bool,
    pub apparmor: Option<String>,
    pub process_label: Option<String>,
}
pub(crate) struct ExecRequest {
    pub id: ContainerId,
    pub process: ProcessSource,
    pub detach: bool,
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub pidfd_socket: Option<PathBuf>,
    pub preserve_fds: u32,
    pub ignore_paused: bool,
    pub cgroup: Vec<String>,
}
pub(crate) struct Info {
    pub oci_version: String,
    pub id: String,
    pub pid: i32,
    pub status: lockstep_oci::state::Status,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    pub created: String,
    pub owner: String,
    pub annotations: lockstep_oci::ordered_map::OrderedMap<String>,
}
#[derive(serde::Serialize)]
pub(crate) struct Stats {}
pub(crate) enum OomWait {
    Oom,
    Timeout,
    Gone,
}
pub(crate) struct OomEvents;
impl OomEvents {
    pub(crate) fn wait(&self, _timeout: Duration) -> Result<OomWait, Error> {
        no()
    }
}
#[derive(Default)]
pub(crate) struct RdtUpdate {
    pub l3_cache_schema: Option<String>,
    pub mem_bw_schema: Option<String>,
}
pub(crate) struct Runtime<'a>(Settings<'a>);
impl<'a> Runtime<'a> {
    pub(crate) fn open(settings: Settings<'a>) -> Result<Self, Error> {
        Ok(Runtime(settings))
    }
    pub(crate) fn create(&self, _: &CreateRequest) -> Result<(), Error> {
        no()
    }
    pub(crate) fn start(&self, _: &ContainerId) -> Result<(), Error> {
        no()
    }
    pub(crate) fn run(&self, _: &RunRequest) -> Result<i32, Error> {
        no()
    }
    pub(crate) fn exec(&self, _: &ExecRequest) -> Result<i32, Error> {
        no()
    }
    pub(crate) fn kill(&self, _: &ContainerId, _: i32, _: bool) -> Result<(), Error> {
        no()
    }
    pub(crate) fn delete(&self, _: &ContainerId, _: bool) -> Result<(), Error> {
        no()
    }
    pub(crate) fn pause(&self, _: &ContainerId) -> Result<(), Error> {
        no()
    }
    pub(crate) fn resume(&self, _: &ContainerId) -> Result<(), Error> {
        no()
    }
    pub(crate) fn info(&self, _: &ContainerId) -> Result<Info, Error> {
        no()
    }
    pub(crate) fn list(&self) -> Result<Vec<Info>, Error> {
        no()
    }
    pub(crate) fn processes(&self, _: &ContainerId) -> Result<Vec<i32>, Error> {
        no()
    }
    pub(crate) fn stats(&self, _: &ContainerId) -> Result<Stats, Error> {
        no()
    }
    pub(crate) fn oom_events(&self, _: &ContainerId) -> Result<OomEvents, Error> {
        no()
    }
    pub(crate) fn update(
        &self,
        _: &ContainerId,
        _: &Resources,
        _: &RdtUpdate,
    ) -> Result<(), Error> {
        no()
    }
    pub(crate) fn features(&self) -> lockstep_oci::features::Features {
        lockstep_oci::features::Features::default()
    }
}
