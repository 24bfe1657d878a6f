//! A bundle made for one test: a busybox root file system and a config.json edited by JSON pointer.
//!
//! The start is what `runc spec` writes, without a terminal, so that a test states only what it is
//! about.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::container::Container;
use super::runtime::{Output, Running};
use super::test::{Test, Used};
use super::view::View;

/// Programs of busybox that tests use inside.
const APPLETS: &str = "sh cat ls id hostname sleep true false echo env pwd touch mkdir rm rmdir ln \
    mount umount grep sed awk head tail wc stat readlink test [ [[ kill ps top df dd stty tty mknod \
    chmod chown printf seq sort tr cut nproc uname ulimit date find dmesg dnsdomainname ip ifconfig \
    ping nc yes mkfifo setsid taskset chrt unshare cp mv sync which basename dirname expr time tee \
    od usleep timeout getty login su xargs ipcs sysctl free md5sum nice renice chroot";

/// A bundle and how it is to be run.
pub(crate) struct Bundle<'t> {
    pub(crate) test: &'t Test,
    /// Container id.
    pub(crate) id: String,
    /// The configuration, written when the runtime is called.
    pub(crate) config: Value,
    /// The view in which the runtime is called.
    pub(crate) view: View,
    globals: Vec<String>,
    options: Vec<String>,
    env: Vec<(String, String)>,
}

impl<'t> Bundle<'t> {
    pub(crate) fn new(test: &'t Test, id: String, args: &[&str]) -> Self {
        let bundle = Self {
            test,
            config: default_config(&id, args),
            id,
            view: View::Plain,
            globals: Vec::new(),
            options: Vec::new(),
            env: Vec::new(),
        };
        make_rootfs(&bundle.rootfs());
        bundle
    }

    /// The bundle's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.test.dir.join(&self.id)
    }

    /// The root file system.
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.dir().join("rootfs")
    }

    /// The cgroup path that the configuration asks for.
    pub(crate) fn cgroup(&self) -> String {
        format!("{}/{}", cgroup_parent(), self.id)
    }

    /// Sets the value at a JSON pointer; missing objects on the way are made.
    pub(crate) fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *place(&mut self.config, pointer) = value.into();
        self
    }

    /// Appends to the array at a JSON pointer, which is made if it is missing.
    pub(crate) fn push(mut self, pointer: &str, value: Value) -> Self {
        let array = place(&mut self.config, pointer);
        if array.is_null() {
            *array = json!([]);
        }
        array.as_array_mut().expect("an array").push(value);
        self
    }

    /// Removes the member at a JSON pointer.
    pub(crate) fn remove(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a JSON pointer");
        if let Some(object) = place(&mut self.config, parent).as_object_mut() {
            object.remove(name);
        }
        self
    }

    /// Edits the configuration in any other way.
    pub(crate) fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self
    }

    /// Appends a mount.
    pub(crate) fn mount(
        self,
        destination: &str,
        kind: &str,
        source: &str,
        options: &[&str],
    ) -> Self {
        self.push(
            "/mounts",
            json!({"destination": destination, "type": kind, "source": source, "options": options}),
        )
    }

    /// Appends a bind mount of a host path.
    pub(crate) fn bind(self, source: &Path, destination: &str, options: &[&str]) -> Self {
        let mut all = vec!["bind"];
        all.extend(options);
        self.mount(destination, "bind", &source.display().to_string(), &all)
    }

    /// Removes the mount at `destination`.
    pub(crate) fn unmount(mut self, destination: &str) -> Self {
        let mounts = place(&mut self.config, "/mounts").as_array_mut();
        mounts
            .expect("an array of mounts")
            .retain(|mount| mount["destination"] != destination);
        self
    }

    /// Replaces the namespace of that type by one that is joined by path.
    pub(crate) fn join(self, kind: &str, path: &str) -> Self {
        self.without_namespace(kind)
            .push("/linux/namespaces", json!({"type": kind, "path": path}))
    }

    /// Adds a new namespace of that type.
    pub(crate) fn namespace(self, kind: &str) -> Self {
        self.push("/linux/namespaces", json!({"type": kind}))
    }

    /// Removes the namespace of that type.
    pub(crate) fn without_namespace(mut self, kind: &str) -> Self {
        let list = place(&mut self.config, "/linux/namespaces").as_array_mut();
        list.expect("an array of namespaces")
            .retain(|namespace| namespace["type"] != kind);
        self
    }

    /// A user namespace with `size` ids from `host` on.
    pub(crate) fn user_namespace(self, host: u32, size: u32) -> Self {
        let map = json!([{"containerID": 0, "hostID": host, "size": size}]);
        // The root file system stays owned by host ids: it is made accessible, not chowned.
        self.namespace("user")
            .set("/linux/uidMappings", map.clone())
            .set("/linux/gidMappings", map)
    }

    /// Gives the process these capabilities in bounding, effective and permitted.
    pub(crate) fn capabilities(mut self, names: &[&str]) -> Self {
        for set in ["bounding", "effective", "permitted"] {
            self = self.set(&format!("/process/capabilities/{set}"), names.to_vec());
        }
        self.remove("/process/capabilities/ambient")
    }

    /// Writes a file into the root file system.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        let target = self.rootfs().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("rootfs is writable");
        std::fs::write(target, content).expect("rootfs is writable");
        self
    }

    /// Puts the probe at /probe.
    pub(crate) fn with_probe(self) -> Self {
        let target = self.rootfs().join("probe");
        std::fs::hard_link(self.test.probe(), target).expect("the probe is on the same disk");
        self
    }

    /// Options of `run` and `create`.
    pub(crate) fn options(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Global options, before the command.
    pub(crate) fn globals(mut self, globals: &[&str]) -> Self {
        self.globals
            .extend(globals.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Calls the runtime in that view.
    pub(crate) fn view(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// Environment of the runtime itself.
    pub(crate) fn runtime_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes config.json; for tests that call the runtime themselves.
    pub(crate) fn write(&self) -> &Self {
        let forgotten = self.test.forgotten.as_ref();
        let config = forgotten.map_or_else(|| self.config.clone(), |f| f.forget(&self.config));
        let text = serde_json::to_string_pretty(&config).expect("a value is serialisable");
        std::fs::write(self.dir().join("config.json"), text).expect("the bundle is writable");
        if let Some(uid) = self.view.user() {
            self.give_to(uid, uid);
        }
        self
    }

    /// Directories only: the programs are hard links that other tests share.
    fn give_to(&self, uid: u32, gid: u32) {
        let mut pending = vec![self.dir(), self.test.state_root()];
        while let Some(dir) = pending.pop() {
            chown(&dir, Some(uid), Some(gid)).expect("root may give directories away");
            for entry in std::fs::read_dir(&dir).expect("own directory").flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    pending.push(entry.path());
                }
            }
        }
    }

    fn begin(&self, verb: &str, foreground: bool) -> Running {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        self.begin_with(verb, foreground, &options)
    }

    fn begin_with(&self, verb: &str, foreground: bool, options: &[&str]) -> Running {
        self.write();
        self.test.used.borrow_mut().push(Used {
            id: self.id.clone(),
            view: self.view.clone(),
            foreground,
        });
        let dir = self.dir().display().to_string();
        let mut args: Vec<&str> = self.globals.iter().map(String::as_str).collect();
        args.extend([verb, "--bundle", &dir]);
        args.extend(options);
        args.push(&self.id);
        let mut invocation = self.test.invocation(&args, &self.view);
        invocation.env.extend(self.env.iter().cloned());
        invocation.start()
    }

    /// `run` in the foreground, until the container has ended.
    #[track_caller]
    pub(crate) fn run(&self) -> Output {
        self.begin("run", !self.options.iter().any(|option| option == "--keep"))
            .wait()
    }

    /// `run`, not waited for.
    pub(crate) fn run_in_background(&self) -> Running {
        self.begin("run", false)
    }

    /// `create`, whatever comes of it.
    #[track_caller]
    pub(crate) fn try_create(&self) -> Output {
        self.begin("create", false).wait()
    }

    /// `restore` of a container of this bundle, not waited for.
    pub(crate) fn begin_restore(&self, options: &[&str]) -> Running {
        self.begin_with("restore", false, options)
    }

    /// `restore --detach`, which must succeed.
    #[track_caller]
    pub(crate) fn restored(&self, options: &[&str]) -> Container<'t> {
        let running = self.begin_restore(&[&["--detach"], options].concat());
        let container = Container::new(self, &running);
        running.wait().ok();
        container.remember_pid();
        container
    }

    /// `create`, which must succeed.
    #[track_caller]
    pub(crate) fn create(&self) -> Container<'t> {
        let running = self.begin("create", false);
        let container = Container::new(self, &running);
        running.wait().ok();
        container.remember_pid();
        container
    }

    /// `create` and `start`.
    #[track_caller]
    pub(crate) fn started(&self) -> Container<'t> {
        let container = self.create();
        container.start();
        container
    }
}

