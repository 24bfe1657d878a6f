//! `cp`: what docker's manual says, and what it does not say and people rely on.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::stage::{Output, Stage, USER, kernel_since, output};

crate::cases![
    the_rules_of_names,
    links,
    owners_and_modes,
    what_a_file_has_beside_its_content,
    root_without_cgroups,
    archives,
    containers_that_do_not_run,
    what_would_pass_is_known_by_its_mount,
    a_paused_container,
    volumes_are_as_the_container_sees_them,
    what_is_read_only_stays,
    between_containers,
    as_a_user_with_subordinate_ids,
    as_a_user_with_one_id,
    a_copy_that_fails_leaves_nothing,
    what_replaces_what,
    what_makes_no_sense_is_refused,
];

/// A container of the host's programs that stays.
fn up(t: &Stage, name: &str, options: &[&str]) {
    let mut args = vec!["run", "-d", "--name", name];
    args.extend(options);
    args.extend(["host:", "sleep", "1000"]);
    t.call(&args).text();
}

fn inside(t: &Stage, name: &str, script: &str) -> String {
    t.call(&["exec", name, "sh", "-c", script]).text()
}

/// A script on this side, in a directory.
fn here(dir: &Path, script: &str) -> String {
    let done = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{script}: {done:?}");
    String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
}

/// What is there first, SRC, DEST, and then either every path below the destination's directory or a word of the refusal.
/// From `docker cp`'s manual, in its order.
const RULES: &[(&str, &str, &str, Result<&str, &str>)] = &[
    // SRC is a file.
    ("", "f", "new", Ok("new=f")),
    ("", "f", "missing/", Err("no directory")),
    ("echo old > there", "f", "there", Ok("there=f")),
    ("mkdir d", "f", "d", Ok("d/f=f")),
    ("mkdir d", "f", "d/", Ok("d/f=f")),
    ("echo x > there", "f", "there/", Err("no directory")),
    ("", "f/", "new", Err("no directory")),
    ("", "f", "no/new", Err("no such file")),
    ("mkdir -p d/f", "f", "d", Err("cannot overwrite directory")),
    // SRC is a directory.
    ("", "t", "new", Ok("new/a=a new/s/b=b")),
    ("", "t", "new/", Ok("new/a=a new/s/b=b")),
    ("", "t/", "new", Ok("new/a=a new/s/b=b")),
    ("", "t/.", "new", Ok("new/a=a new/s/b=b")),
    (
        "echo x > there",
        "t",
        "there",
        Err("cannot overwrite non-directory"),
    ),
    ("mkdir d", "t", "d", Ok("d/t/a=a d/t/s/b=b")),
    ("mkdir d", "t/", "d", Ok("d/t/a=a d/t/s/b=b")),
    ("mkdir d", "t/.", "d", Ok("d/a=a d/s/b=b")),
    ("mkdir d", "t/s/..", "d", Ok("d/a=a d/s/b=b")),
    (
        "mkdir -p d/t/s; echo o > d/t/a; echo k > d/t/k",
        "t",
        "d",
        Ok("d/t/a=a d/t/k=k d/t/s/b=b"),
    ),
    (
        "mkdir d; echo x > d/t",
        "t",
        "d",
        Err("cannot overwrite non-directory"),
    ),
    ("", "t", "no/new", Err("no such file")),
    ("", "nothing", "new", Err("no such file")),
    ("", "no/thing", "new", Err("no such file")),
];

const SOURCE: &str = "mkdir -p src/t/s && cd src && echo f > f && echo a > t/a && echo b > t/s/b";
const LISTING: &str =
    "find . -type f | sort | while read f; do echo \"${f#./}=$(cat $f)\"; done | tr '\\n' ' '";

