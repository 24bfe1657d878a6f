//! Images of the store as root file systems, as root and as an ordinary user.

use std::path::Path;
use std::process::Command;

use crate::stage::{Output, Stage, USER, output};

crate::cases![
    a_layout_is_run,
    the_image_s_wishes_are_heard,
    changes_stay_with_the_container,
    owners_are_mapped,
    as_a_user_with_one_id,
    as_a_user_with_subordinate_ids,
    other_maps_have_copies_of_their_own,
    what_another_id_wrote_goes_too,
    in_and_out_of_the_store,
    one_is_inspected,
    they_are_filtered,
    one_in_use_stays,
    containers_are_pruned_and_images_are_not,
    the_primary_group_is_supplementary,
    a_new_volume_has_the_image_s_files,
    a_user_s_new_volume_has_them_too,
    nothing_is_left_of_a_failed_start,
];

/// Writes more fields into the configuration of a layout's image than umoci(1) knows.
pub(crate) fn configure(layout: &Path, fields: &str) {
    let blobs = layout.join("blobs/sha256");
    let digest = |text: &str, key: &str| {
        let at = text.find(key).expect("a descriptor");
        let rest = &text[at..];
        let digest = rest.find("sha256:").expect("a digest") + 7;
        rest[digest..digest + 64].to_owned()
    };
    // A blob again under its new name, in the place of what names the old one.
    let replace = |within: &str, old: &str, new: &str| {
        let file = blobs.join("new");
        std::fs::write(&file, new).expect("own file");
        let sum = Command::new("sha256sum").arg(&file).output().expect("it");
        let name = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
        let before = std::fs::read_to_string(blobs.join(old))
            .expect("a blob")
            .len();
        std::fs::rename(file, blobs.join(&name)).expect("own file");
        within.replace(old, &name).replace(
            &format!("\"size\":{before}"),
            &format!("\"size\":{}", new.len()),
        )
    };
    let read = |name: &str| std::fs::read_to_string(blobs.join(name)).expect("a blob");
    let index = std::fs::read_to_string(layout.join("index.json")).expect("an index");
    let manifest = digest(&index, "manifests");
    let text = read(&manifest);
    let config = digest(&text, "\"config\"");
    let changed = read(&config).replacen("\"config\":{", &format!("\"config\":{{{fields}"), 1);
    let text = replace(&text, &config, &changed);
    let index = replace(&index, &manifest, &text);
    std::fs::write(layout.join("index.json"), index).expect("own file");
}

/// An image of busybox with a user of its own, as a layout that everybody may read.
pub(crate) fn layout(t: &Stage) -> String {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"];
    let busybox = busybox.into_iter().find(|path| Path::new(path).exists());
    t.need(busybox.is_some(), "no busybox (busybox-static)");
    t.need(Path::new("/usr/bin/umoci").exists(), "no umoci(1)");
    let root = t.dir.join("made");
    for below in ["bin", "etc", "tmp", "home/app"] {
        std::fs::create_dir_all(root.join(below)).expect("a directory");
    }
    std::fs::copy(busybox.expect("found"), root.join("bin/busybox")).expect("a copy");
    for name in ["sh", "ls", "cat", "touch", "id", "stat", "sleep", "echo"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).expect("a link");
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/:/bin/sh\napp:x:500:500::/home/app:/bin/sh\n",
    )
    .expect("a file");
    std::os::unix::fs::chown(root.join("home/app"), Some(500), Some(500)).expect("an owner");
    let place = t.dir.join("layout");
    let place = place.display().to_string();
    let image = format!("{place}:bb");
    let run = |args: &[&str]| {
        let done = Command::new("umoci")
            .args(args)
            .output()
            .expect("umoci runs");
        assert!(done.status.success(), "umoci {args:?}: {done:?}");
    };
    run(&["init", "--layout", &place]);
    run(&["new", "--image", &image]);
    run(&[
        "insert",
        "--image",
        &image,
        &root.display().to_string(),
        "/",
    ]);
    run(&[
        "config",
        "--image",
        &image,
        "--config.cmd",
        "id",
        "--config.env",
        "FOO=image",
        "--config.user",
        "app",
        "--config.workingdir",
        "/home/app",
        "--config.label",
        "kind=test",
        "--config.stopsignal",
        "SIGUSR1",
    ]);
    let open = Command::new("chmod").args(["-R", "a+rX", &place]).status();
    assert!(open.expect("chmod runs").success());
    format!("oci:{image}")
}

