//! Podman and Docker beside people's tool: each with its own directories in the benchmark's file system, Docker with a
//! daemon of its own, and an image of the benchmark's root file system for all three.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::sample::{Case, owned};
use crate::Failure;

pub(crate) const IMAGE: &str = "localhost/bench:1";
/// Most that a run of ours may take, as a share of the engine's.
pub(crate) const PODMAN: f64 = 1.0 / 12.0;
const DOCKER: f64 = 1.0 / 20.0;

/// Both engines, ready to run [`IMAGE`].
pub(crate) struct Engines {
    folder: PathBuf,
    daemon: Option<Child>,
    /// What runs the image's `true`, with the share of its time that ours may take.
    pub(crate) cases: Vec<(Case, f64)>,
    /// The image as an OCI layout, which Podman writes.
    pub(crate) layout: PathBuf,
    /// Its files.
    pub(crate) archive: PathBuf,
}

impl Engines {
    /// Prepares both. One that is absent or fails is an error: a bar that nothing was held against is not met.
    pub(crate) fn start(folder: &Path, rootfs: &Path) -> Result<Engines, Failure> {
        let mut engines = Engines {
            folder: folder.join("engines"),
            daemon: None,
            cases: Vec::new(),
            layout: folder.join("engines/layout"),
            archive: folder.join("engines/rootfs.tar"),
        };
        std::fs::create_dir_all(&engines.folder)?;
        let archive = engines.archive.clone();
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(rootfs).arg("-cf").arg(&archive).arg(".");
        crate::run::output(&mut tar)?;
        // What both engines keep in /run is of this namespace.
        crate::run::output(
            Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "run", "/run"]),
        )?;
        let missing =
            |peer: &str, failure| Failure::new(format!("no comparison with {peer}: {failure}"));
        engines.podman(&archive).map_err(|f| missing("podman", f))?;
        engines.docker(&archive).map_err(|f| missing("docker", f))?;
        Ok(engines)
    }

    fn podman(&mut self, archive: &Path) -> Result<(), Failure> {
        let words = settings(&self.folder)?;
        let archive = archive.to_string_lossy();
        call(&words, &["import", "--quiet", &archive, IMAGE])?;
        let directory = self.layout.to_string_lossy();
        call(
            &words,
            &[
                "save", "--quiet", "--format", "oci-dir", "-o", &directory, IMAGE,
            ],
        )?;
        self.add("podman run", words, PODMAN)
    }

    fn docker(&mut self, archive: &Path) -> Result<(), Failure> {
        let own = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let socket = format!("unix://{}", own("docker.sock"));
        let log = std::fs::File::create(own("dockerd.log"))?;
        // Without bridge and firewall rules it changes nothing of the machine's network.
        let daemon = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "TERM",
                "dockerd",
                "--bridge=none",
                "--iptables=false",
            ])
            .args(["--ip-forward=false", "--log-level=warn", "-H", &socket])
            .args([
                "--data-root",
                &own("docker"),
                "--exec-root",
                &own("docker-exec"),
            ])
            .args(["--pidfile", &own("docker.pid")])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.daemon = Some(daemon);
        let words = owned(&["/usr/bin/env", &format!("DOCKER_HOST={socket}"), "docker"]);
        let asked = Instant::now();
        while let Err(failure) = call(&words, &["version"]) {
            if asked.elapsed() > Duration::from_secs(60) {
                return Err(failure);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        call(&words, &["import", &archive.to_string_lossy(), IMAGE])?;
        self.add("docker run", words, DOCKER)
    }

    /// Adds the case when it works.
    fn add(&mut self, name: &str, mut words: Vec<String>, share: f64) -> Result<(), Failure> {
        words.extend(owned(&[
            "run",
            "--rm",
            "--network",
            "none",
            IMAGE,
            "/bin/true",
        ]));
        super::status(&words)?;
        let case = Case {
            name: name.into(),
            commands: vec![words],
        };
        self.cases.push((case, share));
        Ok(())
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // SIGTERM, not SIGKILL: it ends its own containerd.
            drop(Command::new("kill").arg(daemon.id().to_string()).status());
            drop(daemon.wait());
        }
    }
}

/// Podman with all its files below `folder`, as the beginning of a command line.
pub(crate) fn settings(folder: &Path) -> Result<Vec<String>, Failure> {
    let at = folder.display();
    // A root without CAP_SYS_RESOURCE cannot set the limits that Podman asks for by itself.
    let containers = format!(
        "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=16384:16384\"]\n\
         [network]\nnetwork_config_dir = \"{at}/networks\"\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ntmp_dir = \"{at}/libpod\"\n"
    );
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"{at}/podman-run\"\ngraphroot = \"{at}/podman\"\n\
         rootless_storage_path = \"{at}/podman\"\n"
    );
    let files = [
        ("CONTAINERS_CONF", containers),
        ("CONTAINERS_STORAGE_CONF", storage),
    ];
    std::fs::create_dir_all(folder)?;
    let mut words = owned(&["/usr/bin/env"]);
    for (variable, text) in files {
        let path = folder.join(variable);
        std::fs::write(&path, text)?;
        words.push(format!("{variable}={}", path.display()));
    }
    words.push("podman".into());
    Ok(words)
}

fn call(words: &[String], args: &[&str]) -> Result<String, Failure> {
    let (program, first) = words.split_first().ok_or(Failure::new("no program"))?;
    crate::run::output(
        Command::new("timeout")
            .arg("60")
            .arg(program)
            .args(first)
            .args(args),
    )
}