fn the_rules_of_names(t: &Stage) {
    up(t, "c", &[]);
    here(&t.dir, SOURCE);
    inside(t, "c", &format!("cd /tmp && {SOURCE}"));
    for (before, source, target, expected) in RULES {
        let own = t.dir.join("own");
        let prepare = format!("rm -rf own; mkdir own; cd own; {before}");
        for into in [true, false] {
            let dir = t.dir.display();
            let (from, to) = match into {
                true => (
                    format!("{dir}/src/{source}"),
                    format!("c:/tmp/own/{target}"),
                ),
                false => (
                    format!("c:/tmp/src/{source}"),
                    format!("{dir}/own/{target}"),
                ),
            };
            match into {
                true => inside(t, "c", &format!("cd /tmp; {prepare}")),
                false => here(&t.dir, &prepare),
            };
            let list = || match into {
                true => inside(
                    t,
                    "c",
                    &format!("cd /tmp/own; ls -A | grep lockstep; {LISTING}"),
                ),
                false => here(&own, &format!("ls -A | grep lockstep; {LISTING}")),
            };
            let old = list();
            let done = t.call(&["cp", &from, &to]);
            match expected {
                Ok(found) => {
                    assert_eq!(done.code, 0, "{from} {to}: {done:?}");
                    assert_eq!(list(), *found, "{from} {to}");
                }
                Err(word) => {
                    let text = done.refused(125);
                    assert!(text.contains(word), "{from} {to}: {text}");
                    assert_eq!(list(), old, "{from} {to}");
                }
            }
        }
    }
}

fn links(t: &Stage) {
    up(t, "c", &[]);
    let make = "mkdir -p real && echo r > real/f && ln -s real l && ln -s real/f lf && ln -s nowhere dangling";
    here(&t.dir, make);
    inside(t, "c", &format!("cd /tmp && {make}"));
    let dir = t.dir.display().to_string();
    let own = |name: &str| format!("{dir}/{name}");
    // A link is copied as one; with -L, or a slash behind it, what it leads to is.
    for (args, name, found) in [
        (&["cp"][..], "lf", "symbolic link real/f"),
        (&["cp", "-L"], "lf", "regular file "),
        (&["cp"], "l", "symbolic link real"),
        (&["cp", "-L"], "l", "directory "),
        (&["cp"], "l/", "directory "),
        (&["cp"], "dangling", "symbolic link nowhere"),
    ] {
        let look = "stat -c %F out | tr '\\n' ' '; readlink out || true";
        let mut out = args.to_vec();
        let (from, to) = (format!("c:/tmp/{name}"), own("out"));
        out.extend([&*from, &*to]);
        t.call(&out).text();
        assert_eq!(
            here(&t.dir, &format!("{look}; rm -r out")),
            found.trim_end(),
            "{out:?}"
        );
        let mut into = args.to_vec();
        let from = own(name);
        into.extend([&*from, "c:/tmp/out"]);
        t.call(&into).text();
        let found_inside = inside(t, "c", &format!("cd /tmp; {look}; rm -r out"));
        assert_eq!(found_inside, found.trim_end(), "{into:?}");
    }
    let refused = t
        .call(&["cp", "-L", "c:/tmp/dangling", &own("out")])
        .refused(125);
    assert!(refused.contains("no such file"), "{refused}");
    // A destination is what it leads to, also where that is not there yet.
    std::fs::write(t.dir.join("new"), "new").expect("a file");
    for name in ["lf", "dangling", "l/new"] {
        t.call(&["cp", &own("new"), &format!("c:/tmp/{name}")])
            .text();
        t.call(&["cp", "c:/tmp/lf", &own(name)]).text();
    }
    let look = "cat real/f nowhere real/new; test -L lf && test -L dangling && test -L l";
    assert_eq!(inside(t, "c", &format!("cd /tmp; {look}")), "newnewnew");
    assert_eq!(
        here(&t.dir, "readlink real/f nowhere real/new; test -L lf")
            .lines()
            .count(),
        3
    );
}

fn owners_and_modes(t: &Stage) {
    up(t, "c", &["--cap-add", "mknod"]);
    let dir = t.dir.join("d");
    std::fs::create_dir(&dir).expect("a directory");
    for (name, mode) in [("plain", 0o640), ("setuid", 0o6755)] {
        let file = dir.join(name);
        std::fs::write(&file, name).expect("a file");
        std::os::unix::fs::chown(&file, Some(1234), Some(2345)).expect("an owner");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("a mode");
    }
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o2511)).expect("a mode");
    let dir = dir.display().to_string();
    t.call(&["cp", &dir, "c:/tmp/made"]).text();
    t.call(&["cp", "-a", &dir, "c:/tmp/kept"]).text();
    let look = |name: &str| {
        let script = format!("cd /tmp/{name}; stat -c '%u:%g %a' . plain setuid");
        inside(t, "c", &script)
    };
    assert_eq!(look("made"), "0:0 2511\n0:0 640\n0:0 6755");
    assert_eq!(look("kept"), "0:0 2511\n1234:2345 640\n1234:2345 6755");
    // Out of it: whoever called, without what makes a program more than its caller; or by number.
    let out = |args: &[&str], name: &str| {
        let to = t.dir.join(name);
        let mut all = args.to_vec();
        let place = to.display().to_string();
        all.extend(["c:/tmp/kept", &place]);
        t.call(&all).text();
        here(&to, "stat -c '%u:%g %a' . plain setuid")
    };
    assert_eq!(out(&["cp"], "o1"), "0:0 511\n0:0 640\n0:0 755");
    assert_eq!(
        out(&["cp", "-a"], "o2"),
        "0:0 2511\n1234:2345 640\n1234:2345 6755"
    );
    // What another container made for its own users does not run as this one's root.
    up(t, "d", &[]);
    t.call(&["cp", "c:/tmp/kept", "d:/tmp/kept"]).text();
    let script = "cd /tmp/kept; stat -c '%u:%g %a' plain setuid";
    assert_eq!(inside(t, "d", script), "0:0 640\n0:0 755");
}

