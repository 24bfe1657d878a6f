//! Compiles and calls the ptrace stepper, and reads its report.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::harness::{Test, build};

const SOURCE: &str = include_str!("stepper.c");

/// What happens at a point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disturbance {
    /// Nothing: the calls are listed.
    Count,
    /// The process is killed before the call.
    Kill,
    /// The call is not made and returns this errno.
    Fail(i32),
}

/// As the stepper is told.
impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disturbance::Count => f.write_str("count"),
            Disturbance::Kill => f.write_str("kill"),
            Disturbance::Fail(errno) => write!(f, "{errno}"),
        }
    }
}

/// A call of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// The process by its order of birth; 0 is the command.
    pub(crate) process: u32,
    /// The call's number.
    pub(crate) call: u32,
    /// How often the process has made this call before.
    pub(crate) occurrence: u32,
}

/// How a disturbed command ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stderr: String,
    /// The disturbed call; `None` when the command ended before the point.
    pub(crate) hit: Option<Hit>,
    /// Processes that outlived the command.
    pub(crate) left: Vec<u32>,
    /// All points, when counting.
    pub(crate) points: Vec<Point>,
}

/// A disturbed call.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Its path, or that of its descriptor; else empty.
    pub(crate) object: String,
}

/// Exit code of the stepper when the command did not end in time.
pub(crate) const HUNG: i32 = 99;

/// Runs `command`, which executes `program` sooner or later, and disturbs that at `point`.
pub(crate) fn step(
    test: &Test,
    what: Disturbance,
    point: Point,
    program: &Path,
    command: &[String],
) -> Ended {
    let report = test.dir.join("report");
    let stderr = test.dir.join("stepped.stderr");
    // A new one each time: the runtime gives standard streams to the container's user.
    drop(std::fs::remove_file(&stderr));
    let status = Command::new(compiled(test))
        .arg(&report)
        .arg(what.to_string())
        .args([point.process, point.call, point.occurrence].map(|n| n.to_string()))
        .arg(program)
        .args(command)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        // A file, because a detached container keeps the descriptor.
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&stderr).expect("a file in the test's directory"))
        .status()
        .expect("the stepper can be started");
    let mut ended = Ended {
        code: status.code().unwrap_or(-1),
        stderr: String::from_utf8_lossy(&std::fs::read(&stderr).unwrap_or_default()).into_owned(),
        ..Ended::default()
    };
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    for line in text.lines() {
        read_line(line, &mut ended);
    }
    ended
}

fn read_line(line: &str, ended: &mut Ended) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let numbers = || -> Vec<u32> { rest.split(' ').flat_map(str::parse).collect() };
    match (word, numbers().as_slice()) {
        ("hit", _) => {
            ended.hit = Some(Hit {
                object: rest.to_owned(),
            });
        }
        ("call", &[process, call, occurrence]) => ended.points.push(Point {
            process,
            call,
            occurrence,
        }),
        ("left", &[pid]) => ended.left.push(pid),
        _ => {}
    }
}

fn compiled(test: &Test) -> &'static Path {
    static STEPPER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match STEPPER.get_or_init(|| build("stepper", SOURCE, &["-static"])) {
        Ok(path) => path,
        Err(reason) => test.skip(reason),
    }
}