/// The parent of all cgroups of this run.
pub(crate) fn cgroup_parent() -> String {
    format!("/lockstep-test-{}", std::process::id())
}

fn place<'v>(config: &'v mut Value, pointer: &str) -> &'v mut Value {
    let mut at = config;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        at = match part.parse::<usize>() {
            Ok(index) if at.is_array() => &mut at[index],
            _ => {
                if !at.is_object() {
                    *at = json!({});
                }
                &mut at[part.as_str()]
            }
        };
    }
    at
}

fn default_config(id: &str, args: &[&str]) -> Value {
    let caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin:/usr/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs"},
        "hostname": "lockstep",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "cgroupsPath": format!("{}/{id}", cgroup_parent()),
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                           {"type": "mount"}],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                              "/proc/sysrq-trigger"]
        }
    })
}

fn make_rootfs(root: &Path) {
    for dir in [
        "bin", "dev", "proc", "sys", "etc", "root", "home", "usr", "var", "run", "tmp",
    ] {
        std::fs::create_dir_all(root.join(dir)).expect("the bundle is writable");
    }
    let open = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(root.join("tmp"), open).expect("own directory");
    for name in APPLETS.split_whitespace().chain(["busybox"]) {
        // Of an applet it is the link itself that gets one more name.
        std::fs::hard_link(programs().join(name), root.join("bin").join(name))
            .expect("programs are on the same disk");
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n";
    std::fs::write(root.join("etc/passwd"), passwd).expect("the bundle is writable");
    let group = "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n";
    std::fs::write(root.join("etc/group"), group).expect("the bundle is writable");
}

/// Busybox and links to it on the disk of the bundles, each of which gets more names of them and no inodes: those take
/// ext4 without a journal long, which looks at every one that was removed in the last minutes before it gives one.
fn programs() -> &'static Path {
    static PROGRAMS: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let programs = super::test::run_directory().join("programs");
        std::fs::create_dir(&programs).expect("own directory");
        std::fs::copy("/bin/busybox", programs.join("busybox"))
            .expect("busybox-static is installed (Debian package busybox-static)");
        for applet in APPLETS.split_whitespace() {
            symlink("busybox", programs.join(applet)).expect("own directory");
        }
        programs
    })
}
