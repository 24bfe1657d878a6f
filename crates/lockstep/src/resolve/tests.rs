//! Whole command lines: what they become on an invented host, without a file, a process or a container.

use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::modules::{Apparmor, Selinux};
use crate::{argv, cli};

/// A host and a caller, invented.
struct World {
    caller: Caller,
    block: Option<u32>,
    source: Source,
    config: ImageConfig,
    apparmor: Apparmor,
    selinux: Selinux,
}

/// Root, who maps any id.
fn root() -> World {
    World {
        caller: Caller {
            uid: 0,
            gid: 0,
            capabilities: u64::MAX,
            all_ids: true,
            cgroups: true,
            subuids: Vec::new(),
            subgids: Vec::new(),
        },
        block: Some(1_879_048_192),
        source: Source::Host {
            directories: vec!["/usr".into(), "/etc".into()],
            links: vec![("/bin".into(), "usr/bin".into())],
        },
        config: ImageConfig {
            cmd: vec!["/bin/sh".into()],
            ..ImageConfig::default()
        },
        apparmor: Apparmor::Off,
        selinux: Selinux::Off,
    }
}

/// A user with subordinate ids.
fn user() -> World {
    let mut world = root();
    world.caller.uid = 1000;
    world.caller.gid = 1000;
    world.caller.capabilities = 0;
    world.caller.subuids = vec![(100_000, 65_536)];
    world.caller.subgids = vec![(100_000, 65_536)];
    world.block = None;
    world
}

impl World {
    fn resolve(&self, options: &[&str]) -> Result<Resolved, Failure> {
        let mut words: Vec<OsString> = options.iter().map(OsString::from).collect();
        words.extend(["image".into(), "true".into()]);
        let args = argv::parse(cli::find("run").expect("a verb"), &words)?;
        let image = Image {
            name: "image".into(),
            id: None,
            source: self.source.clone(),
            config: self.config.clone(),
        };
        let own: Rc<[PathBuf]> = Rc::new(["/var/lib/lockstep".into()]);
        let mounts = Rc::new(Mounts::parse(
            "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             22 20 8:1 /var/lib/lockstep/x /alias rw - ext4 /dev/sda1 rw\n\
             23 20 8:1 / /disk rw - ext4 /dev/sda1 rw\n",
            |_| false,
        ));
        resolve(&Input {
            args: &args,
            image: &image,
            command: &["true"],
            caller: &self.caller,
            id: "0123456789abcdef",
            block: self.block,
            level: None,
            sight: &Sight {
                read: &|path| Err(Failure::new(format!("no file {}", path.display()))),
                look: &|path| {
                    let there = [
                        "/data",
                        "/",
                        "/var/lib/lockstep",
                        "/alias",
                        "/var/lib/lockstep/x",
                        "/var/home",
                    ];
                    let there = there.iter().any(|known| path == Path::new(known));
                    let there = there || path.starts_with("/disk") || path.starts_with("/people");
                    Ok(there.then_some(Node::Directory))
                },
                mounts: &|| Ok(mounts.clone()),
                own: &|| own.clone(),
                others_in: &|_| Ok(vec!["/usr/people/.config/lockstep".into()]),
                kept_out: &|| Ok(own.clone()),
                volumes: &|| "/var/lib/lockstep/volumes".into(),
                terminal: &|| Some((24, 80)),
                // As where /home is a link.
                absolute: &|path| match path.strip_prefix("/home") {
                    Ok(rest) => Ok(Path::new("/var/home").join(rest).display().to_string()),
                    Err(_) => Ok(path.display().to_string()),
                },
                image_file: &|_| None,
                mounts_of: &|typed| match typed {
                    "giver" => Ok(vec![Brought {
                        volume: None,
                        source: "/data".into(),
                        target: "/given".into(),
                        options: ["U", "Z", "ro"].map(String::from).to_vec(),
                    }]),
                    _ => Err(Failure::new(format!("no container {typed}"))),
                },
                descriptions: &|| Ok(Vec::new()),
                neighbour: &|typed| Err(Failure::new(format!("no container {typed}"))),
                apparmor: &|| Ok(self.apparmor.clone()),
                selinux: &|| Ok(self.selinux),
                variable: &|name| (name == "HOME").then(|| "/people/me".to_owned()),
                variables: &Vec::new,
            },
        })
    }

