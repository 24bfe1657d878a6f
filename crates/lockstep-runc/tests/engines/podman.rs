//! Podman as root and as a user, with configuration and storage of the session.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use crate::case::{Engine, View};
use crate::life::{self, Cli};
use crate::session::Session;
use crate::shell::{has, same};
use crate::{image, session};

/// The user of the rootless sessions: an id that no system hands out by itself.
pub(crate) const USER: u32 = 64_001;
/// The first of its 65,536 subordinate ids.
const SUBORDINATE: u32 = 20_000_000;

/// Podman run by root.
pub(crate) fn rootful(session: &Session, engine: Engine) {
    let lowered = engine == Engine::PodmanRootful;
    let Some(mut cli) = session.need("podman", || {
        let root = session.work.clone();
        let shell = configured(session, session.shell.clone(), &root, lowered)?;
        let shell = shell.env("XDG_RUNTIME_DIR", root.join("run"));
        prepared(session, shell, vec![])
    }) else {
        return;
    };
    cli.options
        .push(format!("--cgroup-parent=/{}", session.name));
    life::play(&cli);
    extras(&cli);
    if session.view == View::Private {
        session.check("network-bridge", || bridge(&cli));
        session.check("user-namespace", || user_namespace(&cli));
    }
    let states = ["/run/runc", "/run/lockstep-runc"].map(PathBuf::from);
    session.check("nothing-left", || session.nothing_left(&states));
}

/// Podman run by a user who exists in this session alone.
pub(crate) fn rootless(session: &Session, engine: Engine) {
    let subordinate = engine == Engine::PodmanRootless;
    let home = session.work.join("user");
    let Some(mut cli) = session.need("podman", || {
        add_user(session, subordinate)?;
        let shell = crate::shell::Shell::new(&session.work.join("scratch"))
            .env("HOME", &home)
            .env("TMPDIR", session.work.join("tmp"))
            .env("XDG_RUNTIME_DIR", home.join("run"));
        let shell = configured(session, shell, &home, true)?;
        let id = USER.to_string();
        let shell = shell.prefix(&["setpriv", "--reuid", &id, "--regid", &id, "--init-groups"]);
        let mut storage = Vec::new();
        if !subordinate {
            // With one id every file belongs to it, whoever owns it in the image.
            storage.push("--storage-opt=ignore_chown_errors=true".to_owned());
        }
        prepared(session, shell, storage)
    }) else {
        return;
    };
    // Podman's own: a container without limits on a cgroup v1 machine, with a warning for each.
    cli.options.push("--pids-limit=0".into());
    life::play(&cli);
    extras(&cli);
    if session.view == View::Private {
        session.check("network-slirp", || slirp(&cli));
    }
    if subordinate {
        session.check("keep-id", || keep_id(&cli));
    }
    let states = ["runc", "lockstep-runc"].map(|name| home.join("run").join(name));
    session.check("nothing-left", || session.nothing_left(&states));
}

fn configured(
    session: &Session,
    shell: crate::shell::Shell,
    root: &std::path::Path,
    lowered: bool,
) -> Result<crate::shell::Shell, String> {
    // 20000 and 16384: what a root without CAP_SYS_RESOURCE may set on a small machine.
    let limits = if lowered {
        r#"default_ulimits = ["nofile=20000:20000", "nproc=16384:16384"]"#
    } else {
        ""
    };
    let containers = format!(
        "[containers]\n{limits}\n[network]\nnetwork_config_dir = \"{root}/networks\"\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ntmp_dir = \"{root}/run/libpod\"\n",
        root = root.display()
    );
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"{root}/run/storage\"\ngraphroot = \"{root}/storage\"\n",
        root = root.display()
    );
    let (one, two) = (
        session.work.join("containers.conf"),
        session.work.join("storage.conf"),
    );
    fs::write(&one, containers).map_err(|error| error.to_string())?;
    fs::write(&two, storage).map_err(|error| error.to_string())?;
    Ok(shell
        .env("CONTAINERS_CONF", one)
        .env("CONTAINERS_STORAGE_CONF", two))
}

fn prepared(
    session: &Session,
    shell: crate::shell::Shell,
    more: Vec<String>,
) -> Result<Cli<'_>, String> {
    let image = image::make(&session.work, &session.shell)?;
    let mut program = vec![
        "podman".to_owned(),
        "--runtime".to_owned(),
        session.runtime(),
    ];
    program.extend(more);
    let cli = Cli::new(session, shell, program);
    cli.ok(&[
        "import",
        "-q",
        &image.tar.display().to_string(),
        image::NAME,
    ])?;
    Ok(cli)
}

