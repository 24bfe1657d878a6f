//! What a container sees of the host because it was asked for.

use std::os::unix::fs::MetadataExt as _;

use crate::stage::{Output, Stage, USER, kernel_since, output};

crate::cases![
    owners_are_the_same_on_both_sides,
    a_mount_may_have_a_map_of_its_own,
    options_are_obeyed,
    what_is_mounted_below_is_no_way_out,
    named_volumes_stay,
    own_directories_stay_out,
    all_of_the_host,
    memory,
    a_directory_as_root,
    a_read_only_root,
    hosts,
    wrong_mounts_are_refused,
    devices,
    a_link_that_came_later_is_not_followed,
    below_an_overlay_neither,
    a_user_s_neither,
];

fn owners_are_the_same_on_both_sides(t: &Stage) {
    let dir = t.dir.join("data");
    std::fs::create_dir(&dir).expect("a directory");
    for (name, user) in [("root", 0), ("other", 1234)] {
        std::fs::write(dir.join(name), name).expect("a file");
        std::os::unix::fs::chown(dir.join(name), Some(user), Some(user)).expect("an owner");
    }
    let volume = format!("{}:/data", dir.display());
    let script = "stat -c %u /data/root /data/other; touch /data/made; chown 77 /data/made";
    assert_eq!(t.sh(&["-v", &volume], script).text(), "0\n1234");
    assert_eq!(
        std::fs::metadata(dir.join("made")).expect("the file").uid(),
        77
    );
    let plain = t
        .sh(
            &["-v", &format!("{volume}:noidmap")],
            "stat -c %u /data/root",
        )
        .text();
    assert_eq!(plain, "65534");
}

/// Podman's words for it: whose a file is on the disk and whose it is inside need not be the same.
fn a_mount_may_have_a_map_of_its_own(t: &Stage) {
    let dir = t.dir.join("mapped");
    std::fs::create_dir_all(&dir).expect("a directory");
    for (name, id) in [("", 1000), ("theirs", 1000), ("others", 0)] {
        let path = dir.join(name);
        if !name.is_empty() {
            std::fs::write(&path, "").expect("a file");
        }
        std::os::unix::fs::chown(&path, Some(id), Some(id + 1)).expect("an owner");
    }
    let volume = format!(
        "{}:/data:idmap=uids=@1000-0-1#@5-5-2;gids=@1001-7-1",
        dir.display()
    );
    let script = "stat -c '%n %u %g' theirs others; echo new > new; stat -c %u new";
    let nobody = "65534";
    let seen = t
        .sh(&["-v", &volume, "-w", "/data", "-u", "0:7"], script)
        .text();
    assert_eq!(seen, format!("theirs 0 7\nothers {nobody} {nobody}\n0"));
    let made = std::fs::metadata(dir.join("new")).expect("the new file");
    assert_eq!((made.uid(), made.gid()), (1000, 1001));
    let long = format!(
        "type=bind,src={},dst=/data,idmap=uids=@1000-3-1;gids=@1001-4-1",
        dir.display()
    );
    let seen = t
        .sh(&["--mount", &long], "stat -c '%u %g' /data/theirs")
        .text();
    assert_eq!(seen, "3 4");
    let run = ["run", "--rm", "-v", &volume, "host:", "true"];
    let refused = output(t.user_command(Some(700_000), &run), b"").refused(125);
    assert!(refused.contains("needs root"), "{refused}");
}

fn options_are_obeyed(t: &Stage) {
    let dir = t.dir.join("data");
    std::fs::create_dir(&dir).expect("a directory");
    let tool = dir.join("tool");
    std::fs::write(&tool, "#!/bin/sh\necho ran\n").expect("a script");
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut std::fs::metadata(&tool).expect("it").permissions(),
        0o755,
    );
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("its mode");
    let with = |options: &str, script: &str| {
        t.sh(
            &["-v", &format!("{}:/data{options}", dir.display())],
            script,
        )
    };
    assert_eq!(with("", "/data/tool").text(), "ran");
    assert_eq!(with(":noexec", "/data/tool").code, 126);
    assert_ne!(with(":ro", "touch /data/x").code, 0);
    assert!(with(":sideways", "true").refused(125).contains("sideways"));
    let long = format!("type=bind,src={},dst=/data,readonly", dir.display());
    assert_ne!(t.sh(&["--mount", &long], "touch /data/x").code, 0);
}

