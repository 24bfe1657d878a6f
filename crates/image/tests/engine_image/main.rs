//! The same images through podman and skopeo: what they write is loaded, what is saved they load, and everybody sees
//! the same tree.

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

use lockstep_image::overlay::{self, Overlay};
use lockstep_image::{Format, Image, Load, Owners, Reference, Store, platform_of_host};
use lockstep_kernel::file::{self, OFlags};
use stage::layout::Layout;
use stage::tar_file::{Header, Tar};
use stage::{ROOT, Stage, Test};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TESTS: &[Test] = &[
    ("everybody_sees_the_same_tree", ROOT, same_tree),
    ("what_podman_saves_is_loaded", ROOT, podman_saves),
    ("what_is_saved_podman_loads", ROOT, podman_loads),
    ("what_skopeo_copies_is_loaded", ROOT, skopeo_copies),
];

fn main() -> ExitCode {
    stage::main(TESTS)
}

/// Path to what a container could see of a file; times of directories only where an archive gives them.
type Tree = BTreeMap<PathBuf, String>;

fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut queue = vec![root.to_owned()];
    while let Some(path) = queue.pop() {
        let stat = std::fs::symlink_metadata(&path).expect("metadata");
        let content = match () {
            () if stat.is_file() => stage::layout::digest(&std::fs::read(&path).expect("a file")),
            () if stat.is_symlink() => format!("{:?}", std::fs::read_link(&path)),
            () => String::new(),
        };
        if stat.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory");
            queue.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let links = if stat.is_dir() { 0 } else { stat.nlink() };
        let relative = path.strip_prefix(root).expect("below");
        // podman's root is 0555 and of now, whatever its layers say.
        if relative.as_os_str().is_empty() {
            continue;
        }
        let time = stat.mtime();
        let line = format!(
            "{:o} {}:{} {links} {:x} {time} {content} {:?}",
            stat.mode(),
            stat.uid(),
            stat.gid(),
            stat.rdev(),
            attributes(&path)
        );
        found.insert(relative.to_owned(), line);
    }
    found
}

/// Extended attributes that a program in the container could read.
fn attributes(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = [0u8; 4096];
    let size = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let names = names[..size]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let mut found = Vec::new();
    for name in names {
        let name = String::from_utf8_lossy(name).into_owned();
        if name.starts_with("trusted.") {
            continue;
        }
        let mut value = vec![0u8; 4096];
        let size = rustix::fs::lgetxattr(path, &name, &mut value).expect("a value");
        value.truncate(size);
        found.push((name, value));
    }
    found
}

#[track_caller]
fn same(ours: &Tree, theirs: &Tree) {
    let mut wrong = Vec::new();
    for (path, line) in ours {
        if theirs.get(path) != Some(line) {
            wrong.push(format!(
                "{}: {line}\n   peer: {:?}",
                path.display(),
                theirs.get(path)
            ));
        }
    }
    wrong.extend(
        theirs
            .keys()
            .filter(|path| !ours.contains_key(*path))
            .map(|p| format!("only the peer: {}", p.display())),
    );
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        ours.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(ours.len() > 100, "{} files", ours.len());
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// podman with a storage of the test's own.
fn podman(stage: &Stage, args: &[&str]) -> String {
    let mut command = Command::new("podman");
    command
        .env("CONTAINERS_STORAGE_CONF", storage(stage))
        .args(args);
    run(&mut command)
}

fn storage(stage: &Stage) -> PathBuf {
    let conf = stage.path("storage.conf");
    let text = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = {:?}\n",
        stage.path("p"),
        stage.path("r")
    );
    std::fs::write(&conf, text).expect("a file");
    conf
}

fn load(store: &Store, from: &str) -> Image {
    let Reference::Source(source) = from.parse().expect("a source") else {
        panic!("{from} is no source");
    };
    let how = Load {
        owners: &Owners::Kept,
        platform: &platform_of_host(),
        only_one: true,
        progress: None,
    };
    store
        .load(&source, &how)
        .unwrap_or_else(|e| panic!("{from}: {e}"))
        .remove(0)
}

/// What a container of ours sees.
fn our_tree(stage: &Stage, store: &Store, image: &Image) -> Tree {
    let layers = store.layers(image, &Owners::Kept).expect("layers");
    let (container, point) = (stage.make_dir("container"), stage.make_dir("rootfs"));
    let here = file::openat(file::CWD, &container, OFlags::RDONLY | OFlags::DIRECTORY, 0)
        .expect("a directory");
    let changes = overlay::prepare_upper(here.as_fd(), &layers, None).expect("upper");
    let description = Overlay {
        layers: &layers,
        upper: Some(changes.as_upper()),
        idmap: None,
        volatile: false,
        label: None,
    };
    let root = description.mount(&point).expect("mounted");
    let found = tree(&point);
    overlay::unmount(&root).expect("taken away");
    std::fs::remove_dir_all(container).expect("removed");
    found
}

/// What a container of podman's sees.
fn podman_tree(stage: &Stage, image: &str) -> Tree {
    let point = podman(stage, &["image", "mount", image]);
    let found = tree(Path::new(&point));
    podman(stage, &["image", "umount", image]);
    found
}

