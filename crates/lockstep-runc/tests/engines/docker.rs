//! dockerd with its own containerd, all its folders below the session's.

use std::path::PathBuf;

use crate::image;
use crate::life::{self, Cli};
use crate::session::{Daemon, Session};
use crate::shell::{has, same, until};

/// The life of a container under dockerd.
pub(crate) fn play(session: &Session) {
    let Some((daemon, cli)) = session.need("dockerd", || start(session)) else {
        return;
    };
    life::play(&cli);
    session.check("network-bridge", || {
        let text = cli.inside(&["--network=bridge"], "ip -o -4 addr show eth0; ip route")?;
        has("address", &text, "172.29.7.")?;
        has("route", &text, "default via 172.29.7.1")
    });
    session.check("health-probe", || {
        let container = cli.counter(&["--health-cmd=test -e /tmp/n", "--health-interval=1s"])?;
        until(|| {
            has(
                "health",
                &container.inspect("{{.State.Health.Status}}")?,
                "healthy",
            )
        })
    });
    session.check("error-text", || {
        let output = cli.run(
            &["--mount", "type=bind,source=/nowhere,target=/x"],
            &["true"],
        )?;
        has("absent source", &output.err, "/nowhere")?;
        let output = cli.run(&["--workdir", "/etc/passwd"], &["true"])?;
        has("a file as folder", &output.err, "not a directory")
            .or_else(|_| has("folder", &output.err, "Not a directory"))
    });
    session.check("working-folder-that-is-made", || {
        let made = cli.inside(&["-w", "/made/by/engine"], "pwd")?;
        same("folder", made.as_str(), "/made/by/engine")
    });
    let states = ["moby"].map(|name| PathBuf::from("/run/docker/runtime-under-test").join(name));
    session.check("nothing-left", || session.nothing_left(&states));
    session.check("daemon-ends", || daemon.stop());
}

fn start(session: &Session) -> Result<(Daemon, Cli<'_>), String> {
    let socket = format!("unix://{}", session.path("d.sock"));
    let runtime = format!("under-test={}", session.runtime());
    let (root, exec, pid) = (
        session.path("root"),
        session.path("exec"),
        session.path("d.pid"),
    );
    let parent = format!("/{}", session.name);
    let daemon = session.daemon(
        "dockerd",
        &[
            "dockerd",
            "--data-root",
            &root,
            "--exec-root",
            &exec,
            "--pidfile",
            &pid,
            "-H",
            &socket,
            "--add-runtime",
            &runtime,
            "--default-runtime",
            "under-test",
            "--bip",
            "172.29.7.1/24",
            "--cgroup-parent",
            &parent,
            "--log-level",
            "warn",
        ],
    )?;
    let shell = session
        .shell
        .clone()
        .env("DOCKER_HOST", &socket)
        .env("DOCKER_CONFIG", session.path("docker"));
    let cli = Cli::new(session, shell, vec!["docker".into()]);
    until(|| cli.ok(&["version"]).map(drop))
        .map_err(|error| format!("{error}\n{}", daemon.tail()))?;
    let image = image::make(&session.work, &session.shell)?;
    cli.ok(&["import", &image.tar.display().to_string(), image::NAME])?;
    Ok((daemon, cli))
}
