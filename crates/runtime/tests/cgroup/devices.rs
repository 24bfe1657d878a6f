//! Updates of device rules while programs open devices: what both lists allow is never refused, and what neither
//! allows never opens.

use std::fs;
use std::path::Path;

use lockstep_kernel::bpf;
use lockstep_oci::runtime::Resources;
use lockstep_plan::cgroup::{self as plan, Mode};
use lockstep_runtime::cgroup;

use crate::stage::{Container, Stage};
use crate::{Skip, Test};

pub(crate) const TESTS: &[Test] = &[
    ("updates_have_no_hole", updates_have_no_hole),
    ("one_program_is_left", one_program_is_left),
    ("programs_of_others_stay", programs_of_others_stay),
    (
        "a_list_with_children_is_updated",
        a_list_with_children_is_updated,
    ),
    (
        "a_refused_line_takes_the_others_back",
        a_refused_line_takes_the_others_back,
    ),
];

fn can_restrict(stage: &Stage) -> Result<(), Skip> {
    match stage.layout.mode {
        Mode::V2 => Ok(()),
        _ => stage.needs("devices"),
    }
}

/// `update` from one list to another, as `lockstep-runc update` does it.
fn update(container: &Container<'_>, old: &str, new: &str) -> Result<(), cgroup::Error> {
    let parse = |text| serde_json::from_str::<Resources>(text).expect("resources parse");
    let layout = &container.stage.layout;
    let defaults = plan::default_devices();
    let update = plan::update(&parse(new), &parse(old), &defaults, layout, false, None);
    container
        .cgroup
        .update(&update.expect("a plan"), layout)
        .map(drop)
}

/// A closed default, and one device more or less.
fn closed(minor: u32) -> String {
    format!(
        r#"{{"devices":[{{"allow":false,"access":"rwm"}},
        {{"allow":true,"type":"c","major":10,"minor":{minor},"access":"rw"}}]}}"#
    )
}

/// An open default without the kernel's log, and one device less.
fn open(minor: u32) -> String {
    format!(
        r#"{{"devices":[{{"allow":true,"access":"rwm"}},
        {{"allow":false,"type":"c","major":10,"minor":{minor},"access":"rw"}},
        {{"allow":false,"type":"c","major":1,"minor":11,"access":"rw"}}]}}"#
    )
}

fn updates_have_no_hole(stage: &Stage) -> Result<(), Skip> {
    can_restrict(stage)?;
    for [first, second] in [
        [closed(229), closed(230)],
        [open(229), open(230)],
        [closed(229), open(230)],
    ] {
        let mut container = stage.container(&first);
        // `true`, for a refused redirection ends a shell at a special command such as `:`.
        let end = format!("/tmp/{}-end", stage.base);
        let looker = container.spawn(&format!(
            "exec 2>/dev/null; while [ ! -e {end} ]; do true < /dev/null || echo refused; \
             true < /dev/kmsg && echo open; done; echo looked"
        ));
        for _ in 0..100 {
            update(&container, &first, &second).unwrap();
            update(&container, &second, &first).unwrap();
        }
        fs::write(&end, "").unwrap();
        let said = looker.wait_with_output().unwrap().stdout;
        fs::remove_file(&end).unwrap();
        assert_eq!(
            String::from_utf8(said).unwrap(),
            "looked\n",
            "{first} and {second}"
        );
    }
    Ok(())
}

fn programs(container: &Container<'_>) -> usize {
    let dir = fs::File::open(container.dir("")).unwrap();
    bpf::device_filters(&dir).unwrap().len()
}

fn needs_programs(stage: &Stage) -> Result<(), Skip> {
    match stage.layout.mode {
        Mode::V2 => Ok(()),
        _ => Err("version 1 has lists and no programs"),
    }
}

fn one_program_is_left(stage: &Stage) -> Result<(), Skip> {
    needs_programs(stage)?;
    let container = stage.container(&closed(229));
    assert_eq!(programs(&container), 1);
    update(&container, &closed(229), &closed(230)).unwrap();
    assert_eq!(programs(&container), 1);
    let all = r#"{"devices":[{"allow":true,"access":"rwm"}]}"#;
    update(&container, &closed(230), all).unwrap();
    assert_eq!(programs(&container), 0);
    Ok(())
}

/// A directory that was there may have a program of whoever made it.
fn programs_of_others_stay(stage: &Stage) -> Result<(), Skip> {
    needs_programs(stage)?;
    let mut container = stage.container(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#);
    let dir = fs::File::open(container.dir("")).unwrap();
    let plan::Devices::Program { program, .. } = stage.plan_at(&stage.path(), &open(229)).devices
    else {
        panic!("version 2 has programs");
    };
    let foreign = bpf::load_device_filter("of_others", &program).unwrap();
    bpf::attach_device_filter(&dir, &foreign, None).unwrap();
    assert_eq!(programs(&container), 1);
    let log = "(: < /dev/kmsg)";
    assert!(!container.succeeds(log), "the other's program denies it");
    let all = r#"{"devices":[{"allow":true,"access":"rwm"}]}"#;
    update(&container, all, &closed(229)).unwrap();
    assert_eq!(programs(&container), 2);
    update(&container, &closed(229), &closed(230)).unwrap();
    assert_eq!(programs(&container), 2);
    update(&container, &closed(230), all).unwrap();
    assert_eq!(programs(&container), 1);
    assert!(!container.succeeds(log), "it still does");
    assert!(container.succeeds("(: < /dev/null)"));
    bpf::detach_device_filter(&dir, &foreign).unwrap();
    assert!(container.succeeds(log));
    Ok(())
}

fn a_list_with_children_is_updated(stage: &Stage) -> Result<(), Skip> {
    stage.needs("devices")?;
    let mut container = stage.container("{}");
    let child = format!("{}/below", container.dir("devices"));
    fs::create_dir(&child).unwrap();
    let log = "(: < /dev/kmsg)";
    let read = r#"{"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#;
    update(&container, "{}", read).unwrap();
    assert!(container.succeeds(log));
    let none = r#"{"devices":[{"allow":false,"access":"rwm"}]}"#;
    update(&container, read, none).unwrap();
    assert!(!container.succeeds(log));
    // The kernel's word, and nothing is lost by it.
    let all = r#"{"devices":[{"allow":true,"access":"rwm"}]}"#;
    let error = update(&container, none, all).unwrap_err().to_string();
    assert!(
        error.contains("EINVAL") && error.contains("cgroups of its own"),
        "{error}"
    );
    assert!(container.succeeds("(: < /dev/null)") && !container.succeeds(log));
    assert!(Path::new(&child).exists());
    Ok(())
}

fn a_refused_line_takes_the_others_back(stage: &Stage) -> Result<(), Skip> {
    stage.needs("devices")?;
    let path = stage.path();
    let outer = stage.container_at(&path, &closed(229));
    let inner = stage.container_at(&format!("{path}/inner"), "{}");
    let list = || inner.read("devices", "devices.list");
    let before = list();
    let more = r#"{"devices":[{"allow":true,"type":"c","major":10,"minor":229,"access":"r"},
        {"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#;
    let error = update(&inner, "{}", more).unwrap_err().to_string();
    assert!(
        error.contains("\"c 1:11 r\"") && error.contains("the parent cgroup denies it"),
        "{error}"
    );
    assert_eq!(list(), before);
    inner.cgroup.delete(true).unwrap();
    drop(outer);
    Ok(())
}
