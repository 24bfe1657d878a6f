//! What a run was: watches a machine's two outputs and its end, and judges. A test that fails, a test that hangs, a
//! kernel that panics, a guest that ends itself and a machine that does not work are five different things.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::stream::{Ran, Stream};
use crate::Failure;

/// How a run ended.
pub(crate) enum Ending {
    /// The job ended; `failed` is what did not pass.
    Done {
        seconds: u64,
        failed: Vec<String>,
        ran: Vec<Ran>,
        /// Lines of the console in which the kernel says that something is wrong with it.
        complaints: Vec<String>,
    },
    /// The machine stopped answering within a test.
    Hang { at: String, console: String },
    /// The guest's kernel gave up.
    Panic { at: String, console: String },
    /// The guest ended within a test, and neither it nor its kernel said why: something in it can do that.
    Reset { at: String, console: String },
    /// The machine does not work, or lacks what it is for: nothing is said about the tests.
    Infrastructure { reason: String, console: String },
}

/// What a machine may take.
pub(crate) struct Limits {
    /// Until it must have said that it is up.
    pub(crate) boot: Duration,
    /// From then on until the last line of the job.
    pub(crate) job: Duration,
    /// Between two lines of it.
    pub(crate) silence: Duration,
    /// From the last line until QEMU must have ended.
    pub(crate) goodbye: Duration,
}

/// The files that a machine writes.
pub(crate) struct Outputs<'a> {
    pub(crate) answer: &'a Path,
    pub(crate) console: &'a Path,
}

/// What the kernel says of itself when something is wrong with it; all but stalls, which a starved emulator has, end in
/// a panic where the command line says so.
const COMPLAINTS: &[&str] = &["BUG:", "Oops", "WARNING:", "stall", "blocked for more than"];
/// The emulator's own fault: it executed what another processor was just patching (`5e32451`).
const EMULATORS: &[&str] = &["int3: 0000", "invalid opcode: 0000"];

impl Ending {
    /// Why the machine is worth a second try, if it is: one that does not work, or whose emulator failed. A kernel that
    /// panics for another reason is a finding, also where it does not a second time.
    pub(crate) fn worth_another(&self) -> Option<(String, &str)> {
        match self {
            Ending::Infrastructure { reason, console } => Some((reason.clone(), console)),
            Ending::Panic { at, console }
                if EMULATORS.iter().any(|sign| console.contains(sign))
                    && !console.contains("kernel BUG at") =>
            {
                Some((format!("the emulator's kernel ended at {at}"), console))
            }
            _ => None,
        }
    }
}

/// Starts the machine, watches it to its end, and judges. Whatever happens, no emulator stays.
pub(crate) fn run(
    mut qemu: Command,
    mut stream: Stream,
    outputs: &Outputs<'_>,
    limits: &Limits,
) -> Result<Ending, Failure> {
    for file in [outputs.answer, outputs.console] {
        File::create(file)?;
    }
    let began = Instant::now();
    let mut qemu = qemu.spawn()?;
    let watched = watch(&mut qemu, outputs.answer, limits, &mut stream);
    let killed = qemu.kill();
    qemu.wait()?;
    killed?;
    let end = watched?;
    let console = String::from_utf8_lossy(&std::fs::read(outputs.console)?).into_owned();
    Ok(judge(stream, &end, &console, began.elapsed()))
}

/// Why a machine is no longer watched.
enum End {
    /// QEMU ended.
    Itself(ExitStatus),
    /// It took too long, for this.
    Late(String),
}