fn what_is_mounted_below_is_no_way_out(t: &Stage) {
    t.need(kernel_since(6, 3), "tmpfs can be id-mapped since Linux 6.3");
    let dir = t.dir.join("data");
    let below = dir.join("below");
    std::fs::create_dir_all(&below).expect("directories");
    let programs = format!("/opt/ls-people-{}", std::process::id());
    let script = format!(
        "mkdir -p {programs} && mount -t tmpfs -o mode=777 x {programs} && \
         mount -t tmpfs -o mode=777 x {} && exec \"$@\"",
        below.display()
    );
    let volume = format!("{}:/data:ro", dir.display());
    let tried = format!("touch {programs}/x; touch /data/below/x; cat /proc/self/mountinfo");
    // What refuses here is to be the mount, and not SELinux before it.
    let label = ["--security-opt", "label=disable"];
    let mut run = vec!["run", "--rm", "-v", &volume];
    run.extend(label);
    run.extend(["host:", "sh", "-c", &tried]);
    let run = t.command(&run);
    let mut outer = std::process::Command::new("unshare");
    outer.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    outer.arg(run.get_program()).args(run.get_args());
    let seen = crate::stage::output(outer, b"");
    drop(std::fs::remove_dir(&programs));
    assert_eq!(
        seen.stderr.matches("Read-only file system").count(),
        2,
        "{seen:?}"
    );
    for target in [programs.as_str(), "/data/below"] {
        let mut lines = seen.stdout.lines();
        let line = lines
            .find(|line| line.split(' ').nth(4) == Some(target))
            .expect("a mount");
        assert!(line.contains(" ro,nosuid,nodev"), "{line}");
    }
}

fn named_volumes_stay(t: &Stage) {
    t.sh(&["-v", "vol:/data"], "echo kept > /data/file").text();
    assert_eq!(t.sh(&["-v", "vol:/data"], "cat /data/file").text(), "kept");
    assert_ne!(t.sh(&["-v", "another:/data"], "cat /data/file").code, 0);
    assert_eq!(t.sh(&["-v", "../x:/data"], "true").code, 125);
}

fn own_directories_stay_out(t: &Stage) {
    let data = t.dir.join("root-data");
    t.call(&["create", "--name", "x", "host:", "true"]).text();
    let refused = t
        .sh(&["-v", &format!("{}:/d", data.display())], "true")
        .refused(125);
    assert!(refused.contains("Lockstep's own"), "{refused}");
    let containing = t.sh(
        &["-v", &format!("{}:/d", t.dir.display())],
        "ls /d; ls /d/root-data /d/root-state",
    );
    assert!(containing.stdout.contains("root-data"), "{containing:?}");
    assert!(!containing.stdout.contains("containers"), "{containing:?}");
    assert!(containing.stderr.contains("masked"), "{containing:?}");
}

/// The host's /proc has no id maps: the refusal names the option that does without, and with it the mount works.
fn all_of_the_host(t: &Stage) {
    let refused = t.sh(&["-v", "/:/h"], "true").refused(125);
    assert!(refused.contains("noidmap"), "{refused}");
    assert!(
        t.sh(&["-v", "/:/h:ro,noidmap"], "ls /h")
            .text()
            .contains("proc")
    );
}

