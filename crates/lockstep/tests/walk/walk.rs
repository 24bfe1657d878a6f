//! A walk: one command of one caller, undisturbed once to learn its calls, then disturbed at each of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;

use crate::stage::{Output, Stage, USER, output, program};
use crate::stepper::{self, Disturbance, Ended, HUNG, Point, Stepper};
use crate::suite::Sample;
use crate::verb::Verb;
use crate::{check, image};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Root,
    /// With subordinate ids.
    User,
}

/// The first subordinate id of the user.
const SUBORDINATE: u32 = 3_000_000;
/// A point that is not reached is tried so often: the number of waits and retries differs from run to run.
const TRIES: usize = 4;
/// At every so many points the same command must work undisturbed; it takes twice the time of all other checks.
const OFTEN: usize = 16;
/// Calls that cannot fail, as their man pages say, and whose wrappers do not reckon with it.
const NEVER_FAIL: [&str; 9] = [
    "brk", "geteuid", "getegid", "getuid", "getgid", "getpid", "getppid", "gettid", "umask",
];
/// Exit code of a process of ours that panicked, and statuses of one that a signal of its own mistake ended.
const BROKEN: [i32; 4] = [101, 128 + 4, 128 + 6, 128 + 11];

/// Whether a walk has disturbed what it meant to: of root's points nine of ten, of a user's three of four, and in a small
/// sample all but one. What is missed are waits above all, poll(2) and its like: processes side by side repeat them as often
/// as the other needs. A user's run begins several at once, the helpers for ids first; where they come in another order, the
/// points of the one are looked for in the other. Of 60 whole walks 59 hit nearly every point, the least 833 of 893.
const fn enough(caller: Caller, hits: usize, taken: usize) -> bool {
    let missed = taken.saturating_sub(hits);
    let part = match caller {
        Caller::Root => 10,
        Caller::User => 4,
    };
    missed <= 1 || missed * part <= taken
}

const _: () = assert!(enough(Caller::Root, 90, 100) && !enough(Caller::Root, 89, 100));
const _: () = assert!(enough(Caller::User, 43, 52) && !enough(Caller::User, 38, 52));
const _: () = assert!(enough(Caller::Root, 5, 6) && !enough(Caller::User, 0, 2));

impl Caller {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Caller::Root => "root",
            Caller::User => "user",
        }
    }
}

pub(crate) struct Walk<'t> {
    t: &'t Stage,
    caller: Caller,
    verb: &'static Verb,
    what: Disturbance,
    /// Of its container, and of no other anywhere.
    pub(crate) name: String,
    mark: String,
}

impl<'t> Walk<'t> {
    pub(crate) fn new(
        t: &'t Stage,
        caller: Caller,
        verb: &'static Verb,
        what: Disturbance,
    ) -> Self {
        static WALKS: AtomicU32 = AtomicU32::new(0);
        let number = WALKS.fetch_add(1, Ordering::Relaxed);
        let own = std::process::id();
        image::archives(t);
        for (dir, files) in [("small", &["1", "2"][..]), ("out", &[])] {
            let dir = t.dir.join(dir);
            std::fs::create_dir(&dir).expect("a directory");
            for name in files {
                std::fs::write(dir.join(name), format!("{name}\n")).expect("a file");
            }
            if caller == Caller::User {
                std::os::unix::fs::chown(&dir, Some(USER), Some(USER)).expect("it is the user's");
            }
        }
        Self {
            t,
            caller,
            verb,
            what,
            name: format!("walk{own}x{number}"),
            // For sleep(1): some weeks.
            mark: format!("{own}{number:03}{}", 7_000_000),
        }
    }

    pub(crate) fn run(&self, name: &str) {
        self.stage();
        let points = self.points();
        let mut wrong = Vec::new();
        let (mut hits, mut taken, mut missed) = (0, 0, BTreeMap::<&str, usize>::new());
        for point in &points {
            let call = syscall::name(Arch::X86_64, point.call).unwrap_or("unknown");
            let name = format!("{name} {}.{call}#{}", point.process, point.occurrence);
            let impossible = self.fails() && NEVER_FAIL.contains(&call);
            if impossible || !Sample::takes_point(&name) {
                continue;
            }
            taken += 1;
            let (hit, complaints) = self.disturb(*point, taken % OFTEN == 0);
            wrong.extend(complaints.into_iter().map(|text| format!("{name}: {text}")));
            match hit {
                true => hits += 1,
                false => *missed.entry(call).or_default() += 1,
            }
        }
        let processes = points.iter().map(|point| point.process).max().unwrap_or(0) + 1;
        println!(
            "{name}: {hits} of {taken} hit, at {} calls of {processes} processes; missed {missed:?}; {} wrong",
            points.len(),
            wrong.len()
        );
        self.end();
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert!(enough(self.caller, hits, taken), "{hits} of {taken} hit");
    }

