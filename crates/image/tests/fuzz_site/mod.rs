//! A place where a hostile stream of `cp` is made into files, and what must be true afterwards: for the fuzz target, and
//! for its smoke test.

use lockstep_image::transfer::{Ownership, Place, Stream, place};
use lockstep_kernel::file;
use lockstep_kernel::root::Root;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// Where the stream is told to go, below the root.
const PATHS: [&str; 8] = [
    "into",
    "into/",
    "into/.",
    "into/new",
    "into/d",
    "into/f",
    "into/out",
    "into/out/new",
];

/// A directory with a root and what is outside of it.
pub(crate) struct Site {
    dir: PathBuf,
    root: Root,
}

impl Site {
    pub(crate) fn new(dir: &Path) -> Site {
        for name in ["outside", "root/beside"] {
            std::fs::create_dir_all(dir.join(name)).expect("a directory");
            std::fs::write(dir.join(name).join("secret"), "secret").expect("a file");
        }
        let root = file::open_dir(file::CWD, dir.join("root")).expect("it");
        Site {
            dir: dir.to_owned(),
            root: Root::new(root),
        }
    }

    /// The first byte says how, the rest is the stream.
    ///
    /// # Panics
    ///
    /// Something outside of the named directory has changed, something unfinished is left, or there is a device or a
    /// privilege that was not asked for.
    pub(crate) fn play(&self, bytes: &[u8]) {
        let Some((how, stream)) = bytes.split_first() else {
            return;
        };
        let bit = |number: u8| how >> number & 1 == 1;
        let path = PATHS[usize::from(how & 7)];
        let place_how = Place {
            stream: if bit(3) {
                Stream::Archive
            } else {
                Stream::Copy
            },
            owners: Ownership::Maker,
            privileges: bit(4),
            overwrite: bit(5),
            follow: bit(6),
            passing: &[],
            ready: &|_| Ok(()),
        };
        self.prepare();
        let mut guarded = vec!["outside"];
        if !bit(6) && !path.contains("out") {
            guarded.push("root/beside");
        }
        let before: Vec<String> = guarded.iter().map(|name| self.seen(name)).collect();
        // Whatever it says.
        drop(place(&self.root, Path::new(path), &place_how, stream));
        let after: Vec<String> = guarded.iter().map(|name| self.seen(name)).collect();
        assert_eq!(before, after);
        look(&self.dir.join("root"), bit(4));
    }

    fn prepare(&self) {
        let into = self.dir.join("root/into");
        drop(std::fs::remove_dir_all(&into));
        std::fs::create_dir_all(into.join("d")).expect("a directory");
        for name in ["f", "d/f"] {
            std::fs::write(into.join(name), name).expect("a file");
        }
        // Inside of a root they lead to its own directories; else to those of the host.
        for (name, target) in [
            ("out", "../../outside"),
            ("d/out", "../../../outside/secret"),
            ("beside", "../beside"),
        ] {
            symlink(target, into.join(name)).expect("a link");
        }
        symlink(self.dir.join("outside"), into.join("absolute")).expect("a link");
    }

    /// Names, content, modes, and when anything was changed.
    fn seen(&self, name: &str) -> String {
        let dir = self.dir.join(name);
        let names = std::fs::read_dir(&dir).expect("it").count();
        let text = std::fs::read_to_string(dir.join("secret"));
        let stat = |path: &Path| {
            let stat = std::fs::symlink_metadata(path).expect("it");
            (
                stat.mode(),
                stat.uid(),
                stat.nlink(),
                stat.ctime(),
                stat.ctime_nsec(),
            )
        };
        format!(
            "{names} {text:?} {:?} {:?}",
            stat(&dir),
            stat(&dir.join("secret"))
        )
    }
}

fn look(dir: &Path, privileges: bool) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let stat = std::fs::symlink_metadata(&path).expect("it");
        let kind = stat.file_type();
        assert!(
            !kind.is_char_device() && !kind.is_block_device(),
            "{path:?}"
        );
        assert!(
            !name.to_string_lossy().starts_with(".lockstep-cp"),
            "{path:?}"
        );
        assert!(
            privileges || kind.is_dir() || stat.mode() & 0o6000 == 0,
            "{path:?}"
        );
        if kind.is_dir() {
            look(&path, privileges);
        }
    }
}
