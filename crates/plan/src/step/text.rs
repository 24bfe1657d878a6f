//! An operation as people read it: the call that it is for, with flags by their names, as a failed one is printed.

mod words;

use super::{
    Barrier, Device, DeviceKind, HostPath, IdMap, IdMaps, Links, Op, OverlayRoot, RootPath, Slot,
    Source,
};
use crate::mount_options::Attributes;
use crate::namespace;
use lockstep_abi::call::{Flags, Text};
use lockstep_abi::capability::CapSet;
use lockstep_abi::mount;
use std::fmt;
use std::path::Path;

/// CLONE_NEW* of clone(2).
const NAMESPACES: &[(&str, u64)] = &[
    ("CLONE_NEWUSER", namespace::NEWUSER),
    ("CLONE_NEWNS", namespace::NEWNS),
    ("CLONE_NEWPID", namespace::NEWPID),
    ("CLONE_NEWNET", namespace::NEWNET),
    ("CLONE_NEWIPC", namespace::NEWIPC),
    ("CLONE_NEWUTS", namespace::NEWUTS),
    ("CLONE_NEWCGROUP", namespace::NEWCGROUP),
    ("CLONE_NEWTIME", namespace::NEWTIME),
];

/// A call while its arguments are put together.
struct Call {
    name: &'static str,
    arguments: Vec<String>,
}

fn call(name: &'static str) -> Call {
    Call {
        name,
        arguments: Vec::new(),
    }
}

impl Call {
    fn with(mut self, argument: impl fmt::Display) -> Call {
        self.arguments.push(argument.to_string());
        self
    }

    fn text(self, text: &str) -> Call {
        self.with(Text(text.as_bytes()))
    }

    fn path(self, path: &Path) -> Call {
        self.with(Text(path.as_os_str().as_encoded_bytes()))
    }

    fn inside(self, path: &RootPath) -> Call {
        self.path(path.as_path())
    }

    fn host(self, path: &HostPath) -> Call {
        self.path(path.as_path())
    }

    /// `name=value`, for what is no argument of the call itself.
    fn named(self, name: &str, value: impl fmt::Display) -> Call {
        self.with(format_args!("{name}={value}"))
    }

    /// The word, where it holds.
    fn when(self, holds: bool, word: &str) -> Call {
        match holds {
            true => self.with(word),
            false => self,
        }
    }

    fn texts(self, texts: &[String]) -> Call {
        let all: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.with(format_args!("[{}]", all.join(", ")))
    }

    fn attributes(self, attributes: &Attributes) -> Call {
        let Attributes {
            set,
            clear,
            recursive_set,
            recursive_clear,
            propagation,
        } = attributes;
        let mut call = self;
        for (name, bits) in [
            ("set", set),
            ("clear", clear),
            ("recursive-set", recursive_set),
            ("recursive-clear", recursive_clear),
        ] {
            if *bits != 0 {
                call = call.named(name, mount::attributes(*bits));
            }
        }
        for flags in propagation {
            call = call.named("propagation", mount::flags(*flags));
        }
        call
    }

    fn links(self, links: Links) -> Call {
        match links {
            Links::All => self,
            Links::NotTheLast => self.with("AT_SYMLINK_NOFOLLOW"),
            Links::None => self.with("RESOLVE_NO_SYMLINKS"),
        }
    }

    fn source(self, source: &Source) -> Call {
        match source {
            Source::Path(path, links) => self.host(path).links(*links),
            Source::Slot(slot) => self.with(place(*slot)),
            Source::Memory => self.text("tmpfs"),
            Source::Overlay(root, links) => self.overlay(root).links(*links),
            Source::Secrets(secrets) => secrets.iter().fold(self, |call, secret| {
                let file = Text(secret.target.as_bytes());
                let (mode, uid, gid) = (secret.mode, secret.uid, secret.gid);
                call.with(format_args!("{file} mode=0{mode:o} owner={uid}:{gid}"))
            }),
        }
    }

    fn overlay(self, root: &OverlayRoot) -> Call {
        let layers: Vec<String> = root
            .layers
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let (upper, work) = (root.upper.display(), root.work.display());
        let options = format!(
            "lowerdir={},upperdir={upper},workdir={work}",
            layers.join(":")
        );
        self.text("overlay").text(&options)
    }

    fn device(self, device: &Device) -> Call {
        let kind = match device.kind {
            DeviceKind::Char => "S_IFCHR",
            DeviceKind::Block => "S_IFBLK",
            DeviceKind::Fifo => "S_IFIFO",
        };
        let Device {
            major,
            minor,
            mode,
            uid,
            gid,
            ..
        } = device;
        self.inside(&device.path)
            .with(format_args!("{kind}|0{mode:o}"))
            .with(format_args!("makedev({major:#x}, {minor:#x})"))
            .named("owner", format_args!("{uid}:{gid}"))
    }

    fn sets(self, sets: &[(&str, u64)]) -> Call {
        sets.iter().fold(self, |call, (name, bits)| {
            call.named(name, format_args!("[{}]", CapSet::from_bits(*bits)))
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.arguments.join(", "))
    }
}

fn quoted(text: &str) -> String {
    Text(text.as_bytes()).to_string()
}

fn place(slot: Slot) -> String {
    match slot {
        Slot::INIT => "<init>".into(),
        Slot(number) => format!("<tree {number}>"),
    }
}

fn namespaces(bits: u64) -> impl fmt::Display {
    Flags {
        bits,
        names: NAMESPACES,
    }
}

/// As uid_map has them, with commas for line feeds.
fn lines(maps: &[IdMap]) -> String {
    let line = |map: &IdMap| format!("{} {} {}", map.inside, map.outside, map.size);
    quoted(&maps.iter().map(line).collect::<Vec<_>>().join(","))
}

fn numbers(all: &[impl fmt::Display]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    format!("[{}]", all.join(", "))
}

fn moment(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::Mapped => "the id maps are there",
        Barrier::Joined => "it is in its cgroups",
        Barrier::Mounted => "the mounts are made",
        Barrier::Hooked => "the hooks have run",
        Barrier::Ready => "all is done but the program",
        Barrier::Go => "the program may be executed",
    }
}

fn with_maps(call: Call, maps: &IdMaps) -> Call {
    call.named("uid_map", lines(&maps.users))
        .named("gid_map", lines(&maps.groups))
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            words::birth,
            words::joining,
            words::trees,
            words::mounts,
            words::changes,
            words::limits,
            words::confinement,
            words::refusal,
            words::program,
        ];
        match all.iter().find_map(|of| of(self)) {
            Some(call) => call.fmt(f),
            None => write!(f, "{self:?}"),
        }
    }
}

#[cfg(test)]
mod tests;
