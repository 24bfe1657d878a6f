//! The program's own binary is out of reach of whatever it runs (CVE-2019-5736).

use std::fs::{metadata, read_dir};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stage::{Background, Stage, program, until};

crate::cases![
    who_enters_lets_go_of_it,
    words_that_are_verbs_too,
    a_user_s_supervisor_cannot_write_it
];

fn is_it(path: &Path) -> bool {
    let own = metadata(program()).expect("the program");
    metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
}

fn links(directory: &str) -> Vec<PathBuf> {
    let entries = read_dir(directory).expect("a live process");
    entries.map(|entry| entry.expect("a link").path()).collect()
}

/// By access(2), which asks the mount: open(2) is refused as long as somebody executes the file, and no longer.
fn may_be_written(path: &Path) -> bool {
    let test = Command::new("test").arg("-w").arg(path).status();
    test.expect("test(1)").success()
}

/// Root of the host could not write the file through this process, and so nobody inside can.
#[track_caller]
fn out_of_reach(pid: u32) {
    let exe = format!("/proc/{pid}/exe");
    assert!(!is_it(Path::new(&exe)), "{exe} is the program");
    no_descriptor(pid);
    for mapped in links(&format!("/proc/{pid}/map_files")) {
        let open = is_it(&mapped) && may_be_written(&mapped);
        assert!(!open, "{} is the program", mapped.display());
    }
}

#[track_caller]
fn no_descriptor(pid: u32) {
    for fd in links(&format!("/proc/{pid}/fd")) {
        assert!(!is_it(&fd), "{} is the program", fd.display());
    }
}

/// The process whose child enters the container; the two have the same file and the same mappings.
fn who_enters_lets_go_of_it(t: &Stage) {
    t.call(&["run", "-d", "--name", "a", "host:", "sleep", "1000"])
        .text();
    let root = t.command(&["exec", "a", "sleep", "1001"]);
    entered(root, t.pid("a"));
    let check = ["--health-cmd", "exec sleep 1001", "--health-interval", "0"];
    let run = [
        &["run", "-d", "--name", "h"],
        &check[..],
        &["host:", "sleep", "1000"],
    ]
    .concat();
    t.call(&run).text();
    entered(t.command(&["healthcheck", "run", "h"]), t.pid("h"));
    let user = |args: &[&str]| t.user_command(None, args);
    let made = user(&["run", "-d", "--name", "b", "host:", "sleep", "1000"]);
    crate::stage::output(made, b"").text();
    let pid = crate::stage::output(user(&["inspect", "--format", "{{.State.Pid}}", "b"]), b"");
    let pid = pid.text().parse().expect("a process id");
    entered(user(&["exec", "b", "sleep", "1001"]), pid);
}

#[track_caller]
fn entered(exec: Command, container: u32) {
    let front = Background::start(exec);
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let inside = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line == b"sleep\x001001\0" && namespace(*pid) == namespace(container)
    };
    // A process with a time limit may stand between.
    let runs = || {
        let below = children(front.pid());
        let further = below.iter().flat_map(|pid| children(*pid));
        below.iter().copied().chain(further).any(|pid| inside(&pid))
    };
    assert!(until(runs), "the program does not run");
    out_of_reach(front.pid());
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let text = text.unwrap_or_default();
    let pids = text.split_whitespace().map(|pid| pid.parse());
    pids.map(|pid| pid.expect("a process id")).collect()
}

/// A program, a container or a volume may be called as the verb is that enters a container.
fn words_that_are_verbs_too(t: &Stage) {
    let said = t.call(&["run", "--rm", "host:", "sh", "-c", "echo $0", "exec"]);
    assert_eq!(said.text(), "exec");
    t.call(&["run", "-d", "--name", "exec", "host:", "sleep", "1000"])
        .text();
    no_descriptor(t.pid("exec"));
    no_descriptor(t.supervisor("exec"));
    assert_eq!(t.call(&["exec", "exec", "echo", "exec"]).text(), "exec");
    t.call(&["restart", "-t", "0", "exec"]).text();
    no_descriptor(t.supervisor("exec"));
}

/// It is the program itself and no copy, which would cost every start 5 MB: through a mount that cannot be written.
fn a_user_s_supervisor_cannot_write_it(t: &Stage) {
    let user = |args: &[&str]| crate::stage::output(t.user_command(None, args), b"").text();
    user(&["run", "-d", "--name", "s", "host:", "sleep", "1000"]);
    let pid = user(&["inspect", "--format", "{{.State.Pid}}", "s"]);
    let pid = pid.parse().expect("a process id");
    let supervisor = crate::stage::status(pid, "PPid");
    let exe = format!("/proc/{supervisor}/exe");
    assert!(is_it(Path::new(&exe)), "{exe} is a copy");
    assert!(!may_be_written(Path::new(&exe)), "{exe} can be written");
    assert!(may_be_written(program()), "nothing is shown then");
    user(&["rm", "-f", "s"]);
}
