//! The root file system and what is mounted in it: the image's, the kernel's, private ones, the flags'.
//!
//! A mount of the command line takes the place of a private one at its target, and of those below it.

use std::path::Path;

use lockstep_oci::runtime::{Mount, NamespaceType};
use lockstep_plan::create::MemoryRoot;
use lockstep_supervisor::Joined;

use super::cdi::spec::{self, Edits};
use super::image::Source;
use super::security::Options;
use super::{Input, Resolved, wrong};
use crate::failure::Failure;
use crate::number;
use crate::why::Origin;

mod disk;
mod flag;
mod idmap;
mod own;

pub(crate) use own::Mounts;

pub(super) fn apply(
    input: &Input<'_>,
    (options, vendors): (&Options, &Edits),
    out: &mut Resolved,
) -> Result<(), Failure> {
    let mut wanted = flag::mounts(input, out)?;
    let mut targets: Vec<String> = wanted
        .iter()
        .map(|mount| mount.destination.clone())
        .collect();
    wanted.extend(super::cdi::mounts(input, out, (vendors, &targets))?);
    targets.extend(
        vendors
            .mounts
            .iter()
            .map(|mount| mount.container_path.clone()),
    );
    wanted.extend(flag::from_others(input, out, &mut targets)?);
    wanted.extend(flag::of_image(input, out, &targets)?);
    // Parents first, whatever the order on the command line.
    wanted.sort_by_key(|mount| Path::new(&mount.destination).components().count());
    let taken = |target: &str| {
        wanted
            .iter()
            .any(|w| Path::new(target).starts_with(&w.destination))
    };
    let mut mounts = Vec::new();
    root(input, out, &mut mounts, &taken)?;
    kernel(input, options, out, &mut mounts)?;
    mounts.extend(
        private(input, out)?
            .into_iter()
            .filter(|mount| !taken(&mount.destination)),
    );
    files(input, out, &mut mounts, &taken)?;
    // A default at the very same place would be mounted for nothing.
    mounts.retain(|mount: &Mount| wanted.iter().all(|w| w.destination != mount.destination));
    mounts.extend(wanted);
    out.spec.mounts = mounts;
    Ok(())
}

/// A mount that a vendor's description asks for, held to what one of the command line is.
pub(super) fn from_description(
    input: &Input<'_>,
    out: &mut Resolved,
    wanted: &spec::Mount,
    options: &[&str],
) -> Result<Mount, Failure> {
    let text = format!("(vendor's mount of {})", wanted.host_path);
    let (source, target) = (&*wanted.host_path, &*wanted.container_path);
    flag::from_host(input, out, ("device", &text), source, target, options)
}

fn root(
    input: &Input<'_>,
    out: &mut Resolved,
    mounts: &mut Vec<Mount>,
    taken: &dyn Fn(&str) -> bool,
) -> Result<(), Failure> {
    let flag = input.args.flag("read-only");
    match &input.image.source {
        Source::Host { directories, links } => {
            own::keep_out_of_host(input, out, directories)?;
            host_root(out, mounts, (directories, links), taken);
        }
        Source::Directory(path) => {
            let what = format!("image {}", input.image.name);
            own::keep_out(input, out, &what, (path, "/"))?;
            let root = out.spec.root.get_or_insert_default();
            root.path = path.to_string_lossy().into_owned();
            root.readonly = flag;
            out.idmap_root = input.block.is_some() && input.caller.mounts();
            out.note(
                "root",
                path.display().to_string(),
                Origin::Image,
                "the image",
            );
            out.note(
                "root.readonly",
                flag.to_string(),
                super::origin(flag),
                "--read-only",
            );
        }
        Source::Layers(layers) => {
            let root = out.spec.root.get_or_insert_default();
            root.path = crate::stored::ROOTFS.into();
            root.readonly = flag;
            out.layered = true;
            let count = match layers.len() {
                1 => "one layer".to_owned(),
                count => format!("{count} layers"),
            };
            let text = format!(
                "{count} of {}, with a directory for changes",
                input.image.name
            );
            out.note("root", text, Origin::Image, "the image");
            out.note(
                "root.readonly",
                flag.to_string(),
                super::origin(flag),
                "--read-only",
            );
        }
    }
    Ok(())
}

