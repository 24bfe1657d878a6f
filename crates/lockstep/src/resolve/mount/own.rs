//! Nothing of Lockstep's own comes into a container: no store, state or configuration, neither program.
//!
//! A directory has as many names as there are mounts of it, so what is compared is not names but places: a file
//! system and a path in it, which mountinfo tells of every name. What an overlay shows is in the places of its layers
//! too.

use std::path::{Path, PathBuf};

use lockstep_abi::capability::Capability;
use lockstep_abi::mountinfo::{Line, unescape};

use crate::failure::Failure;
use crate::resolve::{Input, Resolved};

/// Holds a directory of the host that comes in at `target` to it: one that is inside of Lockstep's own is refused,
/// and in one that shows some of it, that is masked. `what` is how people asked for it.
pub(super) fn keep_out(
    input: &Input<'_>,
    out: &mut Resolved,
    what: &str,
    (source, target): (&Path, &str),
) -> Result<(), Failure> {
    let mounts = (input.sight.mounts)()?;
    let shown = mounts.shown(source);
    let volumes = mounts.place(&(input.sight.volumes)());
    for own in (input.sight.kept_out)()?.iter() {
        let own_place = mounts.place(own);
        for (at, seen) in &shown {
            let inside = seen.is_in(&own_place) && !seen.is_in(&volumes);
            if inside && at.as_os_str().is_empty() {
                let why = format!("{what} is refused: it is in Lockstep's own directory");
                return Err(Failure::new(why));
            }
            let below = match (inside, own_place.below(seen)) {
                (true, _) => Path::new(""),
                (false, Some(below)) => below,
                (false, None) => continue,
            };
            // What is mounted over it is what is seen.
            let covered = !inside && !mounts.shows(&source.join(at).join(below), &own_place);
            // EACCES and the like: it cannot be told, so it may be there.
            if !covered && !matches!((input.sight.look)(own), Ok(None)) {
                mask(out, what, &plain(&Path::new(target).join(at).join(below)))?;
            }
        }
    }
    Ok(())
}

/// The same of the host's directories of `host:`, which nobody asked for by name.
pub(super) fn keep_out_of_host(
    input: &Input<'_>,
    out: &mut Resolved,
    directories: &[String],
) -> Result<(), Failure> {
    // The program may be executed in there, as any other; the directories are read-only.
    let (own, others) = ((input.sight.own)(), (input.sight.others_in)(directories)?);
    let hidden = own.iter().chain(&others).filter(|own| {
        directories
            .iter()
            .any(|directory| own.starts_with(directory))
    });
    let hidden: Vec<String> = hidden.map(|own| plain(own)).collect();
    out.linux().masked_paths.extend(hidden);
    Ok(())
}

fn mask(out: &mut Resolved, what: &str, inside: &str) -> Result<(), Failure> {
    // A mask is a mount, and who may mount may take it away.
    if has(out, Capability::SYS_ADMIN) {
        let why = format!(
            "{what} is refused: it shows Lockstep's own {inside}, which CAP_SYS_ADMIN could uncover"
        );
        return Err(Failure::new(why)
            .hint("leave --privileged or --cap-add sys_admin out, or mount a part of it"));
    }
    out.warn(format!("{what}: {inside} is Lockstep's own and is masked"));
    out.linux().masked_paths.push(inside.to_owned());
    Ok(())
}

fn has(out: &mut Resolved, capability: Capability) -> bool {
    let sets = out.process().capabilities.as_ref();
    sets.is_some_and(|sets| {
        sets.bounding
            .iter()
            .any(|name| name.as_str() == capability.name())
    })
}

/// Without the empty ends that joining leaves.
fn plain(path: &Path) -> String {
    path.components()
        .collect::<PathBuf>()
        .to_string_lossy()
        .into_owned()
}

/// Where a file is, whatever it is called: device of the file system, and path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    device: String,
    path: PathBuf,
}

impl Place {
    pub(super) fn is_in(&self, other: &Place) -> bool {
        self.device == other.device && self.path.starts_with(&other.path)
    }