    /// Whether calls fail, instead of being what a process dies at.
    pub(crate) fn fails(&self) -> bool {
        matches!(self.what, Disturbance::Fail(_))
    }

    /// What the walk stands on, made anew.
    fn stage(&self) {
        self.call(&["rm", "-fa"]);
        self.tidy();
        for line in self.verb.stage {
            self.line(line).text();
        }
    }

    /// All points of the undisturbed command.
    fn points(&self) -> Vec<Point> {
        // Once before, for what only the first one makes.
        for what in [self.again(), self.again()] {
            assert_eq!(what, None, "undisturbed");
        }
        self.prepare();
        let ended = self.step(Disturbance::Count, Point::default());
        assert_eq!(ended.code, 0, "undisturbed: {}", ended.stderr);
        let wrong = self.look(&ended);
        assert!(wrong.is_empty(), "undisturbed: {wrong:?}");
        ended.points
    }

    fn prepare(&self) {
        self.tidy();
        for line in self.verb.before {
            self.line(line);
        }
    }

    fn disturb(&self, point: Point, again: bool) -> (bool, Vec<String>) {
        for _ in 0..TRIES {
            self.prepare();
            let ended = self.step(self.what, point);
            let mut wrong = self.look(&ended);
            if wrong.is_empty() && again {
                wrong.extend(self.again().map(|text| format!("again: {text}")));
            }
            if !wrong.is_empty() {
                // One fault is to be one complaint, not one for each point that follows.
                self.stage();
            }
            if ended.hit.is_some() || !wrong.is_empty() {
                let object = ended.hit.as_ref().map(|hit| hit.object.as_str());
                let object = object.unwrap_or("not hit");
                let wrong = wrong.into_iter().map(|text| format!("{object}: {text}"));
                return (ended.hit.is_some(), wrong.collect());
            }
        }
        (false, Vec::new())
    }

    fn step(&self, what: Disturbance, point: Point) -> Ended {
        let command = self.command(&self.words(self.verb.line));
        let words: Vec<_> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .collect();
        let stepper = Stepper {
            binary: &self.t.compiled("stepper", stepper::SOURCE),
            dir: &self.t.dir,
            until: self.verb.until,
            program: program(),
        };
        let ended = stepper.step(what, point, &words);
        assert!(
            !(95..HUNG).contains(&ended.code),
            "{what} {point:?}: the stepper says {}",
            ended.code
        );
        ended
    }

    /// What is wrong after a command: first as it left things, then after the next command, then with nothing left.
    fn look(&self, ended: &Ended) -> Vec<String> {
        let mut wrong = Vec::new();
        let said = ended.stderr.trim_end();
        if ended.code == HUNG {
            wrong.push("it hangs".to_owned());
        }
        // The seed of the standard library's maps.
        let seed = said.contains("failed to generate random data");
        if !seed && (BROKEN.contains(&ended.code) || said.contains("panicked")) {
            wrong.push(format!("it breaks: {} {said}", ended.code));
        }
        // 137: it was the one that was killed.
        if ended.code != 0 && ended.code != 137 && said.is_empty() {
            wrong.push(format!("exit code {} without a word", ended.code));
        }
        wrong.extend(check::orphans(&self.mark, &self.name));
        let state = match ended.code {
            0 => (self.verb.done)(self),
            _ => (self.verb.undone)(self),
        };
        let code = ended.code;
        wrong.extend(state.map(|text| format!("code {code}, {text}; it said {said:?}")));
        let look: &[&str] = if self.verb.line.starts_with("load") {
            &["images"]
        } else {
            &["ps", "-aq"]
        };
        let next = self.call(look);
        if next.code != 0 || !next.stderr.is_empty() {
            wrong.push(format!("{look:?}: {next:?}; it said {said:?}"));
        }
        wrong.extend(match self.verb.keeps {
            true => self.kept(&next.stdout),
            false => self.removed(next.stdout.is_empty()),
        });
        wrong
    }

