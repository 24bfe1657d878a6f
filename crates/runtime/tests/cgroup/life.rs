//! Birth, control and end: directories, joining, freezing, killing, removal.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use lockstep_plan::cgroup::Version;
use lockstep_runtime::cgroup::{Cgroup, CgroupState, DirState};

use crate::stage::{Stage, eventually, go, waiting};
use crate::{Skip, Test};

pub(crate) const TESTS: &[Test] = &[
    ("joins_every_hierarchy", joins_every_hierarchy),
    (
        "intended_paths_are_the_made_ones",
        intended_paths_are_the_made_ones,
    ),
    (
        "unified_directory_is_open_once",
        unified_directory_is_open_once,
    ),
    ("freeze_stops_a_counter", freeze_stops_a_counter),
    ("kill_all_spares_nobody", kill_all_spares_nobody),
    ("kill_all_reaches_the_frozen", kill_all_reaches_the_frozen),
    (
        "a_signal_leaves_the_frozen_so",
        a_signal_leaves_the_frozen_so,
    ),
    ("pids_lists_nested_ones", pids_lists_nested_ones),
    (
        "delete_takes_what_the_container_made",
        delete_takes_what_the_container_made,
    ),
    ("delete_names_who_is_left", delete_names_who_is_left),
    ("delete_twice_is_no_error", delete_twice_is_no_error),
    (
        "a_failed_creation_leaves_nothing",
        a_failed_creation_leaves_nothing,
    ),
    (
        "an_occupied_cgroup_is_refused",
        an_occupied_cgroup_is_refused,
    ),
    ("a_frozen_cgroup_is_refused", a_frozen_cgroup_is_refused),
    (
        "an_empty_one_is_used_and_stays",
        an_empty_one_is_used_and_stays,
    ),
    ("a_threaded_cgroup_is_refused", a_threaded_cgroup_is_refused),
    (
        "an_occupied_parent_stays_a_domain",
        an_occupied_parent_stays_a_domain,
    ),
    (
        "a_second_process_finds_the_leaf_of_init",
        a_second_process_finds_the_leaf_of_init,
    ),
    (
        "delegation_gives_the_files_away",
        delegation_gives_the_files_away,
    ),
];

fn joins_every_hierarchy(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    let output = container.run("cat /proc/self/cgroup");
    let text = String::from_utf8(output.stdout).unwrap();
    let name = format!("/{}/", stage.base);
    for hierarchy in &stage.layout.hierarchies {
        let label = hierarchy.label();
        let line = text.lines().find(|l| l.split(':').nth(1) == Some(&label));
        let path = line
            .and_then(|l| l.splitn(3, ':').nth(2))
            .expect("a line for each");
        assert!(path.starts_with(&name), "{label}: {path}");
    }
    container.cgroup.delete(false).unwrap();
    assert!(container.is_gone());
    Ok(())
}

fn intended_paths_are_the_made_ones(stage: &Stage) -> Result<(), Skip> {
    let plan = stage.plan_at(&stage.path(), "{}");
    let intended = CgroupState::intended(&plan, &stage.layout);
    let cgroup = Cgroup::create(&plan, &stage.layout).unwrap();
    assert_eq!(cgroup.state(), &intended);
    assert_eq!(intended.dirs.len(), stage.layout.hierarchies.len());
    assert!(intended.dirs.iter().all(|d| Path::new(&d.path).is_dir()));
    // What a killed runtime wrote down is enough to clean up after it.
    let text = serde_json::to_string(&intended).unwrap();
    let read: CgroupState = serde_json::from_str(&text).unwrap();
    Cgroup::open(&read).delete(true).unwrap();
    assert!(intended.dirs.iter().all(|d| !Path::new(&d.path).exists()));
    Ok(())
}

fn unified_directory_is_open_once(stage: &Stage) -> Result<(), Skip> {
    stage.needs_unified()?;
    let mut container = stage.container("{}");
    let path = container.dir("");
    let fd = container
        .cgroup
        .clone_into_fd()
        .unwrap()
        .expect("unified")
        .as_raw_fd();
    let link = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    assert_eq!(link, Path::new(&path));
    let again = container
        .cgroup
        .clone_into_fd()
        .unwrap()
        .expect("unified")
        .as_raw_fd();
    assert_eq!(fd, again);
    Ok(())
}