/// As in another engine's container, whose cgroups are read-only.
fn root_without_cgroups(t: &Stage) {
    let without = |args: &[&str]| {
        let run = t.command(args);
        let script = "awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts | while read -r at; do mount -o remount,bind,ro \"$at\"; done; exec \"$@\"";
        let mut outer = Command::new("unshare");
        outer.args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]);
        outer.arg(run.get_program()).args(run.get_args());
        output(outer, b"")
    };
    let image = rootfs(t);
    without(&["create", "--name", "n", &image, "true"]).text();
    let file = t.dir.join("file");
    std::fs::write(&file, "content").expect("a file");
    let from = file.display().to_string();
    without(&["cp", &from, "n:/srv/file"]).text();
    let back = t.dir.join("back").display().to_string();
    without(&["cp", "n:/srv/file", &back]).text();
    assert_eq!(std::fs::read_to_string(back).expect("it"), "content");
}

fn what_a_file_has_beside_its_content(t: &Stage) {
    up(t, "c", &[]);
    let make = "mkdir d && cd d && echo x > one && ln one two && ln -s nowhere link && ln link link2 && mkfifo -m 640 fifo && \
                truncate -s 64G holes && echo end >> holes && touch -d @1000000000.123456789 one && touch -h -d @1000000001 link && \
                mkdir -m 0555 closed && touch -d @1000000002 closed";
    here(&t.dir, make);
    let attribute = Command::new("setfattr")
        .args(["-n", "user.word", "-v", "value"])
        .arg(t.dir.join("d/one"))
        .status();
    // Those of users are kept in a tmpfs, which the container's /tmp is, since Linux 6.6.
    let xattrs = attribute.is_ok_and(|status| status.success()) && kernel_since(6, 6);
    let dir = t.dir.join("d").display().to_string();
    t.call(&["cp", &dir, "c:/tmp/d"]).text();
    let back = t.dir.join("back").display().to_string();
    t.call(&["cp", "c:/tmp/d", &back]).text();
    let look = "stat -c '%n %F %a %h %Y' * | sort; stat -c %s one holes; stat -c %y one; readlink link; test one -ef two; test link -ef link2; tail -c 4 holes";
    let want = here(Path::new(&dir), look);
    assert_eq!(inside(t, "c", &format!("cd /tmp/d; {look}")), want);
    assert_eq!(here(Path::new(&back), look), want);
    let size = std::fs::metadata(Path::new(&back).join("holes")).expect("it");
    assert!(size.blocks() < 100, "{} blocks", size.blocks());
    let fifo = std::fs::metadata(Path::new(&back).join("fifo")).expect("it");
    assert!(fifo.file_type().is_fifo());
    if xattrs {
        let found = Command::new("getfattr")
            .args(["--absolute-names", "--only-values", "-n", "user.word"])
            .arg(Path::new(&back).join("two"))
            .output();
        assert_eq!(found.expect("getfattr").stdout, b"value");
    }
}

