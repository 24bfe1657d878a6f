//! Canaries where Lockstep and its users keep what is nobody else's: no container reads one, whatever it is given.

use std::path::PathBuf;
use std::process::Command;

use crate::stage::{Output, Stage, USER, output, until};

crate::cases![
    a_volume_shows_nothing_of_lockstep,
    a_user_s_volume_shows_nothing_of_lockstep,
    another_name_is_the_same_place,
    nor_what_others_have,
    whose_links_hide_nothing_else,
    nobody_uncovers_what_is_masked,
    programs_of_the_host_see_no_home_and_no_key,
    no_process_leads_out,
    an_image_s_links_lead_nowhere,
];

const CANARY: &str = "lockstep-canary";
/// SELinux would keep all of the host's files from the container, and with them those that the search is to find.
const UNLABELLED: [&str; 2] = ["--security-opt", "label=disable"];

/// Plants readable canaries in the store and in the state, and returns their directories.
fn plant(t: &Stage, who: &str) -> [PathBuf; 2] {
    ["data", "state"].map(|kind| {
        let dir = t.dir.join(format!("{who}-{kind}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&dir, mode).expect("everybody may look");
        std::fs::write(dir.join(CANARY), CANARY).expect("a canary");
        dir
    })
}

/// What a container finds below a directory of it, and that the search works.
fn search(below: &str) -> String {
    format!("find {below} -name {CANARY} 2>/dev/null; cat $(find {below} -name decoy 2>/dev/null)")
}

#[track_caller]
fn finds_none(seen: &Output, what: &str) {
    assert!(!seen.stdout.contains(CANARY), "{what}: {seen:?}");
}

fn a_volume_shows_nothing_of_lockstep(t: &Stage) {
    let [data, state] = plant(t, "root");
    std::fs::write(t.dir.join("decoy"), "decoy").expect("a file");
    let dir = t.dir.display();
    let run = |options: &[&str], below: &str| {
        let mut args = vec!["run", "--rm"];
        args.extend(options);
        let script = search(below);
        args.extend(["host:", "sh", "-c", &script]);
        t.call(&args)
    };
    for options in [
        vec!["-v".to_owned(), format!("{dir}:/h")],
        vec!["-v".to_owned(), format!("{dir}:/h:ro,noidmap")],
        vec!["--mount".to_owned(), format!("type=bind,src={dir},dst=/h")],
        vec!["-v".to_owned(), format!("{dir}/../../..{dir}:/h")],
        vec![
            "-v".to_owned(),
            format!("{dir}:/h"),
            "--user".into(),
            "daemon".into(),
        ],
        vec![
            "-v".to_owned(),
            format!("{dir}:/h"),
            "--pid".into(),
            "host".into(),
        ],
        vec![
            "-v".to_owned(),
            format!("{dir}:/h"),
            "--security-opt".into(),
            "unmask=ALL".into(),
        ],
        vec![
            "-v".to_owned(),
            format!("{dir}:/h"),
            "--security-opt".into(),
            "seccomp=unconfined".into(),
        ],
    ] {
        let words: Vec<&str> = options.iter().map(String::as_str).collect();
        let seen = run(&words, "/h");
        finds_none(&seen, &options.join(" "));
        assert!(
            seen.stdout.contains("decoy"),
            "the search is blind: {seen:?}"
        );
        assert!(seen.stderr.contains("is masked"), "{seen:?}");
    }
    // All of the host, and a root file system that is all of it: some mounts of it cannot be id-mapped.
    let all = run(
        &[&["-v", "/:/h:ro,noidmap"][..], &UNLABELLED].concat(),
        &format!("/h{dir}"),
    );
    finds_none(&all, "/");
    assert!(all.stdout.contains("decoy"), "{all:?}");
    let path = data.display().to_string();
    finds_none(
        &t.call(&["run", "--rm", "rootfs:/", "ls", "-A", &path]),
        "rootfs:/",
    );
    for own in [data, state] {
        for below in ["", "/containers"] {
            let source = format!("{}{below}:/h", own.display());
            let refused = t
                .call(&["run", "--rm", "-v", &source, "host:", "true"])
                .refused(125);
            assert!(refused.contains("own directory"), "{refused}");
        }
        let image = format!("rootfs:{}", own.display());
        let refused = t.call(&["run", "--rm", &image, "true"]).refused(125);
        assert!(refused.contains("own directory"), "{refused}");
    }
    // A volume with a name is of it and may be had.
    let named = t.call(&[
        "run",
        "--rm",
        "-v",
        "named:/h",
        "host:",
        "sh",
        "-c",
        "echo x > /h/x; ls /h",
    ]);
    assert_eq!(named.text(), "x");
}

fn a_user_s_volume_shows_nothing_of_lockstep(t: &Stage) {
    // Made by a first call, then opened to everybody.
    output(t.user_command(None, &["ps"]), b"").text();
    let canaries = plant(t, "user");
    std::fs::write(t.dir.join("decoy"), "decoy").expect("a file");
    let run = |volume: &str, script: &str| {
        let (options, words) = (["run", "--rm", "-v", volume], ["host:", "sh", "-c", script]);
        let args = [&options[..], &UNLABELLED, &words].concat();
        output(t.user_command(None, &args), b"")
    };
    let dir = t.dir.display();
    for (volume, below) in [
        (format!("{dir}:/h"), "/h".to_owned()),
        ("/:/h".to_owned(), format!("/h{dir}")),
    ] {
        let seen = run(&volume, &search(&below));
        finds_none(&seen, &volume);
        assert!(seen.stdout.contains("decoy"), "{seen:?}");
    }
    for own in &canaries {
        let seen = run(&format!("{}:/h", own.display()), "true");
        assert!(seen.refused(125).contains("own directory"));
    }
}

/// The program with the store behind a link, as root, after mounts in a namespace of the call's own.
fn elsewhere(t: &Stage, mounts: &str, args: &[&str]) -> Output {
    let script = format!("cd {} && {mounts} && exec \"$@\"", t.dir.display());
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    let words = t.command(args);
    command.arg(words.get_program()).args(words.get_args());
    output(command, b"")
}

fn another_name_is_the_same_place(t: &Stage) {
    plant(t, "root");
    std::fs::write(t.dir.join("decoy"), "decoy").expect("a file");
    for dir in ["alias", "over", "up", "work", "parent/inner"] {
        std::fs::create_dir_all(t.dir.join(dir)).expect("a directory");
    }
    let dir = t.dir.display();
    let refused = |mounts: &str, source: &str| {
        let volume = format!("{dir}/{source}:/h");
        let seen = elsewhere(
            t,
            mounts,
            &[
                "run",
                "--rm",
                "-v",
                &volume,
                "host:",
                "sh",
                "-c",
                &search("/h"),
            ],
        );
        assert!(seen.refused(125).contains("own directory"), "{mounts}");
    };
    refused("ln -s root-data link", "link");
    refused("mount --bind root-data alias", "alias");
    refused("mount --bind root-data/containers alias", "alias");
    refused(
        "mount -t overlay overlay -o lowerdir=$PWD/root-data,upperdir=$PWD/up,workdir=$PWD/work over",
        "over",
    );
    let masked = |mounts: &str, source: &str| {
        let volume = format!("{dir}/{source}:/h:ro,noidmap");
        let script = format!("{}; ls -R /h", search("/h"));
        let seen = elsewhere(
            t,
            mounts,
            &["run", "--rm", "-v", &volume, "host:", "sh", "-c", &script],
        );
        finds_none(&seen, mounts);
        assert!(seen.stderr.contains("is masked"), "{mounts}: {seen:?}");
    };
    masked("mount --bind root-data parent/inner", "parent");
    masked("mount --bind . alias", "alias");
    masked(
        "mount -t overlay overlay -o lowerdir=$PWD:/usr/lib over",
        "over",
    );
    // The store by another name than the volume.
    std::os::unix::fs::symlink(&t.dir, t.dir.join("here")).expect("a link");
    let (data, state) = (
        format!("{dir}/here/root-data"),
        format!("{dir}/here/root-state"),
    );
    let volume = format!("{dir}/root-data:/h");
    let own = [
        "--root",
        &*data,
        "--runroot",
        &*state,
        "run",
        "--rm",
        "-v",
        &volume,
        "host:",
        "true",
    ];
    let mut command = Command::new(t.command(&[]).get_program());
    command.args(own);
    assert!(output(command, b"").refused(125).contains("own directory"));
    // A link in the volume is a name inside the container.
    std::fs::create_dir(t.dir.join("volume")).expect("a directory");
    std::os::unix::fs::symlink(t.dir.join("root-data"), t.dir.join("volume/out")).expect("a link");
    let volume = format!("{dir}/volume:/h");
    let seen = t.call(&[
        "run",
        "--rm",
        "-v",
        &volume,
        "host:",
        "sh",
        "-c",
        "ls /h/out/; ls /h",
    ]);
    finds_none(&seen, "a link in a volume");
    assert!(seen.stdout.contains("out"), "{seen:?}");
}

/// Another user's store, and the programs, in a mount namespace in which that user has a home.
fn nor_what_others_have(t: &Stage) {
    let (home, bin) = (t.dir.join("homes/ann"), t.dir.join("bin"));
    let store = home.join(".local/share/lockstep/containers");
    for made in [&store, &bin] {
        std::fs::create_dir_all(made).expect("a directory");
    }
    std::fs::write(store.join(CANARY), CANARY).expect("a file");
    std::fs::write(home.join("decoy"), "").expect("a file");
    for name in ["lockstep", "lockstep-runc", "other"] {
        std::fs::copy("/bin/true", bin.join(name)).expect("a program");
    }
    // The home has another name than the file says.
    std::os::unix::fs::symlink(t.dir.join("homes"), t.dir.join("link")).expect("a link");
    let line = format!("ann:x:4242:4242::{}/link/ann:/bin/sh", t.dir.display());
    let mounts = format!(
        "cp /etc/passwd users && echo '{line}' >> users && mount --bind users /etc/passwd && mount --bind bin /usr/local/bin"
    );
    let homes = t.dir.join("homes").display().to_string();
    let call = |volume: &str, script: &str| {
        let (options, words) = (["run", "--rm", "-v", volume], ["host:", "sh", "-c", script]);
        elsewhere(t, &mounts, &[&options[..], &UNLABELLED, &words].concat())
    };
    let volumes = [
        (format!("{homes}:/h"), "/h".to_owned()),
        ("/:/h:ro,noidmap".to_owned(), format!("/h{homes}")),
    ];
    for (volume, below) in volumes {
        let seen = call(&volume, &format!("ls -R {below}"));
        finds_none(&seen, &volume);
        assert!(seen.stdout.contains("decoy"), "{seen:?}");
        assert!(seen.stderr.contains("is masked"), "{seen:?}");
    }
    let store = format!("{homes}/ann/.local/share/lockstep:/h");
    let refused = call(&store, "true").refused(125);
    assert!(refused.contains("own directory"), "{refused}");
    let overwrite = "stat -c '%n %s' /h/*; echo x >> /h/lockstep; echo x >> /h/lockstep-runc; echo x >> /h/other";
    let seen = call("/usr/local/bin:/h", overwrite);
    let original = std::fs::read("/bin/true").expect("a program");
    for name in ["lockstep", "lockstep-runc"] {
        assert!(seen.stdout.contains(&format!("/h/{name} 0\n")), "{seen:?}");
        let copy = std::fs::read(bin.join(name)).expect("a program");
        assert_eq!(copy, original, "{name}");
    }
    let other = std::fs::read(bin.join("other")).expect("a program");
    assert_ne!(other, original, "the attack is blind: {seen:?}");
}

/// A user who links the own places to what root's container is given: nothing is refused or masked for that.
fn whose_links_hide_nothing_else(t: &Stage) {
    for dir in ["eve/.local/share", "eve/.config", "joe", "volume/lockstep"] {
        std::fs::create_dir_all(t.dir.join(dir)).expect("a directory");
    }
    for decoy in ["volume/one", "volume/lockstep/two"] {
        std::fs::write(t.dir.join(decoy), "decoy\n").expect("a file");
    }
    let links = [
        ("/".into(), "eve/.config/lockstep"),
        (t.dir.join("volume/one"), "eve/.local/share/lockstep"),
        (t.dir.join("volume"), "joe/.config"),
    ];
    for (target, link) in links {
        std::os::unix::fs::symlink(target, t.dir.join(link)).expect("a link");
    }
    let (dir, volume) = (t.dir.display(), format!("{}/volume:/h", t.dir.display()));
    let mounts = format!(
        "cp /etc/passwd users && echo 'eve:x:4243:4243::{dir}/eve:/bin/sh' >> users && \
         echo 'joe:x:4244:4244::{dir}/joe:/bin/sh' >> users && mount --bind users /etc/passwd"
    );
    let script = "cat /h/one /h/lockstep/two";
    let run = ["run", "--rm", "-v", &volume, "host:", "sh", "-c", script];
    let seen = elsewhere(t, &mounts, &run);
    assert_eq!(seen.stdout, "decoy\ndecoy\n", "{seen:?}");
    assert_eq!(seen.stderr, "", "{seen:?}");
}

fn nobody_uncovers_what_is_masked(t: &Stage) {
    let [data, _] = plant(t, "root");
    let volume = format!("{}:/h", t.dir.display());
    for power in [
        &["--privileged"][..],
        &["--cap-add", "sys_admin"],
        &["--cap-add", "all"],
    ] {
        let mut args = vec!["run", "--rm", "-v", &volume];
        args.extend(power);
        args.extend(["host:", "true"]);
        let refused = t.call(&args).refused(125);
        assert!(refused.contains("CAP_SYS_ADMIN"), "{refused}");
    }
    // Without a filter it may make namespaces, where it has every capability over nothing of this.
    let below = format!("/h/{}", data.file_name().expect("a name").to_string_lossy());
    let script = format!(
        "unshare -Urm sh -c 'umount {below}; ls -A {below}'; umount {below}; ls -A {below}"
    );
    let options = ["--security-opt", "seccomp=unconfined", "-v", &volume];
    let seen = t.sh(&options, &script);
    finds_none(&seen, "umount");
    assert!(seen.stderr.contains("umount"), "{seen:?}");
}

fn programs_of_the_host_see_no_home_and_no_key(t: &Stage) {
    // A configuration with keys, and a home, in a mount namespace of the call's own.
    for dir in ["up", "work", "home"] {
        std::fs::create_dir_all(t.dir.join(dir)).expect("a directory");
    }
    let mounts = format!(
        "mount -t overlay overlay -o lowerdir=/etc,upperdir=$PWD/up,workdir=$PWD/work /etc && mkdir -p /etc/lockstep && \
         echo {CANARY} > /etc/lockstep/key && chmod 644 /etc/lockstep/key && echo {CANARY} > home/{CANARY} && \
         mount --bind home /root && mount --bind home /home"
    );
    let script = format!(
        "cat /etc/lockstep/key /root/{CANARY} /home/{CANARY} 2>/dev/null; find /etc/lockstep /root /home -type f; echo end"
    );
    let seen = elsewhere(t, &mounts, &["run", "--rm", "host:", "sh", "-c", &script]);
    assert_eq!(seen.stdout, "end\n", "{seen:?}");
    let user = t.user_command(None, &["run", "--rm", "host:", "sh", "-c", &script]);
    let mut command = Command::new("unshare");
    let script = format!("cd {} && {mounts} && exec \"$@\"", t.dir.display());
    command.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.arg(user.get_program()).args(user.get_args());
    let seen = output(command, b"");
    assert_eq!(seen.stdout, "end\n", "{seen:?}");
}

/// Roots, working directories and descriptors of every process that there is to see, while others come in.
fn no_process_leads_out(t: &Stage) {
    plant(t, "root");
    let dir = t.dir.display();
    let script = format!(
        "while :; do for p in /proc/[0-9]*; do ls -d $p/root{dir} $p/cwd{dir} $p/cwd/root-data $p/root/{CANARY} \
         $p/fd/*{dir} $p/fd/*/{CANARY} $p/fd/*/root-data; readlink $p/fd/* $p/cwd $p/root $p/exe; done 2>/dev/null \
         | grep -e root-data -e {CANARY} -e ls-people >> /tmp/out; echo x >> /tmp/turns; done"
    );
    for options in [&[][..], &["--pid", "host"], &["--privileged"]] {
        let mut args = vec!["run", "-d", "--name", "w"];
        args.extend(options);
        args.extend(["host:", "sh", "-c", &script]);
        t.call(&args).text();
        for _ in 0..15 {
            t.call(&["exec", "w", "true"]).text();
        }
        let begun = ["exec", "w", "test", "-s", "/tmp/turns"];
        assert!(until(|| t.call(&begun).code == 0), "the search begins");
        let turns = t
            .call(&["exec", "w", "sh", "-c", "wc -l < /tmp/turns; cat /tmp/out"])
            .text();
        let mut lines = turns.lines();
        let count: u32 = lines
            .next()
            .and_then(|n| n.trim().parse().ok())
            .expect("turns");
        assert!(count > 0);
        assert_eq!(lines.next(), None, "{options:?}: {turns}");
        t.call(&["rm", "-f", "w"]).text();
    }
}

fn an_image_s_links_lead_nowhere(t: &Stage) {
    let [data, _] = plant(t, "root");
    let image = t.dir.join("image");
    for dir in ["etc", "bin", "proc", "sys", "dev", "tmp"] {
        std::fs::create_dir_all(image.join(dir)).expect("a directory");
    }
    t.need(std::path::Path::new("/bin/busybox").exists(), "no busybox");
    std::fs::copy("/bin/busybox", image.join("bin/busybox")).expect("a program");
    std::os::unix::fs::symlink("busybox", image.join("bin/sh")).expect("a link");
    // What is read of an image is read in it: a user of the host's file would be found otherwise.
    std::fs::write(
        data.join("passwd"),
        format!("evil:x:{USER}:{USER}:{CANARY}:/:/bin/sh\n"),
    )
    .expect("a file");
    std::os::unix::fs::symlink(data.join("passwd"), image.join("etc/passwd")).expect("a link");
    std::os::unix::fs::symlink(data.join("passwd"), image.join("etc/group")).expect("a link");
    std::os::unix::fs::symlink(&data, image.join("out")).expect("a link");
    let source = format!("rootfs:{}", image.display());
    let refused = t
        .call(&["run", "--rm", "-u", "evil", &source, "sh"])
        .refused(125);
    assert!(
        refused.contains("evil") && !refused.contains(CANARY),
        "{refused}"
    );
    t.call(&[
        "run", "-d", "--name", "i", &source, "busybox", "sleep", "1000",
    ])
    .text();
    let refused = t
        .call(&["exec", "-u", "evil", "i", "busybox", "id"])
        .refused(125);
    assert!(!refused.contains(CANARY), "{refused}");
    for args in [
        &["exec", "-w", "/out", "i", "busybox", "ls", "-A"][..],
        &["exec", "i", "busybox", "cat", "/etc/passwd"],
        &["exec", "i", "busybox", "ls", "-A", "/out/"],
    ] {
        let seen = t.call(args);
        finds_none(&seen, &args.join(" "));
        assert!(!seen.stdout.contains("passwd"), "{seen:?}");
    }
    t.call(&["rm", "-f", "i"]).text();
    // A layout whose files are links to others.
    let layout = t.dir.join("layout");
    std::fs::create_dir_all(layout.join("blobs/sha256")).expect("a directory");
    std::fs::write(
        layout.join("oci-layout"),
        "{\"imageLayoutVersion\":\"1.0.0\"}",
    )
    .expect("a file");
    std::os::unix::fs::symlink(data.join(CANARY), layout.join("index.json")).expect("a link");
    let refused = t.call(&["load", &format!("oci:{}", layout.display())]);
    assert_ne!(refused.code, 0);
    assert!(
        !refused.stderr.contains(&format!("\"{CANARY}")),
        "{refused:?}"
    );
}
