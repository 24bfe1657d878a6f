//! Id-mapped mounts: `uidMappings`, `gidMappings`, `idmap` and `ridmap`.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::PathBuf;

use serde_json::{Value, json};

use lockstep_abi::feature::KernelVersion;

use crate::harness::{Bundle, Host, Test, View, cases, mounts_of};

cases! {
    mapping_of_the_mount: "runc 1.1.5 has no id-mapped mounts",
    mapping_applies_to_what_is_written: "runc 1.1.5 has no id-mapped mounts",
    uid_and_gid_differ: "runc 1.1.5 has no id-mapped mounts",
    without_option_it_is_mapped_too: "runc 1.1.5 has no id-mapped mounts",
    mapping_of_the_user_namespace: "runc 1.1.5 has no id-mapped mounts",
    own_mapping_in_a_user_namespace: "runc 1.1.5 has no id-mapped mounts",
    idmap_is_not_recursive: "runc 1.1.5 has no id-mapped mounts",
    ridmap_is_recursive: "runc 1.1.5 has no id-mapped mounts",
    readonly_and_mapped: "runc 1.1.5 has no id-mapped mounts",
    a_single_file: "runc 1.1.5 has no id-mapped mounts",
    idmap_without_any_mapping_refused: "runc 1.1.5 has no id-mapped mounts",
    only_uid_mappings_refused: "runc 1.1.5 has no id-mapped mounts",
    not_a_bind_mount_refused: "runc 1.1.5 has no id-mapped mounts",
}

fn ids(host: u32) -> Value {
    json!([{"containerID": host, "hostID": 0, "size": 65_536}])
}

/// Mount mappings turn on-disk ids ("containerID" of the file system side) into others: a file of
/// `on_disk` shows as `shown`.
fn mapping(on_disk: u32, shown: u32) -> Value {
    json!([{"containerID": on_disk, "hostID": shown, "size": 1000}])
}

fn owned(t: &Test, uid: u32, gid: u32) -> PathBuf {
    let dir = t.subdir("volume");
    std::fs::write(dir.join("f"), "x").expect("own directory");
    chown(dir.join("f"), Some(uid), Some(gid)).expect("root gives files away");
    chown(&dir, Some(uid), Some(gid)).expect("root gives files away");
    dir
}

fn mapped<'t>(
    bundle: Bundle<'t>,
    source: &str,
    options: &[&str],
    uids: Value,
    gids: Value,
) -> Bundle<'t> {
    bundle.push(
        "/mounts",
        json!({"destination": "/m", "type": "bind", "source": source, "options": options,
               "uidMappings": uids, "gidMappings": gids}),
    )
}

fn mapping_of_the_mount(t: &Test) {
    let dir = owned(t, 1000, 1000);
    let source = dir.display().to_string();
    let bundle = mapped(
        t.sh("stat -c %u:%g /m/f"),
        &source,
        &["bind", "idmap"],
        mapping(1000, 5000),
        mapping(1000, 5000),
    );
    assert_eq!(bundle.run().ok().text(), "5000:5000");
    let own = std::fs::metadata(dir.join("f")).expect("own file");
    assert_eq!(
        (own.uid(), own.gid()),
        (1000, 1000),
        "the files themselves are not changed"
    );
}

fn mapping_applies_to_what_is_written(t: &Test) {
    let dir = owned(t, 1000, 1000);
    let source = dir.display().to_string();
    let bundle = mapped(
        t.sh("touch /m/new; stat -c %u /m/new"),
        &source,
        &["bind", "idmap"],
        mapping(1000, 0),
        mapping(1000, 0),
    );
    assert_eq!(bundle.run().ok().text(), "0");
    assert_eq!(
        std::fs::metadata(dir.join("new")).expect("written").uid(),
        1000
    );
}

fn uid_and_gid_differ(t: &Test) {
    // Neither is the first of its mapping, so that the size matters too.
    let dir = owned(t, 1003, 2004);
    let source = dir.display().to_string();
    let bundle = mapped(
        t.sh("stat -c %u:%g /m/f"),
        &source,
        &["bind", "idmap"],
        mapping(1000, 10),
        mapping(2000, 20),
    );
    assert_eq!(bundle.run().ok().text(), "13:24");
}

fn without_option_it_is_mapped_too(t: &Test) {
    // The option only SHOULD be there: mappings given are mappings meant.
    let dir = owned(t, 1000, 1000);
    let source = dir.display().to_string();
    let bundle = mapped(
        t.sh("stat -c %u /m/f"),
        &source,
        &["bind"],
        mapping(1000, 5000),
        mapping(1000, 5000),
    );
    assert_eq!(bundle.run().ok().text(), "5000");
}