/// Reads the answer until the machine ends or is given up.
fn watch(
    qemu: &mut Child,
    answer: &Path,
    limits: &Limits,
    stream: &mut Stream,
) -> Result<End, Failure> {
    let mut file = File::open(answer)?;
    let mut bytes = Vec::new();
    let mut deadline = Instant::now() + limits.boot;
    let mut heard = Instant::now();
    let (mut up, mut done) = (false, false);
    loop {
        let ended = qemu.try_wait()?;
        bytes.clear();
        file.read_to_end(&mut bytes)?;
        stream.read(&bytes);
        if let Some(status) = ended {
            return Ok(End::Itself(status));
        }
        let now = Instant::now();
        if !bytes.is_empty() {
            heard = now;
        }
        if stream.up && !up {
            up = true;
            deadline = now + limits.job;
        }
        if stream.done.is_some() && !done {
            done = true;
            deadline = now + limits.goodbye;
        }
        let late = match (up, done) {
            (false, _) if now > deadline => "the guest did not come up".to_owned(),
            (true, false) if now > deadline => "the job's limit passed".to_owned(),
            (true, false) if now > heard + limits.silence => {
                format!("{} s of silence", limits.silence.as_secs())
            }
            (true, true) if now > deadline => "QEMU did not end".to_owned(),
            _ => {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        return Ok(End::Late(late));
    }
}

fn judge(stream: Stream, end: &End, text: &str, took: Duration) -> Ending {
    // What a test said that did not end is of use; the guest's kernel comes after it.
    let console = format!(
        "{}{}",
        tail(stream.unfinished(), "test"),
        tail(text, "console")
    );
    let at = stream.at();
    let over = stream.done.is_some();
    let failed_machine = |reason: String| Ending::Infrastructure {
        reason,
        console: console.clone(),
    };
    match end {
        // Before everything else: what it said is that of a machine that broke.
        End::Itself(status) if !status.success() && !over => {
            failed_machine(format!("QEMU ended with {status} at {at}"))
        }
        _ if text.contains("Kernel panic") && !over => Ending::Panic { at, console },
        End::Late(reason) if !stream.up => failed_machine(reason.clone()),
        _ if !stream.up => failed_machine("the guest ended before the job began".to_owned()),
        End::Late(reason) if !over => Ending::Hang {
            at: format!("{at}: {reason}"),
            console,
        },
        _ if !over => Ending::Reset { at, console },
        _ if !stream.lacks.is_empty() => {
            failed_machine(format!("it lacks {}", stream.lacks.join(", ")))
        }
        _ if stream.ran.is_empty() => failed_machine("the job ran no test".to_owned()),
        _ => Ending::Done {
            seconds: took.as_secs(),
            failed: stream.failed(),
            ran: stream.ran,
            complaints: complaints(text),
        },
    }
}

fn complaints(console: &str) -> Vec<String> {
    let wrong = |line: &&str| COMPLAINTS.iter().any(|sign| line.contains(sign));
    console.lines().filter(wrong).map(str::to_owned).collect()
}

/// The last lines of an output, after those of the earlier ones in which the kernel complains.
fn tail(text: &str, what: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (before, last) = lines.split_at(lines.len().saturating_sub(30));
    let shown = complaints(&before.join("\n"));
    let shown = shown.iter().map(String::as_str).chain(last.iter().copied());
    shown.map(|line| format!("  {what}: {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that is a script, in a directory of its own: `say WORDS` writes a line of the harness, `$A` is the
    /// answer and `$C` the console.
    fn machine(script: &str) -> Ending {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("xtask-machine-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        let (answer, console) = (dir.join("answer"), dir.join("console"));
        let mut qemu = Command::new("sh");
        let say = "say() { echo \"::m $*\" >> \"$A\"; }\n";
        qemu.args(["-ec", &format!("{say}{script}")]);
        qemu.env("A", &answer).env("C", &console);
        let outputs = Outputs {
            answer: &answer,
            console: &console,
        };
        let limits = Limits {
            boot: Duration::from_secs(2),
            job: Duration::from_secs(5),
            silence: Duration::from_secs(2),
            goodbye: Duration::from_secs(1),
        };
        let ending = run(qemu, Stream::of("plain", "::m"), &outputs, &limits);
        std::fs::remove_dir_all(&dir).expect("own directory");
        ending.ok().expect("a judgement")
    }

    #[test]
    fn a_job_that_ended_is_its_tests() {
        let passed = machine("say up 1; say begin a; say end a 0 1; say done 0");
        assert!(matches!(passed, Ending::Done { ref failed, .. } if failed.is_empty()));
        let failed = machine("say up 1; say begin a; say end a 101 1; say done 1");
        assert!(matches!(failed, Ending::Done { ref failed, .. } if *failed == ["a"]));
        // The answer is complete, so an emulator that does not end, or badly, takes nothing from it.
        for end in ["exec sleep 60", "kill -SEGV $$"] {
            let ended = machine(&format!(
                "say up 1; say begin a; say end a 0 1; say done 0; {end}"
            ));
            assert!(matches!(ended, Ending::Done { .. }), "{end}");
        }
    }

    #[test]
    fn what_a_kernel_complains_of_is_seen_in_what_passed() {
        let script = "echo '[ 1.0] WARNING: CPU: 0 PID: 1 at fs/x.c' > $C; say up 1; say begin a; \
                      say end a 0 1; say done 0";
        let Ending::Done { complaints, .. } = machine(script) else {
            panic!("it ended");
        };
        assert_eq!(complaints, ["[ 1.0] WARNING: CPU: 0 PID: 1 at fs/x.c"]);
    }

    #[test]
    fn silence_is_a_hang_of_the_test_that_runs() {
        let Ending::Hang { at, console } = machine(
            "say up 1; say begin spec; say test a::b; say test c::d; say tested a::b; echo said >> $A; exec sleep 60",
        ) else {
            panic!("it hung");
        };
        assert_eq!(at, "spec, in c::d: 2 s of silence");
        assert!(console.contains("test: said"));
    }

    #[test]
    fn a_job_over_its_limit_is_a_hang() {
        let hung = machine("say up 1; say begin a; while :; do echo x >> $A; sleep 0.2; done");
        assert!(matches!(hung, Ending::Hang { at, .. } if at == "a: the job's limit passed"));
    }

    #[test]
    fn a_panic_is_a_finding_but_for_the_emulators_own() {
        let panic = |why: &str| {
            machine(&format!(
                "say up 1; say begin a; echo '{why}' > $C; echo 'Kernel panic - not syncing' >> $C"
            ))
        };
        let ours = panic("kernel BUG at mm/x.c:1! invalid opcode: 0000 [#1]");
        assert!(matches!(&ours, Ending::Panic { at, .. } if at == "a"));
        assert!(ours.worth_another().is_none());
        let emulators = panic("int3: 0000 [#1] PREEMPT SMP");
        assert!(emulators.worth_another().is_some());
    }

    #[test]
    fn a_guest_that_ends_itself_is_no_hang() {
        let reset = machine("say up 1; say begin a; say test b");
        assert!(reset.worth_another().is_none());
        assert!(matches!(reset, Ending::Reset { at, .. } if at == "a, in b"));
    }

    #[test]
    fn an_emulator_that_fails_says_nothing_of_the_tests() {
        let reason = |script: &str| match machine(script) {
            Ending::Infrastructure { reason, .. } => reason,
            _ => panic!("of the machine: {script}"),
        };
        let died = reason("say up 1; say begin a; kill -SEGV $$");
        assert!(died.contains("SIGSEGV") && died.ends_with("at a"), "{died}");
        assert!(reason("exit 1").contains("exit status: 1"));
        assert_eq!(reason("exec sleep 60"), "the guest did not come up");
        assert_eq!(reason("exit 0"), "the guest ended before the job began");
        assert_eq!(reason("say up 1; say done 0"), "the job ran no test");
        let lacks = "say up 1; say lacks AppArmor enabled; say lacks swap; say done 1";
        assert_eq!(reason(lacks), "it lacks AppArmor enabled, swap");
    }
}
