//! A user without a right to any cgroup: may run without limits, and is told about limits.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitCode};

use lockstep_oci::runtime::Resources;
use lockstep_plan::cgroup::{self as plan, Devices};
use lockstep_runtime::cgroup::{self, Cgroup};

use crate::stage::Stage;
use crate::{Skip, Test};

pub(crate) const TESTS: &[Test] = &[
    ("rootless_without_limits_has_no_cgroup", |stage| {
        user(stage, "none", "0 directories, downgraded")
    }),
    ("rootless_limit_is_refused", |stage| {
        stage.needs("memory")?;
        let file = match stage.is_v2("memory") {
            true => "memory.max",
            false => "memory.limit_in_bytes",
        };
        let expected = format!(
            "cannot set memory limit: container could not join or create cgroup: \
             {file} was to be 10485760 (asked by /linux/resources/memory/limit)"
        );
        user(stage, "memory", &expected)
    }),
    ("rootless_limit_of_processes_is_kept_elsewhere", |stage| {
        stage.needs("pids")?;
        user(
            stage,
            "pids",
            "0 directories, 1 lost, 5 processes, downgraded",
        )
    }),
    ("rootless_path_is_refused", |stage| {
        user(
            stage,
            "path",
            "this user has no right to that part of the cgroup tree (asked by /linux/cgroupsPath)",
        )
    }),
];

const NOBODY: &str = "65534";

fn user(stage: &Stage, what: &str, expected: &str) -> Result<(), Skip> {
    // The build directory need not be readable for everyone.
    let copy = format!("/tmp/{}-program", stage.base);
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            NOBODY,
            "--regid",
            NOBODY,
            "--clear-groups",
            &copy,
            "--rootless",
            what,
        ])
        .output();
    std::fs::remove_file(&copy).unwrap();
    let text = String::from_utf8(output.expect("setpriv runs").stdout).unwrap();
    assert!(text.trim().ends_with(expected), "{text}");
    Ok(())
}

/// What the unprivileged process does: prints the outcome.
pub(crate) fn as_user(what: &str) -> ExitCode {
    let layout = cgroup::probe().expect("a layout");
    let limits = match what {
        "memory" => r#"{"memory":{"limit":10485760}}"#,
        "pids" => r#"{"pids":{"limit":5}}"#,
        _ => "{}",
    };
    let resources: Resources = serde_json::from_str(limits).expect("resources parse");
    let path = (what == "path").then_some("/lockstep-test-of-nobody");
    let defaults = plan::default_devices();
    let plan = plan::plan(
        path,
        "lockstep-test-of-nobody",
        Some(&resources),
        &defaults,
        &layout,
        true,
    );
    let plan = plan.expect("a plan");
    assert!(!matches!(plan.devices, Devices::Keep));
    let outcome = Cgroup::create(&plan, &layout).and_then(|mut cgroup| {
        let count = cgroup.state().dirs.len();
        let lost = cgroup.apply(&plan.writes, &layout)?.len();
        let downgrade = cgroup.apply_devices(&plan.devices, &layout)?;
        let word = if downgrade.is_some() {
            "downgraded"
        } else {
            "in force"
        };
        let lost = match plan.processes {
            Some(limit) => format!("{lost} lost, {limit} processes, "),
            None => String::new(),
        };
        Ok(format!("{count} directories, {lost}{word}"))
    });
    match outcome {
        Ok(text) => println!("{text}"),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}
