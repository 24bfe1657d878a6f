//! Who runs the program: root, or an ordinary user with subordinate ids.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::stage::{Output, Stage, USER, kill, lives, output, output_within, until};

/// The first of the user's subordinate ids.
const FIRST: u32 = 700_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
}

impl Who {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Who::Root => "root",
            Who::User => "user",
        }
    }
}

pub(crate) struct Player {
    pub(crate) stage: Stage,
    pub(crate) who: Who,
}

impl Player {
    pub(crate) fn new(stage: Stage, who: Who) -> Player {
        Player { stage, who }
    }

    /// Ends the test here unless these programs are installed where a container sees them.
    pub(crate) fn need(&self, programs: &[&str]) {
        for program in programs {
            let there = Path::new(program).exists();
            self.stage.need(there, &format!("no {program}"));
        }
        let user = self.who == Who::Root || Path::new("/usr/bin/newuidmap").exists();
        self.stage.need(user, "no newuidmap(1) (uidmap)");
    }

    /// `lockstep` as a command.
    fn command(&self, args: &[&str]) -> Command {
        match self.who {
            Who::Root => self.stage.command(args),
            Who::User => self.stage.user_command(Some(FIRST), args),
        }
    }

    /// Runs `lockstep` to its end.
    #[track_caller]
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        output(self.command(args), b"")
    }

    /// Brings an image into the caller's store; a busy disk may take minutes for it.
    #[track_caller]
    pub(crate) fn load(&self, image: &str) {
        let most = Duration::from_secs(500);
        output_within(most, self.command(&["load", "-q", image]), b"").text();
    }

    /// Runs a program in a container that goes away.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.call(&[&["run", "--rm"], args].concat())
    }

    #[track_caller]
    pub(crate) fn field(&self, name: &str, format: &str) -> String {
        self.call(&["inspect", "--format", format, name]).text()
    }

    /// The first process, as the host knows it.
    #[track_caller]
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let pid = self.field(name, "{{.State.Pid}}");
        pid.parse().expect("a process id")
    }

    /// Kills the first process from outside, as the kernel or a bug would.
    #[track_caller]
    pub(crate) fn crash(&self, name: &str) {
        let pid = self.pid(name);
        kill(pid, "KILL");
        assert!(until(|| !lives(pid)), "{pid} is still there");
    }

    /// A new directory of the host that belongs to the caller.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.stage.dir.join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        chown(&path, Some(self.host_id(0)), Some(self.host_id(0))).expect("an owner");
        path
    }

    /// A file in a directory of the host, readable by all.
    pub(crate) fn file(&self, path: &Path, text: &str) {
        std::fs::write(path, text).expect("a file");
        chown(path, Some(self.host_id(0)), Some(self.host_id(0))).expect("an owner");
    }

    /// Who owns on the host what this id of the container made in a volume: the same id for root, whose volumes
    /// are id-mapped; the user itself or one of its subordinate ids for a user.
    pub(crate) fn host_id(&self, inside: u32) -> u32 {
        match (self.who, inside) {
            (Who::Root, _) => inside,
            (Who::User, 0) => USER,
            (Who::User, _) => FIRST + inside - 1,
        }
    }
}
