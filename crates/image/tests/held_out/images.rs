//! What is around the layers: digests, documents, and the archives of both kinds.

use super::case::*;
use super::entry::*;
use super::stage::layout::{Layout, digest, gzip, path};
use serde_json::{Value, json};

const DIGEST: &[&str] = &["digest", "sha256"];

fn upper() -> Vec<u8> {
    tar(&[file("new", "n")])
}

fn layout() -> Layout {
    Layout::new().layer(&upper()).named("held:1")
}

fn finished(config: impl FnOnce(&mut Value), manifest: impl FnOnce(&mut Value)) -> Image {
    Image::Layout(Box::new(layout().finish(config, manifest)))
}

/// An honest layout whose files are then changed.
fn spoilt(change: impl FnOnce(&mut Layout)) -> Image {
    let mut layout = layout().honest();
    change(&mut layout);
    Image::Layout(Box::new(layout))
}

fn layer_path() -> String {
    path(&digest(&gzip(&upper())))
}

/// An archive of docker-save(1) with these members beside an honest layer.
fn docker(manifest: &str, more: Vec<Entry>) -> Image {
    let layer = upper();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}});
    let mut entries = vec![
        file("c.json", &config.to_string()),
        file("manifest.json", manifest),
        Entry::new(b'0', "layer.tar").data(&layer),
    ];
    entries.extend(more);
    Image::Archive("docker-archive", tar(&entries))
}

/// The members of an honest layout, one of them exchanged for another.
fn exchanged(name: &str, with: Entry) -> Image {
    let files = layout().honest().files;
    let keep = files.iter().filter(|(file, _)| *file != name);
    let mut entries: Vec<Entry> = keep
        .map(|(name, bytes)| Entry::new(b'0', name).data(bytes))
        .collect();
    entries.push(with);
    Image::Archive("oci-archive", tar(&entries))
}

const REFUSED: &[&str] = &[""];