fn a_layout_is_run(t: &Stage) {
    let image = layout(t);
    assert_eq!(
        t.call(&["run", "--rm", &image]).text(),
        "uid=500(app) gid=500 groups=500"
    );
    assert_eq!(
        t.call(&["run", "--rm", "oci:/no/such/layout", "true"]).code,
        125
    );
    assert_eq!(
        t.call(&["run", "--rm", &image, "no-such-program"]).code,
        127
    );
    // The host's programs are not there.
    assert_eq!(t.call(&["run", "--rm", &image, "python3"]).code, 127);
}

fn the_image_s_wishes_are_heard(t: &Stage) {
    let image = layout(t);
    let seen = t
        .call(&["run", "--rm", &image, "sh", "-c", "pwd; echo $FOO; id -u"])
        .text();
    assert_eq!(seen, "/home/app\nimage\n500");
    let seen = t
        .call(&[
            "run",
            "--rm",
            "-u",
            "0",
            "-w",
            "/tmp",
            "-e",
            "FOO=flag",
            &image,
            "sh",
            "-c",
            "pwd; echo $FOO; id -u",
        ])
        .text();
    assert_eq!(seen, "/tmp\nflag\n0");
    t.call(&[
        "create",
        "--name",
        "c",
        "-l",
        "kind=flag",
        "-l",
        "more=1",
        &image,
    ])
    .text();
    assert_eq!(
        t.field(
            "c",
            "{{.Config.Labels.kind}} {{.Config.Labels.more}} {{.Config.StopSignal}}"
        ),
        "flag 1 SIGUSR1"
    );
}

fn changes_stay_with_the_container(t: &Stage) {
    let image = layout(t);
    t.call(&[
        "run",
        "--name",
        "c",
        &image,
        "sh",
        "-c",
        "echo mine >> file; cat file",
    ])
    .text();
    assert_eq!(t.call(&["start", "-a", "c"]).text(), "mine\nmine");
    assert_ne!(t.call(&["run", "--rm", &image, "cat", "file"]).code, 0);
    assert_ne!(
        t.call(&["run", "--rm", "--read-only", &image, "touch", "file"])
            .code,
        0
    );
    // The mount was in a namespace that has gone.
    let mounts = std::fs::read_to_string("/proc/mounts").expect("mounts");
    assert!(!mounts.contains(&t.dir.display().to_string()), "{mounts}");
}

fn owners_are_mapped(t: &Stage) {
    let image = layout(t);
    let seen = t
        .call(&[
            "run",
            "--name",
            "c",
            "-u",
            "0",
            &image,
            "sh",
            "-c",
            "stat -c %u /bin/busybox /home/app; touch /new",
        ])
        .text();
    assert_eq!(seen, "0\n500");
    let directory = t.field("c", "{{.Lockstep.Directory}}");
    let made = std::fs::metadata(format!("{directory}/upper/new")).expect("the change");
    assert!(std::os::unix::fs::MetadataExt::uid(&made) >= 0x7000_0000);
}

fn user(t: &Stage, first: Option<u32>, args: &[&str]) -> Output {
    output(t.user_command(first, args), b"")
}

fn as_a_user_with_one_id(t: &Stage) {
    let image = layout(t);
    let seen = user(
        t,
        None,
        &[
            "run",
            "--name",
            "c",
            "-u",
            "0",
            &image,
            "sh",
            "-c",
            "id -u; touch /new; stat -c %u /home/app /new",
        ],
    )
    .text();
    assert_eq!(seen, "0\n0\n0");
    assert_eq!(user(t, None, &["start", "-a", "c"]).code, 0);
    let refused = user(t, None, &["run", "--rm", &image]).refused(125);
    assert!(refused.contains("500 is not mapped"), "{refused}");
}