fn archives(t: &Stage) {
    up(t, "c", &[]);
    inside(
        t,
        "c",
        &format!("cd /tmp && {SOURCE}; chown 5:6 f; mkdir /tmp/into; chmod 1711 /tmp/into"),
    );
    let listed = |what: &str| {
        let from = t.command(&["cp", what, "-"]).output().expect("an archive");
        assert!(from.status.success(), "{from:?}");
        let mut tar = Command::new("tar");
        tar.args(["--numeric-owner", "-tvf", "-"])
            .stdin(std::process::Stdio::piped());
        let text = output(tar, &from.stdout).text();
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                format!("{} {}", words[1], words[5])
            })
            .collect();
        lines.sort();
        lines.join(" ")
    };
    assert_eq!(listed("c:/tmp/src/f"), "5/6 f");
    assert_eq!(listed("c:/tmp/src/t"), "0/0 t/ 0/0 t/a 0/0 t/s/ 0/0 t/s/b");
    assert_eq!(
        listed("c:/tmp/src/t/."),
        "0/0 ./ 0/0 ./a 0/0 ./s/ 0/0 ./s/b"
    );
    // Into a directory, compressed or not; the archive's owners are believed, its directory's are not.
    here(
        &t.dir,
        "mkdir -m 700 d d/e; echo x > d/e/f; chown 7:8 d/e/f; tar -C d -cf a.tar .; tar -C d -czf a.tgz .",
    );
    for name in ["a.tar", "a.tgz"] {
        let bytes = std::fs::read(t.dir.join(name)).expect("an archive");
        t.call_with(&bytes, &["cp", "-", "c:/tmp/into"]).text();
        let found = inside(
            t,
            "c",
            "cd /tmp/into; stat -c '%a %u:%g' . e e/f; cat e/f; rm -r e",
        );
        assert_eq!(found, "1711 0:0\n700 0:0\n644 7:8\nx", "{name}");
    }
    let bytes = std::fs::read(t.dir.join("a.tar")).expect("an archive");
    for (to, word) in [
        ("c:/tmp/src/f", "no directory"),
        ("c:/tmp/nowhere", "no directory"),
    ] {
        let text = t.call_with(&bytes, &["cp", "-", to]).refused(125);
        assert!(
            text.contains(word) || text.contains("no such"),
            "{to}: {text}"
        );
    }
    let text = t.call_with(
        b"no archive at all, and long enough for nobody to think so",
        &["cp", "-", "c:/tmp"],
    );
    text.refused(125);
    // A directory may be behind a link, of the container's own tree.
    inside(t, "c", "mkdir /tmp/usr /tmp/r; ln -s /tmp/usr /tmp/r/e");
    t.call_with(&bytes, &["cp", "-", "c:/tmp/r"]).text();
    assert_eq!(inside(t, "c", "cat /tmp/usr/f; test -L /tmp/r/e"), "x");
}

/// A root file system with a shell, owned by nobody in particular.
fn rootfs(t: &Stage) -> String {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    t.need(busybox.is_some(), "no busybox (busybox-static)");
    here(
        &t.dir,
        &format!(
            "mkdir -p root/bin root/tmp root/etc root/proc root/dev root/sys root/srv root/data && chmod 1777 root/tmp && cp {} root/bin/busybox && \
         for n in sh cat stat sleep ls echo true id; do ln -s busybox root/bin/$n; done; chmod -R a+rX root",
            busybox.expect("found")
        ),
    );
    format!("rootfs:{}", t.dir.join("root").display())
}

fn containers_that_do_not_run(t: &Stage) {
    let image = rootfs(t);
    let bound = t.dir.join("bound");
    std::fs::create_dir(&bound).expect("a directory");
    let volume = format!("{}:/data", bound.display());
    let script = "cat /srv/f /data/g; echo left > /srv/left";
    t.call(&[
        "create",
        "--name",
        "s",
        "-v",
        &volume,
        "-v",
        "named:/named",
        "--tmpfs",
        "/mem",
        &image,
        "sh",
        "-c",
        script,
    ])
    .text();
    std::fs::write(t.dir.join("f"), "before ").expect("a file");
    let own = t.dir.join("f").display().to_string();
    for to in ["s:/srv/f", "s:/data/g", "s:/named/n"] {
        t.call(&["cp", &own, to]).text();
    }
    assert_eq!(
        std::fs::read_to_string(bound.join("g")).expect("it"),
        "before "
    );
    assert_eq!(t.call(&["start", "-a", "s"]).text(), "before before");
    // One that has ended.
    let back = t.dir.join("back").display().to_string();
    for (from, text) in [("s:/srv/left", "left\n"), ("s:/named/n", "before ")] {
        t.call(&["cp", from, &back]).text();
        assert_eq!(std::fs::read_to_string(&back).expect("it"), text);
    }
    for to in ["s:/mem", "s:/dev/shm", "s:/dev/f"] {
        let text = t.call(&["cp", &own, to]).refused(125);
        assert!(text.contains("in memory"), "{to}: {text}");
    }
    assert_eq!(t.field("s", "{{.State.Status}}"), "exited");
    let state = t.dir.join("root-state/runtime");
    assert_eq!(std::fs::read_dir(state).into_iter().flatten().count(), 0);
    // And one that nobody could start.
    t.call(&["create", "--name", "x", &image, "/no/such/program"])
        .text();
    t.call(&["cp", &own, "x:/srv/g"]).text();
    assert!(t.dir.join("root/srv/g").exists());
    // Two at once wait for each other.
    let first = crate::stage::Background::start(t.command(&["cp", &own, "x:/srv/1"]));
    t.call(&["cp", &own, "x:/srv/2"]).text();
    assert_eq!(first.code(), 0);
}

