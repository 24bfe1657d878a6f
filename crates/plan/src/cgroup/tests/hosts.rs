//! Layouts read from the texts of real hosts, and where a cgroup goes on them.

use super::*;

const HYBRID: &str = "\
23 1 254:0 / / rw,relatime - ext4 /dev/root rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const HYBRID_OWN: &str = "\
9:name=systemd:/
8:pids:/
7:blkio:/
5:devices:/
4:memory:/jobs/7
3:cpuset:/
1:cpu:/
0::/
";
const V2: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
26 22 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
";

pub(super) fn hybrid() -> Layout {
    layout(HYBRID, HYBRID_OWN, &["hugetlb"])
}

pub(super) fn v1() -> Layout {
    let text: Vec<&str> = HYBRID.lines().filter(|l| !l.contains("cgroup2")).collect();
    layout(&text.join("\n"), HYBRID_OWN, &[])
}

pub(super) fn v2() -> Layout {
    let controllers = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"];
    layout(
        V2,
        "0::/user.slice/user-7.slice/session-1.scope\n",
        &controllers,
    )
}

fn paths(plan: &CgroupPlan, layout: &Layout) -> Vec<String> {
    plan.dirs
        .iter()
        .map(|d| format!("{}/{}", layout.hierarchies[d.hierarchy].mount, d.path))
        .collect()
}

fn place(path: Option<&str>, layout: &Layout) -> Vec<String> {
    let plan = plan(path, "id", None, &[], layout, true).expect("a plan");
    paths(&plan, layout)
}

#[test]
fn hybrid_has_every_hierarchy_once() {
    let layout = hybrid();
    assert_eq!(layout.mode, Mode::Hybrid);
    let labels: Vec<String> = layout.hierarchies.iter().map(Hierarchy::label).collect();
    let expected = [
        "cpu",
        "cpuset",
        "memory",
        "devices",
        "blkio",
        "pids",
        "name=systemd",
        "",
    ];
    assert_eq!(labels, expected);
    assert_eq!(layout.hierarchies[2].own, "/jobs/7");
    assert_eq!(layout.unified(), Some(7));
    assert_eq!(layout.find("hugetlb"), Some(7));
}

#[test]
fn modes_are_told_apart() {
    assert_eq!(v1().mode, Mode::V1);
    assert_eq!(v2().mode, Mode::V2);
    let none = layout("22 1 254:0 / / rw - ext4 /dev/root rw\n", "", &[]);
    assert_eq!(none.mode, Mode::None);
    let asked = |text: &str| {
        let mut mount = None;
        let found = layout(text, "", &[]).with_controllers(|at| {
            mount = Some(at.to_owned());
            Ok::<_, ()>("cpu memory\n".into())
        });
        let found = found.expect("reading does not fail");
        let unified = found
            .unified()
            .map(|at| found.hierarchies[at].controllers.clone());
        (mount, unified)
    };
    let controllers = vec!["cpu".to_owned(), "memory".to_owned()];
    assert_eq!(
        asked(V2),
        (Some("/sys/fs/cgroup".into()), Some(controllers))
    );
    assert_eq!(asked(""), (None, None));
}

#[test]
fn joined_controllers_are_one_hierarchy() {
    let text =
        "33 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";
    let layout = layout(text, "4:cpu,cpuacct:/x\n", &[]);
    assert_eq!(layout.hierarchies[0].label(), "cpu,cpuacct");
    assert_eq!(layout.find("cpuacct"), Some(0));
    assert_eq!(layout.hierarchies[0].own, "/x");
}

