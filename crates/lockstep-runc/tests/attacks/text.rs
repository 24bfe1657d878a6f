//! Names and arguments with escape sequences, which a terminal or a reader of the log would obey.

use crate::attack::{self, Attack};
use crate::harness::{Output, Test, cases};

cases! {
    errors_and_warnings,
    log_files,
    list_and_state,
    panics_reach_the_log: "other runtimes have their own panics",
}

/// Sets the terminal's title, clears it, begins a new line, as C1 control and as bidirectional override.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\rline\n\u{9b}31m\u{202e}txt";

/// Whether a terminal would do anything but show the text.
fn obeyed(text: &str) -> bool {
    text.chars()
        .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
        || text.contains("\ntxt")
        || text
            .lines()
            .any(|line| line.starts_with("\u{9b}") || line == "line")
}

fn calls(test: &Test, globals: &[&str]) -> Vec<Output> {
    let with = |bundle: crate::harness::Bundle<'_>| bundle.globals(globals).run();
    let container = test.sleeper().started();
    let mut exec: Vec<&str> = globals.to_vec();
    exec.extend(["exec", &container.id, HOSTILE]);
    vec![
        with(test.args(&[HOSTILE])),
        with(test.args(&["/bin/true", HOSTILE]).set("/process/cwd", format!("/etc/passwd/{HOSTILE}"))),
        with(test.sh("true").set("/unknown", 1).edit(|config| config[HOSTILE] = 1.into())),
        with(test.sh("true").set("/root/path", HOSTILE)),
        with(test.sh("true").mount(HOSTILE, HOSTILE, HOSTILE, &[HOSTILE])),
        with(test.sh("true").set("/hostname", HOSTILE)),
        with(test.sh("true").set(
            "/hooks/createRuntime",
            serde_json::json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("printf '%s' '{HOSTILE}'; exit 1")]}]),
        )),
        test.call(&exec),
        test.call(&["state", HOSTILE]),
        test.call(&[HOSTILE]),
        test.call(&["kill", &container.id, HOSTILE]),
    ]
}

fn errors_and_warnings(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "raw-text",
            slow: "",
            body: |test| {
                let outputs = calls(test, &[]);
                outputs.iter().any(|output| obeyed(&output.stderr))
            },
        },
    );
}

fn log_files(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "raw-text",
            slow: "",
            body: |test| {
                ["text", "json"].iter().any(|format| {
                    let log = test.dir.join(format!("log.{format}"));
                    std::fs::remove_file(&log).ok();
                    let path = log.display().to_string();
                    let outputs = calls(test, &["--debug", "--log", &path, "--log-format", format]);
                    let text = std::fs::read_to_string(&log).expect("a log");
                    let valid =
                        |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
                    let broken = *format == "json" && !text.lines().all(valid);
                    obeyed(&text) || broken || outputs.iter().any(|output| obeyed(&output.stderr))
                })
            },
        },
    );
}

/// A bundle's path is in the list and in the state.
fn list_and_state(test: &Test) {
    let dir = test.dir.join(format!("bundle{}", HOSTILE.replace('/', "")));
    let bundle = test.sleeper();
    bundle.write();
    std::fs::rename(bundle.dir(), &dir).expect("own directory");
    let path = dir.display().to_string();
    test.call(&["create", "--bundle", &path, &bundle.id]).ok();
    for args in [
        vec!["list"],
        vec!["list", "--format", "json"],
        vec!["state", &bundle.id],
    ] {
        let output = test.call(&args).ok();
        assert!(!obeyed(&output.stdout), "{args:?}: {:?}", output.stdout);
    }
    test.call(&["delete", "--force", &bundle.id]).ok();
}

/// A mistake of ours is an error as any other: engines read only the log, and its text is escaped.
fn panics_reach_the_log(test: &Test) {
    for name in ["panic", "panic-in-init"] {
        attack::arm_variant(test, name);
        for format in ["text", "json"] {
            let log = test.dir.join(format!("{name}.{format}"));
            let path = log.display().to_string();
            let bundle = test
                .sh("true")
                .globals(&["--log", &path, "--log-format", format]);
            let output = bundle.run();
            assert_ne!(output.code, 0, "{output:?}");
            let said = std::fs::read_to_string(&log).expect("the log was written");
            assert!(said.contains("internal error: panicked at"), "{said}");
            assert!(said.contains("a mistake") && !obeyed(&said), "{said}");
            assert!(!obeyed(&output.stderr), "{output:?}");
            test.call(&["delete", "--force", &bundle.id]).ok();
        }
        test.disarm();
    }
}