fn mapping_of_the_user_namespace(t: &Test) {
    // On disk 0..1000, in the namespace 300000..: container root owns what host root owns on disk.
    let dir = owned(t, 0, 7);
    let bundle = t
        .sh("stat -c %u:%g /m/f; touch /m/new")
        .user_namespace(300_000, 1000)
        .file("/m/mount-point", "")
        .bind(&dir, "/m", &["idmap"]);
    assert_eq!(bundle.run().ok().text(), "0:7");
    assert_eq!(
        std::fs::metadata(dir.join("new")).expect("written").uid(),
        0
    );
}

fn own_mapping_in_a_user_namespace(t: &Test) {
    // The mount's own mapping wins over the namespace's.
    let dir = owned(t, 1000, 1000);
    let source = dir.display().to_string();
    let bundle = mapped(
        t.sh("stat -c %u:%g /m/f")
            .user_namespace(300_000, 1000)
            .file("/m/mount-point", ""),
        &source,
        &["bind", "idmap"],
        mapping(1000, 300_005),
        mapping(1000, 300_006),
    );
    assert_eq!(bundle.run().ok().text(), "5:6");
}

fn tree(t: &Test) -> (View, PathBuf) {
    t.need(
        Host::get().kernel >= KernelVersion::new(6, 3),
        "tmpfs can be id-mapped since Linux 6.3",
    );
    let tree = t.subdir("tree");
    let at = tree.display();
    let script = format!(
        "mount -t tmpfs outer {at}; mkdir {at}/sub; touch {at}/f; chown 1000:1000 {at}/f; \
         mount -t tmpfs inner {at}/sub; touch {at}/sub/f; chown 1000:1000 {at}/sub/f"
    );
    (View::Script(script), tree)
}

fn idmap_is_not_recursive(t: &Test) {
    let (view, tree) = tree(t);
    let bundle = mapped(
        t.sh("stat -c %u /m/f /m/sub/f").view(view),
        &tree.display().to_string(),
        &["rbind", "idmap"],
        mapping(1000, 5000),
        mapping(1000, 5000),
    );
    assert_eq!(bundle.run().ok().lines(), ["5000", "1000"]);
}

fn ridmap_is_recursive(t: &Test) {
    let (view, tree) = tree(t);
    let bundle = mapped(
        t.sh("stat -c %u /m/f /m/sub/f").view(view),
        &tree.display().to_string(),
        &["rbind", "ridmap"],
        mapping(1000, 5000),
        mapping(1000, 5000),
    );
    assert_eq!(bundle.run().ok().lines(), ["5000", "5000"]);
}

fn readonly_and_mapped(t: &Test) {
    let dir = owned(t, 1000, 1000);
    let bundle = mapped(
        t.sleeper(),
        &dir.display().to_string(),
        &["bind", "idmap", "ro", "nodev"],
        mapping(1000, 5000),
        mapping(1000, 5000),
    );
    let mounts = mounts_of(bundle.started().pid());
    let mount = mounts
        .iter()
        .find(|mount| mount.point == "/m")
        .expect("mounted");
    for flag in ["ro", "nodev", "idmapped"] {
        assert!(mount.has(flag), "{flag}: {mount:?}");
    }
}

fn a_single_file(t: &Test) {
    let file = owned(t, 1000, 1000).join("f");
    let bundle = mapped(
        t.sh("stat -c %u /m"),
        &file.display().to_string(),
        &["bind", "idmap"],
        mapping(1000, 5000),
        mapping(1000, 5000),
    );
    assert_eq!(bundle.run().ok().text(), "5000");
}

fn idmap_without_any_mapping_refused(t: &Test) {
    let dir = owned(t, 0, 0);
    for option in ["idmap", "ridmap"] {
        t.sh("true")
            .bind(&dir, "/m", &[option])
            .run()
            .fails_with(&["/mounts/", option]);
    }
}

fn only_uid_mappings_refused(t: &Test) {
    let dir = owned(t, 0, 0).display().to_string();
    let mut mount = json!({"destination": "/m", "type": "bind", "source": dir,
                           "options": ["bind", "idmap"], "uidMappings": ids(0)});
    t.sh("true")
        .push("/mounts", mount.clone())
        .run()
        .fails_with(&["gidMappings"]);
    let mappings = mount
        .as_object_mut()
        .and_then(|mount| mount.remove("uidMappings"));
    mount["gidMappings"] = mappings.expect("just set");
    t.sh("true")
        .push("/mounts", mount)
        .run()
        .fails_with(&["uidMappings"]);
}

fn not_a_bind_mount_refused(t: &Test) {
    let output = t
        .sh("true")
        .push(
            "/mounts",
            json!({"destination": "/m", "type": "sysfs", "source": "sysfs", "options": ["idmap"],
                   "uidMappings": mapping(0, 5000), "gidMappings": mapping(0, 5000)}),
        )
        .run();
    assert_ne!(output.code, 0, "sysfs cannot be id-mapped");
}