    /// The rest of its path below `other`, if it is there.
    fn below(&self, other: &Place) -> Option<&Path> {
        let rest = self.path.strip_prefix(&other.path).ok()?;
        (self.device == other.device).then_some(rest)
    }
}

/// All mounts of the caller, as /proc/self/mountinfo has them.
#[derive(Debug)]
pub(crate) struct Mounts {
    mounts: Vec<Mounted>,
    there: Exists,
}

/// Whether a path exists.
pub(crate) type Exists = fn(&Path) -> bool;

/// File systems in which a look waits for a server, a daemon or a mount; FUSE's names begin with `fuse`.
const REMOTE: [&str; 8] = [
    "afs", "autofs", "ceph", "cifs", "lustre", "nfs", "nfs4", "smb3",
];

/// A mount: where it is, what is there, and of an overlay its layers.
#[derive(Debug)]
struct Mounted {
    point: PathBuf,
    cgroup: bool,
    remote: bool,
    place: Place,
    layers: Vec<PathBuf>,
}

impl Mounts {
    /// Reads mountinfo's `text`. Nothing is looked at with `there` before somebody asks for places: a layer may be on a file
    /// system whose server is gone.
    pub(crate) fn parse(text: &str, there: Exists) -> Mounts {
        let lines = text.lines().filter_map(Line::parse);
        let mounts = lines.map(|line| Mounted {
            point: unescape(line.point).into_owned().into(),
            cgroup: matches!(line.kind, "cgroup" | "cgroup2"),
            remote: REMOTE.contains(&line.kind) || line.kind.starts_with("fuse"),
            place: Place {
                device: line.device.to_owned(),
                path: unescape(line.root).into_owned().into(),
            },
            layers: match line.kind {
                "overlay" => layers(line.super_options).collect(),
                _ => Vec::new(),
            },
        });
        Mounts {
            mounts: mounts.collect(),
            there,
        }
    }

    /// Whether there is a hierarchy of cgroups among them: inside another container there is none perhaps.
    pub(super) fn has_cgroups(&self) -> bool {
        self.mounts.iter().any(|mount| mount.cgroup)
    }

    /// Whether a look at a path without links is answered by this kernel alone.
    pub(crate) fn answers(&self, path: &Path) -> bool {
        self.under(path).is_none_or(|(mount, _)| !mount.remote)
    }

    /// The deepest mount on a path, and of several there the last; with the rest of the path.
    fn under<'p>(&self, path: &'p Path) -> Option<(&Mounted, &'p Path)> {
        let over = self
            .mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.point));
        let mount = over.max_by_key(|mount| mount.point.components().count())?;
        Some((mount, path.strip_prefix(&mount.point).ok()?))
    }

    /// Where a path without links leads.
    pub(super) fn place(&self, path: &Path) -> Place {
        match self.under(path) {
            Some((mount, rest)) => Place {
                device: mount.place.device.clone(),
                path: mount.place.path.join(rest).components().collect(),
            },
            None => Place {
                device: String::new(),
                path: path.to_owned(),
            },
        }
    }

    /// All places whose files are seen at a path.
    fn places(&self, path: &Path) -> Vec<Place> {
        let layers = self.under(path).into_iter().flat_map(|(mount, rest)| {
            // Names of the mount namespace that it was made in, which is often another.
            let layers = mount.layers.iter().filter(|layer| (self.there)(layer));
            layers.map(move |layer| self.place(&layer.join(rest)))
        });
        std::iter::once(self.place(path)).chain(layers).collect()
    }

    fn shows(&self, path: &Path, place: &Place) -> bool {
        self.places(&path.components().collect::<PathBuf>())
            .contains(place)
    }

    /// What a recursive bind of a directory shows: itself, and what is mounted below it, at which path.
    fn shown(&self, source: &Path) -> Vec<(PathBuf, Place)> {
        let below = self.mounts.iter().map(|mount| mount.point.as_path());
        let below = below.filter(|point| point.starts_with(source) && *point != source);
        std::iter::once(source)
            .chain(below)
            .flat_map(|path| {
                let at = path.strip_prefix(source).unwrap_or(path);
                let places = self.places(path).into_iter();
                places.map(move |place| (at.to_owned(), place))
            })
            .collect()
    }
}