fn as_a_user_with_subordinate_ids(t: &Stage) {
    t.need(
        Path::new("/usr/bin/newuidmap").exists(),
        "no newuidmap(1) (uidmap)",
    );
    let image = layout(t);
    let first = Some(700_000);
    let script = "id -u; touch made; stat -c %u made /bin/busybox";
    assert_eq!(
        user(
            t,
            first,
            &["run", "--name", "c", &image, "sh", "-c", script]
        )
        .text(),
        "500\n500\n0"
    );
    let directory = user(
        t,
        first,
        &["inspect", "--format", "{{.Lockstep.Directory}}", "c"],
    )
    .text();
    let made = std::fs::metadata(format!("{directory}/upper/home/app/made")).expect("the change");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 700_499);
    for [option, map] in [
        ["--userns", "nomap"],
        ["--userns", "ns:/proc/self/ns/user"],
        ["--uidmap", "0:700000:1000"],
        ["--gidmap", "0:700000:1000"],
    ] {
        let refused = user(t, first, &["run", "--rm", option, map, &image, "true"]).refused(125);
        let named = format!("{option} {map} is refused: the files of a user's image");
        assert!(refused.contains(&named), "{refused}");
    }
    user(t, first, &["rm", "c"]).text();
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(
            &std::fs::metadata(t.dir.join("user-data")).expect("it")
        ),
        USER
    );
}

/// The owners that an image names are right in every map, and nothing of a copy outlives its image.
fn other_maps_have_copies_of_their_own(t: &Stage) {
    t.need(
        Path::new("/usr/bin/newuidmap").exists(),
        "no newuidmap(1) (uidmap)",
    );
    let image = layout(t);
    let user = |args: &[&str]| user(t, Some(700_000), args);
    let copies = || {
        let layers = t.dir.join("user-data/images/layers");
        let keys = std::fs::read_dir(layers).expect("layers").flatten();
        let mut all: Vec<String> = keys
            .filter(|key| std::fs::read_dir(key.path()).is_ok_and(|copy| copy.count() > 0))
            .map(|key| key.file_name().to_string_lossy().into_owned())
            .collect();
        all.sort();
        all
    };
    let owners = "stat -c '%u %g' / /bin/busybox /home/app";
    let theirs = "0 0\n0 0\n500 500";
    let script = format!("id -u; {owners}; touch /etc/new && chown 500 /etc/new");
    let keep = ["run", "--name", "k", "--userns", "keep-id", "-u", "0"];
    let seen = user(&[&keep[..], &[&image, "sh", "-c", &script]].concat()).text();
    assert_eq!(seen, format!("0\n{theirs}"));
    assert_eq!(copies().len(), 1, "{:?}", copies());
    let directory = user(&["inspect", "--format", "{{.Lockstep.Directory}}", "k"]).text();
    let made = std::fs::metadata(format!("{directory}/upper/etc/new")).expect("the change");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 700_500);
    assert_eq!(user(&["start", "-a", "k"]).code, 0);
    let other = [
        "--uidmap",
        "0:700000:1000",
        "--uidmap",
        &format!("1000:{USER}:1"),
    ];
    for (options, id) in [
        (&["--userns", "keep-id", "-u", &USER.to_string()][..], USER),
        (&["--userns", "keep-id:uid=7,gid=7", "-u", "7"], 7),
        (&[&other[..], &["-u", "1000"]].concat(), 1000),
        (&[], 500),
        (&["--userns", "keep-id:uid=0,gid=0", "-u", "500"], 500),
    ] {
        let script = format!("id -u; {owners}");
        let seen = user(&[&["run", "--rm"], options, &[&image, "sh", "-c", &script]].concat());
        assert_eq!(seen.text(), format!("{id}\n{theirs}"), "{options:?}");
    }
    let kinds: Vec<String> = copies();
    let kinds: Vec<&str> = kinds
        .iter()
        .filter_map(|key| key.split('-').next())
        .collect();
    assert_eq!(kinds, ["kept", "shifted", "shifted", "shifted"]);
    user(&["rm", "k"]).text();
    let id = user(&["images", "-q"]).text();
    user(&["rmi", &id]).text();
    let left = std::fs::read_dir(t.dir.join("user-data/images/layers")).expect("layers");
    assert_eq!(left.count(), 0);
}

