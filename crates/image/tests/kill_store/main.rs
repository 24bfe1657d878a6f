//! Kills a command of the store at every system call, and lets every call fail: whatever is left, the next command
//! makes a whole store of it, and what was there before is still there.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test arranges the world that the product may not touch, and talks on stdout"
)]

#[path = "../stage/mod.rs"]
mod stage;

use lockstep_image::{Load, Name, Owners, Reference, Store, platform_of_host};
use lockstep_kernel::namespace::Map;
use stage::layout::{Layout, gzip, member};
use stage::tar_file::Tar;
use stage::{ROOT, Stage, Test, picture};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const STEPPER: &str = include_str!("../../../lockstep-runc/tests/killwalk/stepper.c");

const TESTS: &[Test] = &[
    ("load_of_a_layout", ROOT, |stage| {
        walk(stage, "load oci:SOURCE/oci", false)
    }),
    ("load_of_an_archive", ROOT, |stage| {
        walk(stage, "load docker-archive:SOURCE/docker.tar", false)
    }),
    ("load_beside_another_image", ROOT, |stage| {
        walk(stage, "load oci:SOURCE/oci", true)
    }),
    ("unpacking_again", ROOT, |stage| {
        walk(stage, "layers base:1", true)
    }),
    ("a_copy_with_other_owners", ROOT, |stage| {
        walk(stage, "shifted base:1", true)
    }),
    ("remove", ROOT, |stage| walk(stage, "remove base:1", true)),
    ("tag", ROOT, |stage| walk(stage, "tag base:1 more:2", true)),
    ("prune", ROOT, |stage| walk(stage, "prune", true)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--verb", store, ref verb @ ..] => {
            let done = run(Path::new(store), verb);
            if let Err(e) = &done {
                eprintln!("error: {e}");
            }
            ExitCode::from(u8::from(done.is_err()))
        }
        _ => stage::main(TESTS),
    }
}

/// A command of the store, in a process that is killed.
fn run(store: &Path, verb: &[&str]) -> lockstep_image::Result<()> {
    let store = Store::open(store)?;
    let name = |text: &str| text.parse::<Name>();
    match verb {
        ["load", source] => load(&store, source),
        ["layers", image] => store
            .layers(&store.resolve(&name(image)?)?, &Owners::Kept)
            .map(drop),
        ["shifted", image] => shifted(&store, image),
        ["remove", image] => store.remove(&name(image)?, false).map(drop),
        ["tag", image, new] => store
            .tag(&store.resolve(&name(image)?)?, &name(new)?)
            .map(drop),
        ["prune"] => store.prune(true).map(drop),
        other => panic!("unknown verb {other:?}"),
    }
}

/// Unpacks an image beside its first copy.
fn shifted(store: &Store, image: &str) -> lockstep_image::Result<()> {
    let map = vec![Map {
        inside: 0,
        outside: 3_000_000,
        size: 1000,
    }];
    let owners = Owners::Shifted(map.clone(), map);
    let image = store.resolve(&image.parse()?)?;
    store.layers(&image, &owners).map(drop)
}

fn load(store: &Store, source: &str) -> lockstep_image::Result<()> {
    let Reference::Source(source) = source.parse()? else {
        panic!("{source} is no source");
    };
    let how = Load {
        owners: &Owners::Kept,
        platform: &platform_of_host(),
        only_one: true,
        progress: None,
    };
    store.load(&source, &how).map(drop)
}

/// A call's number, and how often it was made before.
type Point = (u32, u32);

/// What a walk needs.
struct Walk<'a> {
    stage: &'a Stage,
    stepper: PathBuf,
    verb: Vec<String>,
    base: Option<String>,
}

impl Walk<'_> {
    fn store(&self) -> PathBuf {
        self.stage.path("disk/store")
    }

    /// A store as it is before the command.
    fn prepare(&self) {
        drop(std::fs::remove_dir_all(self.store()));
        let store = Store::open(&self.store()).expect("a store");
        if let Some(base) = &self.base {
            load(&store, base).expect("loaded");
            if self.verb[0] == "remove" {
                shifted(&store, "base:1").expect("a second copy");
            }
            if self.verb[0] == "layers" {
                let layers = self.store().join("layers");
                std::fs::remove_dir_all(&layers).expect("removed");
                std::fs::create_dir(&layers).expect("empty");
            }
        }
    }

    /// The command, disturbed; the points that it has, and whether one was hit.
    fn step(&self, what: &str, point: Point) -> (Vec<Point>, bool) {
        let report = self.stage.path("disk/report");
        let program = std::env::current_exe().expect("this program");
        let status = Command::new(&self.stepper)
            .arg(&report)
            .args([what, "0", &point.0.to_string(), &point.1.to_string()])
            .args([&program, &program])
            .arg("--verb")
            .arg(self.store())
            .args(&self.verb)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .expect("the stepper");
        // 95 to 99: the stepper's own.
        let code = status.code().unwrap_or(0);
        assert!(
            !(95..=99).contains(&code),
            "{what} {point:?}: the stepper says {code}"
        );
        let text = std::fs::read_to_string(&report).unwrap_or_default();
        let points = text.lines().filter_map(|line| {
            let (call, occurrence) = line.strip_prefix("call 0 ")?.split_once(' ')?;
            Some((call.parse().ok()?, occurrence.parse().ok()?))
        });
        (points.collect(), text.contains("hit"))
    }

    /// The store after the next command: repaired, whole, and able to do it again.
    fn check(&self, point: &str, golden: &BTreeMap<PathBuf, String>) {
        let path = self.store();
        let store = Store::open(&path).unwrap_or_else(|e| panic!("{point}: {e}"));
        let rest = std::fs::read_dir(path.join("tmp")).expect("tmp").count();
        assert_eq!(rest, 0, "{point}: rest is left");
        for image in store.images().unwrap_or_else(|e| panic!("{point}: {e}")) {
            let layers = store.layers(&image, &Owners::Kept);
            layers.unwrap_or_else(|e| panic!("{point}: {e}"));
        }
        let words: Vec<&str> = self.verb.iter().map(String::as_str).collect();
        match run(&path, &words) {
            Ok(()) => {}
            // It was done before it was killed.
            Err(e) if e.to_string().contains("no image") && self.verb[0] == "remove" => {}
            Err(e) => panic!("{point}: again: {e}"),
        }
        let found = content(&path);
        for (name, line) in golden {
            assert_eq!(found.get(name), Some(line), "{point}: {}", name.display());
        }
        let more: Vec<_> = found
            .keys()
            .filter(|name| !golden.contains_key(*name))
            .collect();
        assert!(more.is_empty(), "{point}: {more:?}");
    }
}

