//! The settings of a walk: how cgroups are mounted and whose the container is, each with a configuration that has
//! a step of every kind which is possible there.

use std::os::unix::fs::chown;
use std::path::Path;

use serde_json::{Value, json};

use crate::agents::{Agents, facing};
use crate::harness::{Bundle, CgroupLayout, Host, Test, View};

/// Where and by whom a container is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// By root, cgroups as they are mounted here.
    Root,
    /// By root, without the version 2 tree.
    RootV1,
    /// By root, with the version 2 tree alone.
    RootV2,
    /// By root, with a user namespace.
    Mapped,
    /// By root, with a user namespace, with the version 2 tree alone.
    MappedV2,
    /// By a user with subordinate ids, which newuidmap(1) maps.
    User,
    /// By a user with one id.
    UserOneId,
    /// By root, with a terminal, a notification agent and a device of the network.
    RootAgents,
    /// The same with a user namespace.
    MappedAgents,
    /// By a user with subordinate ids, with a terminal and a notification agent.
    UserAgents,
}

/// An ordinary user's id, which no process here has.
const UID: u32 = 54_322;
const SUBORDINATE: u32 = 700_000;
/// First host id of root's containers with a user namespace.
const MAPPED: u32 = 100_000;

impl Setting {
    pub(crate) const ALL: [Setting; 10] = [
        Setting::Root,
        Setting::RootV1,
        Setting::RootV2,
        Setting::Mapped,
        Setting::MappedV2,
        Setting::User,
        Setting::UserOneId,
        Setting::RootAgents,
        Setting::MappedAgents,
        Setting::UserAgents,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Setting::Root => "root",
            Setting::RootV1 => "root-v1",
            Setting::RootV2 => "root-v2",
            Setting::Mapped => "mapped",
            Setting::MappedV2 => "mapped-v2",
            Setting::User => "user",
            Setting::UserOneId => "user-one-id",
            Setting::RootAgents => "root-agents",
            Setting::MappedAgents => "mapped-agents",
            Setting::UserAgents => "user-agents",
        }
    }

    fn is_v2(self) -> bool {
        matches!(self, Setting::RootV2 | Setting::MappedV2)
    }

    /// Whether the container has a cgroup of its own.
    pub(crate) fn has_cgroup(self) -> bool {
        !matches!(
            self,
            Setting::User | Setting::UserOneId | Setting::UserAgents
        )
    }

    /// Whether there is somebody outside who takes part in the container's birth.
    pub(crate) fn has_agents(self) -> bool {
        matches!(
            self,
            Setting::RootAgents | Setting::MappedAgents | Setting::UserAgents
        )
    }

    fn view(self) -> View {
        match self {
            Setting::Root | Setting::Mapped => View::Plain,
            Setting::RootV1 => View::CgroupV1,
            Setting::RootV2 | Setting::MappedV2 => View::CgroupV2,
            Setting::RootAgents | Setting::MappedAgents => View::Network,
            Setting::User | Setting::UserAgents => View::User {
                uid: UID,
                subordinate: Some(SUBORDINATE),
            },
            Setting::UserOneId => View::User {
                uid: UID,
                subordinate: None,
            },
        }
    }

    /// Skips the test where this setting cannot be made.
    pub(crate) fn need(self, test: &Test) {
        let host = Host::get();
        let v1 = matches!(host.cgroups, CgroupLayout::V1 | CgroupLayout::Hybrid);
        test.need(self != Setting::RootV1 || v1, "no version 1 hierarchy");
        let unified = host.controllers.contains_key("");
        test.need(!self.is_v2() || unified, "no version 2 tree");
        let helper = matches!(self, Setting::User | Setting::UserAgents);
        test.need(
            !helper || host.has_program("newuidmap"),
            "no newuidmap(1) (uidmap)",
        );
        if self.has_agents() {
            Agents::need(test);
        }
    }

    /// What `update` changes.
    pub(crate) fn other_limits(self) -> Value {
        match self.is_v2() {
            true => json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 2_097_152}]}),
            false => json!({"cpu": {"shares": 512}, "pids": {"limit": 50}}),
        }
    }

    /// A bundle whose configuration has a step of every kind.
    pub(crate) fn bundle<'t>(self, test: &'t Test, script: &str) -> Bundle<'t> {
        let bundle = common(test.sh(script), &test.subdir("volume")).view(self.view());
        let bundle = match self.has_cgroup() {
            false => of_a_user(bundle),
            true => of_root(bundle, &test.subdir("mapped"), self.is_v2()),
        };
        let bundle = match self.has_agents() {
            true => facing(bundle, test, self.has_cgroup()),
            false => bundle,
        };
        match self {
            Setting::Root | Setting::RootV1 | Setting::RootV2 | Setting::RootAgents => {
                several_ids(bundle)
            }
            Setting::Mapped | Setting::MappedV2 | Setting::MappedAgents => {
                // Its mount points are made by the container's root.
                give(&bundle.rootfs(), MAPPED);
                several_ids(bundle.user_namespace(MAPPED, 65_536))
            }
            Setting::User | Setting::UserAgents => several_ids(mapping(
                bundle,
                json!([{"containerID": 0, "hostID": UID, "size": 1},
                       {"containerID": 1, "hostID": SUBORDINATE, "size": 65_536}]),
            )),
            Setting::UserOneId => {
                // Copied up with their owner, who has to be mapped.
                for file in ["etc/passwd", "etc/group"] {
                    give(&bundle.rootfs().join(file), UID);
                }
                mapping(
                    bundle,
                    json!([{"containerID": 0, "hostID": UID, "size": 1}]),
                )
            }
        }
    }
}