fn memory(t: &Stage) {
    let seen = t
        .sh(
            &["--tmpfs", "/scratch:size=1m,mode=700"],
            "stat -c %a /scratch; df -k /scratch | tail -1",
        )
        .text();
    assert!(seen.starts_with("700\n"), "{seen}");
    assert_eq!(seen.split_whitespace().nth(2), Some("1024"), "{seen}");
    t.sh(&["--mount", "type=tmpfs,dst=/scratch"], "touch /scratch/x")
        .text();
}

/// A root file system of busybox.
fn rootfs(t: &Stage) -> String {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    t.need(busybox.is_some(), "no busybox (busybox-static)");
    let dir = t.dir.join("rootfs");
    for below in ["bin", "etc", "tmp"] {
        std::fs::create_dir_all(dir.join(below)).expect("a directory");
    }
    std::fs::copy(busybox.expect("found"), dir.join("bin/busybox")).expect("a copy");
    for name in ["sh", "ls", "cat", "touch", "id", "stat"] {
        std::os::unix::fs::symlink("busybox", dir.join("bin").join(name)).expect("a link");
    }
    std::fs::write(
        dir.join("etc/passwd"),
        "root:x:0:0::/:/bin/sh\napp:x:500:500::/:/bin/sh\n",
    )
    .expect("a file");
    format!("rootfs:{}", dir.display())
}

fn a_directory_as_root(t: &Stage) {
    let image = rootfs(t);
    let run = |args: &[&str]| {
        let mut all = vec!["run", "--rm"];
        all.extend(args);
        t.call(&all)
    };
    assert_eq!(
        run(&[&image, "stat", "-c", "%u", "/bin/busybox"]).text(),
        "0"
    );
    assert_eq!(run(&["-u", "app", &image, "id", "-u"]).text(), "500");
    run(&[&image, "touch", "/made"]).text();
    assert_eq!(
        std::fs::metadata(t.dir.join("rootfs/made"))
            .expect("the file")
            .uid(),
        0
    );
    let directory = image.trim_start_matches("rootfs:");
    let named = run(&["--rootfs", directory, "stat", "-c", "%u", "/bin/busybox"]);
    assert_eq!(named.text(), "0");
    assert!(run(&[&image]).refused(125).contains("no program"));
    assert_eq!(run(&["rootfs:/no/such/directory", "true"]).code, 125);
    let hosts = run(&[
        "--hostname",
        "box",
        &image,
        "cat",
        "/etc/hosts",
        "/etc/hostname",
    ])
    .text();
    assert!(
        hosts.contains("127.0.1.1\tbox") && hosts.ends_with("box"),
        "{hosts}"
    );
}

fn a_read_only_root(t: &Stage) {
    let image = rootfs(t);
    let run = |options: &[&str], path: &str| {
        let mut all = vec!["run", "--rm", "--read-only"];
        all.extend(options);
        all.extend([&*image, "touch", path]);
        t.call(&all).code
    };
    assert_ne!(run(&[], "/x"), 0);
    assert_eq!(run(&[], "/tmp/x"), 0);
    assert_ne!(run(&["--read-only-tmpfs=false"], "/tmp/x"), 0);
}

fn hosts(t: &Stage) {
    let seen = t
        .sh(&["--add-host", "db:10.1.2.3"], "cat /etc/hosts")
        .text();
    assert!(seen.contains("10.1.2.3\tdb"), "{seen}");
    assert_eq!(t.sh(&["--hostname", "named"], "hostname").text(), "named");
    assert_eq!(t.sh(&[], "hostname").text().len(), 12);
}

fn wrong_mounts_are_refused(t: &Stage) {
    for options in [
        ["-v", "/no/such/path:/x"],
        ["-v", "/usr:relative"],
        ["-v", "/usr:/"],
        ["-v", "usr"],
        ["-v", "/usr:/x:/y:z"],
        ["--mount", "type=image,src=x,dst=/x"],
        ["--mount", "type=bind,src=/usr,dst=/x,magic=1"],
        ["--tmpfs", "/x:magic"],
        ["--tmpfs", "x"],
    ] {
        let refused = t.sh(&options, "true").refused(125);
        assert!(refused.starts_with("error: --"), "{options:?}: {refused}");
    }
    let twice = t
        .sh(&["-v", "/usr:/x", "--tmpfs", "/x"], "true")
        .refused(125);
    assert!(twice.contains("twice"), "{twice}");
}

