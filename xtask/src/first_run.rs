//! `cargo xtask try`: a program of this machine in a hardened container, seen from inside.
//!
//! The first command of the README must show the main job on real input without an image, an engine or a registry: a
//! web server of the host, in a container that has nothing else of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::testing::packages;

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

/// The container's name.
const NAME: &str = "web";

/// The program with a store and a state that go when the demonstration is over.
struct Lockstep {
    program: PathBuf,
    folder: PathBuf,
}

/// A web server that this machine has, and a client for it.
struct Server {
    what: &'static str,
    args: &'static [&'static str],
    client: &'static [&'static str],
}

const PYTHON: Server = Server {
    what: "this machine's /usr/bin/python3 as a web server",
    args: &[
        "python3",
        "-m",
        "http.server",
        "8080",
        "--bind",
        "127.0.0.1",
        "--directory",
        "/srv",
    ],
    client: &[
        "python3",
        "-c",
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/', timeout=5).read().decode())",
    ],
};

const BUSYBOX: Server = Server {
    what: "this machine's busybox as a web server",
    args: &[
        "busybox",
        "httpd",
        "-f",
        "-p",
        "127.0.0.1:8080",
        "-h",
        "/srv",
    ],
    client: &["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/"],
};

/// Installs what is missing, builds, makes a container, looks inside, and removes it.
pub(crate) fn run(root: &Path, program: Option<PathBuf>) -> Result<(), Failure> {
    let server = match Path::new("/usr/bin/python3").exists() {
        true => PYTHON,
        false => {
            packages::install(&["busybox-static"])?;
            BUSYBOX
        }
    };
    let program = match program {
        Some(program) => program,
        None => {
            heading("build lockstep");
            crate::build_release(root, "lockstep")?;
            crate::release_binary(&crate::target(root), "lockstep")
        }
    };
    // Not below the repository: a mapped id cannot walk through a home directory.
    let folder = std::env::temp_dir().join(format!("lockstep-try-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711))?;
    Lockstep { program, folder }.life(&server)
}

/// A demonstration that ends early, by an error or a closed pipe, leaves no container either.
impl Drop for Lockstep {
    fn drop(&mut self) {
        // After a whole life there is none, and nobody is left to read an error.
        drop(self.command(&["rm", "-f", NAME]).output());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Lockstep {
    fn life(&self, server: &Server) -> Result<(), Failure> {
        let pages = self.folder.join("pages");
        std::fs::create_dir(&pages)?;
        std::fs::write(
            pages.join("index.html"),
            "answered from inside the container\n",
        )?;
        let volume = format!("{}:/srv:ro", pages.display());
        let mut args = vec!["run", "-d", "--name", NAME, "-v", &volume, "host:"];
        args.extend(server.args);
        heading(&format!("{}:\n   lockstep {}", server.what, args.join(" ")));
        self.call(&args)?;
        print!("{}", self.call(&["ps"])?);
        let pid = self.call(&["inspect", "--format", "{{.State.Pid}}", NAME])?;
        let owner = std::fs::metadata(format!("/proc/{}", pid.trim()))?.uid();
        println!("its root is user {owner} of this host");
        heading(
            "lockstep exec: a request over the loopback of the container's own network namespace",
        );
        println!("{}", self.request(server)?.trim_end());
        heading("lockstep exec: what the kernel says inside");
        explain(&self.call(&["exec", NAME, "sh", "-c", LOOK])?);
        heading("lockstep run --why: who asked for each setting, and what changes it");
        print!("{}", self.call(&["run", "--why", "host:"])?);
        heading("lockstep rm -f");
        self.call(&["rm", "-f", NAME])?;
        if !self.call(&["ps", "-aq"])?.is_empty() {
            return Err(Failure::new("the container is still known after rm"));
        }
        println!("nothing left\n");
        Ok(())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg("60")
            .arg(&self.program)
            .arg("--root")
            .arg(self.folder.join("data"));
        command
            .arg("--runroot")
            .arg(self.folder.join("state"))
            .args(args);
        command
    }

    fn call(&self, args: &[&str]) -> Result<String, Failure> {
        crate::run::output(&mut self.command(args))
    }

    /// Asks until the server listens: a start does not wait for that.
    fn request(&self, server: &Server) -> Result<String, Failure> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut args = vec!["exec", NAME];
        args.extend(server.client);
        loop {
            match self.call(&args) {
                Ok(answer) => return Ok(answer),
                Err(failure) if Instant::now() > deadline => return Err(failure),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
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
