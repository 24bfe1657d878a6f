//! Many processes at once, and a disk that is full: the store stays whole.

use super::life::{layout, load, name, written};
use super::stage::layout::Layout;
use super::stage::tar_file::Tar;
use super::stage::{ALL, Caller, ROOT, Stage, Test};
use lockstep_image::{Kind, Load, Progress, Store, platform_of_host};
use lockstep_kernel::process::{self, Side};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    ("32_at_once_unpack_once", ALL, at_once),
    ("loads_and_removals_at_once", ALL, mixed),
    ("a_full_disk_leaves_the_store_as_it_was", ROOT, full_disk),
];

/// Runs `f` in processes of their own, and gives their exit codes; 101 for one that panicked.
fn crowd(count: u32, f: impl Fn(u32) -> i32) -> Vec<i32> {
    let mut children = Vec::new();
    for n in 0..count {
        match process::clone(0, None).expect("a process") {
            Side::Child => {
                let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(n)));
                process::exit(ran.unwrap_or(101))
            }
            Side::Parent(child) => children.push(child.pid),
        }
    }
    let ended = children
        .into_iter()
        .map(|pid| process::wait(pid, false).expect("it ends"));
    ended
        .map(|end| end.map_or(-1, |(_, exit)| exit.status()))
        .collect()
}

/// A layer that takes a while.
fn large() -> Vec<u8> {
    let text = "x".repeat(20_000);
    let dirs = (0..20).fold(Tar::new(), |tar, n| tar.dir(&format!("d{n}")));
    (0..400)
        .fold(dirs, |tar, n| tar.file(&format!("d{}/f{n}", n % 20), &text))
        .end()
}

fn at_once(stage: &Stage) {
    let from = written(
        stage,
        "oci",
        &Layout::new().layer(&large()).named("big:1").honest(),
    );
    let path = stage.path("store");
    let codes = crowd(32, |n| {
        let store = Store::open(&path).expect("a store");
        // Whether this process read the layer.
        let read = std::cell::Cell::new(false);
        let tell = |_: Progress| read.set(true);
        let how = Load {
            owners: &stage.caller.owners(),
            platform: &platform_of_host(),
            only_one: true,
            progress: Some(&tell),
        };
        let image = store
            .load(&super::life::source(&from), &how)
            .expect("loaded")
            .remove(0);
        store.claim(&image, &format!("box{n}")).expect("a claim");
        let layers = store
            .layers(&image, &stage.caller.owners())
            .expect("layers");
        assert_eq!((layers.len(), layers[0].unpacked.entries), (1, 420));
        i32::from(read.get())
    });
    let once = codes.iter().filter(|code| **code == 1).count();
    assert_eq!(once, 1, "unpacked by {once}: {codes:?}");
    assert!(codes.iter().all(|code| (0..=1).contains(code)), "{codes:?}");
    let store = Store::open(&path).expect("a store");
    assert_eq!(store.images().expect("images").len(), 1);
    assert_eq!(
        store
            .holders(&store.images().expect("images")[0])
            .expect("holders")
            .len(),
        32
    );
    assert!(
        std::fs::read_dir(path.join("tmp"))
            .expect("tmp")
            .next()
            .is_none()
    );
}

fn mixed(stage: &Stage) {
    let from = written(stage, "oci", &layout(Some("one:1")));
    let other = written(
        stage,
        "other",
        &Layout::new().layer(&large()).named("big:1").honest(),
    );
    let path = stage.path("store");
    let codes = crowd(12, |n| {
        for _ in 0..5 {
            let store = Store::open(&path).expect("a store");
            match n % 4 {
                0 => may_vanish(stage, &store, &from),
                1 => may_vanish(stage, &store, &other),
                // Not there, or gone in this moment: both are answers.
                2 => drop(store.remove(&name("one:1"), false)),
                _ => drop(store.prune(true).expect("pruned")),
            }
        }
        0
    });
    assert_eq!(codes, [0; 12]);
    let store = Store::open(&path).expect("a store");
    // Whatever is left is whole.
    for image in store.images().expect("images") {
        store
            .layers(&image, &stage.caller.owners())
            .expect("layers");
    }
    store.prune(true).expect("pruned");
    assert_eq!(store.usage().expect("usage"), Default::default());
}

/// Loads; that another process removed the image before this one could look at it is an answer.
fn may_vanish(stage: &Stage, store: &Store, from: &str) {
    let how = Load {
        owners: &stage.caller.owners(),
        platform: &platform_of_host(),
        only_one: true,
        progress: None,
    };
    match store.load(&super::life::source(from), &how) {
        Err(e) if e.kind == Kind::NotFound && e.to_string().contains("meanwhile") => {}
        other => drop(other.expect("loaded")),
    }
}

fn full_disk(stage: &Stage) {
    assert_eq!(stage.caller, Caller::Root);
    let from = written(
        stage,
        "oci",
        &Layout::new().layer(&large()).named("big:1").honest(),
    );
    let small = written(stage, "small", &layout(Some("one:1")));
    let disk = stage.make_dir("disk");
    // At each size it is another write that fails.
    for kilobytes in [8, 24, 64, 200, 1000, 4000, 7800, 8040] {
        tmpfs(&disk, kilobytes);
        let path = disk.join("store");
        let Ok(store) = Store::open(&path) else {
            unmount(&disk);
            continue;
        };
        let how = Load {
            owners: &stage.caller.owners(),
            platform: &platform_of_host(),
            only_one: true,
            progress: None,
        };
        let error = store
            .load(&super::life::source(&from), &how)
            .expect_err("too large");
        assert!(error.to_string().contains("ENOSPC"), "{kilobytes}: {error}");
        assert!(
            std::fs::read_dir(path.join("tmp"))
                .expect("tmp")
                .next()
                .is_none()
        );
        assert!(store.images().expect("images").is_empty());
        if kilobytes >= 200 {
            let store = Store::open(&path).expect("a store");
            assert_eq!(
                load(stage, &store, &small).len(),
                1,
                "{kilobytes}: what fits is loaded"
            );
        }
        drop(store);
        unmount(&disk);
    }
}

fn tmpfs(on: &Path, kilobytes: u32) {
    let before = on.metadata().expect("a directory").dev();
    let status = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "full"])
        .arg(on)
        .status();
    assert!(status.expect("mount").success());
    assert_ne!(on.metadata().expect("a directory").dev(), before);
}

fn unmount(on: &Path) {
    let status = std::process::Command::new("umount").arg(on).status();
    assert!(status.expect("umount").success());
}