/// By whatever way of names one comes to a mount in memory; and what is in memory of the host stays.
fn what_would_pass_is_known_by_its_mount(t: &Stage) {
    t.need(kernel_since(6, 3), "tmpfs can be id-mapped since Linux 6.3");
    let image = rootfs(t);
    let make = "mkdir -p root/run root/var root/link t/run t/srv empty/run empty/srv && \
        ln -s ../run root/var/run && ln -s /run/a root/link/a && echo f > t/run/f && echo f > t/srv/f && echo f > empty/srv/g && \
        echo f > f && mkdir t/run/d && tar -C t -cf t.tar ./run/f";
    here(&t.dir, make);
    let host = format!("/dev/shm/{}", t.dir.display().to_string().replace('/', "-"));
    std::fs::create_dir_all(&host).expect("a directory in memory");
    let bound = format!("{host}:/mem");
    let options = ["--tmpfs", "/run", "-v", &bound];
    t.call(&[&["create", "--name", "s"][..], &options, &[&image, "true"]].concat())
        .text();
    let own = |name: &str| t.dir.join(name).display().to_string();
    for (from, to) in [
        (own("f"), "s:/var/run/f"),
        (own("f"), "s:/var/run/"),
        (own("f"), "s:/link/a"),
        (own("t/run"), "s:/var/run"),
        (own("t/."), "s:/"),
        (own("t/run"), "s:/"),
        (own("t/run/d"), "s:/run"),
        (own("f"), "s:/dev/shm/f"),
    ] {
        let text = t.call(&["cp", &from, to]).refused(125);
        assert!(text.contains("in memory"), "{from} {to}: {text}");
    }
    let archive = std::fs::read(t.dir.join("t.tar")).expect("it");
    let text = t.call_with(&archive, &["cp", "-", "s:/"]).refused(125);
    assert!(text.contains("in memory"), "{text}");
    // A directory there that nothing goes into is no loss.
    t.call(&["cp", &own("empty/."), "s:/"]).text();
    assert!(t.dir.join("root/srv/g").exists());
    t.call(&["cp", &own("f"), "s:/mem/f"]).text();
    assert!(Path::new(&host).join("f").exists());
    drop(std::fs::remove_dir_all(host));
}

fn a_paused_container(t: &Stage) {
    up(t, "c", &[]);
    t.call(&["pause", "c"]).text();
    std::fs::write(t.dir.join("f"), "f").expect("a file");
    let own = t.dir.join("f").display().to_string();
    t.call(&["cp", &own, "c:/tmp/f"]).text();
    t.call(&["cp", "c:/tmp/f", &t.dir.join("g").display().to_string()])
        .text();
    t.call(&["unpause", "c"]).text();
    assert_eq!(inside(t, "c", "cat /tmp/f"), "f");
}

fn volumes_are_as_the_container_sees_them(t: &Stage) {
    let dir = t.dir.join("v");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(dir.join("f"), "of the volume").expect("a file");
    up(
        t,
        "c",
        &[
            "-v",
            &format!("{}:/opt", dir.display()),
            "--tmpfs",
            "/opt/hidden",
        ],
    );
    std::fs::create_dir_all(dir.join("hidden")).expect("a directory");
    std::fs::write(dir.join("hidden/f"), "below the mount").expect("a file");
    inside(t, "c", "echo memory > /opt/hidden/m");
    let out = t.dir.join("out");
    t.call(&["cp", "c:/opt", &out.display().to_string()]).text();
    assert_eq!(here(&out, "find . -type f | sort"), "./f\n./hidden/m");
    // What goes in belongs to the container's root, which the mount makes the host's.
    t.call(&["cp", &out.join("f").display().to_string(), "c:/opt/new"])
        .text();
    assert_eq!(std::fs::metadata(dir.join("new")).expect("it").uid(), 0);
    // Into the mount below too, each file whole.
    t.call(&["cp", &format!("{}/.", out.display()), "c:/opt"])
        .text();
    assert_eq!(
        inside(
            t,
            "c",
            "ls -A /opt /opt/hidden | grep -c lockstep; cat /opt/hidden/m"
        ),
        "0\nmemory"
    );
}

