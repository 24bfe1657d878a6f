//! A job: a folder with test binaries, the programs under test, and the script that runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::kind::Kind;
use super::machine::Ending;
use super::stream::Stream;
use crate::Failure;
use crate::run::output;

/// What one test binary may take, in seconds inside the guest, which is about ten times slower.
const LIMIT: u64 = 900;

/// The test target of the people's tool, which has a program of its own.
const PEOPLE: &str = "people";

/// A job ready to run.
pub(crate) struct Job {
    pub(crate) folder: PathBuf,
    /// What all tests together may take.
    pub(crate) limit: Duration,
}

/// A test binary and its arguments.
struct Test {
    name: String,
    binary: PathBuf,
    arguments: Vec<String>,
}

impl Job {
    /// Builds the tests and puts them into a fresh folder below TARGET/vm. `asked` is a target and the arguments
    /// of its binary, or empty for those of the kind.
    pub(crate) fn build(
        root: &Path,
        target: &Path,
        kind: &Kind,
        asked: &[String],
    ) -> Result<Job, Failure> {
        let mut tests = Vec::new();
        if asked.is_empty() {
            for line in kind.tests {
                let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
                tests.push(compile(root, Some(&words[0]), &words[1..])?);
            }
        } else {
            tests.push(compile(root, None, asked)?);
        }
        let folder = target.join("vm").join(format!("job-{}", kind.name));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let job = Job {
            limit: Duration::from_secs(LIMIT * tests.len() as u64),
            folder,
        };
        job.program(root, target, "lockstep-runc")?;
        if tests.iter().any(|test| test.name == PEOPLE) {
            job.program(root, target, "lockstep")?;
        }
        job.variants(target)?;
        job.write(&tests)?;
        Ok(job)
    }

    /// A program under test, as it ships.
    fn program(&self, root: &Path, target: &Path, package: &str) -> Result<(), Failure> {
        crate::build_release(root, package)?;
        let built = crate::release_binary(target, package);
        std::fs::copy(built, self.folder.join(package))?;
        Ok(())
    }

    /// What builds without a protection there are.
    fn variants(&self, target: &Path) -> Result<(), Failure> {
        let variants = crate::testing::variants::folder(target);
        if variants.is_dir() {
            let mut copy = Command::new("cp");
            output(
                copy.arg("-a")
                    .arg(variants)
                    .arg(self.folder.join("variants")),
            )?;
        }
        Ok(())
    }

    fn write(&self, tests: &[Test]) -> Result<(), Failure> {
        let sample = std::env::var("LOCKSTEP_TEST_SAMPLE").unwrap_or_default();
        let mut script = String::from(
            "export LOCKSTEP_TEST_RUNTIME=\"$PWD/lockstep-runc\" LOCKSTEP_TEST_VARIANTS=\"$PWD/variants\"\n\
             export LOCKSTEP_TEST_PROGRAM=\"$PWD/lockstep\"\n\
             LOCKSTEP_SKIPS=$(mktemp); export LOCKSTEP_SKIPS INSTA_UPDATE=no RUST_BACKTRACE=0\n\
             worst=0\n",
        );
        if !sample.is_empty() {
            script.push_str(&format!(
                "export LOCKSTEP_TEST_SAMPLE={}\n",
                quoted(&sample)
            ));
        }
        for test in tests {
            let file = format!("{}-tests", test.name);
            if !self.folder.join(&file).exists() {
                // Debug information is most of a test binary, and all of it would be read through the emulator.
                let mut strip = Command::new("strip");
                strip
                    .arg("-g")
                    .arg("-o")
                    .arg(self.folder.join(&file))
                    .arg(&test.binary);
                output(&mut strip)?;
            }
            let arguments: Vec<String> = test.arguments.iter().map(|a| quoted(a)).collect();
            let name = format!("{} {}", test.name, test.arguments.join(" "));
            let name = name.trim_end();
            script.push_str(&format!(
                "echo '::begin {name}'; : > \"$LOCKSTEP_SKIPS\"; from=$(cut -d. -f1 /proc/uptime)\n\
                 timeout -k 10 {LIMIT} \"$PWD/{file}\" {}; code=$?\n\
                 sed 's/^/::skip /' \"$LOCKSTEP_SKIPS\"; [ $code = 0 ] || worst=1\n\
                 printf '\\n'; echo \"::end {name} $code $(($(cut -d. -f1 /proc/uptime) - from))\"\n",
                arguments.join(" "),
            ));
        }
        script.push_str("rm \"$LOCKSTEP_SKIPS\"\nexit $worst\n");
        Ok(std::fs::write(self.folder.join("cmd"), script)?)
    }

    /// Runs the same script on this machine.
    pub(crate) fn run_here(&self) -> Result<Ending, Failure> {
        let began = Instant::now();
        let mut child = Command::new("sh")
            .args(["-c", "sh ./cmd 2>&1; echo \"::done $?\""])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stream = Stream::default();
        if let Some(mut from) = child.stdout.take() {
            let mut bytes = [0; 4096];
            loop {
                match std::io::Read::read(&mut from, &mut bytes)? {
                    0 => break,
                    count => stream.read(&bytes[..count])?,
                }
            }
        }
        child.wait()?;
        Ok(Ending::Done {
            seconds: began.elapsed().as_secs(),
            failed: stream.failed,
        })
    }
}

/// Compiles a test target; its package is looked for where it is not given.
fn compile(root: &Path, package: Option<&str>, words: &[String]) -> Result<Test, Failure> {
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
    let binary = artefacts
        .filter(|one| one.target.name == *name)
        .find_map(|one| one.executable);
    let binary = binary.ok_or_else(|| Failure::new(format!("no test binary of {name}")))?;
    Ok(Test {
        name: name.clone(),
        binary,
        arguments: arguments.to_vec(),
    })
}

/// Cargo's message about one thing that it built.
#[derive(Deserialize)]
struct Artefact {
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
