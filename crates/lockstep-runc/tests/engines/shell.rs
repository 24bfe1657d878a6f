//! Commands with a deadline, whose output goes to files.
//!
//! Files and not pipes: a daemon that inherits the write end of a pipe would keep the reader
//! waiting after the command itself has ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long one engine command may take: seconds on an idle machine are tenths of that.
const LIMIT: Duration = Duration::from_secs(60);

/// Numbers the output files of one process.
static SERIAL: AtomicU32 = AtomicU32::new(0);

/// What a command left.
#[derive(Debug)]
pub(crate) struct Output {
    /// Exit code; 128 + signal if it died by one, as a shell has it.
    pub(crate) code: i32,
    /// Standard output, lossy UTF-8.
    pub(crate) out: String,
    /// Standard error, lossy UTF-8.
    pub(crate) err: String,
}

impl Output {
    /// Both streams and the code on one line, for messages.
    pub(crate) fn shown(&self) -> String {
        format!(
            "exit {}, stdout {:?}, stderr {:?}",
            self.code,
            self.out.trim_end(),
            self.err.trim_end()
        )
    }
}

/// Where commands run and with which environment; nothing of the caller's is inherited but PATH.
#[derive(Clone)]
pub(crate) struct Shell {
    scratch: PathBuf,
    prefix: Vec<String>,
    env: Vec<(String, String)>,
}

impl Shell {
    /// Commands whose output files are kept in `scratch`.
    pub(crate) fn new(scratch: &Path) -> Shell {
        Shell {
            scratch: scratch.to_path_buf(),
            prefix: Vec::new(),
            env: vec![
                (
                    "PATH".into(),
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                ),
                ("LC_ALL".into(), "C".into()),
                ("TERM".into(), "dumb".into()),
            ],
        }
    }

    /// The same with one more variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<Path>) -> Shell {
        self.env
            .push((name.into(), value.as_ref().display().to_string()));
        self
    }

    /// The same with `words` before every command.
    pub(crate) fn prefix(mut self, words: &[&str]) -> Shell {
        self.prefix = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The process, not yet started, with its environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut all = self
            .prefix
            .iter()
            .map(String::as_str)
            .chain(words.iter().copied());
        let mut command = Command::new(all.next().unwrap_or("false"));
        command
            .args(all)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
        command
    }

    /// Run to the end, whatever its exit code.
    ///
    /// # Errors
    /// It cannot be started, or it was killed at its deadline.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Output, String> {
        self.run_with(words, "")
    }

    /// As [`Shell::run`], with `input` as its standard input.
    ///
    /// # Errors
    /// As `run`.
    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Result<Output, String> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| {
            self.scratch
                .join(format!("{}-{serial}.{kind}", std::process::id()))
        };
        let (stdin, stdout, stderr) = (file("in"), file("out"), file("err"));
        let result = self.run_in(words, input, [&stdin, &stdout, &stderr]);
        for path in [stdin, stdout, stderr] {
            // ENOENT if the command never started; the folder goes with the session anyway.
            drop(std::fs::remove_file(path));
        }
        result
    }

    fn run_in(&self, words: &[&str], input: &str, files: [&Path; 3]) -> Result<Output, String> {
        let io = |error: std::io::Error| format!("{}: {error}", words.join(" "));
        let [stdin, stdout, stderr] = files;
        std::fs::write(stdin, input).map_err(io)?;
        let mut child = self
            .command(words)
            .stdin(Stdio::from(File::open(stdin).map_err(io)?))
            .stdout(Stdio::from(File::create(stdout).map_err(io)?))
            .stderr(Stdio::from(File::create(stderr).map_err(io)?))
            .spawn()
            .map_err(io)?;
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(io)? {
                break Some(status);
            }
            if Instant::now() > deadline {
                child.kill().map_err(io)?;
                child.wait().map_err(io)?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(4));
        };
        let text =
            |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (out, err) = (text(stdout).map_err(io)?, text(stderr).map_err(io)?);
        let Some(status) = status else {
            return Err(format!(
                "{}: no end after {} s: {out:?} {err:?}",
                words.join(" "),
                LIMIT.as_secs()
            ));
        };
        let signal = || std::os::unix::process::ExitStatusExt::signal(&status).map(|s| 128 + s);
        let code = status.code().or_else(signal).unwrap_or(-1);
        Ok(Output { code, out, err })
    }

    /// Run, and have its standard output if it succeeds.
    ///
    /// # Errors
    /// As `run`, or it exits with another code than 0.
    pub(crate) fn ok(&self, words: &[&str]) -> Result<String, String> {
        let output = self.run(words)?;
        if output.code == 0 {
            return Ok(output.out);
        }
        Err(format!("{}: {}", words.join(" "), output.shown()))
    }

    /// Run on a terminal of 33 rows and 77 columns, with `input` typed into it.
    ///
    /// # Errors
    /// As `run`.
    pub(crate) fn on_terminal(&self, words: &[&str], input: &str) -> Result<Output, String> {
        let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let line = format!("stty rows 33 cols 77; exec {}", quoted.join(" "));
        self.run_with(&["script", "-qec", &line, "/dev/null"], input)
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Ask until the answer is yes: what a loaded machine delays is not a failure.
///
/// # Errors
/// The last answer, if none was yes within 20 s.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match ask() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_not_yet) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// An error that shows both sides unless they are equal.
///
/// # Errors
/// `got` differs from `want`.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    got: T,
    want: T,
) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: got {got:?}, want {want:?}"))
}

/// An error that shows the text unless `part` is in it.
///
/// # Errors
/// `part` is absent.
pub(crate) fn has(what: &str, text: &str, part: &str) -> Result<(), String> {
    if text.contains(part) {
        return Ok(());
    }
    Err(format!("{what}: {part:?} is not in {text:?}"))
}