#[test]
fn what_another_mount_covers_is_not_there() {
    let covered = format!("{HYBRID}50 31 0:50 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    // Mounted on the tmpfs itself: the v1 mounts below it cannot be reached by name any more.
    let layout = layout(&covered, HYBRID_OWN, &[]);
    assert_eq!(layout.mode, Mode::V2);
    assert_eq!(layout.hierarchies[0].mount, "/sys/fs/cgroup");
}

#[test]
fn a_second_view_of_a_hierarchy_is_not_a_second_hierarchy() {
    let twice = format!("{HYBRID}60 23 0:32 /jobs /mnt/view rw - cgroup cgroup rw,memory\n");
    assert_eq!(layout(&twice, HYBRID_OWN, &["hugetlb"]), hybrid());
}

#[test]
fn a_process_outside_its_cgroup_namespace_starts_at_the_root() {
    for own in ["/..", "/../x", "/../../x/y"] {
        let layout = layout(V2, &format!("0::{own}\n"), &[]);
        assert_eq!(place(None, &layout), ["/sys/fs/cgroup/id"], "{own}");
        assert_eq!(place(Some("a/b"), &layout), ["/sys/fs/cgroup/a/b"], "{own}");
    }
}

#[test]
fn nested_without_cgroup_namespace_drops_the_mounted_part() {
    let text = "\
700 600 0:50 / / rw - overlay overlay rw
710 700 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
";
    let layout = layout(text, "4:memory:/docker/abc/sub\n", &[]);
    assert_eq!(layout.hierarchies[0].own_in_mount(), "sub");
    assert_eq!(place(None, &layout), ["/sys/fs/cgroup/memory/sub/id"]);
    // A name that only begins alike is another cgroup.
    let mut other = layout;
    other.hierarchies[0].own = "/docker/abcdef".to_owned();
    assert_eq!(other.hierarchies[0].own_in_mount(), "docker/abcdef");
}

#[test]
fn absolute_paths_count_from_the_mount() {
    let found = place(Some("/a//b/../c/"), &hybrid());
    assert_eq!(found[2], "/sys/fs/cgroup/memory/a/c");
    assert_eq!(found[7], "/sys/fs/cgroup/unified/a/c");
    assert_eq!(place(Some("/x"), &v2()), ["/sys/fs/cgroup/x"]);
}

#[test]
fn relative_paths_count_from_the_own_cgroup_and_on_v2_from_its_parent() {
    assert_eq!(place(Some("a"), &v1())[2], "/sys/fs/cgroup/memory/jobs/7/a");
    assert_eq!(place(None, &v1())[2], "/sys/fs/cgroup/memory/jobs/7/id");
    let slice = "/sys/fs/cgroup/user.slice/user-7.slice";
    assert_eq!(place(Some("a"), &v2()), [format!("{slice}/a")]);
    assert_eq!(place(None, &v2()), [format!("{slice}/id")]);
}

#[test]
fn no_path_leads_out_of_its_base() {
    assert_eq!(
        place(Some("../../../a"), &v1())[2],
        "/sys/fs/cgroup/memory/jobs/7/a"
    );
    assert_eq!(place(Some("/../a"), &v1())[2], "/sys/fs/cgroup/memory/a");
    for path in ["/", "/..", "."] {
        let error = plan(Some(path), "id", None, &[], &v1(), false).expect_err(path);
        assert_eq!(error.pointer, "/linux/cgroupsPath");
    }
}

#[test]
fn only_a_path_that_nobody_asked_for_may_be_refused() {
    let tolerated = |path, rootless| {
        let plan = plan(path, "id", None, &[], &v1(), rootless).expect("a plan");
        plan.dirs.iter().all(|d| d.tolerate)
    };
    assert!(tolerated(None, true));
    assert!(tolerated(Some(""), true));
    assert!(!tolerated(Some("/a"), true));
    assert!(!tolerated(None, false));
}

#[test]
fn escaped_mount_points_are_read() {
    let text = "33 25 0:30 / /mnt/a\\040b\\134c rw - cgroup2 none rw\n";
    assert_eq!(
        layout(text, "0::/\n", &[]).hierarchies[0].mount,
        "/mnt/a b\\c"
    );
}
