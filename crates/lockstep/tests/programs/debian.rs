//! The same programs from a Debian image that debootstrap(8) made, as a layout and as archives of both kinds.

use std::os::unix::fs::MetadataExt as _;
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
    postgresql_of_an_oci_archive,
    node_of_a_layout,
    gcc_of_an_archive,
];

/// One image as a layout and as archives of both kinds, and the packages that are in it. There are two, because each test
/// unpacks its own.
struct Image {
    name: &'static str,
    packages: &'static str,
    made: OnceLock<Result<PathBuf, String>>,
}

static SERVERS: Image = Image {
    name: "servers",
    packages: "nginx-light,redis-server,python3-minimal,git",
    made: OnceLock::new(),
};
static TOOLS: Image = Image {
    name: "tools",
    packages: "postgresql,nodejs,gcc,libc6-dev",
    made: OnceLock::new(),
};

impl Image {
    fn layout(&'static self, t: &Player) -> String {
        self.loaded(t, "oci:", "layout:bookworm")
    }

    fn archive(&'static self, t: &Player) -> String {
        self.loaded(t, "docker-archive:", "docker.tar")
    }

    fn oci_archive(&'static self, t: &Player) -> String {
        self.loaded(t, "oci-archive:", "oci.tar")
    }

    /// Where `run` finds it, and that it is in the store, so that no later call has to take so long.
    fn loaded(&'static self, t: &Player, kind: &str, name: &str) -> String {
        let image = format!("{kind}{}/{name}", self.directory(t).display());
        t.load(&image);
        image
    }

    /// Its directory, made once for the run. `LOCKSTEP_TEST_DEBIAN` names one where those of all images are.
    fn directory(&'static self, t: &Player) -> &'static Path {
        let made = self
            .made
            .get_or_init(|| match std::env::var_os("LOCKSTEP_TEST_DEBIAN") {
                Some(path) => Ok(PathBuf::from(path).join(self.name)),
                None if !Sample::is_full() => {
                    Err("only in the full run, it takes minutes".to_owned())
                }
                None => self.make(),
            });
        match made {
            Ok(path) => path,
            Err(reason) => {
                t.stage.need(false, reason);
                unreachable!("need() has ended the test")
            }
        }
    }

    fn make(&self) -> Result<PathBuf, String> {
        if !Path::new("/usr/sbin/debootstrap").exists() {
            return Err("no debootstrap(8)".to_owned());
        }
        let dir = crate::stage::run_directory().join("debian").join(self.name);
        std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let at = |name: &str| dir.join(name).display().to_string();
        let (root, layout, layer) = (at("root"), at("layout"), at("layer.tar"));
        let image = format!("{layout}:bookworm");
        let include = format!("--include={}", self.packages);
        let (docker, oci) = (at("docker.tar"), at("oci.tar"));
        let copies = [
            format!("docker-archive:{docker}:debian:bookworm"),
            format!("oci-archive:{oci}:bookworm"),
        ];
        let from = format!("oci:{image}");
        let lists = format!("{root}/var/lib/apt/lists");
        let steps: [&[&str]; 11] = [
            &[
                "timeout",
                "500",
                "debootstrap",
                "--variant=minbase",
                &include,
                "bookworm",
                &root,
            ],
            // As Debian's own images are made: what was downloaded is a third of it.
            &["chroot", &root, "apt-get", "clean"],
            &["find", &lists, "-type", "f", "-delete"],
            &["umoci", "init", "--layout", &layout],
            &["umoci", "new", "--image", &image],
            // umoci's own way from a directory to a layer cuts this one short (0.4.7).
            &["tar", "-C", &root, "--numeric-owner", "-cf", &layer, "."],
            &["umoci", "raw", "add-layer", "--image", &image, &layer],
            &["umoci", "config", "--image", &image, "--config.cmd", "bash"],
            &["skopeo", "copy", "-q", &from, &copies[0]],
            &["skopeo", "copy", "-q", &from, &copies[1]],
            &["chmod", "-R", "a+rX", &layout, &docker, &oci],
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
}

fn nginx_of_a_layout(t: &Player) {
    let image = SERVERS.layout(t);
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
    let image = SERVERS.archive(t);
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
    let image = SERVERS.archive(t);
    let script = "set -e; cd /srv; git init -q one; cd one; echo x > f; git add f; \
                  git -c user.name=n -c user.email=e commit -qm first; git clone -q . ../two; git -C ../two log --format=%s; \
                  stat -c %U /usr/bin/git /var/log/redis /var/lib/nginx; python3 -c 'print(6 * 7)'";
    let seen = t.run(&[&image, "sh", "-c", script]);
    assert_eq!(seen.text(), "first\nroot\nredis\nroot\n42");
}

/// A service that keeps a count: of a program of the image, in a directory of the host.
fn python_of_an_oci_archive(t: &Player) {
    let image = SERVERS.oci_archive(t);
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

fn postgresql_of_an_oci_archive(t: &Player) {
    // Of Debian 12.
    crate::database::postgresql_of(t, &TOOLS.oci_archive(t), "/usr/lib/postgresql/15/bin");
}

fn gcc_of_an_archive(t: &Player) {
    crate::tool::gcc_of(t, &TOOLS.archive(t));
}

/// A service of a user that is not the container's root, in a directory that is made its own.
fn node_of_a_layout(t: &Player) {
    let image = TOOLS.layout(t);
    let kept = t.directory("kept");
    let volume = format!("{}:/kept:U", kept.display());
    let program = "
const fs = require('fs');
process.on('SIGTERM', () => process.exit(0));
require('http').createServer((request, answer) => {
    fs.appendFileSync('/kept/visits', request.url + '\\n');
    console.log('visit', fs.readFileSync('/kept/visits', 'utf8').split('\\n').length - 1);
    answer.end('from node as ' + process.getuid());
}).listen(8080, '127.0.0.1');";
    let ask =
        "fetch('http://127.0.0.1:8080/hello').then(answer => answer.text()).then(console.log)";
    let service = Service {
        run: &[
            "-u", "www-data", "-v", &volume, &image, "node", "-e", program,
        ],
        ask: (&["node", "-e", ask], "from node as 33"),
        log: "visit 1",
        code: "0",
    };
    service.live(t, |t| {
        let seen = t.call(&["exec", "s", "stat", "-c", "%U:%G", "/kept", "/kept/visits"]);
        assert_eq!(seen.text(), "www-data:www-data\nwww-data:www-data");
    });
    let visits = kept.join("visits");
    let text = std::fs::read_to_string(&visits).expect("the volume's file");
    // Before the crash, after it, and after the stop.
    assert!(text.lines().count() >= 3, "{text}");
    let owner = std::fs::metadata(&visits).expect("it");
    assert_eq!((owner.uid(), owner.gid()), (t.host_id(33), t.host_id(33)));
}
