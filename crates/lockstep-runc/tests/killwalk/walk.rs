//! A walk: one verb in one setting, undisturbed once to learn its calls, then disturbed at each of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;

use crate::agents::Agents;
use crate::harness::{Bundle, Case, Host, Output, Sample, Test, Used, View, build, hold, in_view};
use crate::left;
use crate::setting::Setting;
use crate::stepper::{self, Disturbance, Ended, HUNG, Hit, Point, Stepper, Until};
use crate::verb::{Begin, Verb};

/// A kind of walk: what is done at each point, and what must be true then.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) disturbances: &'static [Disturbance],
    /// What is wrong with how the verb ended; before anything is removed.
    pub(crate) judge: fn(&Walk<'_>, &Ended, &Hit, Point) -> Option<String>,
    /// Whether the same id must work again each time.
    pub(crate) again: bool,
}

/// A point that is not reached is tried so often: the number of waits and retries differs from run to run.
const TRIES: usize = 5;

/// A verb on one bundle.
pub(crate) struct Walk<'t> {
    pub(crate) test: &'t Test,
    pub(crate) verb: Verb,
    pub(crate) setting: Setting,
    bundle: Bundle<'t>,
    view: View,
    pub(crate) agents: Option<Agents>,
}

/// One walk for each verb and setting; in a sample each verb in one of its settings.
pub(crate) fn cases(kind: &'static Kind) -> Vec<Case> {
    let mut cases = Vec::new();
    for verb in Verb::ALL {
        let settings = Setting::ALL.into_iter();
        let settings: Vec<_> = settings.filter(|setting| verb.works(*setting)).collect();
        let name = format!("{} {}", kind.name, verb.name());
        for (number, setting) in settings.iter().copied().enumerate() {
            if Sample::takes_alternative(&name, number, settings.len()) {
                let name = format!("{}::{}", setting.name(), verb.name());
                let body = move |test: &Test| Walk::new(test, verb, setting).run(kind);
                cases.push(Case::new(name, body, None));
            }
        }
    }
    cases
}

impl<'t> Walk<'t> {
    fn new(test: &'t Test, verb: Verb, setting: Setting) -> Self {
        // A debug build makes other calls, for assertions of the Rust library.
        let named = std::env::var_os("LOCKSTEP_TEST_RUNTIME").is_some();
        test.need(
            named,
            "LOCKSTEP_TEST_RUNTIME does not name the release binary",
        );
        setting.need(test);
        let script = match verb {
            // Detached it would be a container that has ended, which is no different from a created one.
            Verb::Run if !setting.has_agents() => "exit 0",
            _ => "exec sleep 1000",
        };
        let bundle = setting.bundle(test, script);
        bundle.write();
        let view = hold(test, &bundle.view);
        let agents = setting.has_agents().then(|| Agents::start(test, &view));
        test.used.borrow_mut().push(Used {
            id: bundle.id.clone(),
            view: view.clone(),
            foreground: false,
        });
        test.file("resources.json", &setting.other_limits().to_string());
        Self {
            test,
            verb,
            setting,
            bundle,
            view,
            agents,
        }
    }

    fn run(&self, kind: &Kind) {
        let points = self.points();
        let mut wrong = Vec::new();
        let (mut hits, mut taken, mut missed) = (0, 0, BTreeMap::<&str, usize>::new());
        for point in &points {
            for what in kind.disturbances {
                let name = format!(
                    "{} {} {} {what} {}.{}#{}",
                    kind.name,
                    self.setting.name(),
                    self.verb.name(),
                    point.process,
                    name_of(point.call),
                    point.occurrence
                );
                if !Sample::takes_point(&name) {
                    continue;
                }
                taken += 1;
                let (hit, complaints) = self.disturb(kind, *what, *point);
                wrong.extend(complaints.into_iter().map(|text| format!("{name}: {text}")));
                if hit {
                    hits += 1;
                } else {
                    *missed.entry(name_of(point.call)).or_default() += 1;
                }
            }
        }
        println!(
            "{} {} {}: {hits} of {taken} hit, at {} calls; missed {missed:?}",
            kind.name,
            self.setting.name(),
            self.verb.name(),
            points.len()
        );
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        let may_miss = may_miss(kind, &points, taken);
        assert!(
            taken - hits <= may_miss && (hits > 0 || taken < 3),
            "only {hits} of {taken} hit, where {may_miss} may be missed: {missed:?}"
        );
    }

    /// All points of the undisturbed verb.
    fn points(&self) -> Vec<Point> {
        // Once before, for what only the first container of the whole run makes: the parent of all cgroups.
        self.refresh();
        self.again().expect("undisturbed");
        let begun = self.prepare();
        let ended = self.step(Disturbance::Count, Point::default());
        assert_eq!(
            ended.code, 0,
            "{:?} undisturbed: {}",
            self.verb, ended.stderr
        );
        let left = self.remove(&ended, begun);
        assert!(
            left.is_empty(),
            "{:?} undisturbed leaves {left:?}",
            self.verb
        );
        ended.points
    }