/// Programs of the host over a root file system in memory.
fn host_root(
    out: &mut Resolved,
    mounts: &mut Vec<Mount>,
    (directories, links): (&[String], &[(String, String)]),
    taken: &dyn Fn(&str) -> bool,
) {
    let root = out.spec.root.get_or_insert_default();
    // What is in memory has no directory; the bundle's own stands for it.
    root.path = ".".into();
    root.readonly = true;
    // The recursive forms: a file system that the host mounted below one of them must not be writable either.
    let options = ["rbind", "rro", "rnosuid", "rnodev"];
    for directory in directories.iter().filter(|directory| !taken(directory)) {
        mounts.push(mount(directory, "bind", directory, &options));
    }
    let wanted = [
        "/var/cache",
        "/var/lib",
        "/var/log",
        "/var/spool",
        "/run/lock",
    ];
    out.memory_root = Some(MemoryRoot {
        links: links.to_vec(),
        directories: wanted
            .iter()
            .filter(|path| !taken(path))
            .map(|p| (*p).to_owned())
            .collect(),
        late_links: match taken("/var") {
            true => Vec::new(),
            false => vec![
                ("/var/run".into(), "../run".into()),
                ("/var/lock".into(), "../run/lock".into()),
            ],
        },
    });
    let text = format!(
        "programs of the host: {}, read-only; the rest in memory",
        directories.join(" ")
    );
    out.note("root", text, Origin::Image, "rootfs:DIR");
}

/// What the kernel brings: /proc, /sys, /dev and the cgroups.
fn kernel(
    input: &Input<'_>,
    options: &Options,
    out: &mut Resolved,
    mounts: &mut Vec<Mount>,
) -> Result<(), Failure> {
    let own = |out: &mut Resolved, kind| out.linux().has_namespace(&kind);
    let writable = if input.args.flag("privileged") {
        "rw"
    } else {
        "ro"
    };
    let mut proc = vec!["nosuid", "noexec", "nodev"];
    match own(out, NamespaceType::Pid) {
        true => {
            proc.extend(options.proc.iter().flat_map(|options| options.split(',')));
            mounts.push(mount("/proc", "proc", "proc", &proc));
        }
        // Only the owner of a pid namespace may mount a procfs of it.
        false => {
            proc.push("rbind");
            mounts.push(mount("/proc", "bind", "/proc", &proc));
        }
    }
    let dev = ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"];
    mounts.push(mount("/dev", "tmpfs", "tmpfs", &dev));
    let mut pts = vec![
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    // The group of terminals, where there is one inside.
    let groups = &out.linux().gid_mappings;
    if groups.is_empty()
        || groups
            .iter()
            .any(|m| m.container_id <= 5 && 5 < m.container_id + m.size)
    {
        pts.push("gid=5");
    }
    mounts.push(mount("/dev/pts", "devpts", "devpts", &pts));
    ipc(input, out, mounts)?;
    let common = ["nosuid", "noexec", "nodev"];
    mounts.push(mount(
        "/sys",
        "sysfs",
        "sysfs",
        &[&common[..], &[writable]].concat(),
    ));
    cgroups(input, out, writable, mounts)
}

/// The container's own cgroups; inside another container there is no mount of any perhaps.
fn cgroups(
    input: &Input<'_>,
    out: &mut Resolved,
    writable: &str,
    mounts: &mut Vec<Mount>,
) -> Result<(), Failure> {
    if !input.caller.is_root_with_cgroups() && !(input.sight.mounts)()?.has_cgroups() {
        out.note(
            "cgroups",
            "none: this host has none mounted",
            Origin::Host,
            "",
        );
        return Ok(());
    }
    let cgroup = ["nosuid", "noexec", "nodev", "relatime", writable];
    mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &cgroup));
    let (seen, origin) = match input.caller.is_root_with_cgroups() {
        true => ("its own at /sys/fs/cgroup", Origin::Default),
        // Whether there is one is known when the kernel was asked for it; `inspect` then has the answer.
        false => (
            "its own at /sys/fs/cgroup; nothing there unless you may make cgroups (lockstep doctor)",
            Origin::Host,
        ),
    };
    out.note("cgroups", format!("{seen}, {writable}"), origin, "");
    Ok(())
}