    /// Containers of the stage must still be as they were.
    fn kept(&self, listed: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let count = self
            .verb
            .stage
            .iter()
            .filter(|line| line.contains("--name"))
            .count();
        let running = self
            .verb
            .stage
            .iter()
            .filter(|line| line.starts_with("run"))
            .count();
        let is = |args: &[&str], expected: usize| {
            let seen = self.call(args);
            let lines = seen.stdout.lines().count();
            (lines != expected)
                .then(|| format!("{args:?}: {lines} instead of {expected}, {seen:?}"))
        };
        if listed.lines().count() != count {
            wrong.push(format!("there are {listed:?}"));
        }
        // What a killed exec or cp had begun in there ends.
        let alone = || is(&["top", &self.name], 2);
        if running > 0 && !crate::stage::until(|| alone().is_none()) {
            wrong.extend(alone());
        }
        // One that was held for a copy is let go.
        let held =
            || std::fs::read_dir(self.place("state/runtime")).map_or(0, Iterator::count) > running;
        if !crate::stage::until(|| !held()) {
            wrong.push("a container is still held".to_owned());
        }
        wrong
    }

    fn removed(&self, already: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        if !already {
            let removed = self.call(&["rm", "-fa"]);
            if removed.code != 0 {
                wrong.push(format!("rm -fa: {removed:?}"));
            }
        }
        let left = check::left(self.t, &self.name);
        wrong.extend(left.into_iter().map(|text| format!("left behind: {text}")));
        wrong
    }

    /// What is wrong with the same command, undisturbed.
    fn again(&self) -> Option<String> {
        self.prepare();
        let output = self.line(self.verb.line);
        if output.code != 0 {
            return Some(format!("{output:?}"));
        }
        if self.verb.until == stepper::Until::TheirEnds {
            // A keeper is at work still.
            crate::stage::until(|| (self.verb.done)(self).is_none());
        }
        let wrong = (self.verb.done)(self);
        if !self.verb.keeps {
            self.call(&["rm", "-fa"]);
        }
        wrong
    }

    /// Takes away what earlier copies made here.
    fn tidy(&self) {
        drop(std::fs::remove_dir_all(self.t.dir.join("out/new")));
    }

    fn end(&self) {
        self.call(&["rm", "-fa"]);
        self.call(&["volume", "prune", "-fa"]);
    }

    /// Complains unless the command succeeds and says this.
    pub(crate) fn differs(&self, args: &[&str], expected: &str) -> Option<String> {
        let seen = self.call(args);
        let same = seen.code == 0 && seen.stdout.trim() == expected;
        // As an archive, the content is in a stream of blanks.
        let archived =
            args.last() == Some(&"-") && seen.stdout.contains(&format!("\0{expected}\n"));
        (!same && !archived).then(|| format!("{args:?} gives {seen:?}"))
    }

    /// Complains unless the command says one of these.
    pub(crate) fn unless(&self, args: &[&str], expected: &[&str]) -> Option<String> {
        let seen = self.call(args).stdout;
        (!expected.contains(&seen.trim())).then(|| format!("{args:?} gives {seen:?}"))
    }

    /// Complains unless a copied tree is so, and nothing beside it.
    pub(crate) fn copied_out(&self, expected: &[&str]) -> Option<String> {
        let out = self.t.dir.join("out");
        let read = |name| std::fs::read_to_string(out.join("new").join(name)).unwrap_or_default();
        let found = format!("{} {}", read("1").trim_end(), read("2").trim_end());
        // Whoever is left tidies up, in a moment.
        let alone = || std::fs::read_dir(&out).is_ok_and(|dir| dir.count() <= 1);
        if !crate::stage::until(alone) {
            return Some(format!("{}: something unfinished", out.display()));
        }
        (!expected.contains(&found.trim())).then(|| format!("copied {found:?}"))
    }

    fn place(&self, below: &str) -> PathBuf {
        self.t.dir.join(format!("{}-{below}", self.caller.name()))
    }

    fn words(&self, line: &str) -> Vec<String> {
        let dir = self.t.dir.display().to_string();
        let place = |word: &str| {
            let word = word.replace("NAME", &self.name).replace("MARK", &self.mark);
            word.replace("DIR", &dir)
        };
        line.split(' ').map(place).collect()
    }

    fn command(&self, words: &[String]) -> Command {
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        match self.caller {
            Caller::Root => self.t.command(&args),
            Caller::User => self.t.user_command(Some(SUBORDINATE), &args),
        }
    }

    fn line(&self, line: &str) -> Output {
        output(self.command(&self.words(line)), b"")
    }

    fn call(&self, args: &[&str]) -> Output {
        let words: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        output(self.command(&words), b"")
    }
}
