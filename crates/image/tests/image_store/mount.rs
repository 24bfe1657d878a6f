//! Root file systems: what the container sees of the layers, by every way of mounting.

use super::life::{layout, load, written};
use super::stage::{ALL, ROOT, Stage, Test};
use lockstep_abi::feature::{Feature, KernelVersion};
use lockstep_image::overlay::{self, Changes, Overlay, Route};
use lockstep_image::{Layer, Owners};
use lockstep_kernel::file::{self, OFlags};
use lockstep_kernel::namespace::{self, Map};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    ("every_way_shows_the_merged_tree", ALL, routes),
    ("id_mapped_layers_have_the_container_s_ids", ROOT, id_mapped),
    ("shifted_owners_need_no_map", ROOT, shifted),
    ("one_layer_alone_is_read_only", ALL, single),
    ("a_copy_is_what_the_merged_tree_shows", ALL, copied),
];

/// What this kernel's overlay knows, and by mount(2) every one does.
fn ways() -> Vec<Route> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let kernel = KernelVersion::parse(release.trim()).expect("a version");
    let mut ways = vec![Route::Page];
    for (way, feature) in [
        (Route::Paths, Feature::OverlayAppendedLayers),
        (Route::Descriptors, Feature::OverlayLayersByDescriptor),
    ] {
        if kernel >= feature.since() {
            ways.insert(0, way);
        }
    }
    ways
}

fn open(path: &Path) -> OwnedFd {
    file::openat(file::CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, 0).expect("a directory")
}

fn layers(stage: &Stage, owners: &Owners) -> Vec<Layer> {
    let store = stage.store();
    let image = load(
        stage,
        &store,
        &written(stage, "oci", &layout(Some("one:1"))),
    )
    .remove(0);
    store.layers(&image, owners).expect("layers")
}

fn overlay<'a>(layers: &'a [Layer], changes: &'a Changes) -> Overlay<'a, Layer> {
    Overlay {
        layers,
        upper: Some(changes.as_upper()),
        idmap: None,
        volatile: false,
        label: None,
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The two layers as one tree, and it can be written to.
#[track_caller]
fn merged(point: &Path) {
    assert_eq!(names(point), ["etc", "gone", "hard", "link"]);
    assert_eq!(names(&point.join("etc")), ["a"]);
    assert_eq!(names(&point.join("gone")), ["y"]);
    assert_eq!(
        std::fs::read_to_string(point.join("link")).expect("a file"),
        "A"
    );
    std::fs::write(point.join("etc/new"), "new").expect("it can be written to");
}

fn mounts() -> usize {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    text.lines().count()
}

fn routes(stage: &Stage) {
    let layers = layers(stage, &stage.caller.owners());
    for (n, route) in ways().into_iter().enumerate() {
        let (container, point) = (
            stage.make_dir(&format!("c{n}")),
            stage.make_dir(&format!("p{n}")),
        );
        let changes =
            overlay::prepare_upper(open(&container).as_fd(), &layers, None).expect("upper");
        let before = mounts();
        let mut description = overlay(&layers, &changes);
        description.volatile = n == 0;
        let root = description
            .mount_by(route, &point)
            .unwrap_or_else(|e| panic!("{route:?}: {e}"));
        assert_eq!(mounts(), before + 1, "{route:?}");
        merged(&point);
        assert_eq!(
            std::fs::read_to_string(container.join("upper/etc/new")).expect("a change"),
            "new"
        );
        let node = rustix::fs::statvfs(&point).expect("flags").f_flag;
        assert!(
            node.contains(rustix::fs::StatVfsMountFlags::NODEV),
            "{route:?}"
        );
        overlay::unmount(&root).expect("taken away");
        assert_eq!(mounts(), before, "{route:?}");
        assert_eq!(names(&point), [""; 0]);
    }
    // The layers are as they were.
    let tree = open_again(&layers[0]);
    assert_eq!(names(&tree.join("etc")), ["a", "b"]);
}

/// The path of a layer.
fn open_again(layer: &Layer) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd())).expect("a path")
}

const MAP: Map = Map {
    inside: 0,
    outside: 3_000_000,
    size: 65_536,
};

fn id_mapped(stage: &Stage) {
    let layers = layers(stage, &Owners::Kept);
    let proc = file::open_dir(file::CWD, "/proc").expect("/proc");
    let userns = namespace::detached_user_namespace(&proc, &[MAP], &[MAP]).expect("a namespace");
    for (n, route) in ways().into_iter().enumerate() {
        let (container, point) = (
            stage.make_dir(&format!("c{n}")),
            stage.make_dir(&format!("p{n}")),
        );
        let maps: (&[Map], &[Map]) = (&[MAP], &[MAP]);
        let changes =
            overlay::prepare_upper(open(&container).as_fd(), &layers, Some(maps)).expect("upper");
        let before = mounts();
        let mut description = overlay(&layers, &changes);
        description.idmap = Some(userns.as_fd());
        let root = description
            .mount_by(route, &point)
            .unwrap_or_else(|e| panic!("{route:?}: {e}"));
        assert_eq!(mounts(), before + 1, "{route:?}");
        merged(&point);
        for name in ["", "etc", "etc/a", "gone/y", "hard"] {
            let stat = point.join(name).symlink_metadata().expect("it is there");
            assert_eq!(
                (stat.uid(), stat.gid()),
                (3_000_000, 3_000_000),
                "{route:?} {name}"
            );
        }
        overlay::unmount(&root).expect("taken away");
        assert_eq!(mounts(), before, "{route:?}");
    }
    let stat = open_again(&layers[0])
        .join("etc/a")
        .metadata()
        .expect("a file");
    assert_eq!(stat.uid(), 0);
}