    fn spec(&self, options: &[&str]) -> Spec {
        self.resolve(options).expect("a configuration").spec
    }
}

/// The configuration is one that the runtime takes, whatever is asked for.
#[test]
fn every_configuration_is_valid() {
    let all: &[&[&str]] = &[
        &[],
        &["--privileged"],
        &[
            "--network",
            "host",
            "--pid",
            "host",
            "--ipc",
            "host",
            "--uts",
            "host",
        ],
        &[
            "-it",
            "-m",
            "64m",
            "--cpus",
            "1.5",
            "--pids-limit",
            "-1",
            "--ulimit",
            "nofile=64",
        ],
        &[
            "-v",
            "/data:/data",
            "--tmpfs",
            "/scratch",
            "--shm-size",
            "1m",
            "--read-only",
        ],
        &[
            "--cap-drop",
            "all",
            "--security-opt",
            "seccomp=unconfined",
            "--sysctl",
            "net.ipv4.ip_forward=1",
        ],
        &[
            "-u",
            "1000:1000",
            "--group-add",
            "5",
            "-w",
            "/tmp",
            "-e",
            "A=1",
            "--hostname",
            "x",
        ],
    ];
    for world in [root(), user()] {
        for options in all {
            let spec = world.spec(options);
            let problem = lockstep_oci::runtime::validate(spec)
                .err()
                .map(|e| e.to_string());
            assert_eq!(problem, None, "{options:?} as user {}", world.caller.uid);
        }
    }
}

#[test]
fn root_of_the_host_is_never_inside_unless_asked_for() {
    for options in [&[][..], &["--privileged"], &["--network", "host"]] {
        let linux = root().spec(options).linux.expect("a Linux section");
        assert!(
            linux
                .uid_mappings
                .iter()
                .all(|map| map.host_id >= 1_879_048_192),
            "{options:?}"
        );
        assert_eq!(
            linux.uid_mappings.iter().map(|map| map.size).sum::<u32>(),
            65_535
        );
    }
    let resolved = root().resolve(&[]).expect("a configuration");
    assert_eq!(resolved.owner, Some(1_879_048_192 + 65_535));
    let mut by_hand = root();
    by_hand.block = None;
    let resolved = by_hand
        .resolve(&["--uidmap", "0:0:10"])
        .expect("a configuration");
    assert!(
        resolved
            .warnings
            .iter()
            .any(|text| text.contains("root of the host"))
    );
}

#[test]
fn a_user_is_root_inside_and_the_others_are_subordinate() {
    let linux = user().spec(&[]).linux.expect("a Linux section");
    let lines: Vec<_> = linux
        .uid_mappings
        .iter()
        .map(|m| (m.container_id, m.host_id, m.size))
        .collect();
    assert_eq!(lines, [(0, 1000, 1), (1, 100_000, 65_536)]);
    assert_eq!(linux.cgroups_path, None);
    assert_eq!(linux.resources, None);
    let limits = user().spec(&[]).process.expect("a process").rlimits;
    assert_eq!(
        limits
            .iter()
            .map(|limit| limit.kind.as_str())
            .collect::<Vec<_>>(),
        ["RLIMIT_NPROC"]
    );
}