fn give(path: &Path, owner: u32) {
    chown(path, Some(owner), Some(owner)).expect("root may give files away");
}

fn common<'t>(bundle: Bundle<'t>, volume: &Path) -> Bundle<'t> {
    let hook = json!([{"path": "/bin/true"}]);
    // Below a directory of its own, which is made and removed each time too.
    let cgroup = format!("{}/walk", bundle.cgroup());
    let mut bundle = bundle
        .set("/linux/cgroupsPath", cgroup)
        .bind(volume, "/volume", &["rbind", "ro", "rprivate"])
        .mount("/etc", "tmpfs", "tmpfs", &["tmpcopyup"])
        .namespace("cgroup")
        .namespace("time")
        .set(
            "/linux/timeOffsets",
            json!({"monotonic": {"secs": 100, "nanosecs": 0}}),
        )
        .set("/domainname", "example")
        .set("/root/readonly", true)
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]),
        )
        .set("/process/oomScoreAdj", 100)
        .set(
            "/process/scheduler",
            json!({"policy": "SCHED_BATCH", "nice": 5}),
        )
        .set(
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 4}),
        )
        .set(
            "/process/execCPUAffinity",
            json!({"initial": "0", "final": "0"}),
        )
        .set("/linux/personality", json!({"domain": "LINUX"}))
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .set(
            "/linux/seccomp",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]
            }),
        );
    for kind in [
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ] {
        bundle = bundle.set(&format!("/hooks/{kind}"), hook.clone());
    }
    if Host::get().lsms.iter().any(|lsm| lsm == "landlock") {
        let rights = ["make_block"];
        let domain = json!({"ruleset": {"handledAccessFS": rights},
            "rules": {"pathBeneath": [{"allowedAccess": rights, "paths": ["/tmp"]}]}});
        bundle = bundle.set(
            "/annotations",
            json!({"org.lockstep.landlock": domain.to_string()}),
        );
    }
    bundle
}

/// What needs rights over the host's file systems, devices and cgroups.
fn of_root<'t>(bundle: Bundle<'t>, volume: &Path, v2: bool) -> Bundle<'t> {
    let map = json!([{"containerID": 0, "hostID": MAPPED, "size": 1000}]);
    let bundle = bundle
        .push(
            "/mounts",
            json!({"destination": "/mapped", "type": "bind", "source": volume.display().to_string(),
                   "options": ["bind"], "uidMappings": map, "gidMappings": map}),
        )
        .set(
            "/linux/devices",
            json!([{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229}]),
        )
        .push(
            "/linux/resources/devices",
            json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}),
        );
    if v2 {
        return bundle.set(
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "2MB", "limit": 4_194_304}]),
        );
    }
    bundle
        .set("/linux/resources/memory", json!({"limit": 256 << 20}))
        .set("/linux/resources/pids", json!({"limit": 100}))
}

/// Without a cgroup.
fn of_a_user(bundle: Bundle<'_>) -> Bundle<'_> {
    bundle
        .remove("/linux/cgroupsPath")
        .remove("/linux/resources")
        .namespace("user")
}

fn mapping(bundle: Bundle<'_>, map: Value) -> Bundle<'_> {
    bundle
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
}

fn several_ids(bundle: Bundle<'_>) -> Bundle<'_> {
    bundle.set(
        "/process/user",
        json!({"uid": 1000, "gid": 1000, "additionalGids": [2000], "umask": 18}),
    )
}