fn shifted(stage: &Stage) {
    let owners = Owners::Shifted(vec![MAP], vec![MAP]);
    let layers = layers(stage, &owners);
    let (container, point) = (stage.make_dir("c"), stage.make_dir("p"));
    let changes = overlay::prepare_upper(open(&container).as_fd(), &layers, None).expect("upper");
    let root = overlay(&layers, &changes).mount(&point).expect("mounted");
    merged(&point);
    for name in ["", "etc/a", "gone/y"] {
        let stat = point.join(name).symlink_metadata().expect("it is there");
        assert_eq!((stat.uid(), stat.gid()), (3_000_000, 3_000_000), "{name}");
    }
    overlay::unmount(&root).expect("taken away");
}

fn single(stage: &Stage) {
    let layers = layers(stage, &stage.caller.owners());
    let point = stage.make_dir("p");
    let description = Overlay {
        layers: &layers[1..],
        upper: None,
        idmap: None,
        volatile: false,
        label: None,
    };
    let root = description.mount(&point).expect("mounted");
    assert_eq!(names(&point.join("etc")), ["a", "b"]);
    let error = std::fs::write(point.join("x"), "x").expect_err("read-only");
    assert_eq!(error.raw_os_error(), Some(30));
    overlay::unmount(&root).expect("taken away");
    // Without an upper directory two layers are read-only too.
    let description = Overlay {
        layers: &layers,
        ..description
    };
    let root = description.mount(&point).expect("mounted");
    assert_eq!(names(&point.join("gone")), ["y"]);
    std::fs::write(point.join("x"), "x").expect_err("read-only");
    overlay::unmount(&root).expect("taken away");
}

/// Hidden files stay away, and names of one file, holes, modes, times and attributes stay together.
fn copied(stage: &Stage) {
    let layers = layers(stage, &stage.caller.owners());
    let point = stage.make_dir("p");
    let changes = overlay::prepare_upper(open(&stage.make_dir("c")).as_fd(), &layers, None);
    let changes = changes.expect("directories");
    let root = overlay(&layers, &changes).mount(&point).expect("mounted");
    std::fs::write(point.join("first"), "x").expect("a file");
    std::fs::hard_link(point.join("first"), point.join("second")).expect("a name");
    let hole = std::fs::File::create(point.join("hole")).expect("a file");
    hole.set_len(1 << 40).expect("a length");
    std::os::unix::fs::FileExt::write_all_at(&hole, b"end", 1 << 30).expect("written");
    let set = lockstep_kernel::metadata::set_xattr(&hole, "user.kept", b"v").is_ok();
    let odd = std::ffi::OsStr::from_bytes(b"not-\xff-text");
    std::fs::write(point.join(odd), "odd").expect("a file");
    let deep = point.join("d/".repeat(200));
    std::fs::create_dir_all(&deep).expect("directories");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o2751);
    std::fs::set_permissions(point.join("etc"), mode).expect("a mode");

    let to = stage.make_dir("copy");
    lockstep_image::copy(open(&point), open(&to)).expect("copied");
    let mut expected = names(&point);
    assert_eq!(names(&to), expected);
    expected.retain(|name| ["etc", "gone", "hard", "link"].contains(&name.as_str()));
    assert_eq!(expected.len(), 4);
    assert_eq!(names(&to.join("gone")), ["y"]);
    let stat = |path: &Path| std::fs::symlink_metadata(path).expect("there");
    assert_eq!(
        stat(&to.join("first")).ino(),
        stat(&to.join("second")).ino()
    );
    let copy = stat(&to.join("hole"));
    assert_eq!(copy.len(), 1 << 40);
    assert!(copy.blocks() * 512 < 1 << 20, "{} blocks", copy.blocks());
    let made = open(&to);
    let value = lockstep_kernel::metadata::xattr_at(&made, Path::new("hole"), "user.kept");
    assert_eq!(value.expect("asked").is_some(), set);
    assert_eq!(std::fs::read(to.join(odd)).expect("a file"), b"odd");
    assert!(to.join("d/".repeat(200)).is_dir());
    for name in ["etc", "link", "hole", "."] {
        let (from, to) = (stat(&point.join(name)), stat(&to.join(name)));
        assert_eq!(
            (from.mode(), from.mtime_nsec()),
            (to.mode(), to.mtime_nsec()),
            "{name}"
        );
        assert_eq!((from.uid(), from.gid()), (to.uid(), to.gid()), "{name}");
    }
    overlay::unmount(&root).expect("taken away");
}