/// Two layers: files of this machine by GNU tar, and one that changes them in every way.
///
/// Both describe the directories that they change: for those that are left out everybody has another default.
fn layout(stage: &Stage, sparse_form: bool) -> Layout {
    let base = stage.make_dir("base");
    for dir in ["etc", "bin", "usr/share"] {
        std::fs::create_dir_all(base.join(dir)).expect("a directory");
    }
    run(Command::new("cp")
        .args(["-a", "/etc/ssl", "/etc/alternatives", "/etc/default"])
        .arg(base.join("etc")));
    run(Command::new("cp")
        .args(["-a", "/usr/share/doc/bash"])
        .arg(base.join("usr/share")));
    std::fs::write(base.join("bin/su"), "su").expect("a file");
    std::fs::hard_link(base.join("bin/su"), base.join("bin/also")).expect("a link");
    let sparse = std::fs::File::create(base.join("sparse")).expect("a file");
    sparse.set_len(1 << 20).expect("a hole");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"x", 700_000).expect("written");
    std::os::unix::fs::chown(base.join("bin/su"), Some(33), Some(44)).expect("an owner");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4750);
    std::fs::set_permissions(base.join("bin/su"), mode).expect("a mode");
    rustix::fs::setxattr(
        base.join("bin/su"),
        "user.note",
        b"line\nline",
        rustix::fs::XattrFlags::empty(),
    )
    .expect("an attribute");
    let long = base.join("n".repeat(120)).join("m".repeat(120));
    std::fs::create_dir_all(&long).expect("a directory");
    std::fs::write(long.join("f"), "long").expect("a file");
    let file = stage.path("base.tar");
    let sparse_form = sparse_form.then_some("--sparse");
    run(Command::new("tar")
        .args(["--xattrs", "--format=pax"])
        .args(sparse_form)
        .arg("-C")
        .arg(&base)
        .arg("-cf")
        .arg(&file)
        .arg("."));
    let lower = std::fs::read(file).expect("an archive");
    let modified = 1_000_000_000;
    let header = |name: &'static [u8], kind, device| Header {
        name,
        kind,
        device,
        modified,
        mode: 0o640,
        ..Header::default()
    };
    let upper = Tar::new()
        .dir("./")
        .dir("bin")
        .dir("etc")
        .file("etc/.wh.default", "")
        .dir("etc/ssl")
        .file("etc/ssl/.wh..wh..opq", "")
        .file("etc/ssl/only", "only")
        .file("sparse", "no more")
        .entry(&header(b"dev-null", b'3', (1, 3)), b"")
        .entry(&header(b"pipe", b'6', (0, 0)), b"")
        .symlink("bin/link", "/etc/passwd")
        .hard("bin/hard", "sparse")
        .dir("empty");
    Layout::new()
        .layer(&lower)
        .layer(&upper.end())
        .named("localhost/differential:1")
        .honest()
}

fn skopeo(stage: &Stage, from: &str, to: &str) {
    let mut command = Command::new("skopeo");
    command.env("CONTAINERS_STORAGE_CONF", storage(stage));
    run(command.args(["copy", "--insecure-policy", "--quiet", from, to]));
}

fn written(stage: &Stage, sparse_form: bool) -> String {
    let dir = stage.make_dir("oci");
    layout(stage, sparse_form).write(&dir);
    format!("oci:{}", dir.display())
}

const NAME: &str = "localhost/differential:1";

fn in_podman(stage: &Stage, from: &str) {
    skopeo(
        stage,
        &format!("{from}:{NAME}"),
        &format!("containers-storage:{NAME}"),
    );
}

fn same_tree(stage: &Stage) {
    let from = written(stage, true);
    let store = stage.store();
    let ours = our_tree(stage, &store, &load(&store, &from));
    in_podman(stage, &from);
    same(&ours, &podman_tree(stage, NAME));
    assert!(
        ours.keys()
            .any(|path| path.as_os_str().as_bytes() == b"dev-null")
    );
}

fn podman_saves(stage: &Stage) {
    // podman cannot write a layer again that has a sparse file: its digest differs then.
    in_podman(stage, &written(stage, false));
    let theirs = podman_tree(stage, NAME);
    for format in ["oci-archive", "docker-archive"] {
        let file = stage.path(&format!("{format}.tar")).display().to_string();
        podman(
            stage,
            &["save", "-q", "--format", format, "-o", &file, NAME],
        );
        let store = Store::open(&stage.path(format)).expect("a store");
        let image = load(&store, &format!("{format}:{file}"));
        assert_eq!(image.names, [NAME], "{format}");
        same(&our_tree(stage, &store, &image), &theirs);
    }
}

fn podman_loads(stage: &Stage) {
    let store = stage.store();
    let image = load(&store, &written(stage, true));
    let ours = our_tree(stage, &store, &image);
    for (name, format) in [
        ("oci", Format::OciArchive),
        ("docker", Format::DockerArchive),
    ] {
        let file = stage.path(&format!("{name}.tar"));
        let out = std::fs::File::create(&file).expect("a file");
        store
            .save(std::slice::from_ref(&image), format, out)
            .expect("saved");
        podman(stage, &["load", "-q", "-i", &file.display().to_string()]);
        same(&ours, &podman_tree(stage, NAME));
        let id = podman(stage, &["image", "inspect", "--format", "{{.Id}}", NAME]);
        assert_eq!(id, image.id().hex(), "{name}");
        podman(stage, &["rmi", "-f", NAME]);
    }
}

fn skopeo_copies(stage: &Stage) {
    let from = written(stage, true);
    let store = stage.store();
    let image = load(&store, &from);
    for (name, compression) in [("gzip", "gzip"), ("zstd", "zstd")] {
        let to = stage.path(name);
        let mut command = Command::new("skopeo");
        command.args([
            "copy",
            "--insecure-policy",
            "--quiet",
            "--dest-compress-format",
            compression,
        ]);
        command.args(["--dest-compress", &format!("{from}:{NAME}")]);
        run(command.arg(format!("oci:{}:{NAME}", to.display())));
        let other = load(&store, &format!("oci:{}", to.display()));
        assert_eq!(other.id(), image.id(), "{name}");
        same(
            &our_tree(stage, &store, &other),
            &our_tree(stage, &store, &image),
        );
    }
}