#[test]
fn nothing_of_the_host_is_given_away_by_another_name() {
    let error = |volume: &str| {
        let answer = root().resolve(&["-v", volume]);
        answer.err().map(|failure| failure.to_string())
    };
    for source in [
        "/disk/etc",
        "/disk/etc/ssl",
        "/disk/var/lib",
        "/disk/var/home",
        "/disk",
        "/var/home",
        "/people",
        "/people/me",
        "/disk/people/me",
    ] {
        let text = error(&format!("{source}:/x:U")).expect(source);
        assert!(text.contains("is refused"), "{source}: {text}");
    }
    for source in ["/data", "/disk/data", "/people/me/data"] {
        assert_eq!(error(&format!("{source}:/x:U")), None, "{source}");
    }
}

#[test]
fn another_container_s_volumes_come_without_changes_of_the_disk() {
    let resolved = root().resolve(&["--volumes-from", "giver"]).expect("it");
    assert_eq!(resolved.mounts[0].options, ["ro"]);
    assert!(resolved.given.is_empty() && resolved.relabelled.is_empty());
}

#[test]
fn mounts_of_the_command_line_take_the_place_of_private_ones() {
    let targets = |options: &[&str]| -> Vec<String> {
        root()
            .spec(options)
            .mounts
            .into_iter()
            .map(|mount| mount.destination)
            .collect()
    };
    assert!(targets(&[]).contains(&"/var/tmp".to_owned()));
    let with_var = targets(&["-v", "/data:/var"]);
    assert_eq!(
        with_var
            .iter()
            .filter(|target| target.starts_with("/var"))
            .count(),
        1,
        "{with_var:?}"
    );
    let nested = targets(&["--tmpfs", "/x/y/z", "--tmpfs", "/x"]);
    let at = |target: &str| nested.iter().position(|found| found == target);
    assert!(at("/x") < at("/x/y/z"), "{nested:?}");
    let directories = root()
        .resolve(&["-v", "/data:/var"])
        .expect("it")
        .memory_root
        .expect("a root")
        .directories;
    assert_eq!(directories, ["/run/lock"]);
}

#[test]
fn a_volume_is_harmless_and_mapped() {
    let mounts = root().spec(&["-v", "/data:/data"]).mounts;
    let volume = mounts
        .iter()
        .find(|mount| mount.destination == "/data")
        .expect("the volume");
    for wanted in ["rbind", "rnosuid", "rnodev", "rprivate", "ridmap"] {
        assert!(
            volume.options.iter().any(|option| option == wanted),
            "{wanted}: {:?}",
            volume.options
        );
    }
    assert!(!volume.uid_mappings.is_empty());
    let mounts = user().spec(&["-v", "/data:/data"]).mounts;
    let volume = mounts
        .iter()
        .find(|mount| mount.destination == "/data")
        .expect("the volume");
    assert!(volume.uid_mappings.is_empty());
}

#[test]
fn what_is_lockstep_s_own_stays_out() {
    let refused = |options: &[&str]| root().resolve(options).err().map(|failure| failure.message);
    let own = "it is in Lockstep's own directory";
    for source in ["/var/lib/lockstep", "/var/lib/lockstep/x", "/alias"] {
        let said = refused(&["-v", &format!("{source}:/x")]).expect("refused");
        assert!(said.contains(own), "{said}");
    }
    assert_eq!(refused(&["-v", "named:/x"]), None);
    // What shows it by any of its names has it masked there.
    let masked = root()
        .spec(&["-v", "/:/h"])
        .linux
        .expect("linux")
        .masked_paths;
    for inside in ["/h/var/lib/lockstep", "/h/alias"] {
        assert!(masked.contains(&inside.to_owned()), "{masked:?}");
    }
    // Nobody may take the mask away.
    for power in [&["--privileged"][..], &["--cap-add", "sys_admin"]] {
        let said = refused(&[power, &["-v", "/:/h"]].concat()).expect("refused");
        assert!(said.contains("CAP_SYS_ADMIN"), "{said}");
        assert_eq!(refused(&[power, &["-v", "/data:/h"]].concat()), None);
    }
    let mut world = root();
    world.source = Source::Directory("/".into());
    let masked = world.spec(&[]).linux.expect("linux").masked_paths;
    assert!(
        masked.contains(&"/var/lib/lockstep".to_owned()),
        "{masked:?}"
    );
    world.source = Source::Directory("/alias".into());
    assert!(
        world
            .resolve(&[])
            .is_err_and(|failure| failure.message.contains(own))
    );
    world.source = Source::Host {
        directories: vec!["/usr".into(), "/var".into()],
        links: Vec::new(),
    };
    let masked = world.spec(&[]).linux.expect("linux").masked_paths;
    for hidden in ["/var/lib/lockstep", "/usr/people/.config/lockstep"] {
        assert!(masked.contains(&hidden.to_owned()), "{masked:?}");
    }
}