fn freeze_stops_a_counter(stage: &Stage) -> Result<(), Skip> {
    let file = format!("/tmp/{}-counter", stage.base);
    let mut container = stage.container("{}");
    let script = format!("i=0; while :; do i=$((i+1)); echo $i > {file}; done");
    let mut child = container.spawn(&script);
    let count = || fs::read_to_string(&file).unwrap_or_default();
    eventually("it counts", || !count().is_empty());
    assert!(!container.cgroup.frozen().unwrap());
    container.cgroup.freeze().unwrap();
    assert!(container.cgroup.frozen().unwrap());
    let at_rest = count();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(count(), at_rest);
    container.cgroup.thaw().unwrap();
    assert!(!container.cgroup.frozen().unwrap());
    eventually("it counts again", || {
        !count().is_empty() && count() != at_rest
    });
    container.cgroup.kill_all().unwrap();
    child.wait().unwrap();
    fs::remove_file(&file).unwrap();
    Ok(())
}

fn kill_all_spares_nobody(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    // Each ends and is replaced all the time: a listing is out of date when it is read.
    let script = "f() { while :; do (f) & sleep 0.01; wait; done; }; \
                  for i in 1 2 3 4 5 6 7 8; do while :; do sleep 0.005; done & done; wait";
    let mut child = container.spawn(script);
    eventually("they run", || container.cgroup.pids().unwrap().len() > 8);
    container.cgroup.kill_all().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    eventually("all are gone", || {
        container.cgroup.pids().unwrap().is_empty()
    });
    container.cgroup.delete(false).unwrap();
    assert!(container.is_gone());
    Ok(())
}

fn kill_all_reaches_the_frozen(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    let mut child = container.spawn("sleep 100 & sleep 100");
    eventually("both run", || container.cgroup.pids().unwrap().len() == 3);
    container.cgroup.freeze().unwrap();
    container.cgroup.kill_all().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(!container.cgroup.frozen().unwrap(), "nobody can use it");
    container.cgroup.delete(false).unwrap();
    assert!(container.is_gone());
    Ok(())
}

fn a_signal_leaves_the_frozen_so(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    // Without a handler version 2 would end it at once.
    let file = format!("/tmp/{}-trapped", stage.base);
    let script = format!("trap 'exit 7' TERM; : > {file}; while :; do sleep 0.01; done");
    let mut child = container.spawn(&script);
    eventually("it has its handler", || Path::new(&file).exists());
    container.cgroup.freeze().unwrap();
    container.cgroup.signal_all(15).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(container.cgroup.frozen().unwrap());
    assert!(child.try_wait().unwrap().is_none());
    container.cgroup.thaw().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    fs::remove_file(&file).unwrap();
    container.cgroup.delete(false).unwrap();
    assert!(container.is_gone());
    Ok(())
}

/// Makes `a/b` below every directory of the container.
fn nest(container: &crate::stage::Container<'_>) {
    for dir in &container.cgroup.state().dirs {
        fs::create_dir_all(format!("{}/a/b", dir.path)).unwrap();
    }
    let cpuset = container
        .cgroup
        .state()
        .dirs
        .iter()
        .find(|d| d.label == "cpuset");
    if let Some(dir) = cpuset.filter(|d| d.version == Version::V1) {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let list = fs::read(format!("{}/{file}", dir.path)).unwrap();
            fs::write(format!("{}/a/{file}", dir.path), &list).unwrap();
            fs::write(format!("{}/a/b/{file}", dir.path), &list).unwrap();
        }
    }
}

fn pids_lists_nested_ones(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    let mut outer = container.spawn("exec sleep 100");
    let mut inner = container.spawn("exec sleep 100");
    nest(&container);
    for dir in &container.cgroup.state().dirs {
        fs::write(
            format!("{}/a/b/cgroup.procs", dir.path),
            inner.id().to_string(),
        )
        .unwrap();
    }
    let mut found = container.cgroup.pids().unwrap();
    found.sort_unstable();
    let mut expected = [outer.id() as i32, inner.id() as i32];
    expected.sort_unstable();
    assert_eq!(found, expected);
    container.cgroup.signal_all(15).unwrap();
    assert_eq!(outer.wait().unwrap().signal(), Some(15));
    assert_eq!(inner.wait().unwrap().signal(), Some(15));
    Ok(())
}