fn what_is_read_only_stays(t: &Stage) {
    let dir = t.dir.join("v");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(t.dir.join("f"), "f").expect("a file");
    let own = t.dir.join("f").display().to_string();
    up(t, "c", &["-v", &format!("{}:/mnt:ro", dir.display())]);
    for to in [
        "c:/mnt/f",
        "c:/usr/f",
        "c:/f",
        "c:/proc/sys/kernel/f",
        "c:/sys/f",
    ] {
        let text = t.call(&["cp", &own, to]).refused(125);
        let wanted = ["EROFS", "EPERM", "EACCES", "ENOENT"];
        assert!(
            wanted.iter().any(|errno| text.contains(errno)),
            "{to}: {text}"
        );
    }
    let text = t.call(&["cp", &own, "c:/mnt/f"]).refused(125);
    assert!(text.contains("read-only"), "{text}");
    assert_eq!(std::fs::read_dir(&dir).expect("it").count(), 0);
    let image = rootfs(t);
    t.call(&["create", "--name", "r", "--read-only", &image, "true"])
        .text();
    t.call(&["cp", &own, "r:/srv/f"]).refused(125);
    assert!(!t.dir.join("root/srv/f").exists());
    // What is mounted on one name can be written to and not replaced.
    let text = t.call(&["cp", &own, "r:/etc/hosts"]).refused(125);
    assert!(text.contains("EBUSY") || text.contains("EROFS"), "{text}");
}

fn between_containers(t: &Stage) {
    up(t, "a", &[]);
    up(t, "b", &[]);
    inside(t, "a", &format!("cd /tmp && {SOURCE}; chown 9:9 f"));
    t.call(&["cp", "a:/tmp/src", "b:/tmp/dst"]).text();
    assert_eq!(
        inside(t, "b", &format!("cd /tmp/dst; {LISTING}; stat -c %u f")),
        "f=f t/a=a t/s/b=b 0"
    );
    t.call(&["cp", "-a", "a:/tmp/src/f", "b:/tmp/f"]).text();
    assert_eq!(inside(t, "b", "stat -c %u:%g /tmp/f"), "9:9");
    // Neither runs.
    let image = rootfs(t);
    for name in ["x", "y"] {
        t.call(&[
            "create",
            "--name",
            name,
            "-v",
            &format!("{name}:/data"),
            &image,
            "true",
        ])
        .text();
    }
    std::fs::write(t.dir.join("f"), "f").expect("a file");
    t.call(&["cp", &t.dir.join("f").display().to_string(), "x:/data"])
        .text();
    t.call(&["cp", "x:/data/f", "y:/data"]).text();
    t.call(&["cp", "y:/data/f", "b:/tmp/of-y"]).text();
    assert_eq!(inside(t, "b", "cat /tmp/of-y"), "f");
}

const FIRST: u32 = 700_000;

fn as_user(t: &Stage, first: Option<u32>, args: &[&str]) -> Output {
    output(t.user_command(first, args), b"")
}

fn as_a_user_with_subordinate_ids(t: &Stage) {
    t.need(
        Path::new("/usr/bin/newuidmap").exists(),
        "no newuidmap(1) (uidmap)",
    );
    let many = |args: &[&str]| as_user(t, Some(FIRST), args);
    user(t, &many);
    let dir = t.dir.join("user").display().to_string();
    many(&["exec", "c", "sh", "-c", "chown 5:6 /tmp/f"]).text();
    let note = many(&["cp", "-a", "c:/tmp/f", &format!("{dir}/kept")]);
    assert!(note.stderr.contains("without 1 owners"), "{note:?}");
    assert_eq!(note.code, 0);
    // By number, as the container has them.
    let tar = many(&["cp", "c:/tmp/f", "-"]);
    assert!(tar.stdout.contains("0000005\0") && tar.stdout.contains("0000006\0"));
    many(&["cp", "-", "c:/nowhere"]).refused(125);
}

fn as_a_user_with_one_id(t: &Stage) {
    user(t, &|args| as_user(t, None, args));
}