#[test]
fn every_setting_has_an_origin() {
    let settings = root()
        .resolve(&["-m", "64m", "-w", "/tmp"])
        .expect("it")
        .settings;
    let origin = |name: &str| settings.iter().find(|s| s.name == name).map(|s| s.origin);
    assert_eq!(origin("memory"), Some(Origin::Flag));
    assert_eq!(origin("process.cwd"), Some(Origin::Flag));
    assert_eq!(origin("process.noNewPrivileges"), Some(Origin::Default));
    assert_eq!(origin("root"), Some(Origin::Image));
    let world = World {
        caller: Caller {
            all_ids: true,
            cgroups: true,
            subuids: Vec::new(),
            ..user().caller
        },
        ..user()
    };
    let settings = world.resolve(&[]).expect("it").settings;
    let map = settings
        .iter()
        .find(|s| s.name == "user namespace")
        .expect("a map");
    assert_eq!(map.origin, Origin::Host);
    assert!(map.change.contains("/etc/subuid"));
}

/// What an image says can only be about its program: no wish of it gains it anything.
#[test]
fn an_image_gains_nothing() {
    let mut world = root();
    world.source = Source::Layers(vec!["/layer".into()]);
    let plain = world.spec(&[]);
    world.config = ImageConfig {
        user: "1:1".into(),
        env: vec!["LD_PRELOAD=/x".into()],
        entrypoint: vec!["/evil".into()],
        cmd: Vec::new(),
        working_dir: "/proc/self/fd/7".into(),
        stop_signal: "SIGKILL".into(),
        labels: vec![("io.podman.annotations.userns".into(), "host".into())],
        volumes: vec!["/srv".into(), "/var/lib/lockstep".into()],
        health: Some(lockstep_oci::image::Healthcheck {
            test: vec!["CMD".into(), "/evil".into()],
            ..Default::default()
        }),
    };
    let greedy = world.spec(&[]);
    // But new volumes of its own, in which nothing is that is not the image's.
    let (volumes, others): (Vec<_>, Vec<_>) = greedy.mounts.into_iter().partition(|mount| {
        let source = Path::new(mount.source.as_deref().unwrap_or_default());
        source.parent() == Some(Path::new("/var/lib/lockstep/volumes"))
    });
    assert_eq!((plain.mounts, 2), (others, volumes.len()));
    assert!(
        volumes
            .iter()
            .all(|mount| mount.options.iter().any(|option| option == "rnosuid"))
    );
    assert_eq!(plain.linux, greedy.linux);
    for hidden in [
        "/proc",
        "/proc/sys",
        "/sys/fs",
        "/dev",
        "/dev/shm",
        "/",
        "relative",
    ] {
        world.config.volumes = vec![hidden.into()];
        assert!(world.resolve(&[]).is_err(), "{hidden}");
    }
    assert_eq!(plain.annotations, greedy.annotations);
    let (plain, greedy) = (plain.process.expect("it"), greedy.process.expect("it"));
    let bounding = |process: &Process| process.capabilities.clone().expect("sets").bounding;
    assert_eq!(bounding(&plain), bounding(&greedy));
    assert!(greedy.no_new_privileges);
    assert!(greedy.capabilities.expect("sets").effective.is_empty());
}