    fn disturb(&self, kind: &Kind, what: Disturbance, point: Point) -> (bool, Vec<String>) {
        let mut wrong = Vec::new();
        for _ in 0..TRIES {
            let begun = self.prepare();
            let ended = self.step(what, point);
            if ended.code == HUNG {
                wrong.push("it hangs".to_owned());
            }
            if let Some(hit) = &ended.hit {
                let judged = (kind.judge)(self, &ended, hit, point);
                wrong.extend(judged.map(|text| format!("{}: {text}", hit.object)));
            }
            wrong.extend(self.remove(&ended, begun));
            if kind.again {
                wrong.extend(self.again().err());
            }
            if ended.hit.is_some() || !wrong.is_empty() {
                return (ended.hit.is_some(), wrong);
            }
        }
        (false, wrong)
    }

    /// Makes what the verb needs; the container's first process.
    fn prepare(&self) -> Option<u32> {
        let begin = self.verb.begin();
        if begin == Begin::Nothing {
            return None;
        }
        let id = self.bundle.id.as_str();
        let file = self.bundle.dir().join("pid");
        let mut create = self.arguments(Verb::Create);
        let pid_file = ["--pid-file".to_owned(), file.display().to_string()];
        create.splice(1..1, pid_file);
        self.call(&create);
        if begin >= Begin::Running {
            self.call(&["start", id].map(str::to_owned));
        }
        if begin >= Begin::Paused && self.setting.has_cgroup() {
            self.call(&["pause", id].map(str::to_owned));
        }
        let pid = std::fs::read_to_string(&file).expect("create wrote it");
        Some(pid.trim().parse().expect("a process id"))
    }

    fn call(&self, args: &[String]) -> Output {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.test.call_in(&self.view, &args).ok()
    }

    fn arguments(&self, verb: Verb) -> Vec<String> {
        let bundle = self.bundle.dir().display().to_string();
        let resources = self.test.dir.join("resources.json").display().to_string();
        let console = self.agents.as_ref().map(Agents::console);
        let words = verb.arguments(&self.bundle.id, &bundle, &resources, console.as_deref());
        words.into_iter().map(str::to_owned).collect()
    }

    /// As if there had been no container yet.
    fn refresh(&self) {
        left::refresh(&self.bundle);
        if let Some(agents) = &self.agents {
            agents.refresh();
        }
    }

    /// Calls the verb and disturbs it.
    fn step(&self, what: Disturbance, point: Point) -> Ended {
        let runtime = &Host::get().runtime;
        let mut argv = vec![
            runtime.display().to_string(),
            "--root".to_owned(),
            self.test.state_root().display().to_string(),
        ];
        argv.extend(self.arguments(self.verb));
        let stepper = Stepper {
            binary: compiled(self.test),
            dir: &self.test.dir,
            until: Until::ItsEnd,
            program: runtime,
        };
        stepper.step(what, point, &in_view(&self.view, argv))
    }

    /// Where the container's state is.
    pub(crate) fn state(&self) -> PathBuf {
        self.test.state_root().join(&self.bundle.id)
    }

    /// `delete --force`, and what is left after it.
    fn remove(&self, ended: &Ended, begun: Option<u32>) -> Vec<String> {
        let delete = ["delete", "--force", &self.bundle.id];
        let output = self.test.call_in(&self.view, &delete);
        let pids = ended.left.iter().copied().chain(begun);
        let mut left = left::of(self.test, &self.bundle, &self.view, pids);
        if output.code != 0 {
            left.push(format!("delete --force: {} {}", output.code, output.stderr));
        }
        self.refresh();
        left
    }

    /// The same id works again.
    fn again(&self) -> Result<(), String> {
        let delete = ["delete", "--force", &self.bundle.id].map(str::to_owned);
        for args in [self.arguments(Verb::Create), delete.into()] {
            let words: Vec<&str> = args.iter().map(String::as_str).collect();
            let output = self.test.call_in(&self.view, &words);
            if output.code != 0 {
                return Err(format!("the same id again: {}: {}", args[0], output.stderr));
            }
        }
        self.refresh();
        Ok(())
    }
}

/// How many of the `taken` points need not be reached: one, one of fifty, and the rounds of waits. Of those there were
/// as many as the undisturbed verb slept, and there are fewer when the machine is faster.
fn may_miss(kind: &Kind, points: &[Point], taken: usize) -> usize {
    // To look by opening, reading and closing a file, or by a signal, and to sleep.
    const CALLS_OF_A_ROUND: usize = 4;
    let sleeps = |point: &&Point| name_of(point.call) == "clock_nanosleep";
    let rounds = points.iter().filter(sleeps).count();
    1 + taken / 50 + CALLS_OF_A_ROUND * rounds * kind.disturbances.len()
}

/// The name of a system call of this architecture.
pub(crate) fn name_of(call: u32) -> &'static str {
    syscall::name(Arch::X86_64, call).unwrap_or("unknown")
}

fn compiled(test: &Test) -> &'static Path {
    static STEPPER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match STEPPER.get_or_init(|| build("stepper", stepper::SOURCE, &["-static"])) {
        Ok(path) => path,
        Err(reason) => test.skip(reason),
    }
}
