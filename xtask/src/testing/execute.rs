//! One group's commands under a time limit, with their output in a file.
//!
//! A test that hangs must end the group and not the run, and what it left behind must not
//! disturb the next group.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::counts::Counts;
use crate::Failure;

/// Marks every process of a run, so that those which left their process group are found too.
const MARK: &str = "LOCKSTEP_TEST_RUN";

/// Runs `commands` one after the other, all of them even if one fails.
pub(crate) fn execute(
    commands: Vec<Command>,
    log: &Path,
    limit: Duration,
) -> Result<Counts, Failure> {
    let deadline = Instant::now() + limit;
    let file = File::create(log)?;
    let mark = format!("{}-{}", std::process::id(), log.display());
    let mut counts = Counts::default();
    for mut command in commands {
        append(&file, &format!("$ {}\n", crate::run::shown(&command)))?;
        let from = file.metadata()?.len();
        command.env(MARK, &mark).stdin(Stdio::null());
        command
            .stdout(file.try_clone()?)
            .stderr(file.try_clone()?)
            .process_group(0);
        let mut child = command.spawn()?;
        let status = wait(&mut child, deadline)?;
        let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
        let mut step = Counts::of_output(text.get(from as usize..).unwrap_or(""));
        step.judge(status.is_some_and(|status| status.success()));
        counts.add(&step);
        if status.is_none() {
            append(
                &file,
                &format!("killed: over the limit of {} s\n", limit.as_secs()),
            )?;
            counts.timed_out = true;
        }
        sweep(&mark, &file)?;
    }
    Ok(counts)
}

fn append(mut file: &File, text: &str) -> Result<(), Failure> {
    use std::io::{Seek, Write};
    file.seek(std::io::SeekFrom::End(0))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Waits until the deadline; none if the process group had to be killed.
fn wait(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>, Failure> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            kill(&format!("-{}", child.id()));
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kill(target: &str) {
    // ESRCH when it has ended by itself, which is what we want.
    let done = Command::new("kill")
        .args(["-KILL", "--", target])
        .stderr(Stdio::null())
        .status();
    if let Err(error) = done {
        println!("kill {target}: {error}");
    }
}

/// Kills what the command left behind, and says so in its log.
fn sweep(mark: &str, log: &File) -> Result<(), Failure> {
    let entry = format!("{MARK}={mark}");
    for process in std::fs::read_dir("/proc")?.flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        // Processes come and go while we look: an unreadable one is none of ours any more.
        let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let ours = environ.split(|b| *b == 0).any(|e| e == entry.as_bytes());
        if name.starts_with(|c: char| c.is_ascii_digit()) && ours {
            let comm = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            append(log, &format!("left behind and killed: {name} {comm}"))?;
            kill(&name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn log(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("lockstep-execute-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_hanging_group_is_killed_with_its_children() {
        let log = log("hang");
        let started = Instant::now();
        let script = "sleep 100 & setsid sleep 101 & echo started; sleep 102";
        let counts = execute(vec![shell(script)], &log, Duration::from_millis(300));
        let counts = counts.map_err(|f| f.to_string()).expect("counts");
        assert!(counts.timed_out && counts.failed == 1);
        assert!(started.elapsed() < Duration::from_secs(20));
        let text = std::fs::read_to_string(&log).expect("a log");
        assert!(
            text.contains("started") && text.contains("left behind and killed"),
            "{text}"
        );
        std::fs::remove_file(log).expect("removed");
    }

    #[test]
    fn every_command_runs_and_is_counted() {
        let log = log("count");
        let libtest = "echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured'";
        let commands = vec![shell("false"), shell(libtest), shell("true")];
        let counts = execute(commands, &log, Duration::from_secs(60));
        let counts = counts.map_err(|f| f.to_string()).expect("counts");
        assert_eq!((counts.passed, counts.failed, counts.skipped), (4, 1, 1));
        std::fs::remove_file(log).expect("removed");
    }
}
