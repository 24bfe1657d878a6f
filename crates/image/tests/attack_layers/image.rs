//! Hostile images: wrong digests, documents of two meanings, layouts and archives that point elsewhere. After a
//! refusal the store is as it was.

use super::stage::layout::{Layout, digest, member, path};
use super::stage::tar_file::Tar;
use super::stage::{ALL, Stage, Test, picture};
use lockstep_image::{Kind, Limits, Load, Reference, Source, Store, platform_of_host};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) const TESTS: &[Test] = &[
    ("wrong_digests_are_refused", ALL, digests),
    ("broken_streams_are_refused", ALL, streams),
    ("misleading_documents_are_refused", ALL, documents),
    ("layouts_cannot_point_elsewhere", ALL, pointers),
    ("docker_archives_cannot_point_elsewhere", ALL, docker),
];

fn source(text: &str) -> Source {
    match text.parse().expect("a reference") {
        Reference::Source(source) => source,
        other => panic!("{other:?} is no source"),
    }
}

/// What is in a store, without its locks.
fn content(store: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = picture(store).into_keys().collect();
    found.retain(|path| !path.starts_with(store.join("locks")) && !path.ends_with("names.lock"));
    found.retain(|path| {
        !path.ends_with("lock")
            && !path.ends_with("kept")
            && path.parent() != Some(&store.join("layers"))
    });
    found
}

/// Loads something that must be refused, and compares the store.
#[track_caller]
pub(crate) fn refused_source(stage: &Stage, limits: &Limits, from: &str, kind: Kind, text: &str) {
    let path = stage.path("store");
    let store = Store::open_with(&path, limits.clone()).expect("a store");
    let before = content(&path);
    let how = Load {
        owners: &stage.caller.owners(),
        platform: &platform_of_host(),
        only_one: false,
        progress: None,
    };
    match store.load(&source(from), &how) {
        Ok(_) => panic!("{from}: loaded, expected {kind:?} {text:?}"),
        Err(e) => {
            let right = e.kind == kind && e.to_string().contains(text);
            assert!(
                right,
                "{from}: {:?} {e}, expected {kind:?} {text:?}",
                e.kind
            );
        }
    }
    assert_eq!(content(&path), before, "{from}");
}

/// A layout that must be refused, as a directory and as an archive.
#[track_caller]
pub(crate) fn refused(
    stage: &Stage,
    limits: &Limits,
    name: &str,
    layout: &Layout,
    kind: Kind,
    text: &str,
) {
    let dir = stage.make_dir(name);
    layout.write(&dir);
    refused_source(stage, limits, &format!("oci:{}", dir.display()), kind, text);
    let file = stage.path(&format!("{name}.tar"));
    std::fs::write(&file, layout.archive()).expect("an archive");
    let from = format!("oci-archive:{}", file.display());
    refused_source(stage, limits, &from, kind, text);
    std::fs::remove_file(file).expect("an archive");
}

#[track_caller]
fn check(stage: &Stage, name: &str, layout: &Layout, kind: Kind, text: &str) {
    refused(stage, &Limits::default(), name, layout, kind, text);
}

fn layer() -> Vec<u8> {
    Tar::new().file("f", "x").end()
}

fn digests(stage: &Stage) {
    stage.outside();
    let other = Tar::new().file("f", "y").end();
    // The blob is another one of the same length than its name says.
    let mut layout = Layout::new()
        .compressed(&layer(), layer(), "layer.v1.tar")
        .honest();
    layout.files.insert(path(&digest(&layer())), other.clone());
    check(stage, "blob", &layout, Kind::Mismatch, "digest is");
    let mut layout = Layout::new().layer(&layer()).honest();
    let gz = layout.layers[0]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    layout
        .files
        .get_mut(&path(&gz))
        .expect("a blob")
        .extend([0; 20]);
    check(stage, "longer", &layout, Kind::Mismatch, "promised");
    let layout = Layout::new().layer(&layer());
    let layout = layout.finish(
        |config| config["rootfs"]["diff_ids"][0] = digest(b"other").into(),
        |_| {},
    );
    check(
        stage,
        "diff-id",
        &layout,
        Kind::Mismatch,
        "uncompressed layer: digest is",
    );
    let layout = Layout::new()
        .layer(&layer())
        .finish(|_| {}, |m| m["layers"][0]["size"] = json!(3));
    check(stage, "size", &layout, Kind::Mismatch, "promised were 3");
    let layout = Layout::new()
        .layer(&layer())
        .finish(|_| {}, |m| m["config"]["size"] = json!(3));
    check(
        stage,
        "config-size",
        &layout,
        Kind::Mismatch,
        "promised were 3",
    );
    let mut layout = Layout::new().layer(&layer()).honest();
    let index: Value = serde_json::from_slice(&layout.files["index.json"]).expect("an index");
    let manifest = path(index["manifests"][0]["digest"].as_str().expect("a digest"));
    let text = layout.files.get_mut(&manifest).expect("a manifest");
    *text.last_mut().expect("a byte") = b' ';
    check(stage, "manifest", &layout, Kind::Mismatch, "digest is");
    let mut layout = Layout::new().layer(&layer()).honest();
    layout.files.remove(&path(&gz));
    check(stage, "missing", &layout, Kind::NotFound, &gz[7..]);
}

