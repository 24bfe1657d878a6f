//! Calls the ptrace stepper, and reads its report. The walks of `lockstep` include this file too.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) const SOURCE: &str = include_str!("stepper.c");

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

/// How far processes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// To the end of the command; what it leaves behind goes on by itself.
    ItsEnd,
    /// To the end of each of them, but for the container's.
    TheirEnds,
}

/// A stepper and its place.
pub(crate) struct Stepper<'a> {
    /// [`SOURCE`], compiled.
    pub(crate) binary: &'a Path,
    /// Where its report and the command's output are.
    pub(crate) dir: &'a Path,
    pub(crate) until: Until,
    /// The program whose calls count.
    pub(crate) program: &'a Path,
}

impl Stepper<'_> {
    /// Runs `command`, which executes the program sooner or later, and disturbs that at `point`.
    pub(crate) fn step<S: AsRef<OsStr>>(
        &self,
        what: Disturbance,
        point: Point,
        command: &[S],
    ) -> Ended {
        let report = self.dir.join("report");
        let stderr = self.dir.join("stepped.stderr");
        // A new one each time: the runtime gives standard streams to the container's user.
        drop(std::fs::remove_file(&stderr));
        let mut stepper = Command::new(self.binary);
        if self.until == Until::TheirEnds {
            stepper.arg("-a");
        }
        let status = stepper
            .arg(&report)
            .arg(what.to_string())
            .args([point.process, point.call, point.occurrence].map(|n| n.to_string()))
            .arg(self.program)
            .args(command)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            // A file, because a detached container keeps the descriptor.
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr).expect("a file in the test's directory"))
            .status()
            .expect("the stepper can be started");
        let said = std::fs::read(&stderr).unwrap_or_default();
        let mut ended = Ended {
            code: status.code().unwrap_or(-1),
            stderr: String::from_utf8_lossy(&said).into_owned(),
            ..Ended::default()
        };
        let text = std::fs::read_to_string(&report).unwrap_or_default();
        for line in text.lines() {
            read_line(line, &mut ended);
        }
        ended
    }
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
