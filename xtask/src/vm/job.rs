//! A job: a folder with test binaries, the programs under test, and the script that runs them.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::kind::{Kind, Suite, WHOLE};
use super::stream::Stream;
use super::verdict::Ending;
use crate::Failure;
use crate::run::output;
use crate::testing::variants;

/// What one test binary may take inside the guest where it is not one of the whole set.
const MINUTES: u64 = 10;
/// What all of a kind's own may take together in a sample: less than its group `vm`, which is killed with all it knows.
const SAMPLE: Duration = Duration::from_secs(12 * 60);
/// What one test may take inside the guest: of a kind's own set, and of the whole one, whose attacks repeat themselves.
const TEST: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(300));
/// How much longer that is where the guest's clock is that of this machine.
const OTHER_CLOCK: u32 = 4;
/// How long the answer may be silent: each test that begins or ends says so. By the clock of this machine, on which other
/// work may leave little to an emulator.
pub(crate) const SILENCE: Duration = Duration::from_secs(1800);
/// What a second of the guest may take here: three or four where nothing else runs.
const SLOWER: u32 = 20;

/// What tests read of the repository.
const SOURCES: &[&str] = &["README.md", "docs", "crates"];

/// A job ready to run.
pub(crate) struct Job {
    pub(crate) folder: PathBuf,
    /// What the lines of its answer begin with that are not of its tests.
    pub(crate) mark: String,
    /// What all tests together may take.
    pub(crate) limit: Duration,
    /// What one of them may take.
    test: Duration,
}

/// A test binary and its arguments.
struct Test {
    /// Of the people's tool, whose program it calls.
    people: bool,
    name: String,
    binary: PathBuf,
    arguments: Vec<String>,
    /// Inside the guest, in seconds.
    limit: u64,
}