/// Where the user alone could not: a directory of a subordinate id, which lets nobody else in.
fn what_another_id_wrote_goes_too(t: &Stage) {
    t.need(
        Path::new("/usr/bin/newuidmap").exists(),
        "no newuidmap(1) (uidmap)",
    );
    let image = layout(t);
    let script = "umask 077; mkdir -p d/e && touch d/e/f && stat -c %u d/e/f";
    let line = ["run", "--rm", &image, "sh", "-c", script];
    assert_eq!(user(t, Some(700_000), &line).text(), "500");
    let left = std::fs::read_dir(t.dir.join("user-data/containers")).expect("the containers");
    assert_eq!(left.count(), 0);
}

fn in_and_out_of_the_store(t: &Stage) {
    let image = layout(t);
    t.call(&["load", &image]).text();
    let id = t.call(&["images", "-q"]).text();
    t.call(&["tag", &id, "box:1", "box:2"]).text();
    assert_eq!(t.call(&["run", "--rm", "box:1", "id", "-u"]).text(), "500");
    let archive = t.dir.join("saved.tar").display().to_string();
    for format in ["docker-archive", "oci-archive"] {
        t.call(&["save", "--format", format, "-o", &archive, "box:1"])
            .text();
        assert!(t.call(&["rmi", "-f", &id]).text().contains("Deleted: "));
        assert_eq!(t.call(&["images", "-q"]).text(), "");
        assert!(
            t.call(&["load", "-i", &archive]).text().contains("box:1"),
            "{format}"
        );
        assert_eq!(t.call(&["run", "--rm", "box:1", "id", "-u"]).text(), "500");
        t.call(&["tag", "box:1", "box:2"]).text();
    }
    let table = t.call(&["image", "ls", "--format", "{{.Tag}}"]).text();
    let mut tags: Vec<&str> = table.lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1", "2"]);
    assert!(t.call(&["history", "box:1"]).text().contains("umoci"));
    assert_eq!(t.call(&["rmi", "no-such-image"]).code, 1);
    assert!(t.call(&["prune", "-a"]).text().contains("reclaimed"));
    assert_eq!(t.call(&["images", "-q"]).text(), "");
}

fn loaded(t: &Stage) {
    let image = layout(t);
    t.call(&["load", "-q", &image]).text();
    let id = t.call(&["images", "-q"]).text();
    t.call(&["tag", &id, "box:1", "box:2", "other/thing:1"])
        .text();
    t.call(&["rmi", "bb"]);
}

fn one_is_inspected(t: &Stage) {
    loaded(t);
    let field =
        |verb: &[&str], format: &str| t.call(&[verb, &["-f", format, "box:1"]].concat()).text();
    let all = "{{.Config.User}} {{.Config.Cmd}} {{.Config.Entrypoint}} {{index .Config.Labels \"kind\"}} {{.Os}}";
    for verb in [
        &["image", "inspect"][..],
        &["inspect"],
        &["inspect", "--type", "image"],
    ] {
        assert_eq!(field(verb, all), "app [id] [] test linux", "{verb:?}");
    }
    let tags = "{{join .RepoTags \" \"}}";
    let tags = field(&["image", "inspect"], tags);
    assert!(tags.contains("box:1") && tags.contains("thing:1"), "{tags}");
    let layers = field(
        &["image", "inspect"],
        "{{range .RootFS.Layers}}{{slice . 0 7}} {{end}}",
    );
    assert!(layers.starts_with("sha256:"), "{layers}");
    // The idiom of scripts that ask whether a container exists.
    for missing in [
        &["container", "inspect", "box:1"][..],
        &["inspect", "--type", "container", "box:1"],
        &["image", "inspect", "nobody"],
        &["inspect", "nobody"],
    ] {
        let answer = t.call(missing);
        assert_eq!((answer.code, &*answer.stdout), (1, "[]\n"), "{missing:?}");
    }
    let steps = t
        .call(&["history", "--format", "{{.ID}} {{.CreatedBy}}", "box:1"])
        .text();
    assert!(steps.contains("umoci"), "{steps}");
    let ids = t.call(&["history", "-q", "box:1"]).text();
    assert_eq!(ids.lines().count(), steps.lines().count());
    assert!(ids.lines().skip(1).all(|id| id == "<missing>"), "{ids}");
}