cases! {
    "digests" "a layer's content" |_| spoilt(|it| it.files.get_mut(&layer_path()).expect("it")[20] ^= 1) => Refused(DIGEST);
    "digests" "another layer of the same size" |_| spoilt(|it| { let other = gzip(&tar(&[file("new", "m")])); it.files.insert(layer_path(), other); }) => Refused(&["digest", "sha256", "size", "bytes"]);
    "digests" "what a layer unpacks to" |_| finished(|config| config["rootfs"]["diff_ids"][0] = digest(b"other").into(), |_| {}) => Refused(DIGEST);
    "digests" "the configuration's" |_| finished(|_| {}, |manifest| manifest["config"]["digest"] = digest(b"other").into()) => Refused(&["digest", "sha256", "no such", "ENOENT", "blobs"]);
    "digests" "a size too large" |_| finished(|_| {}, |manifest| manifest["layers"][0]["size"] = 1_000_000.into()) => Refused(&["size", "bytes"]);
    "digests" "a size too small" |_| finished(|_| {}, |manifest| manifest["layers"][0]["size"] = 10.into()) => Refused(&["size", "bytes"]);
    "digests" "a negative size" |_| finished(|_| {}, |manifest| manifest["layers"][0]["size"] = (-1).into()) => Refused(&["size", "invalid", "integer"]);
    "digests" "a path for a digest" |_| finished(|_| {}, |manifest| manifest["layers"][0]["digest"] = "sha256:../../../secret".into()) => Refused(&["digest", "sha256"]);
    "digests" "a path for an algorithm" |_| finished(|_| {}, |manifest| manifest["config"]["digest"] = "../../../x:00".into()) => Refused(&["digest", "algorithm"]);
    "digests" "capital letters" |_| finished(|_| {}, |manifest| { let text = manifest["layers"][0]["digest"].as_str().expect("it").to_uppercase().replace("SHA256", "sha256"); manifest["layers"][0]["digest"] = text.into(); }) => Refused(DIGEST);
    "digests" "an unknown algorithm" |_| finished(|_| {}, |manifest| manifest["layers"][0]["digest"] = "md5:d41d8cd98f00b204e9800998ecf8427e".into()) => Refused(&["digest", "algorithm", "md5"]);
    "documents" "more layers than digests" |_| finished(|config| config["rootfs"]["diff_ids"] = json!([]), |_| {}) => Refused(&["diff_ids", "layers"]);
    "documents" "a configuration of 64 MB" |_| finished(|config| config["author"] = "n".repeat(64 << 20).into(), |_| {}) => Refused(&["limit", "most", "more than", "large", "size"]);
    "documents" "nested without end" |_| spoilt(|it| { it.files.insert("index.json".into(), b"[".repeat(1 << 20)); }) => Refused(&["index.json"]);
    "documents" "a hundred thousand layers" |_| finished(|_| {}, |manifest| { let one = manifest["layers"][0].clone(); manifest["layers"] = vec![one; 100_000].into(); }) => Refused(&["layers", "limit", "most", "large"]);
    "documents" "hostile words" |_| finished(|config| config["config"] = json!({"Env": ["PATH=\u{1b}[2J", "A\0=B"], "User": "../../x", "WorkingDir": "../../..", "Volumes": {"/../../..": {}}}), |_| {}) => Either(vec![("new", File("n"))]);
    "documents" "a foreign layer" |_| finished(|_| {}, |manifest| { manifest["layers"][0]["urls"] = json!(["file:///etc/shadow"]); manifest["layers"][0]["digest"] = digest(b"x").into(); }) => Refused(REFUSED);
    "archives" "a layer that is a link to the host" |at| exchanged(&layer_path(), symlink(layer_path(), at.absolute("secret"))) => Refused(REFUSED);
    "archives" "an index that is a link to the host" |at| exchanged("index.json", symlink("index.json", at.absolute("secret"))) => Refused(REFUSED);
    "archives" "an index that is a hard link to the host" |at| exchanged("index.json", hard("index.json", at.absolute("secret"))) => Refused(REFUSED);
    "archives" "a member outside" |at| exchanged("none", file(at.climbing("new"), "n")) => Either(vec![]);
    "archives" "a giant member" |_| exchanged("index.json", file("index.json", "{}").size(base256(1 << 61))) => Refused(REFUSED);
    "archives" "an index twice" |_| exchanged("none", file("index.json", r#"{"schemaVersion":2,"manifests":[]}"#)) => Either(vec![]);
    "docker archives" "an honest one" |_| docker(r#"[{"Config":"c.json","RepoTags":["held:1"],"Layers":["layer.tar"]}]"#, vec![]) => Tree(vec![("new", File("n"))]);
    "docker archives" "a layer outside" |at| docker(&json!([{"Config": "c.json", "RepoTags": ["held:1"], "Layers": [at.climbing("secret")]}]).to_string(), vec![]) => Refused(REFUSED);
    "docker archives" "a layer of the host" |at| docker(&json!([{"Config": "c.json", "RepoTags": ["held:1"], "Layers": [at.absolute("secret")]}]).to_string(), vec![]) => Refused(REFUSED);
    "docker archives" "a layer that is a link" |at| docker(r#"[{"Config":"c.json","RepoTags":["held:1"],"Layers":["l"]}]"#, vec![symlink("l", at.absolute("secret"))]) => Refused(REFUSED);
    "docker archives" "layers that are links in a circle" |_| docker(r#"[{"Config":"c.json","RepoTags":["held:1"],"Layers":["a"]}]"#, vec![symlink("a", "b"), symlink("b", "a")]) => Refused(REFUSED);
    "docker archives" "a configuration of the host" |at| docker(&json!([{"Config": at.absolute("secret"), "RepoTags": ["held:1"], "Layers": ["layer.tar"]}]).to_string(), vec![]) => Refused(REFUSED);
    "docker archives" "a name that climbs" |_| docker(r#"[{"Config":"c.json","RepoTags":["../../../evil:1","\u001b[2J:1"],"Layers":["layer.tar"]}]"#, vec![]) => Either(vec![]);
    "docker archives" "another layer than its digest" |_| docker(r#"[{"Config":"c.json","RepoTags":["held:1"],"Layers":["other"]}]"#, vec![file("other", "n")]) => Refused(REFUSED);
    "docker archives" "no list" |_| docker("null", vec![]) => Refused(REFUSED);
    "docker archives" "fewer layers than digests" |_| docker(r#"[{"Config":"c.json","RepoTags":["held:1"],"Layers":[]}]"#, vec![]) => Refused(REFUSED);
}
