//! Each field of `docs/spec-conformance.md` forgotten once: one of its tests has to notice.
//!
//! A row says that a test asserts the effect of a field. That is true if the test fails when the runtime never
//! sees the field, which is tried here, field by field (`cargo xtask test --group forget`; what a virtual machine has by
//! `cargo xtask vm KIND -- spec forgotten::vm::`). A refusal for want of
//! the field shows no effect, and neither does a test of refusals; they count where the page claims no more.

use std::any::Any;
use std::collections::BTreeMap;

use libtest_mimic::{Failed, Trial};

use crate::document::{Row, need_sources, rows};
use crate::harness::{Case, Ending, Field, Sample, Test, announce_skip, cases, perform};

cases! {
    exempt_names_are_of_the_page,
}

/// What the names of trials begin with, which an argument of the test binary asks for.
const TRIALS: &str = "forgotten::";

/// Whether the trials are asked for, and not the tests.
pub(crate) fn asked() -> bool {
    let named = |argument: String| argument.starts_with(TRIALS);
    std::env::var_os("LOCKSTEP_TEST_FORGET").is_some() || std::env::args().any(named)
}

/// Names of the page that are not forgotten, by reason.
const EXEMPT: &[(&str, &[&str])] = &[
    (
        "no field, but what the runtime does by itself or with any field",
        &[
            "/dev symbolic links (runtime-linux.md)",
            "cgroup ownership",
            "container process state (ociVersion, fds, pid, metadata, state)",
            "create",
            "create (errors leave nothing)",
            "default devices",
            "default file systems",
            "delete",
            "extensibility (unknown fields)",
            "hooks (error text)",
            "hooks (state on standard input)",
            "kill",
            "lifecycle (13 steps)",
            "linux.devices (user namespace)",
            "linux.resources without cgroups",
            "mounts (order)",
            "process (required by start)",
            "process.capabilities (names)",
            "start",
            "state (unknown container)",
            "stdio and descriptors (runtime-linux.md)",
            "valid values",
        ],
    ),
    (
        "of another platform: that nothing notices is what is asserted",
        &[
            "freebsd",
            "process.commandLine",
            "process.user.username",
            "solaris",
            "vm",
            "vm.kernel.path",
            "windows",
            "zos",
        ],
    ),
    (
        "without effect on Linux: that it is accepted is what is asserted",
        &[
            "mounts[].options: defaults",
            "mounts[].options: iversion",
            "mounts[].options: loud",
            "mounts[].options: mand",
            "mounts[].options: noiversion",
            "mounts[].options: nomand",
            "mounts[].options: norelatime",
            "mounts[].options: rnorelatime",
            "mounts[].options: silent",
        ],
    ),
    (
        "each of its values has a row of its own",
        &["linux.namespaces[].type"],
    ),
    (
        "no other value is valid in its place: id 0 must be mapped, and no id twice",
        &[
            "linux.uidMappings[].containerID",
            "linux.gidMappings[].containerID",
        ],
    ),
];

fn exempt(name: &str) -> bool {
    EXEMPT.iter().any(|(_, names)| names.contains(&name))
}

/// A trial for each field that the run takes.
pub(crate) fn trials() -> Vec<Trial> {
    // A test that notices panics, which is the point: only the verdicts are of interest.
    std::panic::set_hook(Box::new(|_| {}));
    for (reason, names) in EXEMPT {
        println!("FORGET not tried {}: {reason}", names.len());
    }
    let mut trials = Vec::new();
    for row in rows().iter().filter(|row| row.class != "untestable") {
        for field in row.fields.iter().filter(|field| !exempt(field)) {
            let name = format!("{TRIALS}{}::{}", row.class, field.replace(' ', ""));
            if Sample::takes_point(&name) {
                let (row, field) = (row.clone(), Field::parse(field));
                trials.push(Trial::test(name.clone(), move || {
                    somebody_notices(&name, &row, &field)
                }));
            }
        }
    }
    trials
}

/// Runs the row's tests until one notices that the field is forgotten.
fn somebody_notices(name: &str, row: &Row, field: &Field) -> Result<(), Failed> {
    let cases = cases_by_name();
    let mut said = Vec::new();
    let mut skips = Vec::new();
    for test in row.tests() {
        let (ending, _) = perform(Test::forgetting(test, field.clone()), &cases[test]);
        match ending {
            Ending::Skipped(reason) => skips.push(format!("{test}: {reason}")),
            Ending::Passed => said.push(format!("{test} passes")),
            Ending::Failed(payload) => {
                let text = text(&*payload);
                if row.class == "refused" || shows_an_effect(test, &text) {
                    println!("{name}: {test} notices: {}", text.replace('\n', " | "));
                    return Ok(());
                }
                said.push(format!("{test} sees only a refusal: {text}"));
            }
        }
    }
    if !skips.is_empty() {
        announce_skip(name, &skips.join("; "));
        return Ok(());
    }
    Err(Failed::from(format!(
        "without the field nothing fails:\n{}",
        said.join("\n")
    )))
}

/// Whether a failure of `test` says more than that a configuration was refused. What the kernel refuses, with an
/// errno, did reach it.
fn shows_an_effect(test: &str, text: &str) -> bool {
    let refused = text.contains("level=error") && !text.contains(" = E");
    !test.ends_with("refused") && !refused
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
    })
    .unwrap_or_default()
}

fn cases_by_name() -> BTreeMap<String, Case> {
    let mut named = BTreeMap::new();
    for (group, cases) in crate::groups() {
        for case in cases {
            named.insert(format!("{group}::{}", case.name()), case);
        }
    }
    named
}

fn exempt_names_are_of_the_page(t: &Test) {
    need_sources(t);
    let names: Vec<String> = rows().into_iter().flat_map(|row| row.fields).collect();
    for name in EXEMPT.iter().flat_map(|(_, names)| *names) {
        assert!(names.iter().any(|other| other == name), "no row {name}");
    }
}