fn they_are_filtered(t: &Stage) {
    loaded(t);
    let list = |args: &[&str]| {
        let all = [&["images", "--format", "{{.Tag}}"], args].concat();
        let mut tags: Vec<String> = t.call(&all).text().lines().map(str::to_owned).collect();
        tags.sort();
        tags.join(" ")
    };
    assert_eq!(list(&["box"]), "1 2");
    assert_eq!(list(&["box:2"]), "2");
    assert_eq!(list(&["nothing"]), "");
    assert_eq!(list(&["-f", "reference=*/thing"]), "1");
    assert_eq!(list(&["-f", "reference=b?x:*"]), "1 2");
    assert_eq!(list(&["-f", "label=kind=test", "box:1"]), "1");
    assert_eq!(list(&["-f", "label!=kind", "box:1"]), "");
    assert_eq!(list(&["-f", "dangling=true", "box:1"]), "");
    assert_eq!(list(&["-f", "since=box:1", "box:1"]), "");
    let wrong = t.call(&["images", "-f", "colour=red"]).refused(125);
    assert!(wrong.contains("reference, dangling"), "{wrong}");
    let digests = t
        .call(&["images", "--digests", "--no-trunc", "box:1"])
        .text();
    assert!(
        digests
            .lines()
            .next()
            .is_some_and(|line| line.contains("DIGEST")),
        "{digests}"
    );
    assert_eq!(digests.matches("sha256:").count(), 2, "{digests}");
    // By any of its names and by its id.
    t.call(&["create", "--name", "c", "box:1"]).text();
    for ancestor in [
        "box:1",
        "other/thing:1",
        &t.call(&["images", "-q", "box:2"]).text(),
    ] {
        let found = t.call(&[
            "ps",
            "-a",
            "-f",
            &format!("ancestor={ancestor}"),
            "--format",
            "{{.Names}}",
        ]);
        assert_eq!(found.text(), "c", "{ancestor}");
    }
    assert_eq!(t.call(&["ps", "-aq", "-f", "ancestor=nobody"]).text(), "");
}

fn one_in_use_stays(t: &Stage) {
    let image = layout(t);
    t.call(&["load", &image]).text();
    let id = t.call(&["images", "-q"]).text();
    t.call(&["run", "-d", "--name", "c", &id, "sleep", "1000"])
        .text();
    let refused = t.call(&["rmi", &id]).refused(125);
    assert!(refused.contains("needed by"), "{refused}");
    t.call(&["prune", "-a"]).text();
    assert_eq!(t.call(&["images", "-q"]).text(), id);
    t.call(&["rm", "-f", "c"]).text();
    t.call(&["rmi", &id]).text();
}

fn nothing_is_left_of_a_failed_start(t: &Stage) {
    let image = layout(t);
    for args in [
        &["-v", "/no/such:/x"][..],
        &["--memory", "x"],
        &["-u", "nobody-here"],
    ] {
        let mut all = vec!["run", "--rm"];
        all.extend(args);
        all.extend([&*image, "true"]);
        assert_eq!(t.call(&all).code, 125);
    }
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
    let claims = std::fs::read_dir(t.dir.join("root-data/images/claims")).expect("claims");
    assert_eq!(claims.count(), 0);
}

fn containers_are_pruned_and_images_are_not(t: &Stage) {
    t.call(&["load", &layout(t)]).text();
    let images = t.call(&["images", "-q"]).text();
    t.call(&["tag", &images, "kept:1"]).text();
    t.call(&["run", "--name", "over", "kept:1"]).text();
    t.call(&["create", "--name", "new", "host:", "true"]).text();
    t.call(&["run", "-d", "--name", "up", "host:", "sleep", "1000"])
        .text();
    let removed = t.call(&["container", "prune", "-f"]).text();
    assert_eq!(removed.lines().count(), 2, "{removed}");
    let left = t.call(&["ps", "-a", "--format", "{{.Names}}"]).text();
    assert_eq!(left, "up");
    assert_eq!(t.call(&["images", "-q"]).text(), images);
    // A group has no verb of another one's.
    let refused = t.call(&["container", "rmi", "kept:1"]).refused(125);
    assert!(refused.contains("container has no verb"), "{refused}");
}

