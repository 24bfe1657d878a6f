//! The bundle of `cargo xtask try`: the host's programs, read-only, and nothing of its users.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Failure;
use crate::testing::{is_root, packages};

/// What of the host is seen inside. Everything else has to be asked for.
const HOST: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc"];
/// Where the container has a file system of its own.
const PRIVATE: [&str; 5] = ["/tmp", "/run", "/var", "/home", "/root"];
/// First of the 65,536 host ids that root's container is mapped to.
const BLOCK: u32 = 1_000_000;

/// A web server that this machine has.
pub(crate) enum Server {
    Python,
    Busybox,
}

impl Server {
    /// Python if it is there, else busybox, which is installed if it is missing.
    pub(crate) fn find() -> Result<Server, Failure> {
        if Path::new("/usr/bin/python3").exists() {
            return Ok(Server::Python);
        }
        packages::install(&["busybox-static"])?;
        Ok(Server::Busybox)
    }

    /// In words, for the terminal.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Server::Python => "this machine's /usr/bin/python3 as a web server",
            Server::Busybox => "this machine's busybox as a web server",
        }
    }

    fn args(&self) -> Vec<&'static str> {
        match self {
            Server::Python => vec![
                "/usr/bin/python3",
                "-m",
                "http.server",
                "8080",
                "--bind",
                "127.0.0.1",
                "--directory",
                "/srv",
            ],
            Server::Busybox => vec![
                "busybox",
                "httpd",
                "-f",
                "-p",
                "127.0.0.1:8080",
                "-h",
                "/srv",
            ],
        }
    }

    /// A command that asks the server for its page.
    pub(crate) fn client(&self) -> Vec<&'static str> {
        const ASK: &str = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/', timeout=5).read().decode())";
        match self {
            Server::Python => vec!["/usr/bin/python3", "-c", ASK],
            Server::Busybox => vec!["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/"],
        }
    }
}

/// A directory that is removed with this value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in a temporary directory.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A new directory. Not below the repository: a mapped id cannot walk through a home directory.
pub(crate) fn folder() -> Result<Folder, Failure> {
    let folder = std::env::temp_dir().join(format!("lockstep-try-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711))?;
    Ok(Folder(folder))
}

/// Writes the bundle and returns its directory.
pub(crate) fn make(folder: &Path, server: &Server) -> Result<PathBuf, Failure> {
    let bundle = folder.join("bundle");
    let (rootfs, pages) = (bundle.join("rootfs"), folder.join("pages"));
    std::fs::create_dir_all(&rootfs)?;
    std::fs::create_dir_all(&pages)?;
    std::fs::write(
        pages.join("index.html"),
        "answered from inside the container\n",
    )?;
    let mut mounts = kernel_mounts();
    for path in HOST {
        let inside = rootfs.join(&path[1..]);
        match std::fs::symlink_metadata(path) {
            // Since the merge of /usr, /bin and its like are links into it.
            Ok(found) if found.is_symlink() => symlink(std::fs::read_link(path)?, inside)?,
            Ok(_) => mounts.push(read_only(Path::new(path), path)),
            Err(_) => {} // an architecture without /lib32
        }
    }
    for path in PRIVATE {
        let options = json!(["nosuid", "nodev", "mode=1777", "size=16m"]);
        mounts.push(mount(path, "tmpfs", options));
    }
    mounts.push(read_only(&pages, "/srv"));
    for target in mounts
        .iter()
        .filter_map(|mount| mount["destination"].as_str())
    {
        if !target.starts_with("/dev/") {
            std::fs::create_dir_all(rootfs.join(&target[1..]))?;
        }
    }
    let config = config(server, mounts)?;
    std::fs::write(
        bundle.join("config.json"),
        serde_json::to_string_pretty(&config)?,
    )?;
    Ok(bundle)
}

fn mount(target: &str, kind: &str, options: Value) -> Value {
    json!({ "destination": target, "type": kind, "source": kind, "options": options })
}

fn read_only(source: &Path, target: &str) -> Value {
    json!({
        "destination": target, "type": "bind", "source": source,
        "options": ["rbind", "ro", "nosuid", "nodev"],
    })
}

fn kernel_mounts() -> Vec<Value> {
    let pts = if is_root() {
        json!([
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5"
        ])
    } else {
        json!([
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620"
        ])
    };
    vec![
        mount("/proc", "proc", json!(["nosuid", "noexec", "nodev"])),
        mount(
            "/dev",
            "tmpfs",
            json!(["nosuid", "strictatime", "mode=755", "size=64k"]),
        ),
        mount("/dev/pts", "devpts", pts),
        mount(
            "/dev/shm",
            "tmpfs",
            json!(["nosuid", "noexec", "nodev", "mode=1777", "size=16m"]),
        ),
    ]
}

fn config(server: &Server, mounts: Vec<Value>) -> Result<Value, Failure> {
    let caps = json!(["CAP_NET_BIND_SERVICE", "CAP_KILL"]);
    let mut namespaces = vec!["pid", "network", "ipc", "uts", "mount", "user"];
    let (uids, gids) = mappings()?;
    let mut resources = json!({});
    if is_root() {
        namespaces.push("cgroup");
        resources = json!({ "pids": { "limit": 64 }, "memory": { "limit": 256 << 20 } });
    }
    let namespaces: Vec<Value> = namespaces
        .iter()
        .map(|name| json!({ "type": name }))
        .collect();
    Ok(json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": server.args(),
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"],
            "cwd": "/",
            "capabilities": { "bounding": caps, "effective": caps, "permitted": caps },
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "lockstep",
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces,
            "uidMappings": [uids],
            "gidMappings": [gids],
            "resources": resources,
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/proc/acpi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "seccomp": seccomp(),
        },
    }))
}

/// Calls that a web server has no use for and that have opened hosts before.
fn seccomp() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{
            "names": [
                "add_key", "bpf", "delete_module", "finit_module", "fsopen", "init_module",
                "io_uring_setup", "kexec_file_load", "kexec_load", "keyctl", "mount", "move_mount",
                "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "ptrace",
                "request_key", "setns", "umount2", "unshare", "userfaultfd",
            ],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
        }],
    })
}

/// Root's container gets a block of ids that nobody has, a user's the user's own id.
fn mappings() -> Result<(Value, Value), Failure> {
    let map = |host: u32, size: u32| json!({ "containerID": 0, "hostID": host, "size": size });
    if is_root() {
        return Ok((map(BLOCK, 65_536), map(BLOCK, 65_536)));
    }
    let own = std::fs::metadata("/proc/self")?;
    Ok((map(own.uid(), 1), map(own.gid(), 1)))
}
