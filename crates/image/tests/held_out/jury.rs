//! Loads each archive and says what is wrong with what became of it.

use super::case::{Case, Fact, Image, Is, Site, Verdict};
use super::entry::{dir, file, symlink, tar};
use super::stage::layout::{Layout, member};
use super::stage::tar_file::Tar;
use super::stage::{Stage, picture};
use lockstep_image::overlay::{self, Overlay};
use lockstep_image::{Load, Name, Owners, Reference, Store, platform_of_host};
use lockstep_kernel::file::{self as files, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "what-only-the-host-has-8472";
/// For one archive, with a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(300);
/// Address space of who loads one, in KiB.
const MEMORY: &str = "1048576";
/// What one may take of the disk until it is refused, in bytes.
const DISK: u64 = 6 << 30;

/// In the process that loads: the id is all it says.
pub(crate) fn load(store: &str, source: &str, owners: &str) -> lockstep_image::Result<()> {
    let store = Store::open(Path::new(store))?;
    let Reference::Source(source) = source.parse()? else {
        panic!("{source} is no source");
    };
    let owners = match owners {
        "kept" => Owners::Kept,
        _ => Owners::Squashed,
    };
    let how = Load {
        owners: &owners,
        platform: &platform_of_host(),
        only_one: true,
        progress: None,
    };
    for image in store.load(&source, &how)? {
        store.layers(&image, &owners)?;
        println!("{}", image.id());
    }
    Ok(())
}

pub(crate) fn judge(stage: &Stage, cases: &[Case]) {
    let jury = Jury::convene(stage);
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind).collect();
    let mut wrong = Vec::new();
    for case in cases {
        let complaints = jury.hear(case);
        for text in &complaints {
            println!("  {}: {}: {text}", case.kind, case.name);
        }
        if !complaints.is_empty() {
            wrong.push(case.name);
        }
    }
    println!(
        "{} archives of {} kinds, {} wrong",
        cases.len(),
        kinds.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}

struct Jury<'a> {
    stage: &'a Stage,
    site: Site,
    base: Vec<u8>,
    /// The host's files and those of another image, as they were.
    before: BTreeMap<PathBuf, String>,
    others: Vec<PathBuf>,
    victim: String,
}

/// How a load ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    /// Why it was ended.
    stopped: Option<&'static str>,
}