fn user(t: &Stage, call: &dyn Fn(&[&str]) -> Output) {
    let dir = t.dir.join("user");
    std::fs::create_dir(&dir).expect("a directory");
    std::os::unix::fs::chown(&dir, Some(USER), Some(USER)).expect("an owner");
    std::fs::write(dir.join("f"), "f").expect("a file");
    std::os::unix::fs::chown(dir.join("f"), Some(USER), Some(USER)).expect("an owner");
    let place = dir.display().to_string();
    let volume = format!("{place}:/mnt");
    call(&[
        "run", "-d", "--name", "c", "-v", &volume, "host:", "sleep", "1000",
    ])
    .text();
    call(&["cp", &format!("{place}/f"), "c:/tmp"]).text();
    assert_eq!(
        call(&["exec", "c", "stat", "-c", "%u:%g", "/tmp/f"]).text(),
        "0:0"
    );
    call(&[
        "exec",
        "c",
        "sh",
        "-c",
        "mkdir -m 0555 /tmp/d; umask 077; echo x > /tmp/d/g",
    ])
    .text();
    call(&["cp", "c:/tmp/d", &format!("{place}/out")]).text();
    let found = std::fs::metadata(dir.join("out/g")).expect("it");
    assert_eq!((found.uid(), found.mode() & 0o777), (USER, 0o600));
    let found = std::fs::metadata(dir.join("out")).expect("it");
    assert_eq!((found.uid(), found.mode() & 0o777), (USER, 0o555));
    call(&["cp", &format!("{place}/f"), "c:/mnt/through"]).text();
    assert_eq!(
        std::fs::metadata(dir.join("through")).expect("it").uid(),
        USER
    );
    // What the user may not read is not read for them, and what they may not write neither.
    let secret = t.dir.join("secret");
    std::fs::write(&secret, "secret").expect("a file");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).expect("a mode");
    let text = call(&["cp", &secret.display().to_string(), "c:/tmp"]).refused(125);
    assert!(text.contains("EACCES"), "{text}");
    call(&["cp", "c:/tmp/f", "/etc/ls-people-f"]).refused(125);
    // The error is that of the side that had it, and nothing of the rest is there.
    let mixed = t.dir.join("mixed");
    std::fs::create_dir(&mixed).expect("a directory");
    std::fs::write(mixed.join("open"), "open").expect("a file");
    std::fs::rename(&secret, mixed.join("secret")).expect("its name");
    let text = call(&["cp", &mixed.display().to_string(), "c:/tmp/mixed"]).refused(125);
    assert!(
        text.contains("mixed/secret") && text.contains("EACCES"),
        "{text}"
    );
    assert_ne!(call(&["exec", "c", "test", "-e", "/tmp/mixed"]).code, 0);
    // One that does not run.
    call(&[
        "create",
        "--name",
        "s",
        "-v",
        &volume,
        "host:",
        "cat",
        "/mnt/stopped",
    ])
    .text();
    call(&["cp", &format!("{place}/f"), "s:/mnt/stopped"]).text();
    assert_eq!(call(&["start", "-a", "s"]).text(), "f");
    call(&["cp", "s:/usr/bin/env", &format!("{place}/env")]).text();
}

fn a_copy_that_fails_leaves_nothing(t: &Stage) {
    up(t, "c", &["--tmpfs", "/mnt:size=1m"]);
    here(
        &t.dir,
        "mkdir d; echo a > d/a; head -c 3000000 /dev/zero > d/b; echo old > old",
    );
    let own = |name: &str| t.dir.join(name).display().to_string();
    inside(
        t,
        "c",
        "echo old > /mnt/old; cd /tmp; mkdir d; echo a > d/a; head -c 3000000 /dev/zero > d/b",
    );
    for (from, to) in [("d", "/mnt/new"), ("d/b", "/mnt/old"), ("d/b", "/mnt")] {
        let text = t.call(&["cp", &own(from), &format!("c:{to}")]).refused(125);
        assert!(text.contains("ENOSPC"), "{text}");
    }
    assert_eq!(inside(t, "c", "ls -A /mnt; cat /mnt/old"), "old\nold");
    // A small disk on this side, in a mount namespace of the call's own.
    std::fs::create_dir(t.dir.join("small")).expect("a directory");
    for (from, to) in [("d", "new"), ("d/b", "old"), ("d/b", "")] {
        let script = format!(
            "mount -t tmpfs -o size=1m x {0} && echo old > {0}/old && \"$@\"; echo $?; ls -A {0}; cat {0}/old",
            own("small")
        );
        let copy = t.command(&[
            "cp",
            &format!("c:/tmp/{from}"),
            &format!("{}/{to}", own("small")),
        ]);
        let mut whole = Command::new("unshare");
        whole.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
        whole.arg(copy.get_program()).args(copy.get_args());
        let done = output(whole, b"");
        assert_eq!(done.stdout, "125\nold\nold\n", "{done:?}");
    }
    // Into a directory that is there what came before is whole, and what did not stays away.
    let text = t
        .call(&["cp", &format!("{}/.", own("d")), "c:/mnt"])
        .refused(125);
    assert!(text.contains("entry \"./b\""), "{text}");
    let left = inside(t, "c", "ls -A /mnt; test ! -e /mnt/a || cat /mnt/a");
    assert!(["old", "a\nold\na"].contains(&&*left), "{left}");
}

