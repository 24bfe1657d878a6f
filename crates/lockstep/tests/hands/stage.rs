//! Where the lines are typed: a mount namespace with the three engines' stores in it, and nothing left after.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::engine::{self, Answer, Engine};
use crate::line::{self, Line};

/// Seconds after which a line is killed.
const LINE_LIMIT: u32 = 90;
/// How long an engine may take to come up, or to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// The mount namespace, its daemon, and one lock per engine: a line may count what its engine has.
pub(crate) struct Stage {
    dir: PathBuf,
    program: PathBuf,
    daemon: Mutex<Child>,
    turns: [Mutex<()>; 3],
    /// The cgroups that the engines make and keep, and nobody had made before.
    hierarchies: Vec<PathBuf>,
    /// How the images are called: by name where the engine has a store for them.
    images: [(String, String); 3],
}

impl Stage {
    /// Starts the daemon and loads the images; else why the exercise cannot run here.
    pub(crate) fn set() -> Result<Stage, String> {
        let missing = |program: &&str| !on_path(program);
        if let Some(program) = ["docker", "dockerd", "podman", "runc", "skopeo", "busybox"]
            .iter()
            .find(|p| missing(p))
        {
            return Err(format!("{program} is not installed"));
        }
        let dir = PathBuf::from(format!("/tmp/lockstep-hands-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let program = dir.join("lockstep");
        let built = std::env::var_os("LOCKSTEP_TEST_PROGRAM").map_or_else(
            || PathBuf::from(env!("CARGO_BIN_EXE_lockstep")),
            PathBuf::from,
        );
        std::fs::copy(&built, &program).map_err(|error| format!("{}: {error}", built.display()))?;
        configure(&dir);
        let mut made = Command::new("bash");
        made.arg(line::directory().join("image.bash"))
            .arg(dir.join("images"));
        succeed(made)?;
        let mut stage = Stage {
            daemon: Mutex::new(dockerd(&dir)?),
            dir,
            program,
            hierarchies: engine_cgroups(),
            turns: Default::default(),
            images: Default::default(),
        };
        match stage.load() {
            Ok(()) => Ok(stage),
            Err(error) => {
                let left = stage.finish().join("; ");
                Err(format!("{error} {left}"))
            }
        }
    }

    fn load(&mut self) -> Result<(), String> {
        let up = Instant::now();
        while let Err(error) = succeed(self.shell(Engine::Docker, "$E version")) {
            if up.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.dir.join("dockerd.log")).unwrap_or_default();
                return Err(format!("dockerd does not answer: {error}; {log}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let archive = |name: &str| self.dir.join("images").join(name).display().to_string();
        let mut images = self.images.clone();
        for engine in [Engine::Docker, Engine::Podman, Engine::Lockstep] {
            let script = format!(
                "$E load -i {} && $E load -i {}",
                archive("img.tar"),
                archive("app.tar")
            );
            images[engine as usize] = match succeed(self.shell(engine, &script)) {
                Ok(()) => ("hands:1".into(), "hands-app:1".into()),
                // Without a verb `load` the lines are still answered, from the same files.
                Err(_) if engine == Engine::Lockstep => (
                    format!("docker-archive:{}", archive("img.tar")),
                    format!("docker-archive:{}", archive("app.tar")),
                ),
                Err(error) => return Err(error),
            };
        }
        self.images = images;
        Ok(())
    }

    /// Types the line to an engine.
    pub(crate) fn ask(&self, engine: Engine, line: &Line) -> Answer {
        // A line whose test panicked leaves nothing that the next could not bear.
        let _turn = self.turns[engine as usize]
            .lock()
            .unwrap_or_else(|e| e.into_inner());
        let work = self.dir.join("work").join(engine.name()).join(&line.name);
        std::fs::create_dir_all(&work).expect("a directory for the line");
        let prelude = line::directory().join("prelude.bash");
        let script = format!(". {}\n{}\nanswer\n", prelude.display(), line.script);
        let mut command = self.shell(engine, &script);
        command
            .env("W", &work)
            .env("N", format!("hands-{}", line.name));
        let output = command.output().expect("bash can be started");
        let read = |name: &str| std::fs::read_to_string(work.join(name)).unwrap_or_default();
        let answer = Answer {
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            messages: read(".err"),
            before: read(".setup"),
        };
        drop(std::fs::remove_dir_all(&work));
        answer
    }

    /// bash in the stage's mount namespace, with the variables of the prelude.
    fn shell(&self, engine: Engine, script: &str) -> Command {
        let holder = self.daemon.lock().unwrap_or_else(|e| e.into_inner()).id();
        let words = engine.words(&self.dir, &self.program);
        let (img, app) = &self.images[engine as usize];
        let images = self.dir.join("images");
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{holder}/ns/mnt"))
            .args([
                "timeout",
                "-k",
                "5",
                &LINE_LIMIT.to_string(),
                "bash",
                "-c",
                script,
            ])
            .envs(engine.environment(&self.dir))
            .env("RM", engine.removal(&words))
            .env("E", words)
            .env("IMG", img)
            .env("APP", app)
            .env("APP_ARCHIVE", images.join("app.tar"))
            .env("OCI_ARCHIVE", images.join("oci.tar"))
            .env("ROOTFS", images.join("rootfs"))
            .env("HOME", &self.dir)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm")
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        command
    }

    /// Removes all that was made; what was left although it was removed.
    pub(crate) fn finish(&self) -> Vec<String> {
        for engine in [Engine::Docker, Engine::Podman, Engine::Lockstep] {
            let all = "x=$($E ps -aq) && [ -n \"$x\" ] && $RM $x";
            drop(self.shell(engine, all).output());
        }
        let mut daemon = self.daemon.lock().unwrap_or_else(|e| e.into_inner());
        drop(Command::new("kill").arg(daemon.id().to_string()).status());
        let asked = Instant::now();
        while matches!(daemon.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
        drop((daemon.kill(), daemon.wait()));
        let mark = self.dir.display().to_string();
        let asked = Instant::now();
        let mut left = naming(&mark);
        while !left.is_empty() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            left = naming(&mark);
        }
        for hierarchy in &self.hierarchies {
            // EBUSY: somebody else has begun to use it.
            drop(
                Command::new("find")
                    .args(["-depth", "-type", "d", "-delete"])
                    .current_dir(hierarchy)
                    .output(),
            );
            drop(std::fs::remove_dir(hierarchy));
        }
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            left.push(format!("{mark}: {error}"));
        }
        left
    }
}

/// Podman's files: everything below `dir`, no network of its own making, and limits that a root without
/// `CAP_SYS_RESOURCE` can set.
fn configure(dir: &Path) {
    let at = dir.display();
    let containers = format!(
        "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=16384:16384\"]\nnetns = \"none\"\n\
         [network]\nnetwork_config_dir = \"{at}/podman/networks\"\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\ntmp_dir = \"{at}/podman/run/libpod\"\n"
    );
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"{at}/podman/run/storage\"\ngraphroot = \"{at}/podman/storage\"\n"
    );
    std::fs::write(dir.join("containers.conf"), containers).expect("podman's configuration");
    std::fs::write(dir.join("storage.conf"), storage).expect("podman's configuration");
}

/// dockerd in the mount namespace that all engines share, without bridge and firewall rules: it changes nothing of the
/// machine's network. It dies with this process.
fn dockerd(dir: &Path) -> Result<Child, String> {
    let script = "mount --make-rshared / && mount -t tmpfs -o mode=755 tmpfs /run && exec \"$@\"";
    let log = std::fs::File::create(dir.join("dockerd.log")).map_err(|error| error.to_string())?;
    let own = |name: &str| dir.join(name).display().to_string();
    Command::new("setpriv")
        .args([
            "--pdeathsig",
            "TERM",
            "unshare",
            "-m",
            "--propagation",
            "private",
            "bash",
            "-c",
            script,
            "bash",
        ])
        .args([
            "dockerd",
            "--bridge=none",
            "--iptables=false",
            "--ip-forward=false",
            "--log-level=warn",
        ])
        .args([
            "--data-root",
            &own("docker-root"),
            "--exec-root",
            &own("docker-exec"),
            "--pidfile",
            &own("d.pid"),
        ])
        .args(["-H", &format!("unix://{}", engine::socket(dir).display())])
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|error| error.to_string())?)
        .stderr(log)
        .spawn()
        .map_err(|error| format!("setpriv: {error}"))
}

/// The parents of the engines' cgroups that are not there yet.
fn engine_cgroups() -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    let entries = std::fs::read_dir(&roots[0]).into_iter().flatten().flatten();
    roots.extend(
        entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir()),
    );
    let parents = roots
        .iter()
        .flat_map(|root| ["docker", "libpod_parent"].map(|name| root.join(name)));
    parents.filter(|parent| !parent.exists()).collect()
}

fn succeed(mut command: Command) -> Result<(), String> {
    let Output { status, stderr, .. } = command.output().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "{status}: {}",
        String::from_utf8_lossy(&stderr).trim()
    ))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|folder| folder.join(program).is_file())
}

/// Processes whose command line contains a text, but this one.
fn naming(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("procfs").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(text).then(|| format!("{pid} {line}"))
        })
        .collect()
}
