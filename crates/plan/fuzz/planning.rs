//! Any text as the config.json of a container on any host: what is planned is in order, and stays in its cgroup.
//!
//! One file for the fuzz target and for `tests/fuzz_plan.rs`, so that the smoke run on a stable toolchain is the
//! same test as the long one.

use std::path::{Path, PathBuf};

use lockstep_oci::runtime::{self as oci, ValidSpec};
use lockstep_plan::cgroup::{self, CgroupPlan, Layout, systemd};
use lockstep_plan::{Host, create, exec};

const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
";
const V2: &str = "26 22 0:23 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";
const BESIDE: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
const CONTROLLERS: [&str; 7] = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"];

/// One of the hosts that there are, by a number.
fn host(choice: u8) -> Host {
    let cgroup = match choice & 3 {
        0 => cgroup::layout(V1, "4:memory:/jobs/7\n", &[]),
        1 => cgroup::layout(&format!("{V1}{BESIDE}"), "0::/\n", &["hugetlb"]),
        2 => cgroup::layout(V2, "0::/user.slice/session-1.scope\n", &CONTROLLERS),
        _ => cgroup::layout("", "", &[]),
    };
    let root = choice & 4 == 0;
    let all = (1 << 41) - 1;
    Host {
        uid: if root { 0 } else { 1000 },
        gid: if root { 0 } else { 1000 },
        capabilities: if root { all } else { 0 },
        bounding: all,
        user_namespace: choice & 8 != 0,
        set_groups: choice & 16 == 0,
        apparmor: choice & 32 != 0,
        selinux: choice & 64 != 0,
        landlock_abi: i32::from(choice & 7),
        apparmor_confined: choice & 4 != 0,
        kcore: choice & 64 != 0,
        resctrl: (choice & 32 != 0).then(|| "/sys/fs/resctrl".into()),
        cgroup,
    }
}

/// Plans the text on the chosen host by all drivers, for all verbs.
///
/// # Panics
///
/// An invariant of the order is broken, or a cgroup is outside the place where it belongs.
pub(crate) fn check(choice: u8, text: &[u8]) {
    let Ok(parsed) = oci::parse(text) else { return };
    let Ok(spec) = oci::validate(parsed.spec) else {
        return;
    };
    let host = host(choice);
    let rootless = host.uid != 0;
    let linux = spec.linux.clone().unwrap_or_default();
    let path = linux.cgroups_path.as_deref();
    let (resources, devices) = (linux.resources.as_ref(), cgroup::default_devices());
    let manager = systemd::Manager {
        socket: "/run/systemd/private".into(),
        version: 240 + u32::from(choice & 15),
        control_group: "/".into(),
        user: rootless,
        machine: systemd::Machine {
            drivers: "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n".into(),
            bfq: choice & 16 != 0,
        },
    };
    let layout = &host.cgroup;
    let by_systemd =
        cgroup::plan_systemd(path, "id", resources, &devices, layout, rootless, &manager);
    by_systemd.iter().for_each(within);
    let Ok(planned) = cgroup::plan(path, "id", resources, &devices, layout, rootless) else {
        return;
    };
    within(&planned);
    if let Some(resources) = resources {
        drop(cgroup::update(
            resources,
            resources,
            &devices,
            layout,
            rootless,
            Some(&manager.machine),
        ));
    }
    containers(&spec, &host, &planned, layout);
}

fn containers(spec: &ValidSpec, host: &Host, planned: &CgroupPlan, layout: &Layout) {
    let place = |dir: &cgroup::Dir| {
        let mount = &layout.hierarchies[dir.hierarchy].mount;
        (
            dir.hierarchy,
            PathBuf::from(format!("{mount}/{}", dir.path)),
        )
    };
    let cgroups: Vec<_> = planned.dirs.iter().map(place).collect();
    let held = create::Supervised {
        held: true,
        ..create::Supervised::default()
    };
    let request = |supervised| create::Request {
        id: "id",
        bundle: Path::new("/bundle"),
        cgroups: &cgroups,
        no_pivot: host.apparmor,
        no_keyring: false,
        processes: planned.processes,
        keep: 0,
        sockets: 0,
        supervised,
    };
    for supervised in [None, Some(&held)] {
        judge(create::plan(spec, host, &request(supervised)));
    }
    let Some(process) = spec.process.as_ref() else {
        return;
    };
    let request = exec::Request {
        id: "id",
        namespaces: 0,
        set_groups: host.set_groups,
        user_namespace: host.user_namespace,
        processes: None,
        keep: 0,
        filter: None,
    };
    judge(exec::plan(spec, process, host, &request));
}

/// What is refused names a field; a broken invariant would be our own mistake.
fn judge(planned: lockstep_plan::Result<lockstep_plan::Plan>) {
    match planned {
        Ok(plan) => assert!(!plan.to_string().is_empty()),
        Err(error) => assert!(error.pointer.starts_with('/'), "{error:?}"),
    }
}

fn within(plan: &CgroupPlan) {
    for dir in &plan.dirs {
        let whole = !dir.path.is_empty() && !dir.path.contains('\0');
        let inside = dir.path.split('/').all(|part| !matches!(part, "." | ".."));
        assert!(whole && inside, "{:?}", dir.path);
    }
    if let Some(unit) = &plan.unit {
        assert!(!unit.name.contains(['/', '\0', '\n']), "{:?}", unit.name);
    }
}

/// The texts of /proc that say where cgroups are, a cgroup path, and properties of systemd in annotations.
///
/// # Panics
///
/// A cgroup is planned outside the place where it belongs.
pub(crate) fn check_host(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let mut parts = text.split('\u{1}');
    let mut next = || parts.next().unwrap_or_default();
    let (mountinfo, own, controllers, path, version) = (next(), next(), next(), next(), next());
    let controllers: Vec<&str> = controllers.split_whitespace().collect();
    let layout = cgroup::layout(mountinfo, own, &controllers);

    let manager = systemd::Manager {
        socket: String::new(),
        version: systemd_version(version),
        control_group: "/user.slice/user@7.service".into(),
        user: version.contains("user"),
        machine: systemd::Machine {
            drivers: mountinfo.to_owned(),
            bfq: false,
        },
    };
    for rootless in [false, true] {
        cgroup::plan(Some(path), "id", None, &[], &layout, rootless)
            .iter()
            .for_each(within);
        cgroup::plan_systemd(Some(path), "id", None, &[], &layout, rootless, &manager)
            .iter()
            .for_each(within);
    }
    let mut annotations = lockstep_oci::ordered_map::OrderedMap::default();
    annotations.insert(format!("org.systemd.property.{path}"), version.to_owned());
    drop(cgroup::systemd_property::of_annotations(&annotations));
}

fn systemd_version(text: &str) -> u32 {
    text.trim().parse().unwrap_or(252)
}