fn devices(t: &Stage) {
    let seen = t.sh(&[], "ls /dev").text();
    for absent in ["sda", "vda", "kmsg", "mem", "kvm", "fuse"] {
        assert!(!seen.lines().any(|name| name == absent), "{seen}");
    }
    if std::path::Path::new("/dev/fuse").exists() {
        assert!(
            // The node is the host's, which has a label that containers do not use.
            t.sh(
                &["--device", "/dev/fuse", "--security-opt", "label=disable"],
                "ls -l /dev/fuse"
            )
            .text()
            .starts_with('c')
        );
    }
    assert!(
        t.sh(&["--device", "/etc/passwd"], "true")
            .refused(125)
            .contains("no device")
    );
}

/// A directory of the host, one below it, and a link to it beside a secret of somebody else's.
fn chosen(t: &Stage) -> std::path::PathBuf {
    let top = t.dir.join("top");
    for (dir, text) in [("top/way/data", "chosen"), ("other/data", "of others")] {
        std::fs::create_dir_all(t.dir.join(dir)).expect("a directory");
        std::fs::write(t.dir.join(dir).join("f"), text).expect("a file");
    }
    // Root may have named it by a link, which is resolved then.
    std::os::unix::fs::symlink("way/data", top.join("named")).expect("a link");
    top
}

fn swapped(t: &Stage, call: &dyn Fn(&[&str]) -> Output, options: &str) {
    let top = chosen(t);
    let named = format!("{}:/data:{options}", top.join("named").display());
    let run = ["host:", "cat", "/data/f"];
    call(&[&["create", "--name", "v", "-v", &named][..], &run].concat()).text();
    assert_eq!(call(&["start", "-a", "v"]).text(), "chosen");
    for (place, other) in [("way/data", "../../other/data"), ("way", "../other")] {
        let (place, kept) = (top.join(place), top.join("kept"));
        std::fs::rename(&place, &kept).expect("own directory");
        std::os::unix::fs::symlink(other, &place).expect("a link");
        let said = call(&["start", "-a", "v"]);
        assert!(said.code != 0 && said.stdout.is_empty(), "{said:?}");
        assert!(said.stderr.contains("symbolic link"), "{said:?}");
        std::fs::remove_file(&place).expect("own link");
        std::fs::rename(&kept, &place).expect("own directory");
    }
    assert_eq!(call(&["start", "-a", "v"]).text(), "chosen");
}

/// Whoever may write to the directory above could have another one mounted at the next start.
fn a_link_that_came_later_is_not_followed(t: &Stage) {
    swapped(t, &|args| t.call(args), "ro");
    // A root file system that is a directory of the host is no other case.
    let (root, kept) = (t.dir.join("root"), t.dir.join("kept"));
    std::fs::create_dir(&root).expect("a directory");
    let image = format!("rootfs:{}", root.display());
    t.call(&["create", "--name", "r", &image, "/no/program"])
        .text();
    std::fs::rename(&root, kept).expect("own directory");
    std::os::unix::fs::symlink("other", &root).expect("a link");
    let said = t.call(&["start", "-a", "r"]);
    assert!(said.stderr.contains("symbolic link"), "{said:?}");
}

fn below_an_overlay_neither(t: &Stage) {
    swapped(t, &|args| t.call(args), "O");
}

fn a_user_s_neither(t: &Stage) {
    let mine = |path: &std::path::Path| {
        std::os::unix::fs::chown(path, Some(USER), Some(USER)).expect("an owner");
    };
    mine(&t.dir);
    let first = Some(1_500_000_000);
    swapped(t, &|args| output(t.user_command(first, args), b""), "ro");
}