/// What counts in a store: everything but locks, inode times of directories of its own, and when it was loaded.
fn content(store: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for (path, line) in picture(store) {
        let relative = path.strip_prefix(store).expect("in the store").to_owned();
        let own = relative.starts_with("images") || relative.ends_with("store.json");
        let lock = relative.starts_with("locks") || relative.to_string_lossy().ends_with("lock");
        let in_tree = relative.iter().any(|part| part == "tree");
        let line = match () {
            () if lock => continue,
            () if own || path.is_dir() && !in_tree => String::new(),
            () if in_tree => line,
            // Not when it was written.
            () => line.split(' ').next_back().unwrap_or_default().to_owned(),
        };
        found.insert(relative, line);
    }
    found
}

fn walk(stage: &Stage, verb: &str, base: bool) {
    let disk = stage.make_dir("disk");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "kill"])
        .arg(&disk)
        .status();
    assert!(mounted.expect("mount").success());
    let source = disk.join("source");
    sources(&source);
    let place = source.display().to_string();
    let verb = verb.replace("SOURCE", &place);
    let walk = Walk {
        stage,
        stepper: compile(stage),
        verb: verb.split(' ').map(str::to_owned).collect(),
        base: base.then(|| format!("oci:{place}/base")),
    };
    walk.prepare();
    let (calls, _) = walk.step("count", (0, 0));
    let golden = content(&walk.store());
    assert!(calls.len() > 30, "{} calls", calls.len());
    // EIO, ENOSPC: a broken disk, a full one.
    for what in ["kill", "5", "28"] {
        let mut hits = 0;
        let taken: Vec<Point> = calls
            .iter()
            .copied()
            .filter(|call| is_taken(what, *call))
            .collect();
        for call in &taken {
            walk.prepare();
            let (_, hit) = walk.step(what, *call);
            hits += usize::from(hit);
            walk.check(&format!("{what} {verb} at {call:?}"), &golden);
        }
        println!("{verb}: {what} at {hits} of {} calls", calls.len());
        assert!(
            hits * 10 >= taken.len() * 9,
            "{hits} hits of {}",
            taken.len()
        );
    }
    let unmounted = Command::new("umount").arg("-l").arg(&disk).status();
    assert!(unmounted.expect("umount").success());
}

/// Whether this run takes the point: `LOCKSTEP_TEST_SAMPLE` is "percent,seed".
fn is_taken(what: &str, call: Point) -> bool {
    let Ok(sample) = std::env::var("LOCKSTEP_TEST_SAMPLE") else {
        return true;
    };
    let (percent, seed) = sample.split_once(',').unwrap_or((&sample, "0"));
    let percent: u64 = percent.trim().parse().expect("a percentage");
    // Three kinds of disturbance and as many walks as a sample has time for.
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&(seed, what, call), &mut hash);
    std::hash::Hasher::finish(&hash) % 100 < percent
}

/// A base image, and one upon it.
fn sources(dir: &Path) {
    let lower = Tar::new()
        .dir("d")
        .file("d/f", "f")
        .symlink("l", "d/f")
        .hard("h", "d/f")
        .end();
    let upper = Tar::new().file("d/.wh.f", "").file("d/g", "g").end();
    let base = Layout::new().layer(&lower).named("base:1").honest();
    base.write(&dir.join("base"));
    Layout::new()
        .layer(&lower)
        .layer(&upper)
        .named("two:1")
        .honest()
        .write(&dir.join("oci"));
    let config = Layout::new()
        .layer(&lower)
        .layer(&upper)
        .config()
        .to_string();
    let list = r#"[{"Config":"c.json","RepoTags":["two:2"],"Layers":["a.tar","b.tar"]}]"#;
    let tar = member(member(Tar::new(), "a.tar", &lower), "b.tar", &gzip(&upper));
    let tar = member(
        member(tar, "c.json", config.as_bytes()),
        "manifest.json",
        list.as_bytes(),
    );
    std::fs::write(dir.join("docker.tar"), tar.end()).expect("an archive");
}

fn compile(stage: &Stage) -> PathBuf {
    let (source, binary) = (stage.path("disk/stepper.c"), stage.path("disk/stepper"));
    std::fs::write(&source, STEPPER).expect("a file");
    let status = Command::new("gcc")
        .args(["-static", "-O1", "-o"])
        .args([&binary, &source])
        .status();
    assert!(status.expect("a C compiler").success());
    binary
}