/// Root on a host where SELinux and AppArmor are ready for containers.
fn labelled() -> World {
    World {
        apparmor: Apparmor::Ready,
        selinux: Selinux::Ready,
        ..root()
    }
}

fn labels_of(spec: &Spec) -> (Option<String>, Option<String>) {
    let process = spec.process.as_ref().and_then(|p| p.selinux_label.clone());
    let linux = spec.linux.as_ref().and_then(|l| l.mount_label.clone());
    (process, linux)
}

#[test]
fn a_container_has_its_own_label_and_the_default_profile() {
    let spec = labelled().spec(&[]);
    let profile = spec
        .process
        .as_ref()
        .and_then(|p| p.apparmor_profile.clone());
    assert_eq!(profile, Some(lockstep_profile::apparmor::default_name()));
    let (process, files) = labels_of(&spec);
    assert_eq!(
        process.as_deref(),
        Some("system_u:system_r:container_t:s0:c0,c1")
    );
    assert_eq!(
        files.as_deref(),
        Some("system_u:object_r:container_file_t:s0:c0,c1")
    );
    let mut second = labelled();
    second.block = second
        .block
        .map(|first| first + crate::container::BLOCK_SIZE);
    assert_ne!(labels_of(&second.spec(&[])), (process, files));
}

#[test]
fn labels_and_profiles_are_as_asked() {
    let label = |options: &[&str]| labels_of(&labelled().spec(options));
    let (process, files) = label(&[
        "--security-opt",
        "label=level:s0:c7",
        "--security-opt",
        "label=type:x_t",
    ]);
    assert_eq!(process.as_deref(), Some("system_u:system_r:x_t:s0:c7"));
    assert_eq!(
        files.as_deref(),
        Some("system_u:object_r:container_file_t:s0:c7")
    );
    for without in [&["--security-opt", "label=disable"][..], &["--privileged"]] {
        assert_eq!(label(without), (None, None), "{without:?}");
    }
    let profile = |options: &[&str]| {
        labelled()
            .spec(options)
            .process
            .and_then(|p| p.apparmor_profile)
    };
    assert_eq!(
        profile(&["--security-opt", "apparmor=mine"]).as_deref(),
        Some("mine")
    );
    for without in [
        &["--security-opt", "apparmor=unconfined"][..],
        &["--privileged"],
    ] {
        assert_eq!(profile(without), None, "{without:?}");
    }
}

#[test]
fn a_capability_that_the_default_profile_refuses_is_told() {
    let said = |options: &[&str]| {
        let resolved = labelled().resolve(options).expect("a configuration");
        resolved.warnings.join("\n")
    };
    let asked = said(&["--userns=host", "--cap-add=sys_module"]);
    assert!(asked.contains("profile refuses CAP_SYS_MODULE"), "{asked}");
    let other = "--security-opt=apparmor=unconfined";
    for without in [
        &["--userns=host", "--cap-add=sys_module", other][..],
        &["--userns=host", "--cap-add=sys_admin"],
        &["--cap-add=sys_module"],
    ] {
        let said = said(without);
        assert!(!said.contains("profile refuses"), "{without:?}: {said}");
    }
}

#[test]
fn a_module_that_cannot_confine_is_a_downgrade_that_is_seen() {
    let mut world = root();
    world.apparmor = Apparmor::Unavailable("no parser".into());
    world.selinux = Selinux::WithoutContainers;
    let resolved = world.resolve(&[]).expect("a configuration");
    let said = resolved.warnings.join("\n");
    assert!(
        said.contains("AppArmor") && said.contains("no parser"),
        "{said}"
    );
    assert!(
        said.contains("SELinux") && said.contains("lockstep doctor"),
        "{said}"
    );
    assert_eq!(labels_of(&resolved.spec), (None, None));
    let resolved = root().resolve(&[]).expect("a configuration");
    assert!(
        !resolved.warnings.join("").contains("confine"),
        "{:?}",
        resolved.warnings
    );
}

