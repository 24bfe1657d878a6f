//! File systems of a container: proc, sysfs, devpts, mqueue, tmpfs with copied content, overlay and
//! the cgroup mount of both versions.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{Bundle, Test, View, cases, mounts_of};
use crate::mount::mounted;

cases! {
    tmpcopyup,
    tmpcopyup_into_a_mode,
    proc_is_new_and_of_the_pid_namespace,
    proc_options,
    proc_inside_proc_refused,
    sysfs_readonly,
    devpts_options,
    mqueue,
    shm,
    overlay,
    cgroup_v1_mount,
    cgroup_v1_mount_in_a_cgroup_namespace,
    cgroup_v2_mount,
    cgroup_v2_mount_in_a_cgroup_namespace,
    cgroup_mount_is_readonly,
}

fn tmpcopyup(t: &Test) {
    let bundle = t
        .sh("cat /data/a /data/sub/b; readlink /data/l; stat -c %a:%u /data/sub; touch /data/new")
        .file("/data/a", "one\n")
        .file("/data/sub/b", "two\n")
        .mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    symlink("a", bundle.rootfs().join("data/l")).expect("own rootfs");
    assert_eq!(bundle.run().ok().lines(), ["one", "two", "a", "755:0"]);
    assert!(
        !bundle.rootfs().join("data/new").exists(),
        "the image was written to"
    );
}

fn tmpcopyup_into_a_mode(t: &Test) {
    let bundle = t
        .sh("stat -c %a /data; cat /data/a; grep -c ' /data tmpfs' /proc/mounts")
        .file("/data/a", "one\n")
        .mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "ro"]);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o710);
    std::fs::set_permissions(bundle.rootfs().join("data"), mode).expect("own rootfs");
    assert_eq!(bundle.run().ok().lines(), ["710", "one", "1"]);
}

fn proc_is_new_and_of_the_pid_namespace(t: &Test) {
    let output = t
        .sh("ls /proc | grep -c '^[0-9]*$'; readlink /proc/self")
        .run()
        .ok();
    let count: u32 = output.lines()[0].parse().expect("a count");
    assert!(count < 8, "{count} processes are visible");
}

fn proc_options(t: &Test) {
    let bundle = t.sleeper().unmount("/proc").edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        mounts.insert(
            0,
            json!({"destination": "/proc", "type": "proc", "source": "proc",
                   "options": ["nosuid", "noexec", "nodev", "hidepid=2"]}),
        );
    });
    let mount = mounted(&bundle, "/proc");
    assert!(
        mount.has("nosuid") && mount.has("noexec") && mount.has("nodev"),
        "{mount:?}"
    );
    assert!(mount.super_options.contains("hidepid="), "{mount:?}");
}

fn proc_inside_proc_refused(t: &Test) {
    let dir = t.subdir("fake");
    t.sh("true")
        .bind(&dir, "/proc/sys", &[])
        .run()
        .fails_with(&["/proc/sys"]);
}

fn sysfs_readonly(t: &Test) {
    let mount = mounted(&t.sleeper(), "/sys");
    assert_eq!(mount.fs_type, "sysfs");
    assert!(
        mount.has("ro") && mount.has("nosuid") && mount.has("noexec"),
        "{mount:?}"
    );
}

fn devpts_options(t: &Test) {
    let mount = mounted(&t.sleeper(), "/dev/pts");
    assert_eq!(mount.fs_type, "devpts");
    for option in ["mode=620", "ptmxmode=666"] {
        assert!(mount.super_has(option), "{mount:?}");
    }
    assert_ne!(
        mount.device,
        devpts_of_the_host(),
        "the host's terminals are visible"
    );
}

fn devpts_of_the_host() -> String {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("own mounts");
    let mounts = crate::harness::parse_mounts(&text);
    let found = mounts.iter().rev().find(|mount| mount.point == "/dev/pts");
    found.map_or_else(String::new, |mount| mount.device.clone())
}

fn mqueue(t: &Test) {
    let mount = mounted(&t.sleeper(), "/dev/mqueue");
    assert_eq!(mount.fs_type, "mqueue");
    t.sh("touch /dev/mqueue/q && ls /dev/mqueue").run().ok();
    let readonly = t
        .sh("touch /dev/mqueue/q && ls /mnt; touch /mnt/p")
        .mount("/mnt", "mqueue", "mqueue", &["ro"])
        .run();
    assert_eq!(readonly.text(), "q", "{readonly:?}");
    assert!(
        readonly.stderr.contains("Read-only file system"),
        "{readonly:?}"
    );
}

