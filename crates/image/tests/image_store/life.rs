//! An image's life in the store: load, names, save, use, removal.

use super::stage::layout::{Layout, digest, member};
use super::stage::tar_file::Tar;
use super::stage::{ALL, Stage, Test, picture};
use lockstep_image::{Format, Image, Kind, Load, Name, Reference, Source, Store, platform_of_host};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) const TESTS: &[Test] = &[
    ("all_sources_give_the_same_tree", ALL, sources),
    ("names_and_ids_resolve", ALL, names),
    ("saved_images_load_again", ALL, saved),
    ("images_in_use_stay", ALL, in_use),
    ("removal_frees_what_nobody_needs", ALL, removal),
    ("layers_are_shared", ALL, shared),
    ("an_index_gives_this_platform", ALL, platforms),
    ("compressed_archives_load", ALL, compressed_archive),
    ("a_missing_copy_is_unpacked_again", ALL, missing_copy),
    ("rest_is_removed", ALL, rest),
    ("another_schema_is_refused", ALL, schema),
];

pub(crate) fn source(text: &str) -> Source {
    match text.parse().expect("a reference") {
        Reference::Source(source) => source,
        other => panic!("{other:?} is no source"),
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(crate) fn load(stage: &Stage, store: &Store, from: &str) -> Vec<Image> {
    let how = Load {
        owners: &stage.caller.owners(),
        platform: &platform_of_host(),
        only_one: false,
        progress: None,
    };
    store
        .load(&source(from), &how)
        .unwrap_or_else(|e| panic!("{from}: {e}"))
}

/// Two layers: the second removes, replaces and adds.
pub(crate) fn two_layers() -> (Vec<u8>, Vec<u8>) {
    let lower = Tar::new()
        .dir("etc")
        .file("etc/a", "a")
        .file("etc/b", "b")
        .dir("gone")
        .file("gone/x", "x")
        .symlink("link", "etc/a")
        .hard("hard", "etc/a");
    let upper = Tar::new()
        .dir("etc")
        .file("etc/.wh.b", "")
        .file("etc/a", "A")
        .file("gone/.wh..wh..opq", "")
        .file("gone/y", "y");
    (lower.end(), upper.end())
}

pub(crate) fn layout(name: Option<&str>) -> Layout {
    let (lower, upper) = two_layers();
    let layout = Layout::new().layer(&lower).layer(&upper);
    match name {
        Some(name) => layout.named(name),
        None => layout,
    }
    .honest()
}

/// Writes a layout and gives the source for it.
pub(crate) fn written(stage: &Stage, name: &str, layout: &Layout) -> String {
    let dir = stage.make_dir(name);
    layout.write(&dir);
    format!("oci:{}", dir.display())
}

fn docker_archive(stage: &Stage, layout: &Layout) -> PathBuf {
    let (lower, upper) = two_layers();
    let config = layout.config().to_string().into_bytes();
    let list = json!([{"Config": "c.json", "RepoTags": ["docker:1"], "Layers": ["one/layer.tar", "two.tar"]}]);
    // As the oldest docker: a link to a layer, and the list at the end.
    let tar = member(Tar::new(), "real.tar", &lower)
        .dir("one")
        .symlink("one/layer.tar", "../real.tar");
    let tar = member(member(tar, "two.tar", &upper), "c.json", &config);
    let file = stage.path("docker.tar");
    std::fs::write(
        &file,
        member(tar, "manifest.json", list.to_string().as_bytes()).end(),
    )
    .expect("a file");
    file
}

/// The layers' trees, relative to the store.
fn trees(store: &Path) -> Vec<(PathBuf, String)> {
    let found = picture(&store.join("layers")).into_iter();
    let trees = found.filter(|(path, _)| path.iter().any(|part| part == "tree"));
    trees
        .map(|(path, line)| {
            (
                path.strip_prefix(store).expect("in the store").to_owned(),
                line,
            )
        })
        .collect()
}

fn sources(stage: &Stage) {
    let layout = layout(Some("example.com/two:1"));
    let oci = written(stage, "oci", &layout);
    let archive = stage.path("oci.tar");
    std::fs::write(&archive, layout.archive()).expect("a file");
    let docker = docker_archive(stage, &layout);
    let all = [
        oci,
        format!("oci-archive:{}", archive.display()),
        format!("docker-archive:{}", docker.display()),
    ];
    let mut seen = Vec::new();
    for (n, from) in all.iter().enumerate() {
        let path = stage.path(&format!("store{n}"));
        let store = Store::open(&path).expect("a store");
        let images = load(stage, &store, from);
        assert_eq!(images.len(), 1, "{from}");
        assert_eq!(images[0].config.config.cmd, ["true"]);
        assert_eq!(
            store
                .layers(&images[0], &stage.caller.owners())
                .expect("layers")
                .len(),
            2
        );
        seen.push(trees(&path));
        // Once more: nothing is done, nothing changes.
        let before = picture(&path);
        let again = load(stage, &store, from);
        // Not when it was loaded.
        assert_eq!(again[0].id(), images[0].id(), "{from}");
        assert_eq!(again[0].config, images[0].config, "{from}");
        let mut after = picture(&path);
        after.retain(|path, _| before.contains_key(path));
        assert!(
            std::fs::read_dir(path.join("tmp"))
                .expect("tmp")
                .next()
                .is_none()
        );
        assert_eq!(after.len(), before.len(), "{from}");
    }
    assert!(seen[0].len() > 10);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

fn names(stage: &Stage) {
    let store = stage.store();
    let from = written(stage, "oci", &layout(Some("example.com/two:1")));
    let image = load(stage, &store, &from).remove(0);
    assert_eq!(image.names, ["example.com/two:1"]);
    store.tag(&image, &name("short")).expect("a tag");
    let id = image.id().hex().to_owned();
    let by = |text: &str| store.resolve(&name(text));
    for text in [
        "example.com/two:1",
        "short",
        "docker.io/library/short:latest",
        &id,
        &id[..12],
        &image.digest().hex()[..10],
        &format!("any@{}", image.digest()),
    ] {
        assert_eq!(
            by(text).unwrap_or_else(|e| panic!("{text}: {e}")).digest(),
            image.digest()
        );
    }
    for text in [
        "example.com/two",
        "other",
        "short:2",
        "0000",
        &format!("a@{}", digest(b"x")),
    ] {
        assert_eq!(by(text).expect_err(text).kind, Kind::NotFound);
    }
    let error = store
        .tag(&image, &name(&format!("x@{}", image.digest())))
        .expect_err("a digest");
    assert_eq!(error.kind, Kind::Invalid);
    assert_eq!(store.images().expect("images")[0].names.len(), 2);
    let history = image.history();
    assert_eq!(history[0].0.created_by.as_deref(), Some("a test"));
}

fn saved(stage: &Stage) {
    let store = stage.store();
    let from = written(stage, "oci", &layout(Some("example.com/two:1")));
    let image = load(stage, &store, &from).remove(0);
    let image = store.tag(&image, &name("second:2")).expect("a tag");
    for (format, transport) in [
        (Format::OciArchive, "oci-archive"),
        (Format::DockerArchive, "docker-archive"),
    ] {
        let file = stage.path(&format!("{transport}.tar"));
        let out = std::fs::File::create(&file).expect("a file");
        store
            .save(std::slice::from_ref(&image), format, out)
            .expect("it is saved");
        let path = stage.path(&format!("store-{transport}"));
        let other = Store::open(&path).expect("a store");
        let loaded = load(stage, &other, &format!("{transport}:{}", file.display()));
        assert_eq!(loaded.len(), 1, "{transport}");
        assert_eq!(loaded[0].id(), image.id());
        assert_eq!(loaded[0].names, image.names);
        if format == Format::OciArchive {
            assert_eq!(loaded[0].digest(), image.digest());
        }
        assert_eq!(trees(&path), trees(store.path()), "{transport}");
    }
}

fn in_use(stage: &Stage) {
    let store = stage.store();
    let from = written(stage, "oci", &layout(Some("used:1")));
    let image = load(stage, &store, &from).remove(0);
    store.claim(&image, "box-1").expect("a claim");
    store.claim(&image, "box-1").expect("the same claim");
    store.claim(&image, "box-2").expect("a claim");
    assert_eq!(store.holders(&image).expect("holders"), ["box-1", "box-2"]);
    for wrong in ["", ".", "..", "a/b", "../x", "a\n"] {
        assert_eq!(
            store.claim(&image, wrong).expect_err(wrong).kind,
            Kind::Invalid
        );
    }
    let error = store.remove(&name("used:1"), false).expect_err("in use");
    assert_eq!(error.kind, Kind::InUse);
    assert!(error.to_string().contains("box-1, box-2"), "{error}");
    assert!(store.prune(true).expect("pruned").images.is_empty());
    let removed = store.remove(&name("used:1"), true).expect("its name");
    assert_eq!((removed.untagged.len(), removed.deleted), (1, None));
    assert_eq!(
        store
            .layers(&image, &stage.caller.owners())
            .expect("layers")
            .len(),
        2
    );
    store.release("box-1").expect("released");
    store.release("box-1").expect("nothing to release");
    assert!(store.prune(true).expect("pruned").images.is_empty());
    store.release("box-2").expect("released");
    assert_eq!(store.prune(false).expect("pruned").images.len(), 1);
    assert_eq!(
        store.claim(&image, "box-3").expect_err("gone").kind,
        Kind::NotFound
    );
}

fn removal(stage: &Stage) {
    let store = stage.store();
    let empty = picture(store.path()).len();
    let from = written(stage, "oci", &layout(Some("one:1")));
    let image = load(stage, &store, &from).remove(0);
    store.tag(&image, &name("two:2")).expect("a tag");
    assert!(store.usage().expect("usage").blobs > 500);
    let error = store
        .remove(&name(&image.id().hex()[..12]), false)
        .expect_err("two names");
    assert_eq!(error.kind, Kind::InUse);
    let removed = store.remove(&name("two:2"), false).expect("a name");
    assert_eq!(
        (removed.untagged, removed.deleted),
        (vec!["docker.io/library/two:2".to_owned()], None)
    );
    let removed = store.remove(&name("one:1"), false).expect("the last name");
    assert_eq!(removed.deleted.as_ref(), Some(image.digest()));
    assert_eq!(store.usage().expect("usage"), Default::default());
    // names.lock, lock, and the directory of this caller's copies.
    let left = picture(store.path());
    assert!(left.len() <= empty + 3, "{left:#?}");
    assert_eq!(
        store.resolve(&name("one:1")).expect_err("gone").kind,
        Kind::NotFound
    );
}

fn shared(stage: &Stage) {
    let store = stage.store();
    let (lower, upper) = two_layers();
    load(
        stage,
        &store,
        &written(stage, "both", &layout(Some("both:1"))),
    );
    let lone = Layout::new().layer(&lower).named("lone:1").honest();
    load(stage, &store, &written(stage, "lone", &lone));
    // The upper layer upon nothing is another layer than upon the lower one.
    let other = Layout::new().layer(&upper).named("upper:1").honest();
    load(stage, &store, &written(stage, "upper", &other));
    let copies = |store: &Store| {
        let keys = std::fs::read_dir(store.path().join("layers")).expect("keys");
        let keys = keys.map(|key| {
            std::fs::read_dir(key.expect("a key").path())
                .expect("a key")
                .count()
        });
        keys.sum::<usize>()
    };
    assert_eq!(copies(&store), 3);
    store.remove(&name("lone:1"), false).expect("removed");
    assert_eq!(copies(&store), 3);
    store.remove(&name("both:1"), false).expect("removed");
    assert_eq!(copies(&store), 1);
    store.remove(&name("upper:1"), false).expect("removed");
    assert_eq!(copies(&store), 0);
}

fn platforms(stage: &Stage) {
    let store = stage.store();
    let mut ours = layout(None);
    let index: serde_json::Value =
        serde_json::from_slice(&ours.files["index.json"]).expect("an index");
    let mut mine = index["manifests"][0].clone();
    mine["platform"] = json!({"os": "linux", "architecture": platform_of_host().architecture});
    let strange = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 3,
        "digest": digest(b"not there"), "platform": {"os": "linux", "architecture": "vax"}});
    let inner = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [strange, mine]})
    .to_string()
    .into_bytes();
    let named = ours.blob(&inner);
    let outer = json!({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": named, "size": inner.len(), "annotations": {"org.opencontainers.image.ref.name": "1.0"}}]});
    ours.files
        .insert("index.json".into(), outer.to_string().into_bytes());
    let from = written(stage, "oci", &ours);
    let image = load(stage, &store, &format!("{from}:1.0")).remove(0);
    assert_eq!(
        image.index_digest().map(ToString::to_string),
        Some(named.clone())
    );
    assert_eq!(image.names, [""; 0]);
    let by_index = store
        .resolve(&name(&format!("x@{named}")))
        .expect("by the index");
    assert_eq!(by_index.digest(), image.digest());
}

fn compressed_archive(stage: &Stage) {
    let store = stage.store();
    let file = stage.path("oci.tar.gz");
    let packed = super::stage::layout::gzip(&layout(Some("packed:1")).archive());
    std::fs::write(&file, packed).expect("a file");
    let images = load(stage, &store, &format!("oci-archive:{}", file.display()));
    assert_eq!(images[0].names, ["docker.io/library/packed:1"]);
    assert!(
        std::fs::read_dir(store.path().join("tmp"))
            .expect("tmp")
            .next()
            .is_none()
    );
}

fn missing_copy(stage: &Stage) {
    let store = stage.store();
    let from = written(stage, "oci", &layout(Some("one:1")));
    let image = load(stage, &store, &from).remove(0);
    let before = trees(store.path());
    let layers = store.path().join("layers");
    std::fs::remove_dir_all(&layers).expect("removed");
    std::fs::create_dir(&layers).expect("empty");
    let found = store
        .layers(&image, &stage.caller.owners())
        .expect("layers");
    assert_eq!(found.len(), 2);
    assert_eq!(trees(store.path()), before);
    // A blob that was changed on the disk is found out.
    std::fs::remove_dir_all(&layers).expect("removed");
    std::fs::create_dir(&layers).expect("empty");
    let blobs = std::fs::read_dir(store.path().join("blobs/sha256")).expect("blobs");
    let largest = blobs
        .map(|blob| blob.expect("a blob").path())
        .find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(&[0x1f, 0x8b])))
        .expect("a layer");
    let mut bytes = std::fs::read(&largest).expect("a blob");
    let at = bytes.len() - 12;
    bytes[at] ^= 1;
    std::fs::write(&largest, bytes).expect("a blob");
    store
        .layers(&image, &stage.caller.owners())
        .expect_err("damaged");
    assert!(
        std::fs::read_dir(store.path().join("tmp"))
            .expect("tmp")
            .next()
            .is_none()
    );
}

fn rest(stage: &Stage) {
    let store = stage.store();
    let from = written(stage, "oci", &layout(Some("one:1")));
    load(stage, &store, &from);
    let path = store.path().to_owned();
    std::fs::create_dir_all(path.join("tmp/1-0/tree/a/b")).expect("rest");
    std::fs::write(path.join("tmp/1-1"), "half a blob").expect("rest");
    std::fs::write(path.join("blobs/sha256").join("0".repeat(64)), "nobody's").expect("rest");
    Store::open(&path).expect("a store");
    assert!(
        std::fs::read_dir(path.join("tmp"))
            .expect("tmp")
            .next()
            .is_none()
    );
    assert!(!path.join("blobs/sha256").join("0".repeat(64)).exists());
    assert_eq!(store.images().expect("images").len(), 1);
}

fn schema(stage: &Stage) {
    let store = stage.store();
    let file = store.path().join("store.json");
    std::fs::write(&file, r#"{"schema":99}"#).expect("written");
    let error = Store::open(store.path()).expect_err("newer");
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(
        error.to_string().contains("store.json has schema 99"),
        "{error}"
    );
    assert_eq!(
        std::fs::read_to_string(file).expect("there"),
        r#"{"schema":99}"#
    );
}
