//! The peers, each with all its files below the test's directory and in a mount namespace of its own; as root, and
//! as an ordinary user with subordinate ids.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::probe::{Image, succeed};
use crate::stage::{Stage, USER, until};

/// What a daemon or a container may take from the machine's network: nothing.
const QUIET: &str = "--bridge=none --iptables=false --ip-forward=false --log-level=error";

/// What the probe says in Docker's default container.
pub(crate) fn docker(t: &Stage, image: &Image) -> Result<String, String> {
    let at = place(t);
    let parent = cgroup(&t.dir);
    let daemon = root(&format!(
        "exec dockerd {QUIET} --data-root {at}/root --exec-root {at}/exec --pidfile {at}/pid -H unix://{at}/socket \
         --cgroup-parent {parent}"
    ));
    ask_daemon(Daemon::start(daemon, parent)?, &at, image)
}

/// What it says in that of a daemon which an ordinary user runs.
pub(crate) fn rootless_docker(t: &Stage, image: &Image) -> Result<String, String> {
    let at = place(t);
    let daemon = user(
        t,
        &format!(
            "exec rootlesskit --net=host --copy-up=/etc --copy-up=/run --propagation=rslave --state-dir={at}/kit \
             sh -c 'rm -rf /run/docker /run/containerd; exec dockerd --rootless {QUIET} --data-root {at}/root \
             --exec-root {at}/exec --pidfile {at}/pid -H unix://{at}/socket'"
        ),
    );
    ask_daemon(Daemon::start(daemon, String::new())?, &at, image)
}

fn ask_daemon(daemon: Daemon, at: &str, image: &Image) -> Result<String, String> {
    let cli = |args: &[&str]| {
        let mut command = Command::new("docker");
        command
            .args(args)
            .env("DOCKER_HOST", format!("unix://{at}/socket"));
        command.env("DOCKER_CONFIG", at);
        command
    };
    let ready = || until(|| succeed(&mut cli(&["version"])).is_ok());
    if !ready() && !ready() {
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
pub(crate) fn podman(t: &Stage, image: &Image) -> Result<String, String> {
    let parent = cgroup(&t.dir);
    let answer = ask_podman(t, image, &format!("--cgroup-parent {parent}"), &|script| {
        root(script)
    });
    remove_cgroups(&parent);
    answer
}

/// What it says in an ordinary user's.
pub(crate) fn rootless_podman(t: &Stage, image: &Image) -> Result<String, String> {
    ask_podman(t, image, "", &|script| user(t, script))
}

fn ask_podman(
    t: &Stage,
    image: &Image,
    options: &str,
    run: &dyn Fn(&str) -> Command,
) -> Result<String, String> {
    let at = place(t);
    // A root without CAP_SYS_RESOURCE cannot have Podman's own limits; crun refuses hybrid cgroups to a user.
    let containers = format!(
        "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
         [network]\nnetwork_config_dir = \"{at}/networks\"\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\ntmp_dir = \"{at}/libpod\"\n"
    );
    let driver = if options.is_empty() { "vfs" } else { "overlay" };
    let storage = format!(
        "[storage]\ndriver = \"{driver}\"\nrunroot = \"{at}/run\"\ngraphroot = \"{at}/graph\"\n\
         rootless_storage_path = \"{at}/graph\"\n"
    );
    std::fs::write(format!("{at}/containers.conf"), containers).expect("a file");
    std::fs::write(format!("{at}/storage.conf"), storage).expect("a file");
    let script = format!(
        "export CONTAINERS_CONF={at}/containers.conf CONTAINERS_STORAGE_CONF={at}/storage.conf; \
         podman import -q {} localhost/inside:1 >&2 && \
         exec podman run --rm --network none {options} localhost/inside:1 /inside \"$@\"",
        image.tar.display()
    );
    succeed(run(&script).args(&image.calls))
}

/// The engine's directory, which is the ordinary user's too.
fn place(t: &Stage) -> String {
    let at = t.dir.join("engine");
    std::fs::create_dir_all(&at).expect("a directory");
    std::os::unix::fs::chown(&at, Some(USER), Some(USER)).expect("it is the user's");
    at.display().to_string()
}

/// A script as root, with a /run of its own; arguments that are added are the script's.
fn root(script: &str) -> Command {
    let script =
        format!("mount --make-rshared / && mount -t tmpfs -o mode=755 tmpfs /run && {script}");
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command
}

/// A script as an ordinary user who can log in.
fn user(t: &Stage, script: &str) -> Command {
    // It writes the file of users. rootlesskit finds a line with the user's number twice.
    drop(t.user_command(Some(700_000), &[]));
    let (dir, home) = (t.dir.display(), place(t));
    std::fs::write(format!("{dir}/ranges"), "people:700000:65536\n").expect("subordinate ids");
    let outer = format!(
        "mount --make-rshared / && mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/user/{USER} && \
         chown {USER}:{USER} /run/user/{USER} && chmod 700 /run/user/{USER} && \
         mount --bind {dir}/ranges /etc/subuid && mount --bind {dir}/ranges /etc/subgid && \
         mount --bind {dir}/passwd /etc/passwd && cd {home} && \
         exec setpriv --clear-groups --reuid={USER} --regid={USER} env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin \
         HOME={home} XDG_RUNTIME_DIR=/run/user/{USER} sh -c \"$INNER\" sh \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &outer, "sh"]);
    command.env("INNER", script);
    command
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

/// dockerd, asked to end and waited for when it is dropped; with its cgroup, if it has one of the test's.
struct Daemon(Child, String);

impl Daemon {
    fn start(mut command: Command, parent: String) -> Result<Daemon, String> {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        started
            .map(|child| Daemon(child, parent))
            .map_err(|error| format!("{command:?}: {error}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        crate::stage::kill(self.0.id(), "TERM");
        let ended = until(|| matches!(self.0.try_wait(), Ok(Some(_))));
        if !ended {
            drop(self.0.kill());
        }
        drop(self.0.wait());
        if !self.1.is_empty() {
            remove_cgroups(&self.1);
        }
    }
}