/// CVE-2022-2989, CVE-2022-36109: a file may give its group less than everybody, and nobody gets out of the group.
fn the_primary_group_is_supplementary(t: &Stage) {
    let image = layout(t);
    let line = "Groups";
    let groups = |args: &[&str]| {
        let seen = t.call(args).text();
        let found = seen.lines().find(|seen| seen.starts_with(line));
        let found = found.unwrap_or_else(|| panic!("{args:?}: {seen}"));
        let numbers: Vec<&str> = found.split_whitespace().skip(1).collect();
        numbers.join(" ")
    };
    let status = ["cat", "/proc/self/status"];
    let run = |options: &[&str]| groups(&[&["run", "--rm"], options, &[&image], &status].concat());
    assert_eq!(run(&[]), "500");
    assert_eq!(run(&["-u", "0"]), "0");
    assert_eq!(run(&["-u", "app:7"]), "7");
    assert_eq!(run(&["-u", "9", "--group-add", "8"]), "0 8");
    assert_eq!(
        groups(&["run", "--rm", "host:", "cat", "/proc/self/status"]),
        "0"
    );
    t.call(&["run", "-d", "--name", "g", &image, "sleep", "1000"])
        .text();
    let exec = |options: &[&str]| groups(&[&["exec"], options, &["g"], &status].concat());
    assert_eq!(exec(&[]), "500");
    assert_eq!(exec(&["-u", "9:8"]), "8");
    assert_eq!(exec(&["-u", "0"]), "0");
}

fn a_new_volume_has_the_image_s_files(t: &Stage) {
    let image = layout(t);
    let inside = |volume: &str, words: &[&str]| {
        let options = ["run", "--rm", "-u", "0", "-v", volume, &image];
        t.call(&[&options, words].concat())
    };
    let owner = |volume: &str, path: &str| inside(volume, &["stat", "-c", "%u:%g %a", path]).text();
    assert_eq!(owner("h:/home", "/home/app"), "500:500 755");
    assert_eq!(owner("app:/home/app", "/home/app"), "500:500 755");
    // All that runs there is the copy: a program and links to it.
    assert_eq!(inside("b:/bin", &["sh", "-c", "echo $0"]).text(), "sh");
    // Only a new one is filled; what was removed or written stays so.
    let change = ["sh", "-c", "echo mine > /etc/mine; echo > /etc/passwd"];
    inside("e:/etc", &change).text();
    assert_eq!(
        inside("e:/etc", &["cat", "/etc/mine", "/etc/passwd"]).text(),
        "mine"
    );
    assert_eq!(inside("n:/etc:nocopy", &["ls", "/etc"]).text(), "");
    assert_eq!(inside("x:/not/there", &["ls", "/not/there"]).text(), "");
    // A volume takes the place of what the host has nowhere: of host: nothing is copied.
    let host = t.call(&["run", "--rm", "-v", "o:/opt", "host:", "ls", "/opt"]);
    assert_eq!(host.text(), "");
    let mounts = std::fs::read_to_string("/proc/mounts").expect("mounts");
    assert!(!mounts.contains(&t.dir.display().to_string()), "{mounts}");
}

fn a_user_s_new_volume_has_them_too(t: &Stage) {
    let image = layout(t);
    let seen = |first: Option<u32>, volume: &str| {
        let script = "cat /etc/passwd; stat -c %u:%g /home/app";
        let line = [
            "run", "--rm", "-u", "0", "-v", "e:/etc", "-v", volume, &image, "sh", "-c", script,
        ];
        user(t, first, &line).text()
    };
    let text = seen(None, "h:/home");
    assert!(
        text.contains("app:x:500") && text.ends_with("0:0"),
        "{text}"
    );
    t.need(
        Path::new("/usr/bin/newuidmap").exists(),
        "no newuidmap(1) (uidmap)",
    );
    let text = seen(Some(700_000), "i:/home");
    assert!(text.ends_with("500:500"), "{text}");
}