#[test]
fn volumes_are_labelled_for_all_or_for_one_and_the_hosts_directories_never() {
    let relabelled = |world: &World, volume: &str| {
        world
            .resolve(&["-v", volume])
            .map(|resolved| resolved.relabelled)
    };
    let shared = "system_u:object_r:container_file_t:s0";
    let own = "system_u:object_r:container_file_t:s0:c0,c1";
    for (volume, label) in [("/data:/x:z", shared), ("/data:/x:Z", own)] {
        let got = relabelled(&labelled(), volume).expect("a configuration");
        assert_eq!(got, [("/data".into(), label.to_owned())], "{volume}");
    }
    // A volume is for containers.
    let got = relabelled(&labelled(), "named:/x").expect("a configuration");
    assert_eq!(
        got,
        [("/var/lib/lockstep/volumes/named".into(), shared.to_owned())]
    );
    assert_eq!(
        relabelled(&labelled(), "/data:/x").expect("a configuration"),
        []
    );
    assert!(relabelled(&labelled(), "/:/x:z").is_err());
    let off = root()
        .resolve(&["-v", "/data:/x:Z"])
        .expect("a configuration");
    assert!(off.relabelled.is_empty() && off.warnings.join("").contains("SELinux is off"));
}

/// Everything that is typed has a line in `--why`, and what is decided without being typed too.
#[test]
fn why_leaves_nothing_out() {
    let pairs = [
        ("hostname", "h"),
        ("domainname", "d"),
        ("shm-size", "1m"),
        ("log-driver", "none"),
        ("log-opt", "max-file=2"),
        ("stop-timeout", "3"),
        ("timeout", "9"),
        ("restart", "always"),
        ("label", "a=b"),
        ("annotation", "a=b"),
        ("add-host", "a:1.2.3.4"),
        ("oom-score-adj", "5"),
        ("umask", "077"),
        ("group-add", "5"),
        ("cgroup-parent", "/x"),
        ("cidfile", "/c"),
        ("sdnotify", "ignore"),
        ("stop-signal", "HUP"),
        ("name", "n"),
        ("workdir", "/w"),
        ("memory", "1g"),
        ("sysctl", "net.a=1"),
        ("ulimit", "nofile=3"),
    ];
    for (option, value) in pairs {
        let settings = root()
            .resolve(&[&format!("--{option}={value}")])
            .expect("a configuration")
            .settings;
        let all = settings
            .iter()
            .filter(|setting| setting.is_changed_by(option));
        let origins: Vec<Origin> = all
            .map(|setting| setting.origin)
            .filter(|origin| *origin == Origin::Flag)
            .collect();
        assert_eq!(origins, [Origin::Flag], "--{option}");
    }
    let twice = root()
        .resolve(&["--label", "a=b", "-l", "c=d", "-t"])
        .expect("a configuration")
        .settings;
    let of = |option: &str| -> Vec<&str> {
        let all = twice.iter().filter(|setting| setting.is_changed_by(option));
        all.map(|setting| &*setting.value).collect()
    };
    assert_eq!((of("label"), of("tty")), (vec!["a=b", "c=d"], vec!["true"]));
    let defaults = [
        ("hostname", "its id's first 12 digits"),
        ("shm-size", "64m"),
        ("umask", "0022"),
        ("stop-signal", "SIGTERM"),
        ("stop-timeout", "10"),
        ("restart", "no"),
        ("log-driver", "k8s-file"),
        ("cgroup-parent", "/lockstep"),
    ];
    for (option, value) in defaults {
        assert_eq!(of(option), [value], "--{option}");
    }
}
