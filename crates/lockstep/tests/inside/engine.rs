//! The peers, each with all its files below the test's directory and in a mount namespace of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::probe::{Image, succeed};
use crate::stage::until;

/// What the probe says in Docker's default container.
pub(crate) fn docker(dir: &Path, image: &Image) -> Result<String, String> {
    let at = dir.join("engine").display().to_string();
    std::fs::create_dir_all(&at).expect("a directory");
    let parent = cgroup(dir);
    // Without bridge and firewall rules it changes nothing of the machine's network.
    let script = format!(
        "mount --make-rshared / && mount -t tmpfs -o mode=755 tmpfs /run && exec dockerd --bridge=none --iptables=false \
         --ip-forward=false --log-level=error --data-root {at}/root --exec-root {at}/exec --pidfile {at}/pid \
         -H unix://{at}/socket --cgroup-parent {parent}"
    );
    let daemon = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let daemon = Daemon(daemon.map_err(|error| format!("unshare: {error}"))?, parent);
    let cli = |args: &[&str]| {
        let mut command = Command::new("docker");
        command
            .args(args)
            .env("DOCKER_HOST", format!("unix://{at}/socket"));
        command.env("DOCKER_CONFIG", &at);
        command
    };
    let ready = until(|| succeed(&mut cli(&["version"])).is_ok());
    let ready = ready || until(|| succeed(&mut cli(&["version"])).is_ok());
    if !ready {
        return Err("dockerd does not answer".to_owned());
    }
    succeed(cli(&["import"]).arg(&image.tar).arg("inside:1"))?;
    let answer = succeed(
        cli(&["run", "--rm", "--network", "none", "inside:1", "/inside"]).args(&image.calls),
    );
    drop(daemon);
    answer
}

/// What the probe says in Podman's.
pub(crate) fn podman(dir: &Path, image: &Image) -> Result<String, String> {
    let at = dir.join("engine").display().to_string();
    std::fs::create_dir_all(&at).expect("a directory");
    // A root without CAP_SYS_RESOURCE cannot have Podman's own limits.
    let containers = format!(
        "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
         [network]\nnetwork_config_dir = \"{at}/networks\"\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\ntmp_dir = \"{at}/libpod\"\n"
    );
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"{at}/run\"\ngraphroot = \"{at}/graph\"\n"
    );
    std::fs::write(format!("{at}/containers.conf"), containers).expect("a file");
    std::fs::write(format!("{at}/storage.conf"), storage).expect("a file");
    let parent = cgroup(dir);
    let script = format!(
        "mount --make-rshared / && mount -t tmpfs -o mode=755 tmpfs /run && podman import -q {} localhost/inside:1 >&2 && \
         exec podman run --rm --network none --cgroup-parent {parent} localhost/inside:1 /inside \"$@\"",
        image.tar.display()
    );
    let answer = succeed(
        Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"])
            .args(&image.calls)
            .env("CONTAINERS_CONF", format!("{at}/containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", format!("{at}/storage.conf")),
    );
    remove_cgroups(&parent);
    answer
}

/// A cgroup of the test's own for the engine's containers.
fn cgroup(dir: &Path) -> String {
    let name = dir
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    format!("/ls-{name}-{}", std::process::id())
}

fn remove_cgroups(parent: &str) {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    let roots = hierarchies
        .map(|entry| entry.path())
        .chain(["/sys/fs/cgroup".into()]);
    for root in roots {
        let path = format!("{}{parent}", root.display());
        if Path::new(&path).exists() {
            drop(
                Command::new("find")
                    .args([&path, "-depth", "-type", "d", "-delete"])
                    .output(),
            );
        }
    }
}

/// dockerd, asked to end and waited for when it is dropped.
struct Daemon(Child, String);

impl Drop for Daemon {
    fn drop(&mut self) {
        crate::stage::kill(self.0.id(), "TERM");
        let ended = until(|| matches!(self.0.try_wait(), Ok(Some(_))));
        if !ended {
            drop(self.0.kill());
        }
        drop(self.0.wait());
        remove_cgroups(&self.1);
    }
}
