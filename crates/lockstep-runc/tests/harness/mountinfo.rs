//! Reads mountinfo, the kernel's own account of what a mount is (proc_pid_mountinfo(5)).
//!
//! Tests of mounts assert on it instead of on what the runtime says it did.

/// One line of mountinfo.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    /// Device of the file system, "major:minor".
    pub(crate) device: String,
    /// The directory of the file system that is the root of the mount.
    pub(crate) root: String,
    /// Where it is mounted.
    pub(crate) point: String,
    /// Per-mount options.
    pub(crate) options: Vec<String>,
    /// Optional fields: "shared:N", "master:N", "unbindable".
    pub(crate) propagation: Vec<String>,
    /// Type of the file system.
    pub(crate) fs_type: String,
    /// Source, as the file system gives it.
    pub(crate) source: String,
    /// Options of the file system, not split: they may contain quoted commas.
    pub(crate) super_options: String,
}

impl Mount {
    /// Whether the per-mount options contain `option`.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|have| have == option)
    }

    /// Whether the file system's options contain `option`.
    pub(crate) fn super_has(&self, option: &str) -> bool {
        self.super_options.split(',').any(|have| have == option)
    }

    /// Whether an optional field begins with `kind` ("shared", "master", "unbindable").
    pub(crate) fn propagates(&self, kind: &str) -> bool {
        self.propagation.iter().any(|have| have.starts_with(kind))
    }
}

/// All mounts of a mountinfo text, in its order.
pub(crate) fn parse_mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

/// All mounts that process `pid` sees.
pub(crate) fn mounts_of(pid: u32) -> Vec<Mount> {
    let path = format!("/proc/{pid}/mountinfo");
    parse_mounts(&std::fs::read_to_string(path).expect("mountinfo of a live process is readable"))
}

fn parse_line(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let device = fields.next()?.to_owned();
    let root = fields.next()?.to_owned();
    let point = fields.next()?.to_owned();
    let options = fields.next()?.split(',').map(str::to_owned).collect();
    let propagation = fields.map(str::to_owned).collect();
    let mut rest = after.split(' ');
    Some(Mount {
        device,
        root,
        point,
        options,
        propagation,
        fs_type: rest.next()?.to_owned(),
        source: rest.next()?.to_owned(),
        super_options: rest.next().unwrap_or_default().to_owned(),
    })
}