/// The account files of a machine with one user more, seen in this mount namespace alone.
pub(crate) fn add_user(session: &session::Session, subordinate: bool) -> Result<(), String> {
    let home = session.work.join("user");
    let io = |error: std::io::Error| format!("{}: {error}", home.display());
    for dir in [home.clone(), home.join("run")] {
        fs::create_dir(&dir).map_err(io)?;
        chown(&dir, Some(USER), Some(USER)).map_err(io)?;
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(io)?;
    }
    let ids = if subordinate {
        format!("lockstep-test:{SUBORDINATE}:65536\n")
    } else {
        String::new()
    };
    let lines = [
        (
            "passwd",
            format!(
                "lockstep-test:x:{USER}:{USER}::{}:/bin/sh\n",
                home.display()
            ),
        ),
        ("group", format!("lockstep-test:x:{USER}:\n")),
        ("subuid", ids.clone()),
        ("subgid", ids),
    ];
    for (name, line) in lines {
        let target = format!("/etc/{name}");
        let mut text = fs::read_to_string(&target).map_err(|error| format!("{target}: {error}"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line);
        let own = session.work.join(name);
        fs::write(&own, text).map_err(io)?;
        session
            .shell
            .ok(&["mount", "--bind", &own.display().to_string(), &target])?;
    }
    Ok(())
}

/// What Podman has and Docker has not.
fn extras(cli: &Cli<'_>) {
    cli.session.check("health-probe", || {
        let container =
            cli.counter(&["--health-cmd=test -e /healthy", "--health-interval=disable"])?;
        same(
            "before",
            cli.call(&["healthcheck", "run", &container.name])?.code,
            1,
        )?;
        container.exec(&[], "touch /healthy")?;
        same(
            "after",
            cli.call(&["healthcheck", "run", &container.name])?.code,
            0,
        )
    });
    cli.session.check("init", || {
        let processes = cli.inside(&["--init"], "cat /proc/1/comm")?;
        has("init", &processes, "catatonit").or_else(|_| has("init", &processes, "init"))
    });
    cli.session.check("preserve-fds", || {
        let words = cli.making(
            &["run", "--rm", "--preserve-fds", "1"],
            &[],
            &["sh", "-c", "cat <&3; echo end"],
        );
        let quoted: Vec<String> = cli
            .program
            .iter()
            .map(String::as_str)
            .chain(words)
            .map(|word| format!("'{word}'"))
            .collect();
        let line = format!("exec 3</etc/passwd; exec {}", quoted.join(" "));
        has(
            "descriptor 3",
            &cli.shell.ok(&["sh", "-c", &line])?,
            "root:x:0:0",
        )
    });
    cli.session.check("unmask", || {
        let read_only = "grep -c ' /proc/sys ' /proc/self/mountinfo || true";
        same("default", cli.inside(&[], read_only)?.as_str(), "1")?;
        let options = ["--security-opt", "unmask=ALL"];
        same("unmasked", cli.inside(&options, read_only)?.as_str(), "0")
    });
    cli.session.check("ps-and-inspect", || {
        let container = cli.counter(&[])?;
        same(
            "status",
            container
                .inspect("{{.State.Status}} {{.State.Running}}")?
                .as_str(),
            "running true",
        )?;
        has(
            "runtime",
            &container.inspect("{{.OCIRuntime}}")?,
            &cli.session.runtime(),
        )
    });
}

fn bridge(cli: &Cli<'_>) -> Result<(), String> {
    let text = cli.inside(&["--network=bridge"], "ip -o -4 addr show eth0; ip route")?;
    has("address", &text, "10.88.0.")?;
    has("route", &text, "default via")
}

fn slirp(cli: &Cli<'_>) -> Result<(), String> {
    has(
        "address",
        &cli.inside(&["--network=slirp4netns"], "ip -o -4 addr show tap0")?,
        "10.0.2.",
    )
}

fn user_namespace(cli: &Cli<'_>) -> Result<(), String> {
    let map = cli.inside(
        &["--uidmap=0:100000:5000", "--gidmap=0:200000:5000"],
        "cat /proc/self/uid_map /proc/self/gid_map; id -u",
    )?;
    let words: Vec<&str> = map.split_whitespace().collect();
    same(
        "maps",
        words,
        vec!["0", "100000", "5000", "0", "200000", "5000", "0"],
    )
}

fn keep_id(cli: &Cli<'_>) -> Result<(), String> {
    same(
        "ids",
        cli.inside(&["--userns=keep-id"], "id -u; id -g")?,
        format!("{USER}\n{USER}"),
    )?;
    let uts = cli.inside(&["--userns=host"], "cat /proc/self/uid_map")?;
    has("map", &uts, &USER.to_string())
}