/// Which tests a job has.
pub(crate) enum Set<'a> {
    /// Those that the kind is there for.
    Own,
    Whole(Vec<&'static Suite>),
    /// A target and the arguments of its binary.
    Asked(&'a [String]),
}

impl Job {
    /// Builds the tests and puts them into a fresh folder below TARGET/vm.
    pub(crate) fn build(
        root: &Path,
        target: &Path,
        kind: &Kind,
        set: &Set<'_>,
    ) -> Result<Job, Failure> {
        let tests = match set {
            Set::Own => own(root, kind)?,
            Set::Whole(suites) => whole(root, suites)?,
            Set::Asked(words) => {
                let suite = WHOLE.iter().find(|suite| words[0] == suite.target);
                let minutes = suite.map_or(MINUTES, |suite| suite.minutes);
                vec![compile(root, None, words, minutes)?]
            }
        };
        let folder = target.join("vm").join(format!("job-{}", kind.name));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let limit = Duration::from_secs(tests.iter().map(|test| test.limit).sum());
        let (limit, test) = match set {
            Set::Own if std::env::var_os("LOCKSTEP_TEST_SAMPLE").is_some() => {
                (limit.min(SAMPLE), TEST.0)
            }
            Set::Own => (limit * SLOWER, TEST.0),
            _ => (limit * SLOWER, TEST.1),
        };
        let test = match kind.kernel {
            Some(kernel) if kernel.own_clock => test,
            _ => test * OTHER_CLOCK,
        };
        let job = Job {
            mark: format!("::{:016x}", RandomState::new().hash_one(())),
            limit,
            test,
            folder,
        };
        job.program(root, target, "lockstep-runc")?;
        if tests.iter().any(|test| test.people) {
            job.program(root, target, "lockstep")?;
        }
        job.variants(root, target, &tests)?;
        job.sources(root)?;
        job.write(root, target, kind, &tests)?;
        Ok(job)
    }

    /// A program under test, as it ships.
    fn program(&self, root: &Path, target: &Path, package: &str) -> Result<(), Failure> {
        crate::build_release(root, package)?;
        let built = crate::release_binary(target, package);
        std::fs::copy(built, self.folder.join(package))?;
        Ok(())
    }

    /// The builds without a protection, which attacks need to show that they attack something.
    fn variants(&self, root: &Path, target: &Path, tests: &[Test]) -> Result<(), Failure> {
        if tests.iter().any(|test| test.name.starts_with("attack")) {
            for name in variants::discover(root)? {
                variants::build(root, &name)?;
            }
        }
        for name in std::fs::read_dir(variants::folder(target))
            .into_iter()
            .flatten()
        {
            let variant = name?;
            for program in ["lockstep-runc", "lockstep"] {
                let built = variant.path().join(program);
                if built.exists() {
                    let folder = self.folder.join("variants").join(variant.file_name());
                    std::fs::create_dir_all(&folder)?;
                    strip(&built, &folder.join(program))?;
                }
            }
        }
        Ok(())
    }

    /// The repository's files, which tests name by the place where they were compiled.
    fn sources(&self, root: &Path) -> Result<(), Failure> {
        let folder = self.folder.join("sources");
        std::fs::create_dir(&folder)?;
        let pack = "tar -C \"$1\" --exclude=target -c $3 | tar -C \"$2\" -x";
        let mut copy = Command::new("sh");
        copy.args(["-ec", pack, "sh"]).arg(root).arg(&folder);
        output(copy.arg(SOURCES.join(" ")))?;
        Ok(())
    }

    fn write(
        &self,
        root: &Path,
        target: &Path,
        kind: &Kind,
        tests: &[Test],
    ) -> Result<(), Failure> {
        let mark = &self.mark;
        let sample = std::env::var("LOCKSTEP_TEST_SAMPLE").unwrap_or_default();
        let mut script = String::from(
            "export LOCKSTEP_TEST_RUNTIME=\"$PWD/lockstep-runc\" LOCKSTEP_TEST_VARIANTS=\"$PWD/variants\"\n\
             export LOCKSTEP_TEST_PROGRAM=\"$PWD/lockstep\"\n\
             LOCKSTEP_SKIPS=$(mktemp); export LOCKSTEP_SKIPS INSTA_UPDATE=no RUST_BACKTRACE=0\n\
             worst=0\n",
        );
        script.push_str(&format!(
            "export LOCKSTEP_TEST_MARK='{mark}' LOCKSTEP_TEST_LIMIT={}\n",
            self.test.as_secs()
        ));
        if kind.kernel.is_some() {
            script.push_str("export LOCKSTEP_TEST_EMULATED=1\n");
        }
        script.push_str(&asked(kind, mark));
        // What tests were compiled with: CARGO_TARGET_TMPDIR, and the manifest's place. Both are there on this machine.
        script.push_str(&format!(
            "mkdir -p {1}; [ -e {0}/README.md ] || ln -s \"$PWD\"/sources/* {0}\n",
            quoted(&root.display().to_string()),
            quoted(
                &target
                    .join("x86_64-unknown-linux-gnu/tmp")
                    .display()
                    .to_string()
            ),
        ));
        if kind.sampled && !sample.is_empty() {
            script.push_str(&format!(
                "export LOCKSTEP_TEST_SAMPLE={}\n",
                quoted(&sample)
            ));
        }
        for test in tests {
            let file = format!("{}-tests", test.name);
            if !self.folder.join(&file).exists() {
                strip(&test.binary, &self.folder.join(&file))?;
            }
            let arguments: Vec<String> = test.arguments.iter().map(|a| quoted(a)).collect();
            let name = format!("{} {}", test.name, test.arguments.join(" "));
            let name = name.trim_end();
            script.push_str(&format!(
                "echo '{mark} begin {name}'; : > \"$LOCKSTEP_SKIPS\"; from=$(cut -d. -f1 /proc/uptime)\n\
                 timeout -k 10 {} \"$PWD/{file}\" {}; code=$?\n\
                 sed 's/^/{mark} skip /' \"$LOCKSTEP_SKIPS\"; [ $code = 0 ] || worst=1\n\
                 printf '\\n'; echo \"{mark} end {name} $code $(($(cut -d. -f1 /proc/uptime) - from))\"\n",
                test.limit,
                arguments.join(" "),
            ));
        }
        script.push_str("rm \"$LOCKSTEP_SKIPS\"\nexit $worst\n");
        std::fs::write(self.folder.join("mark"), format!("{mark}\n"))?;
        Ok(std::fs::write(self.folder.join("cmd"), script)?)
    }

    /// Runs the same script on this machine.
    pub(crate) fn run_here(&self) -> Result<Ending, Failure> {
        let began = Instant::now();
        let mut child = Command::new("sh")
            .args(["-c", "sh ./cmd 2>&1; echo \"$1 done $?\"", "sh", &self.mark])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stream = Stream::of("host", &self.mark);
        if let Some(mut from) = child.stdout.take() {
            let mut bytes = [0; 4096];
            loop {
                match std::io::Read::read(&mut from, &mut bytes)? {
                    0 => break,
                    count => stream.read(&bytes[..count]),
                }
            }
        }
        child.wait()?;
        Ok(Ending::Done {
            seconds: began.elapsed().as_secs(),
            failed: stream.failed(),
            ran: stream.ran,
            complaints: Vec::new(),
        })
    }
}

/// Shell that says which features of the kind are missing, and ends where one is: before the first test.
fn asked(kind: &Kind, mark: &str) -> String {
    let mut script = "LSM=/sys/kernel/security/lsm; whole=1\n".to_owned();
    for feature in kind.has.iter().copied().flatten() {
        let (name, check) = (quoted(feature.name), feature.check);
        script.push_str(&format!(
            "( {check} ) > /dev/null 2>&1 || {{ echo {mark} lacks {name}; whole=0; }}\n"
        ));
    }
    script.push_str("[ $whole = 1 ] || exit 1\n");
    script
}

/// A copy without debug information, which is most of a test binary, and all of it would be read through the emulator.
fn strip(from: &Path, to: &Path) -> Result<(), Failure> {
    output(Command::new("strip").arg("-o").arg(to).arg(from))?;
    Ok(())
}

/// The tests that a kind is there for.
fn own(root: &Path, kind: &Kind) -> Result<Vec<Test>, Failure> {
    let lines = kind.tests.iter().map(|line| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        compile(root, Some(&words[0]), &words[1..], MINUTES)
    });
    lines.collect()
}