/// The directories of an overlay's layers (overlayfs.rst): `lowerdir` separates with colons, newer kernels add
/// `lowerdir+` and `datadir+` one by one.
fn layers(options: &str) -> impl Iterator<Item = PathBuf> + '_ {
    const NAMES: [&str; 4] = ["lowerdir", "upperdir", "lowerdir+", "datadir+"];
    options
        .split(',')
        .filter_map(|option| option.split_once('='))
        .filter(|(name, _)| NAMES.contains(name))
        .flat_map(|(_, paths)| paths.split(':'))
        .filter(|path| path.starts_with('/'))
        .map(|path| PathBuf::from(unescape(path).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:20 / /run rw - tmpfs tmpfs rw
22 20 8:1 /var/lib/lockstep /srv/alias rw - ext4 /dev/sda1 rw
23 20 8:1 /var/lib /mnt/lib rw - ext4 /dev/sda1 rw
24 20 8:1 / /mnt/disk rw - ext4 /dev/sda1 rw
25 24 0:30 / /mnt/disk/var rw - tmpfs tmpfs rw
26 20 0:31 / /mnt/over rw - overlay overlay rw,lowerdir=/etc:/var/lib,upperdir=/up,workdir=/work
";

    fn place(device: &str, path: &str) -> Place {
        Place {
            device: device.to_owned(),
            path: path.into(),
        }
    }

    #[test]
    fn a_place_is_the_same_under_each_of_its_names() {
        let mounts = Mounts::parse(HOST, |_| true);
        let at = |path: &str| mounts.place(Path::new(path));
        assert_eq!(at("/var/lib/lockstep"), place("8:1", "/var/lib/lockstep"));
        assert_eq!(at("/srv/alias"), at("/var/lib/lockstep"));
        assert_eq!(at("/mnt/lib/lockstep/x"), at("/var/lib/lockstep/x"));
        assert_eq!(at("/run/lockstep"), place("0:20", "/lockstep"));
        // Something else is mounted over it there.
        assert_eq!(
            at("/mnt/disk/var/lib/lockstep"),
            place("0:30", "/lib/lockstep")
        );
    }

    #[test]
    fn only_the_kernel_answers_for_its_own_file_systems() {
        let text = "\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:40 / /net rw - autofs map rw
22 21 0:41 / /net/ann rw - nfs4 server:/ann rw
23 20 0:42 / /home/bob/cloud rw - fuse.sshfs server: rw
24 20 0:43 / /home/eve rw - autofs map rw
25 24 8:2 / /home/eve rw - ext4 /dev/sda2 rw
";
        let mounts = Mounts::parse(text, |_| true);
        let answers = |path: &str| mounts.answers(Path::new(path));
        assert!(answers("/home/bob/.config") && answers("/home/eve/.config"));
        assert!(!answers("/net/joe") && !answers("/net/ann/.config"));
        assert!(!answers("/home/bob/cloud/x"));
    }

    #[test]
    fn an_overlay_shows_its_layers() {
        let mounts = Mounts::parse(HOST, |_| true);
        let own = mounts.place(Path::new("/var/lib/lockstep"));
        assert!(mounts.shows(Path::new("/mnt/over/lockstep"), &own));
        // Layers that have no such name here are another namespace's.
        let elsewhere = Mounts::parse(HOST, |_| false);
        assert!(!elsewhere.shows(Path::new("/mnt/over/lockstep"), &own));
    }

    #[test]
    fn a_mount_shows_what_is_mounted_below_it() {
        let mounts = Mounts::parse(HOST, |_| true);
        let shown = mounts.shown(Path::new("/srv"));
        assert_eq!(shown[0], (PathBuf::new(), place("8:1", "/srv")));
        assert_eq!(
            shown[1],
            ("alias".into(), place("8:1", "/var/lib/lockstep"))
        );
        assert_eq!(shown.len(), 2);
    }
}
