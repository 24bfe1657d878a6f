//! The same programs from a Debian image that debootstrap(8) made, as a layout and as archives of both kinds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::player::Player;
use crate::service::Service;
use crate::suite::Sample;

crate::cases![
    nginx_of_a_layout,
    redis_of_an_archive,
    git_of_an_archive,
    python_of_an_oci_archive,
];

/// A directory with `layout`, `docker.tar` and `oci.tar`, made once for the run. `LOCKSTEP_TEST_DEBIAN` names one that is there.
fn images(t: &Player) -> &'static Path {
    static IMAGES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = IMAGES.get_or_init(|| match std::env::var_os("LOCKSTEP_TEST_DEBIAN") {
        Some(path) => Ok(PathBuf::from(path)),
        None if !Sample::is_full() => Err("only in the full run, it takes minutes".to_owned()),
        None => make(),
    });
    match made {
        Ok(path) => path,
        Err(reason) => {
            t.stage.need(false, reason);
            unreachable!("need() has ended the test")
        }
    }
}

fn make() -> Result<PathBuf, String> {
    let dir = crate::stage::run_directory().join("debian");
    std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let at = |name: &str| dir.join(name).display().to_string();
    let (root, layout, layer) = (at("root"), at("layout"), at("layer.tar"));
    let image = format!("{layout}:bookworm");
    let include = "--include=nginx-light,redis-server,python3-minimal,git";
    let steps: [&[&str]; 9] = [
        &[
            "timeout",
            "500",
            "debootstrap",
            "--variant=minbase",
            include,
            "bookworm",
            &root,
        ],
        &["umoci", "init", "--layout", &layout],
        &["umoci", "new", "--image", &image],
        // umoci's own way from a directory to a layer cuts this one short (0.4.7).
        &["tar", "-C", &root, "--numeric-owner", "-cf", &layer, "."],
        &["umoci", "raw", "add-layer", "--image", &image, &layer],
        &["umoci", "config", "--image", &image, "--config.cmd", "bash"],
        &[
            "skopeo",
            "copy",
            "-q",
            &format!("oci:{image}"),
            &format!("docker-archive:{}:debian:bookworm", at("docker.tar")),
        ],
        &[
            "skopeo",
            "copy",
            "-q",
            &format!("oci:{image}"),
            &format!("oci-archive:{}:bookworm", at("oci.tar")),
        ],
        &[
            "chmod",
            "-R",
            "a+rX",
            &layout,
            &at("docker.tar"),
            &at("oci.tar"),
        ],
    ];
    for step in steps {
        let done = Command::new(step[0]).args(&step[1..]).output();
        let done = done.map_err(|error| format!("{}: {error}", step[0]))?;
        if !done.status.success() {
            let text = String::from_utf8_lossy(&done.stderr);
            return Err(format!("{}: {}", step.join(" "), text.trim()));
        }
    }
    let gone = std::fs::remove_dir_all(&root).and_then(|()| std::fs::remove_file(&layer));
    gone.map_err(|error| error.to_string())?;
    Ok(dir)
}

fn layout(t: &Player) -> String {
    format!("oci:{}/layout:bookworm", images(t).display())
}

fn archive(t: &Player) -> String {
    format!("docker-archive:{}/docker.tar", images(t).display())
}

fn nginx_of_a_layout(t: &Player) {
    let image = layout(t);
    let script = "echo from an image > /var/www/html/hello; exec nginx -g 'daemon off; error_log stderr notice;'";
    let get =
        "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET /hello HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    let service = Service {
        run: &[&image, "sh", "-c", script],
        ask: (&["bash", "-c", get], "from an image"),
        log: "start worker process",
        code: "0",
    };
    service.live(t, |t| {
        let seen = t.call(&["exec", "s", "cat", "/etc/debian_version"]).text();
        assert!(seen.starts_with("12"), "{seen}");
    });
}

fn redis_of_an_archive(t: &Player) {
    let image = archive(t);
    let data = t.directory("data");
    let volume = format!("{}:/data", data.display());
    let service = Service {
        run: &[
            "-v",
            &volume,
            &image,
            "redis-server",
            "--dir",
            "/data",
            "--appendonly",
            "yes",
        ],
        ask: (
            &[
                "redis-cli",
                "eval",
                "redis.call('SADD', KEYS[1], 'one'); return redis.call('SCARD', KEYS[1])",
                "1",
                "kept",
            ],
            "1",
        ),
        log: "Ready to accept connections",
        code: "0",
    };
    service.live(t, |t| {
        assert_eq!(
            t.call(&["exec", "s", "redis-cli", "scard", "kept"]).text(),
            "1"
        );
    });
}

fn git_of_an_archive(t: &Player) {
    let image = archive(t);
    let script = "set -e; cd /srv; git init -q one; cd one; echo x > f; git add f; \
                  git -c user.name=n -c user.email=e commit -qm first; git clone -q . ../two; git -C ../two log --format=%s; \
                  stat -c %U /usr/bin/git /var/log/redis /var/lib/nginx; python3 -c 'print(6 * 7)'";
    let seen = t.run(&[&image, "sh", "-c", script]);
    assert_eq!(seen.text(), "first\nroot\nredis\nroot\n42");
}

/// A service that keeps a count: of a program of the image, in a directory of the host.
fn python_of_an_oci_archive(t: &Player) {
    let image = format!("oci-archive:{}/oci.tar", images(t).display());
    let data = t.directory("data");
    let volume = format!("{}:/data", data.display());
    // The first process has no default action for SIGTERM, so it takes one itself.
    let program = "
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = socket.create_server(('127.0.0.1', 8080))
while True:
    client, _ = server.accept()
    with client, open('/data/visits', 'a+') as visits:
        visits.write('x'); visits.flush()
        client.sendall(b'visit of %d' % os.getuid())
        print('visit', visits.tell(), flush=True)
";
    let ask =
        "import socket; print(socket.create_connection(('127.0.0.1', 8080)).recv(99).decode())";
    let service = Service {
        run: &["-v", &volume, &image, "python3", "-c", program],
        ask: (&["python3", "-c", ask], "visit of 0"),
        log: "visit 1",
        code: "0",
    };
    service.live(t, |_| {});
    let kept = std::fs::read_to_string(data.join("visits")).expect("the volume's file");
    // Before the crash, after it, and after the stop.
    assert!(kept.len() >= 3, "{kept}");
}