/// Shared memory and message queues, which belong to the IPC namespace.
fn ipc(input: &Input<'_>, out: &mut Resolved, mounts: &mut Vec<Mount>) -> Result<(), Failure> {
    let common = ["nosuid", "noexec", "nodev"];
    if Joined::of(&out.joined, "ipc").is_some() {
        if input.args.text("shm-size")?.is_some() {
            return Err(Failure::new(
                "--shm-size and --ipc container: exclude each other: /dev/shm is the other container's",
            ));
        }
        let options = [&common[..], &["bind"]].concat();
        mounts.push(mount("/dev/shm", "bind", "/dev/shm", &options));
        mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &common));
    } else if input.args.text("ipc")? == Some("none") {
        if input.args.text("shm-size")?.is_some() {
            return Err(Failure::new(
                "--shm-size and --ipc none exclude each other: there is no /dev/shm then",
            ));
        }
        mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &common));
    } else if out.linux().has_namespace(&NamespaceType::Ipc) {
        let given = input.args.text("shm-size")?;
        let text = given.unwrap_or("64m");
        let size = number::bytes(text)
            .ok_or_else(|| wrong("shm-size", text, "a number of bytes as 64m"))?;
        out.note(
            "shm-size",
            text,
            super::origin(given.is_some()),
            "--shm-size",
        );
        let size = format!("size={size}");
        mounts.push(mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &[&common[..], &["mode=1777", &size]].concat(),
        ));
        mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &common));
    } else {
        for path in ["/dev/shm", "/dev/mqueue"] {
            // Not every host mounts both.
            if (input.sight.look)(Path::new(path))?.is_some() {
                let options = [&common[..], &["rbind"]].concat();
                mounts.push(mount(path, "bind", path, &options));
            }
        }
    }
    Ok(())
}

/// File systems in memory in place of what the host or the image has there.
fn private(input: &Input<'_>, out: &mut Resolved) -> Result<Vec<Mount>, Failure> {
    let host = matches!(input.image.source, Source::Host { .. });
    let tmpfs =
        |target: &str, mode: &str| mount(target, "tmpfs", "tmpfs", &["nosuid", "nodev", mode]);
    if host {
        out.note(
            "private",
            "/tmp /var /run /home /root, in memory",
            Origin::Default,
            "--volume",
        );
        return Ok(vec![
            tmpfs("/tmp", "mode=1777"),
            tmpfs("/var", "mode=755"),
            tmpfs("/var/tmp", "mode=1777"),
            tmpfs("/run", "mode=755"),
            tmpfs("/home", "mode=755"),
            tmpfs("/root", "mode=700"),
        ]);
    }
    if input.args.flag("read-only") && !input.args.denied("read-only-tmpfs") {
        out.note(
            "private",
            "/tmp /var/tmp /run, in memory",
            Origin::Default,
            "--read-only-tmpfs=false",
        );
        return Ok(vec![
            tmpfs("/tmp", "mode=1777"),
            tmpfs("/var/tmp", "mode=1777"),
            tmpfs("/run", "mode=755"),
        ]);
    }
    Ok(Vec::new())
}