fn delete_takes_what_the_container_made(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    let mut child = container.spawn("exec sleep 100");
    nest(&container);
    for dir in &container.cgroup.state().dirs {
        fs::write(
            format!("{}/a/b/cgroup.procs", dir.path),
            child.id().to_string(),
        )
        .unwrap();
    }
    container.cgroup.delete(true).unwrap();
    assert!(container.is_gone());
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    Ok(())
}

fn delete_names_who_is_left(stage: &Stage) -> Result<(), Skip> {
    let mut container = stage.container("{}");
    let mut child = container.spawn("exec sleep 100");
    let error = container.cgroup.delete(false).unwrap_err().to_string();
    assert!(error.contains("EBUSY"), "{error}");
    let expected = format!("1 process(es) are left: {}", child.id());
    assert!(error.ends_with(&expected), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    container.cgroup.delete(false).unwrap();
    assert!(container.is_gone());
    Ok(())
}

fn delete_twice_is_no_error(stage: &Stage) -> Result<(), Skip> {
    let container = stage.container("{}");
    container.cgroup.delete(false).unwrap();
    container.cgroup.delete(true).unwrap();
    assert!(container.cgroup.pids().unwrap().is_empty());
    assert!(!container.cgroup.frozen().unwrap());
    container.cgroup.kill_all().unwrap();
    assert!(container.cgroup.stats().is_err());
    Ok(())
}

fn a_failed_creation_leaves_nothing(stage: &Stage) -> Result<(), Skip> {
    // A process in the last hierarchy's directory makes it fail there, after all others.
    let path = stage.path();
    let plan = stage.plan_at(&path, "{}");
    let last = stage.layout.hierarchies.last().unwrap();
    let occupied = format!("{}{path}", last.mount);
    fs::create_dir_all(&occupied).unwrap();
    let mut child = waiting("");
    fs::write(format!("{occupied}/cgroup.procs"), child.id().to_string()).unwrap();
    let error = Cgroup::create(&plan, &stage.layout)
        .unwrap_err()
        .to_string();
    assert!(error.contains("not empty"), "{error}");
    for dir in CgroupState::intended(&plan, &stage.layout).dirs {
        assert!(
            dir.path == occupied || !Path::new(&dir.path).exists(),
            "{}",
            dir.path
        );
    }
    go(&mut child);
    child.wait().unwrap();
    fs::remove_dir(&occupied).unwrap();
    Ok(())
}

fn an_occupied_cgroup_is_refused(stage: &Stage) -> Result<(), Skip> {
    let path = stage.path();
    let plan = stage.plan_at(&path, "{}");
    let first = Cgroup::create(&plan, &stage.layout).unwrap();
    let mut container = crate::stage::Container {
        stage,
        cgroup: first,
    };
    let mut child = container.spawn("exec sleep 100");
    let error = Cgroup::create(&plan, &stage.layout).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("container's cgroup is not empty: 1 process(es) found"),
        "{text}"
    );
    assert_eq!(error.pointer(), "/linux/cgroupsPath");
    // The refusal must not have touched the other container.
    assert!(child.try_wait().unwrap().is_none());
    assert!(!container.is_gone());
    container.cgroup.delete(true).unwrap();
    child.wait().unwrap();
    Ok(())
}

fn a_frozen_cgroup_is_refused(stage: &Stage) -> Result<(), Skip> {
    let path = stage.path();
    let plan = stage.plan_at(&path, "{}");
    let first = Cgroup::create(&plan, &stage.layout).unwrap();
    first.freeze().unwrap();
    let error = Cgroup::create(&plan, &stage.layout)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("container's cgroup unexpectedly frozen"),
        "{error}"
    );
    first.thaw().unwrap();
    first.delete(false).unwrap();
    Ok(())
}

fn an_empty_one_is_used_and_stays(stage: &Stage) -> Result<(), Skip> {
    let path = stage.path();
    let plan = stage.plan_at(&path, "{}");
    let first = Cgroup::create(&plan, &stage.layout).unwrap();
    let second = Cgroup::create(&plan, &stage.layout).unwrap();
    assert!(second.state().dirs.iter().all(|d| d.found));
    second.delete(false).unwrap();
    assert!(
        first
            .state()
            .dirs
            .iter()
            .all(|d| Path::new(&d.path).exists())
    );
    first.delete(false).unwrap();
    assert!(
        first
            .state()
            .dirs
            .iter()
            .all(|d| !Path::new(&d.path).exists())
    );
    Ok(())
}