impl<'a> Jury<'a> {
    fn convene(stage: &'a Stage) -> Jury<'a> {
        let outside = stage.make_dir("outside");
        std::fs::create_dir(outside.join("dir")).expect("a directory");
        for name in ["secret", "dir/file"] {
            std::fs::write(outside.join(name), SECRET).expect("a file");
            let only = std::fs::Permissions::from_mode(0o640);
            std::fs::set_permissions(outside.join(name), only).expect("a mode");
        }
        let site = Site { outside };
        let base = tar(&[
            dir("etc"),
            file("etc/passwd", "base"),
            dir("d"),
            file("d/f", "f"),
            file("d/g", "g"),
            symlink("link", "d"),
            symlink("abs", site.absolute("")),
            symlink("up", site.climbing("dir")),
        ]);
        let mut jury = Jury {
            stage,
            site,
            base,
            before: BTreeMap::new(),
            others: Vec::new(),
            victim: String::new(),
        };
        let victim = Layout::new().layer(&jury.base).named("victim:1").honest();
        let ended = jury.load("oci-archive", &victim.archive());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        jury.victim = ended.stdout.trim().to_owned();
        jury.others = jury.trees();
        jury.before = jury.now();
        jury
    }

    fn store(&self) -> PathBuf {
        self.stage.path("store")
    }

    /// The unpacked trees of all layers.
    fn trees(&self) -> Vec<PathBuf> {
        let mut found = vec![self.store().join("layers")];
        // By owners, by digest.
        for _ in 0..2 {
            let entries = found.iter().flat_map(std::fs::read_dir);
            found = entries
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect();
        }
        found.into_iter().map(|path| path.join("tree")).collect()
    }

    /// What must not change.
    fn now(&self) -> BTreeMap<PathBuf, String> {
        let mut found = picture(&self.site.outside);
        for tree in &self.others {
            found.extend(picture(tree));
        }
        found
    }

    fn load(&self, kind: &str, bytes: &[u8]) -> Ended {
        let path = self.stage.path("image.tar");
        std::fs::write(&path, bytes).expect("a file");
        let owners = match self.stage.caller.owners() {
            Owners::Kept => "kept",
            _ => "squashed",
        };
        let (out, err) = (self.stage.path("said"), self.stage.path("complained"));
        let create = |path: &Path| std::fs::File::create(path).expect("a file");
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -v $1; shift; exec \"$@\"", "sh", MEMORY])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--load".as_ref(), self.store().as_os_str()])
            .arg(format!("{kind}:{}", path.display()))
            .arg(owners)
            .stdin(Stdio::null())
            .stdout(create(&out))
            .stderr(create(&err))
            .spawn()
            .expect("it starts");
        let (begun, free) = (Instant::now(), self.free());
        let mut stopped = None;
        let status = loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                break status;
            }
            if begun.elapsed() > LONGEST {
                stopped = Some("it takes too long");
            } else if self.free() + DISK < free {
                stopped = Some("it fills the disk");
            }
            if stopped.is_some() {
                child.kill().expect("it can be killed");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let read = |path: &Path| {
            String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned()
        };
        Ended {
            code: status.code(),
            stdout: read(&out),
            stderr: read(&err),
            stopped,
        }
    }

    /// Bytes that the disk has room for.
    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.stage.dir).expect("a disk");
        disk.f_bavail * disk.f_frsize
    }

    fn written(&self, image: Image) -> (&'static str, Vec<u8>) {
        let base = || Layout::new().layer(&self.base).named("held:1");
        match image {
            Image::Layers(layers) => {
                let layout = layers.iter().fold(base(), |layout, tar| layout.layer(tar));
                ("oci-archive", layout.honest().archive())
            }
            Image::Blob(kind, tar, blob) => {
                let layout = base().compressed(&tar, blob, &format!("layer.v1.{kind}"));
                ("oci-archive", layout.honest().archive())
            }
            Image::Layout(layout) => {
                let members = layout.files.iter();
                let tar = members.fold(Tar::new(), |tar, (name, bytes)| member(tar, name, bytes));
                ("oci-archive", tar.end())
            }
            Image::Archive(kind, bytes) => (kind, bytes),
        }
    }

    /// What is wrong.
    fn hear(&self, case: &Case) -> Vec<String> {
        let (kind, bytes) = self.written((case.image)(&self.site));
        let ended = self.load(kind, &bytes);
        let mut wrong = Vec::new();
        wrong.extend(ended.stopped.map(str::to_owned));
        let hostile = |c: char| c.is_control() && c != '\n';
        if ended.stderr.contains(hostile) {
            wrong.push(format!(
                "it lets control characters through: {:?}",
                ended.stderr
            ));
        }
        match (ended.code, (case.verdict)()) {
            (Some(0), Verdict::Refused(_)) => wrong.push("it is loaded".to_owned()),
            (Some(0), Verdict::Tree(facts) | Verdict::Either(facts)) => {
                wrong.extend(self.look(&ended.stdout, &facts));
            }
            (Some(1), Verdict::Refused(words))
                if words.iter().any(|word| ended.stderr.contains(word)) => {}
            (Some(1), Verdict::Either(_)) if ended.stderr.len() > "error: ".len() => {}
            (code, _) => wrong.push(format!("code {code:?}: {}", ended.stderr.trim_end())),
        }
        wrong.extend(self.after(ended.code != Some(0)));
        wrong
    }

    /// What must be true after whatever.
    fn after(&self, failed: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        let now = self.now();
        for (path, line) in &self.before {
            if now.get(path) != Some(line) {
                wrong.push(format!("{} was changed", path.display()));
            }
        }
        wrong.extend(
            now.keys()
                .filter(|path| !self.before.contains_key(*path))
                .map(|path| format!("{} is new", path.display())),
        );
        let found = Command::new("grep")
            .args(["-r", "-l", SECRET])
            .arg(self.store())
            .output();
        let found = found.expect("grep").stdout;
        if !found.is_empty() {
            wrong.push(format!(
                "the host's secret is in {}",
                String::from_utf8_lossy(&found).trim()
            ));
        }
        wrong.extend(self.reachable());
        let store = Store::open(&self.store()).expect("the store");
        let images = store.images().expect("images");
        if failed && images.len() != 1 {
            wrong.push(format!("{} images are there", images.len()));
        }
        for image in images {
            let name = image.id().to_string();
            if store.layers(&image, &self.stage.caller.owners()).is_err() {
                wrong.push(format!("{name} has no layers"));
            }
        }
        // As if it had never been there.
        for image in store.images().expect("images") {
            let id = image.id().to_string();
            if id != self.victim {
                let name = id
                    .trim_start_matches("sha256:")
                    .parse::<Name>()
                    .expect("an id");
                store.remove(&name, true).expect("it can be removed");
            }
        }
        let rest = std::fs::read_dir(self.store().join("tmp"))
            .expect("tmp")
            .count();
        if rest > 0 || self.trees().len() != self.others.len() {
            wrong.push(format!("{rest} in tmp, layers {:?} are left", self.trees()));
        }
        wrong
    }

    /// Whether another user has a way to what was unpacked, where programs may be setuid.
    fn reachable(&self) -> Option<String> {
        let open = |path: &Path| std::fs::metadata(path).expect("it").mode() & 0o001 != 0;
        let layers = self.store().join("layers");
        (open(&self.store()) && open(&layers))
            .then(|| "other users can reach the layers".to_owned())
    }

    /// The merged tree, and what of it is not so.
    fn look(&self, said: &str, facts: &[Fact]) -> Vec<String> {
        let store = Store::open(&self.store()).expect("the store");
        let id = said.trim().trim_start_matches("sha256:");
        let image = store
            .resolve(&id.parse::<Name>().expect("an id"))
            .expect("it was loaded");
        let layers = store
            .layers(&image, &self.stage.caller.owners())
            .expect("layers");
        let (changes, point) = (self.stage.make_dir("changes"), self.stage.make_dir("point"));
        let directory = files::openat(files::CWD, &changes, OFlags::RDONLY | OFlags::DIRECTORY, 0);
        let upper =
            overlay::prepare_upper(directory.expect("it").as_fd(), &layers, None).expect("upper");
        let description = Overlay {
            layers: &layers,
            upper: Some(upper.as_upper()),
            idmap: None,
            volatile: false,
            label: None,
        };
        let root = description.mount(&point).expect("mounted");
        let wrong = facts
            .iter()
            .filter_map(|fact| differs(&point, fact))
            .collect();
        overlay::unmount(&root).expect("taken away");
        std::fs::remove_dir_all(&changes).expect("own files");
        wrong
    }
}