fn shm(t: &Test) {
    let output = t
        .sh("stat -c %a /dev/shm; echo x > /dev/shm/x && cat /dev/shm/x")
        .run()
        .ok();
    assert_eq!(output.lines(), ["1777", "x"]);
}

fn overlay(t: &Test) {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| t.subdir(name));
    std::fs::write(lower.join("f"), "lower").expect("own directory");
    let options = [
        format!("lowerdir={}", lower.display()),
        format!("upperdir={}", upper.display()),
        format!("workdir={}", work.display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = t
        .sh("cat /m/f; echo new > /m/f")
        .mount("/m", "overlay", "overlay", &options)
        .run()
        .ok();
    assert_eq!(output.text(), "lower");
    assert_eq!(
        std::fs::read_to_string(upper.join("f")).expect("copied up"),
        "new\n"
    );
}

fn with_cgroups(bundle: Bundle<'_>) -> Bundle<'_> {
    bundle.mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", "ro"],
    )
}

fn v1_controllers(t: &Test) -> Vec<&'static str> {
    use crate::harness::{CgroupLayout, Host};
    let host = Host::get();
    let v1 = matches!(host.cgroups, CgroupLayout::V1 | CgroupLayout::Hybrid);
    t.need(v1, "no cgroup version 1 hierarchy is mounted here");
    let names = host.controllers.keys().filter(|name| !name.is_empty());
    names.map(String::as_str).collect()
}

fn cgroup_v1_mount(t: &Test) {
    let names = v1_controllers(t);
    let bundle = with_cgroups(
        t.sh("ls -d /sys/fs/cgroup/*/cgroup.procs; cat /sys/fs/cgroup/pids/cgroup.procs | wc -l"),
    );
    let output = bundle.run().ok();
    for name in names {
        let path = format!("/sys/fs/cgroup/{name}/cgroup.procs");
        assert!(
            output.stdout.contains(&path),
            "no {path}: {}",
            output.stdout
        );
    }
    // The container's own group is what it sees there, not the root of the hierarchy.
    let members: u32 = output
        .lines()
        .last()
        .expect("a line")
        .trim()
        .parse()
        .expect("a count");
    assert!((1..6).contains(&members), "{members} members");
}

fn cgroup_v1_mount_in_a_cgroup_namespace(t: &Test) {
    let names = v1_controllers(t);
    let bundle = with_cgroups(t.sleeper()).namespace("cgroup");
    let mounts = mounts_of(bundle.started().pid());
    for name in names {
        // Controllers that share a hierarchy share its mount; `name=` is how the kernel shows one without any.
        let shown = |option: &str| option.trim_start_matches("name=") == name;
        let found = mounts.iter().find(|mount| {
            mount.point.starts_with("/sys/fs/cgroup/") && mount.super_options.split(',').any(shown)
        });
        let mount = found.unwrap_or_else(|| panic!("no mount of {name}"));
        assert_eq!(mount.fs_type, "cgroup");
        assert!(mount.has("ro") && mount.has("nosuid"), "{mount:?}");
    }
}

fn cgroup_v2_mount(t: &Test) {
    let bundle = with_cgroups(t.sleeper()).view(View::CgroupV2);
    let mount = mounted(&bundle, "/sys/fs/cgroup");
    assert_eq!(mount.fs_type, "cgroup2");
    assert!(mount.has("ro"), "{mount:?}");
}

fn cgroup_v2_mount_in_a_cgroup_namespace(t: &Test) {
    let bundle = with_cgroups(t.sleeper())
        .namespace("cgroup")
        .view(View::CgroupV2);
    let mount = mounted(&bundle, "/sys/fs/cgroup");
    assert_eq!(mount.fs_type, "cgroup2");
    assert!(
        mount.has("ro") && mount.has("nosuid") && mount.has("noexec"),
        "{mount:?}"
    );
}

fn cgroup_mount_is_readonly(t: &Test) {
    v1_controllers(t);
    let script = "echo 100 > /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/pids/sub";
    let output = with_cgroups(t.sh(script)).run();
    assert_eq!(
        output.stderr.matches("Read-only file system").count(),
        2,
        "{output:?}"
    );
}
