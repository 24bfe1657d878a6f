//! What is walked.

use crate::stepper::Until;
use crate::walk::Walk;

/// A command that is walked. In lines, NAME stands for the name of the walk's container, DIR for a directory and MARK
/// for the argument by which the container's program is known.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// What the whole walk stands on.
    pub(crate) stage: &'static [&'static str],
    /// What each point stands on; these may fail.
    pub(crate) before: &'static [&'static str],
    pub(crate) line: &'static str,
    pub(crate) until: Until,
    /// Whether containers of the stage must be there after each point.
    pub(crate) keeps: bool,
    /// What is not as it must be after a success.
    pub(crate) done: fn(&Walk<'_>) -> Option<String>,
    /// What is not as it must be after a failure or a kill, before anything is repaired.
    pub(crate) undone: fn(&Walk<'_>) -> Option<String>,
}

const RUN: Verb = Verb {
    name: "run",
    stage: &[],
    before: &[],
    line: "run --rm --name NAME -v NAME-v:/data host: true",
    until: Until::TheirEnds,
    keeps: false,
    done: |walk| walk.differs(&["ps", "-aq"], ""),
    undone: |_| None,
};

const CP: Verb = Verb {
    stage: &[
        "run -d --name NAME host: sleep MARK",
        "cp DIR/small NAME:/tmp/tree",
    ],
    keeps: true,
    ..RUN
};

pub(crate) const VERBS: &[Verb] = &[
    RUN,
    Verb {
        name: "run_kept",
        line: "run --name NAME host: true",
        done: |walk| walk.differs(STATE, "exited"),
        ..RUN
    },
    Verb {
        name: "run_image",
        stage: &["load -q docker-archive:DIR/image.tar"],
        line: "run --rm --name NAME walk:1 true",
        ..RUN
    },
    Verb {
        name: "run_detached",
        line: "run -d --name NAME host: sleep MARK",
        until: Until::ItsEnd,
        // Its first process is killed, too; or its supervisor fails behind the start, and says why.
        done: |walk| match walk.fails() {
            true => walk.unless(STATE, &["running"]).filter(|_| {
                walk.unless(&["inspect", "--format", ERROR, &walk.name], &["exited"])
                    .is_none()
            }),
            false => walk.unless(STATE, &["running", "exited"]),
        },
        ..RUN
    },
    // With a keeper behind it.
    Verb {
        name: "run_detached_removed",
        line: "run -d --rm --name NAME host: true",
        ..RUN
    },
    Verb {
        name: "exec",
        line: "exec NAME true",
        done: |_| None,
        ..CP
    },
    Verb {
        name: "exec_detached",
        line: "exec -d NAME true",
        done: |_| None,
        ..CP
    },
    Verb {
        name: "cp_into_running",
        before: &["exec NAME rm -rf /tmp/new"],
        line: "cp DIR/small NAME:/tmp/new",
        done: |walk| walk.differs(&["exec", &walk.name, "sh", "-c", THERE], "1 2"),
        undone: |walk| walk.unless(&["exec", &walk.name, "sh", "-c", THERE], &["1 2", ""]),
        ..CP
    },
    Verb {
        name: "cp_out_of_running",
        line: "cp NAME:/tmp/tree DIR/out/new",
        done: |walk| walk.copied_out(&["1 2"]),
        undone: |walk| walk.copied_out(&["1 2", ""]),
        ..CP
    },
    // Which is held for the moment.
    Verb {
        name: "cp_into_stopped",
        stage: &["create --name NAME -v NAME-v:/mnt host: true"],
        line: "cp DIR/small/1 NAME:/mnt/new",
        done: |walk| walk.differs(&["cp", &format!("{}:/mnt/new", walk.name), "-"], "1"),
        undone: |_| None,
        ..CP
    },
    Verb {
        name: "cp_between",
        stage: &[
            "run -d --name NAME host: sleep MARK",
            "run -d --name NAME-2 host: sleep MARK",
            "cp DIR/small NAME-2:/tmp/tree",
        ],
        before: &["exec NAME rm -rf /tmp/new"],
        line: "cp NAME-2:/tmp/tree NAME:/tmp/new",
        done: |walk| walk.differs(&["exec", &walk.name, "sh", "-c", THERE], "1 2"),
        undone: |walk| walk.unless(&["exec", &walk.name, "sh", "-c", THERE], &["1 2", ""]),
        ..CP
    },
    Verb {
        name: "load_docker_archive",
        before: &["rmi walk:1"],
        line: "load -q docker-archive:DIR/image.tar",
        done: |walk| walk.differs(&["run", "--rm", "walk:1", "echo", "well"], "well"),
        ..RUN
    },
    Verb {
        name: "load_oci_archive",
        before: &["rmi walk:1"],
        line: "load -q oci-archive:DIR/image.oci",
        done: |walk| walk.differs(&["run", "--rm", "walk:1", "echo", "well"], "well"),
        ..RUN
    },
    Verb {
        name: "rm",
        stage: &["load -q docker-archive:DIR/image.tar"],
        before: &["create --name NAME -v /anonymous walk:1 true"],
        line: "rm -v NAME",
        ..RUN
    },
    Verb {
        name: "rm_running",
        before: &["run -d --name NAME host: sleep MARK"],
        line: "rm -f NAME",
        ..RUN
    },
];

const ERROR: &str = "{{.State.Status}} {{.State.Error}}";
const STATE: &[&str] = &["ps", "-a", "--format", "{{.State}}"];

/// The files of a copied tree: all or none.
const THERE: &str = "cat /tmp/new/1 /tmp/new/2 2>/dev/null | tr '\\n' ' '; ls -d /tmp/.lockstep* 2>/dev/null || true";