fn differs(root: &Path, (name, is): &Fact) -> Option<String> {
    let path = root.join(name);
    let stat = std::fs::symlink_metadata(&path);
    if let Is::Absent = is {
        return stat.is_ok().then(|| format!("{name} is there"));
    }
    let Ok(stat) = stat else {
        // A device need not be made at all.
        return (!matches!(is, Is::NoDevice)).then(|| format!("{name} is not there"));
    };
    let found = match is {
        Is::Absent | Is::NoDevice => match std::fs::File::open(&path) {
            Ok(_) if !stat.is_file() => "a device".to_owned(),
            _ => return None,
        },
        Is::Dir if stat.is_dir() => return None,
        Is::Fifo if stat.file_type().is_fifo() => return None,
        Is::Dir | Is::Fifo => format!("{:?}", stat.file_type()),
        Is::Mode(mode) if stat.mode() & 0o7777 == *mode => return None,
        Is::Mode(_) => format!("mode {:o}", stat.mode()),
        Is::Size(size) if stat.len() == *size => return None,
        Is::Size(_) => format!("{} bytes", stat.len()),
        Is::Link(target) => match std::fs::read_link(&path) {
            Ok(found) if found == Path::new(target) => return None,
            other => format!("{other:?}"),
        },
        Is::File(content) if stat.is_file() => match std::fs::read_to_string(&path) {
            Ok(found) if found == *content => return None,
            other => format!("{other:?}"),
        },
        Is::File(_) => format!("{:?}", stat.file_type()),
        Is::Names(names) => {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            let found: BTreeSet<_> = entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            match stat.is_dir() && found.iter().map(String::as_str).eq(names.iter().copied()) {
                true => return None,
                false => format!("{found:?}"),
            }
        }
    };
    Some(format!("{name} is {found}"))
}