fn streams(stage: &Stage) {
    stage.outside();
    let tar = layer();
    let gz = "layer.v1.tar+gzip";
    let good = super::stage::layout::gzip(&tar);
    let cut = good[..good.len() - 9].to_vec();
    check(
        stage,
        "cut",
        &Layout::new().compressed(&tar, cut, gz).honest(),
        Kind::Invalid,
        "gzip",
    );
    let mut crc = good.clone();
    let at = crc.len() - 6;
    crc[at] ^= 1;
    check(
        stage,
        "crc",
        &Layout::new().compressed(&tar, crc, gz).honest(),
        Kind::Invalid,
        "gzip",
    );
    let trailing = [good, b"garbage".to_vec()].concat();
    check(
        stage,
        "trailing",
        &Layout::new().compressed(&tar, trailing, gz).honest(),
        Kind::Invalid,
        "gzip",
    );
    let xz = b"\xfd7zXZ\0rest".to_vec();
    check(
        stage,
        "xz",
        &Layout::new().compressed(&tar, xz, gz).honest(),
        Kind::Unsupported,
        "xz",
    );
    let mut zst = zstd::encode_all(&tar[..], 3).expect("compression");
    zst.truncate(zst.len() - 5);
    check(
        stage,
        "zstd",
        &Layout::new()
            .compressed(&tar, zst, "layer.v1.tar+zstd")
            .honest(),
        Kind::Invalid,
        "zstd",
    );
    let words = b"this is no archive at all".to_vec();
    check(
        stage,
        "words",
        &Layout::new()
            .compressed(&words, words.clone(), "layer.v1.tar")
            .honest(),
        Kind::Invalid,
        "ends in the middle",
    );
}

