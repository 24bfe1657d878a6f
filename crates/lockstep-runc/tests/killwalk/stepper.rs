//! Compiles and calls the ptrace stepper, and reads its report.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;

use crate::harness::{Test, run_directory};

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

/// The nth call of the pth process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) process: u32,
    pub(crate) call: u32,
}

/// How a disturbed command ended.
#[derive(Debug)]
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
    /// Its name.
    pub(crate) call: String,
    /// Its path, or that of its descriptor; else empty.
    pub(crate) object: String,
}

/// Exit code of the stepper when the command did not end in time.
pub(crate) const HUNG: i32 = 99;

/// Runs `command` and disturbs it at `point`.
pub(crate) fn step(test: &Test, what: Disturbance, point: Point, command: &[String]) -> Ended {
    let report = test.dir.join("report");
    let stderr = test.dir.join("stepped.stderr");
    let what = match what {
        Disturbance::Count => "count".to_owned(),
        Disturbance::Kill => "kill".to_owned(),
        Disturbance::Fail(errno) => errno.to_string(),
    };
    let status = Command::new(compiled(test))
        .arg(&report)
        .arg(what)
        .args([point.process.to_string(), point.call.to_string()])
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
        hit: None,
        left: Vec::new(),
        points: Vec::new(),
    };
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    for line in text.lines() {
        read_line(line, &mut ended);
    }
    ended
}

fn read_line(line: &str, ended: &mut Ended) {
    let fields: Vec<&str> = line.split(' ').collect();
    let number = |n: usize| fields.get(n).and_then(|text| text.parse::<u32>().ok());
    match (fields.first(), number(1), number(2)) {
        (Some(&"call"), Some(process), Some(call)) => ended.points.push(Point { process, call }),
        (Some(&"hit"), Some(nr), _) => {
            let name = syscall::name(Arch::X86_64, nr);
            ended.hit = Some(Hit {
                call: name.map_or_else(|| nr.to_string(), str::to_owned),
                object: fields.get(2..).unwrap_or_default().join(" "),
            });
        }
        (Some(&"left"), Some(pid), _) => ended.left.push(pid),
        _ => {}
    }
}

fn compiled(test: &Test) -> &'static Path {
    static STEPPER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match STEPPER.get_or_init(compile) {
        Ok(path) => path,
        Err(reason) => test.skip(reason),
    }
}

fn compile() -> Result<PathBuf, String> {
    let source = run_directory().join("stepper.c");
    let binary = run_directory().join("stepper");
    std::fs::write(&source, SOURCE).map_err(|error| format!("cannot write stepper.c: {error}"))?;
    let output = Command::new("gcc")
        .args(["-static", "-O1", "-Wall", "-o"])
        .arg(&binary)
        .arg(&source)
        .output()
        .map_err(|error| format!("no C compiler (gcc: {error})"))?;
    if output.status.success() {
        Ok(binary)
    } else {
        Err(format!(
            "gcc refuses the stepper: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}