fn what_replaces_what(t: &Stage) {
    up(t, "c", &[]);
    here(&t.dir, "mkdir d; echo a > d/a; echo f > f");
    let own = |name: &str| t.dir.join(name).display().to_string();
    inside(t, "c", "cd /tmp; mkdir -p x/f; echo y > y; mkfifo fifo");
    t.call(&["cp", &own("f"), "c:/tmp/x"]).refused(125);
    t.call(&["cp", "--overwrite", &own("f"), "c:/tmp/x"]).text();
    t.call(&["cp", &own("d"), "c:/tmp/y"]).refused(125);
    t.call(&["cp", "--overwrite", &own("d"), "c:/tmp/y"]).text();
    t.call(&["cp", &own("f"), "c:/tmp/fifo"]).refused(125);
    assert_eq!(
        inside(t, "c", "cd /tmp; cat x/f y/a; test -p fifo; ls -A"),
        "f\na\nfifo\nx\ny"
    );
    // Where a directory is there what was copied before stays, and is whole, and the error says so.
    here(
        &t.dir,
        "mkdir -p many/s; for n in $(seq 50); do echo $n > many/s/$n; done; echo x > many/z",
    );
    inside(t, "c", "mkdir -p /tmp/many/z");
    let text = t
        .call(&["cp", &format!("{}/.", own("many")), "c:/tmp/many"])
        .refused(125);
    assert!(text.contains("cannot overwrite directory \"z\""), "{text}");
    let left: usize = inside(t, "c", "cd /tmp/many; ls s 2>/dev/null | wc -l")
        .parse()
        .expect("a number");
    // Which of the two names comes first the file system decides.
    assert!(left == 0 || text.contains("entries, which stay"), "{text}");
    inside(t, "c", "rm -r /tmp/many");
    // Nobody who has a file open sees another one in it.
    inside(t, "c", "cd /tmp; echo old > open");
    let script =
        "exec 3< /tmp/open; touch /tmp/ready; until test -e /tmp/go; do sleep 0.05; done; cat <&3";
    let reader = crate::stage::Background::start(t.command(&["exec", "c", "sh", "-c", script]));
    assert!(crate::stage::until(|| t
        .call(&["exec", "c", "test", "-e", "/tmp/ready"])
        .code
        == 0));
    t.call(&["cp", &own("f"), "c:/tmp/open"]).text();
    inside(t, "c", "touch /tmp/go");
    assert_eq!(reader.code(), 0);
    assert_eq!(inside(t, "c", "cat /tmp/open"), "f");
}

fn what_makes_no_sense_is_refused(t: &Stage) {
    up(t, "c", &[]);
    std::fs::write(t.dir.join("a:b"), "colon").expect("a file");
    let colon = t.dir.join("a:b").display().to_string();
    t.call(&["cp", &colon, "c:/tmp/"]).text();
    assert_eq!(inside(t, "c", "cat /tmp/a:b"), "colon");
    for (args, code, word) in [
        (&["cp", "a", "b"][..], 125, "CONTAINER:PATH"),
        (&["cp", "-", "-"], 125, "CONTAINER:PATH"),
        (&["cp", "c:/tmp", "c:/srv"], 125, "one container"),
        (&["cp", "nobody:/tmp", "x"], 1, "no container"),
        (&["cp", "c:", "x"], 125, "CONTAINER:PATH"),
        (&["cp", "c:/tmp"], 125, "cp"),
        (&["cp", "--pause", "c:/tmp", "x"], 125, "--pause"),
    ] {
        let text = t.call(args).refused(code);
        assert!(text.contains(word), "{args:?}: {text}");
    }
}