fn documents(stage: &Stage) {
    stage.outside();
    let base = || Layout::new().layer(&layer());
    let layout = base().finish(|_| {}, |m| m["manifests"] = json!([]));
    check(stage, "two-meanings", &layout, Kind::Invalid, "/manifests");
    let layout = base().finish(
        |_| {},
        |m| m["layers"][0]["digest"] = "sha256:../../../etc/shadow".into(),
    );
    check(stage, "path", &layout, Kind::Invalid, "/layers/0/digest");
    let layout = base().finish(|_| {}, |m| m["layers"] = json!([]));
    check(
        stage,
        "fewer",
        &layout,
        Kind::Invalid,
        "1 diff_ids for 0 layers",
    );
    let layout = base().finish(
        |_| {},
        |m| m["layers"][0]["mediaType"] = "text/plain".into(),
    );
    check(stage, "kind", &layout, Kind::Unsupported, "text/plain");
    let layout = base().finish(|c| c["rootfs"]["type"] = "tree".into(), |_| {});
    check(stage, "rootfs", &layout, Kind::Invalid, "/rootfs/type");
    let layout = base().finish(|_| {}, |m| m["schemaVersion"] = json!(1));
    check(stage, "version", &layout, Kind::Invalid, "/schemaVersion");
    let mut layout = base().honest();
    layout.files.insert(
        "oci-layout".into(),
        br#"{"imageLayoutVersion":"9.0.0"}"#.to_vec(),
    );
    check(
        stage,
        "layout",
        &layout,
        Kind::Invalid,
        "/imageLayoutVersion",
    );
    let mut layout = base().honest();
    layout.files.insert("index.json".into(), b"[[[[[".to_vec());
    check(stage, "json", &layout, Kind::Invalid, "index.json");
    // An index that contains itself cannot be written with digests, but a deep one can.
    let mut layout = base().honest();
    for _ in 0..6 {
        let text = layout.files["index.json"].clone();
        let named = layout.blob(&text);
        let index = json!({"schemaVersion": 2, "manifests": [{"digest": named, "size": text.len(),
            "mediaType": "application/vnd.oci.image.index.v1+json"}]});
        layout
            .files
            .insert("index.json".into(), index.to_string().into_bytes());
    }
    check(
        stage,
        "nested",
        &layout,
        Kind::Invalid,
        "indexes in indexes",
    );
    let mut layout = base().honest();
    let mut index: Value = serde_json::from_slice(&layout.files["index.json"]).expect("an index");
    index["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "s390x"});
    layout
        .files
        .insert("index.json".into(), index.to_string().into_bytes());
    check(stage, "platform", &layout, Kind::NotFound, "linux/s390x");
}

fn pointers(stage: &Stage) {
    let outside = stage.outside();
    std::fs::write(outside.join("layer"), layer()).expect("a file");
    let before = picture(&outside);
    let layout = Layout::new()
        .compressed(&layer(), layer(), "layer.v1.tar")
        .honest();
    let blob = path(&digest(&layer()));
    let load = |dir: &Path, kind, text: &str| {
        refused_source(
            stage,
            &Limits::default(),
            &format!("oci:{}", dir.display()),
            kind,
            text,
        );
    };
    let make = |name: &str| {
        let dir = stage.make_dir(name);
        layout.write(&dir);
        std::fs::remove_file(dir.join(&blob)).expect("a blob");
        dir
    };
    let dir = make("link");
    std::os::unix::fs::symlink(outside.join("layer"), dir.join(&blob)).expect("a link");
    load(&dir, Kind::NotFound, "no such file");
    let dir = make("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, dir.join(&blob), fifo, mode, 0).expect("a fifo");
    load(&dir, Kind::Invalid, "not a regular file");
    let dir = make("directory");
    std::fs::create_dir(dir.join(&blob)).expect("a directory");
    load(&dir, Kind::Invalid, "not a regular file");
    assert_eq!(picture(&outside), before);
}

fn docker(stage: &Stage) {
    let outside = stage.outside();
    let before = picture(&outside);
    let config = json!({"architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer())]}})
    .to_string()
    .into_bytes();
    let archive = |name: &str, list: Value, more: Tar, kind, text: &str| {
        let tar = member(more, "config.json", &config);
        let tar = member(tar, "manifest.json", list.to_string().as_bytes());
        let file = stage.path(&format!("{name}.tar"));
        std::fs::write(&file, tar.end()).expect("an archive");
        let from = format!("docker-archive:{}", file.display());
        refused_source(stage, &Limits::default(), &from, kind, text);
    };
    let list = |config: &str, layer: &str| json!([{"Config": config, "RepoTags": ["a:b"], "Layers": [layer]}]);
    let absolute = outside.join("secret").display().to_string();
    let none = || Tar::new();
    archive(
        "absolute",
        list("config.json", &absolute),
        none(),
        Kind::NotFound,
        "has no",
    );
    archive(
        "dotdot",
        list("config.json", "../outside/secret"),
        none(),
        Kind::NotFound,
        "has no",
    );
    archive(
        "config",
        list("../../etc/passwd", "l"),
        none(),
        Kind::NotFound,
        "has no",
    );
    archive(
        "loop",
        list("config.json", "a"),
        none().symlink("a", "b").symlink("b", "a"),
        Kind::Invalid,
        "too many links",
    );
    let out = none().symlink("a", "../../../outside/secret");
    archive(
        "link",
        list("config.json", "a"),
        out,
        Kind::NotFound,
        "has no",
    );
    archive(
        "tag",
        json!([{"Config": "config.json", "RepoTags": ["../../x"], "Layers": ["l"]}]),
        none().file("l", ""),
        Kind::Invalid,
        "repository",
    );
    archive(
        "layers",
        json!([{"Config": "config.json", "Layers": []}]),
        none(),
        Kind::Invalid,
        "1 diff_ids for 0 layers",
    );
    let wrong = member(none(), "l", &Tar::new().file("f", "other").end());
    archive(
        "digest",
        list("config.json", "l"),
        wrong,
        Kind::Mismatch,
        "uncompressed layer",
    );
    archive(
        "empty",
        json!([]),
        none(),
        Kind::NotFound,
        "none of 0 images",
    );
    archive(
        "own",
        list("manifest.json", "l"),
        none(),
        Kind::Invalid,
        "configuration",
    );
    assert_eq!(picture(&outside), before);
}
