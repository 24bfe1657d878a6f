//! `cargo xtask try`: a program of this machine in a container, seen from inside.
//!
//! The first command of the README must show the main job on real input without an image, an
//! engine or a registry: a web server of the host, with the host's `/usr` read-only, private
//! `/tmp /run /dev`, its own namespaces, few capabilities and a system call filter.

mod bundle;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use bundle::Server;

/// What is asked inside: who the process is and what the kernel lets it do.
const LOOK: &str = r#"
grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
echo "host name: $(cat /proc/sys/kernel/hostname), processes: $(ls -d /proc/[0-9]* | wc -l)"
for ns in cgroup ipc mnt net pid user uts; do echo "ns $ns $(readlink /proc/self/ns/$ns)"; done
(echo x > /usr/probe) 2>&1 | sed 's/.*: /write to \/usr: /'
(unshare --mount true) 2>&1 | sed 's/.*: /unshare --mount: /'
(cat /etc/shadow) 2>&1 >/dev/null | sed 's/.*: /read of \/etc\/shadow: /'
echo "files in /home, /root and /tmp: $(find /home /root /tmp -mindepth 1 2>/dev/null | wc -l)"
"#;

/// A container for the length of the demonstration.
struct Container {
    runtime: PathBuf,
    state: PathBuf,
    id: String,
}

/// Installs what is missing, builds, makes a container, looks inside, and removes it.
pub(crate) fn run(root: &Path, runtime: Option<PathBuf>) -> Result<(), Failure> {
    let server = Server::find()?;
    let runtime = match runtime {
        Some(runtime) => runtime,
        None => {
            heading("build lockstep-runc");
            crate::build_release(root)?;
            crate::release_binary(&crate::target(root))
        }
    };
    let folder = bundle::folder()?;
    show(&folder.0, runtime, &server)
}

fn show(folder: &Path, runtime: PathBuf, server: &Server) -> Result<(), Failure> {
    let bundle = bundle::make(folder, server)?;
    let id = format!("try-{}", std::process::id());
    let container = Container {
        runtime,
        state: folder.join("state"),
        id,
    };
    let result = container.life(&bundle, server);
    if result.is_err() {
        let log = std::fs::read_to_string(bundle.join("log")).unwrap_or_default();
        println!("{log}");
    }
    result
}

/// A demonstration that ends early, by an error or a closed pipe, leaves no container either.
impl Drop for Container {
    fn drop(&mut self) {
        let mut delete = self.command(&["delete", "--force"]);
        // After a whole life it is already deleted, and nobody is left to read an error.
        drop(
            delete
                .arg(&self.id)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status(),
        );
    }
}

impl Container {
    fn life(&self, bundle: &Path, server: &Server) -> Result<(), Failure> {
        heading(&format!("create: {}", server.describe()));
        self.create(bundle)?;
        println!("state: {}", self.status()?);
        heading("start");
        self.call(&["start"], &[])?;
        println!("state: {}", self.status()?);
        heading("exec: a request over the loopback of the container's own network namespace");
        println!("{}", self.request(server)?.trim_end());
        heading("exec: what the kernel says inside");
        let inside = self.call(&["exec"], &["sh", "-c", LOOK])?;
        explain(&inside);
        heading("kill, delete");
        self.call(&["kill"], &["KILL"])?;
        self.until_stopped()?;
        println!("state: stopped");
        self.call(&["delete"], &[])?;
        if self.call(&["state"], &[]).is_ok() {
            return Err(Failure::new("the container is still known after delete"));
        }
        println!("nothing left\n");
        Ok(())
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg("60")
            .arg(&self.runtime)
            .arg("--root")
            .arg(&self.state)
            .args(verb);
        command
    }

    fn call(&self, verb: &[&str], args: &[&str]) -> Result<String, Failure> {
        crate::run::output(self.command(verb).arg(&self.id).args(args))
    }

    /// The container keeps the descriptors that `create` is given: a pipe would never end.
    fn create(&self, bundle: &Path) -> Result<(), Failure> {
        let log = File::create(bundle.join("log"))?;
        let mut command = self.command(&["create", "--bundle"]);
        command.arg(bundle).arg(&self.id).stdin(Stdio::null());
        let status = command.stdout(log.try_clone()?).stderr(log).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("create: {status}")))
        }
    }

    fn status(&self) -> Result<String, Failure> {
        let state: serde_json::Value = serde_json::from_str(&self.call(&["state"], &[])?)?;
        let status = state["status"].as_str().unwrap_or("unknown");
        Ok(match state["pid"].as_u64() {
            Some(pid) if status != "stopped" => {
                let owner = std::fs::metadata(format!("/proc/{pid}")).map(|found| found.uid());
                let owner = owner.map_or_else(|_| "unknown".to_owned(), |uid| uid.to_string());
                format!("{status}, process {pid} of the host with user id {owner}")
            }
            _ => status.to_owned(),
        })
    }

    /// Asks until the server listens: a start does not wait for that.
    fn request(&self, server: &Server) -> Result<String, Failure> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.call(&["exec"], &server.client()) {
                Ok(answer) => return Ok(answer),
                Err(failure) if Instant::now() > deadline => return Err(failure),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn until_stopped(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.status()? != "stopped" {
            if Instant::now() > deadline {
                return Err(Failure::new("not stopped 10 s after KILL"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn heading(text: &str) {
    println!("\n== {text}");
}

/// Prints what was seen inside, with each namespace compared to this process's own.
fn explain(inside: &str) {
    for line in inside.lines() {
        let Some((name, link)) = line
            .strip_prefix("ns ")
            .and_then(|line| line.split_once(' '))
        else {
            println!("{}", reading(line));
            continue;
        };
        let own = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        let shared = own.to_string_lossy() == link;
        println!(
            "{name:<7} namespace: {}",
            if shared { "the host's" } else { "its own" }
        );
    }
}

/// A line of `/proc/PID/status` with what its number means.
fn reading(line: &str) -> String {
    let line = line.replace('\t', " ");
    let meaning = match line.split_once(':').map(|(key, value)| (key, value.trim())) {
        Some(("Seccomp", "2")) => "a filter",
        Some(("Seccomp", _)) => "no filter",
        Some(("NoNewPrivs", "1")) => "set-user-id programs gain nothing",
        Some(("CapEff", value)) if value.trim_matches('0').is_empty() => "no capability",
        Some(("CapEff" | "CapBnd", value)) => {
            let bits = u64::from_str_radix(value, 16).unwrap_or(0).count_ones();
            return format!("{line} ({bits} of 41 capabilities)");
        }
        _ => return line,
    };
    format!("{line} ({meaning})")
}