fn a_threaded_cgroup_is_refused(stage: &Stage) -> Result<(), Skip> {
    stage.needs_unified()?;
    let container = stage.container("{}");
    let threaded = format!("{}/threads", container.dir(""));
    // A cgroup below a threaded one is no domain before it is made threaded too.
    let path = format!("{threaded}/below");
    fs::create_dir_all(&path).unwrap();
    fs::write(format!("{threaded}/cgroup.type"), "threaded").unwrap();
    let state = CgroupState {
        dirs: vec![DirState {
            label: String::new(),
            version: Version::V2,
            path,
            found: false,
        }],
        unit: None,
    };
    let mut child = waiting("");
    let joined = Cgroup::open(&state).join(child.id() as i32);
    let error = joined.unwrap_err().to_string();
    assert!(error.contains("EOPNOTSUPP"), "{error}");
    assert!(error.contains("not a threaded one"), "{error}");
    go(&mut child);
    child.wait().unwrap();
    // Threaded children are listed and removed like any other.
    assert!(container.cgroup.pids().unwrap().is_empty());
    container.cgroup.delete(false).unwrap();
    assert!(container.is_gone());
    Ok(())
}

fn an_occupied_parent_stays_a_domain(stage: &Stage) -> Result<(), Skip> {
    stage.needs("pids")?;
    if !stage.is_v2("pids") {
        return Err("the controller is on version 1, where processes are beside groups");
    }
    let path = stage.path();
    let mut parent = stage.container_at(&path, "{}");
    let mut init = parent.spawn("exec sleep 100");
    let below = format!("{path}/below");
    let limited = stage.plan_at(&below, r#"{"pids":{"limit":100}}"#);
    let refused = Cgroup::create(&limited, &stage.layout).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("EBUSY"), "{refused}");
    assert!(refused.contains("processes of its own"), "{refused}");
    let kind = fs::read_to_string(format!("{}/cgroup.type", parent.dir(""))).unwrap();
    assert_eq!(kind.trim(), "domain");
    // Without limits it needs no controller.
    let mut child = stage.container_at(&below, "{}");
    let mut process = child.spawn("exec sleep 100");
    child.cgroup.delete(true).unwrap();
    process.wait().unwrap();
    parent.cgroup.delete(true).unwrap();
    init.wait().unwrap();
    Ok(())
}

fn a_second_process_finds_the_leaf_of_init(stage: &Stage) -> Result<(), Skip> {
    stage.needs("hugetlb")?;
    if !stage.is_v2("hugetlb") {
        return Err("the controller is on version 1, where a leaf takes nothing over");
    }
    let limited = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":0}]}"#;
    let mut container = stage.container(limited);
    let mut init = container.spawn("exec sleep 100");
    let dir = container.dir("");
    // As an init that uses its delegated cgroup does: itself to a leaf, then controllers on.
    fs::create_dir(format!("{dir}/leaf")).unwrap();
    fs::write(format!("{dir}/leaf/cgroup.procs"), init.id().to_string()).unwrap();
    fs::write(format!("{dir}/cgroup.subtree_control"), "+hugetlb").unwrap();
    let mut child = waiting("cat /proc/self/cgroup");
    let error = container
        .cgroup
        .join(child.id() as i32)
        .unwrap_err()
        .to_string();
    assert!(error.contains("EBUSY"), "{error}");
    container
        .cgroup
        .join_unified(child.id() as i32, Some(init.id() as i32))
        .unwrap();
    go(&mut child);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.lines()
            .any(|l| l.starts_with("0::") && l.ends_with("/leaf")),
        "{text}"
    );
    let ours = text.lines().filter(|line| line.contains(&stage.base));
    assert_eq!(ours.count(), stage.layout.hierarchies.len(), "{text}");
    container.cgroup.delete(true).unwrap();
    init.wait().unwrap();
    assert!(container.is_gone());
    Ok(())
}

fn delegation_gives_the_files_away(stage: &Stage) -> Result<(), Skip> {
    use std::os::unix::fs::MetadataExt;
    stage.needs_unified()?;
    let container = stage.container("{}");
    container.cgroup.delegate(54321).unwrap();
    let dir = container.dir("");
    let owner = |path: String| fs::metadata(path).unwrap().uid();
    assert_eq!(owner(dir.clone()), 54321);
    for file in ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
        assert_eq!(owner(format!("{dir}/{file}")), 54321, "{file}");
    }
    // The limits stay ours.
    assert_eq!(owner(format!("{dir}/cgroup.freeze")), 0);
    Ok(())
}