/// /etc/hosts, /etc/hostname and, where the container shares the host's network, /etc/resolv.conf.
fn files(
    input: &Input<'_>,
    out: &mut Resolved,
    mounts: &mut Vec<Mount>,
    taken: &dyn Fn(&str) -> bool,
) -> Result<(), Failure> {
    let args = input.args;
    let host_image = matches!(input.image.source, Source::Host { .. });
    let mut bind = |name: &str, target: &str| {
        if !taken(target) {
            let options = ["bind", "nosuid", "nodev", "noexec"];
            mounts.push(mount(target, "bind", name, &options));
        }
    };
    let added = args.texts("add-host")?;
    // The host's own file is part of host:, so only a line that is asked for is a reason for another.
    if !args.flag("no-hosts") && (!host_image || !added.is_empty()) {
        let name = out.spec.hostname.clone().unwrap_or_default();
        out.files.insert("hosts", hosts(&name, &added)?);
        bind("hosts", "/etc/hosts");
    }
    let no_name = host_image || args.flag("no-hostname");
    if let (Some(name), false) = (out.spec.hostname.clone(), no_name) {
        out.files.insert("hostname", format!("{name}\n"));
        bind("hostname", "/etc/hostname");
    }
    if let Some(zone) = args.text("tz")? {
        bind(&time_zone(input, zone)?, "/etc/localtime");
    }
    let own_network = out.linux().has_namespace(&NamespaceType::Network);
    if !own_network {
        // Often a link to below /run, which the container has its own of.
        let path = Path::new("/etc/resolv.conf");
        if (input.sight.look)(path)?.is_some() {
            bind(&(input.sight.absolute)(path)?, "/etc/resolv.conf");
        }
    }
    Ok(())
}

/// The host's file of a time zone (tzset(3)).
fn time_zone(input: &Input<'_>, zone: &str) -> Result<String, Failure> {
    let plain = zone.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let path = match zone {
        "local" => "/etc/localtime".to_owned(),
        zone if plain => format!("/usr/share/zoneinfo/{zone}"),
        _ => return Err(wrong("tz", zone, "a zone as Europe/Berlin, or local")),
    };
    let path = Path::new(&path);
    match (input.sight.look)(path)? {
        Some(super::Node::File) => (input.sight.absolute)(path),
        _ => Err(Failure::new(format!(
            "--tz {zone}: this host has no {}",
            path.display()
        ))),
    }
}

fn hosts(hostname: &str, added: &[&str]) -> Result<String, Failure> {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    if !hostname.is_empty() {
        text.push_str(&format!("127.0.1.1\t{hostname}\n"));
    }
    for entry in added {
        let takes = "NAME:ADDRESS";
        let (name, address) = entry
            .split_once(':')
            .ok_or_else(|| wrong("add-host", entry, takes))?;
        let valid = !name.is_empty() && !name.contains(char::is_whitespace);
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let parsed: Result<std::net::IpAddr, _> = address.parse();
        match (valid, parsed) {
            (true, Ok(address)) => text.push_str(&format!("{address}\t{name}\n")),
            (true, Err(_)) if address == "host-gateway" => {
                return Err(Failure::new(
                    "--add-host with host-gateway is refused: the container has no gateway",
                ));
            }
            _ => return Err(wrong("add-host", entry, takes)),
        }
    }
    Ok(text)
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(source.to_owned()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_what_was_added_and_nothing_else() {
        let text = hosts("web", &["db:10.0.0.2", "six:[fd00::1]"]).expect("a file");
        assert!(
            text.ends_with("127.0.1.1\tweb\n10.0.0.2\tdb\nfd00::1\tsix\n"),
            "{text}"
        );
        for wrong in [
            "db",
            "db:host",
            ":1.2.3.4",
            "a b:1.2.3.4",
            "x:1.2.3.4\n5.6.7.8 y",
        ] {
            assert!(hosts("", &[wrong]).is_err(), "{wrong}");
        }
    }
}