fn whole(root: &Path, suites: &[&Suite]) -> Result<Vec<Test>, Failure> {
    let suites = suites.iter().map(|suite| {
        let words = [suite.target.to_owned()];
        compile(root, Some(suite.package), &words, suite.minutes)
    });
    suites.collect()
}

/// Compiles a test target; its package is looked for where it is not given.
fn compile(
    root: &Path,
    package: Option<&str>,
    words: &[String],
    minutes: u64,
) -> Result<Test, Failure> {
    let Some((name, arguments)) = words.split_first() else {
        return Err(Failure::new("the name of a test target is missing"));
    };
    let mut build = Command::new("cargo");
    build.args(["test", "--no-run", "--quiet", "--message-format=json"]);
    match package {
        Some(package) => build.args(["-p", package]),
        None => build.arg("--workspace"),
    };
    let said = output(build.args(["--test", name]).current_dir(root))?;
    let artefacts = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Artefact>(line).ok());
    let built = artefacts
        .filter(|one| one.target.name == *name)
        .find_map(|one| Some((one.executable?, one.package_id)));
    let (binary, id) = built.ok_or_else(|| Failure::new(format!("no test binary of {name}")))?;
    // PATH#NAME@VERSION, or PATH#VERSION where the folder has the package's name.
    let of_people = id.contains("/lockstep#");
    Ok(Test {
        people: of_people,
        name: name.clone(),
        binary,
        arguments: arguments.to_vec(),
        limit: minutes * 60,
    })
}

/// Cargo's message about one thing that it built.
#[derive(Deserialize)]
struct Artefact {
    package_id: String,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
