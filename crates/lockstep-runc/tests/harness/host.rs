//! What this machine and the runtime under test are, probed once.
//!
//! Tests ask here before they assert, so that a skip names the missing part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lockstep_abi::feature::KernelVersion;

use super::mountinfo::parse_mounts;
use super::runtime::Peer;

/// How control groups are mounted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CgroupLayout {
    /// Only version 1 hierarchies.
    V1,
    /// Version 1 hierarchies and a version 2 tree beside them.
    Hybrid,
    /// One version 2 tree at /sys/fs/cgroup.
    V2,
    /// None that this process can see.
    None,
}

/// Facts of the machine.
pub(crate) struct Host {
    /// The runtime under test.
    pub(crate) runtime: PathBuf,
    /// Whose runtime that is.
    pub(crate) peer: Peer,
    /// How control groups are mounted.
    pub(crate) cgroups: CgroupLayout,
    /// Mount point of each version 1 controller, and of the version 2 tree under "".
    pub(crate) controllers: BTreeMap<String, PathBuf>,
    /// Names in the active LSM list.
    pub(crate) lsms: Vec<String>,
    /// The effective capabilities of this process, one bit each.
    pub(crate) capabilities: u64,
    /// Of the running kernel.
    pub(crate) kernel: KernelVersion,
}

impl Host {
    /// The facts, probed at the first call.
    pub(crate) fn get() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(Self::probe)
    }

    fn probe() -> Self {
        let runtime = std::env::var_os("LOCKSTEP_TEST_RUNTIME").map_or_else(
            || PathBuf::from(env!("CARGO_BIN_EXE_lockstep-runc")),
            PathBuf::from,
        );
        let ours = runtime
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("lockstep"));
        let (cgroups, controllers) = cgroup_mounts();
        let status = std::fs::read_to_string("/proc/self/status").expect("own status is readable");
        let capabilities = super::procfs::field_of(&status, "CapEff");
        Self {
            runtime,
            peer: if ours { Peer::Lockstep } else { Peer::Other },
            cgroups,
            controllers,
            lsms: active_lsms(),
            capabilities: u64::from_str_radix(&capabilities, 16).expect("CapEff is hexadecimal"),
            kernel: kernel(),
        }
    }

    /// Whether this process has the capability of that number.
    pub(crate) fn has_capability(&self, number: u32) -> bool {
        self.capabilities & (1 << number) != 0
    }

    /// Whether `program` is found in PATH.
    pub(crate) fn has_program(&self, program: &str) -> bool {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
    }
}

fn kernel() -> KernelVersion {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    KernelVersion::parse(release.trim()).expect("a version")
}

fn cgroup_mounts() -> (CgroupLayout, BTreeMap<String, PathBuf>) {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts are readable");
    let mut controllers = BTreeMap::new();
    let mut unified_is_root = false;
    for mount in parse_mounts(&text) {
        let point = PathBuf::from(&mount.point);
        match mount.fs_type.as_str() {
            "cgroup" => {
                for option in mount.super_options.split(',') {
                    let name = option.strip_prefix("name=").unwrap_or(option);
                    if !matches!(name, "rw" | "ro" | "xattr" | "noprefix") {
                        controllers.insert(name.to_owned(), point.clone());
                    }
                }
            }
            "cgroup2" => {
                unified_is_root |= point == Path::new("/sys/fs/cgroup");
                controllers.insert(String::new(), point);
            }
            _ => {}
        }
    }
    let v1 = controllers.keys().any(|name| !name.is_empty());
    let layout = match (v1, controllers.contains_key("")) {
        (true, true) => CgroupLayout::Hybrid,
        (true, false) => CgroupLayout::V1,
        (false, true) if unified_is_root => CgroupLayout::V2,
        _ => CgroupLayout::None,
    };
    (layout, controllers)
}

/// The list is in securityfs, which need not be mounted: it is then mounted in a namespace of its own.
fn active_lsms() -> Vec<String> {
    let script = "mount -t securityfs securityfs /sys/kernel/security 2>/dev/null; \
                  cat /sys/kernel/security/lsm";
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script])
        .output()
        .map(|output| {
            String::from_utf8_lossy(&output.stdout)
                .trim()
                .split(',')
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}
