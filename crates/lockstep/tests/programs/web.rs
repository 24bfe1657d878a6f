//! Servers of HTTP.

use std::os::unix::fs::MetadataExt as _;

use crate::player::Player;
use crate::service::{GET, Service};

crate::cases![nginx, python, node, on_the_host_s_network];

const ASK: &[&str] = &["/usr/bin/python3", "-c", GET];

const NGINX: &str = "daemon off;
error_log stderr;
pid /run/nginx.pid;
events {}
http {
    access_log /dev/stdout;
    server { listen 127.0.0.1:8080; root /site; }
}
";

/// A site of one page; the option that brings it in.
fn site(t: &Player) -> String {
    let site = t.directory("site");
    t.file(&site.join("hello"), "from a volume\n");
    t.file(&site.join("nginx.conf"), NGINX);
    format!("{}:/site:ro", site.display())
}

fn nginx(t: &Player) {
    t.need(&["/usr/sbin/nginx", "/usr/bin/python3"]);
    let volume = site(t);
    let run = [
        "-v",
        &volume,
        "--tmpfs",
        "/var/lib/nginx:mode=755",
        "host:",
        "nginx",
        "-c",
        "/site/nginx.conf",
    ];
    let service = Service {
        run: &run,
        ask: (ASK, "from a volume"),
        log: "GET /hello HTTP/1.1\" 200",
        code: "0",
    };
    service.live(t, |t| {
        // The workers have given root up; the volume is what it was asked to be.
        let script = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; stat -c %u /proc/[0-9]* | sort -u; touch /site/x";
        let seen = t.call(&["exec", "s", "sh", "-c", script]);
        assert!(seen.stdout.contains("worker process"), "{seen:?}");
        assert!(seen.stdout.lines().count() > 1, "one user only: {seen:?}");
        assert!(seen.stderr.contains("Read-only"), "{seen:?}");
        // A changed configuration is read without a restart.
        t.call(&["kill", "-s", "HUP", "s"]).text();
    });
}

fn python(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let volume = site(t);
    let run = [
        "-v",
        &volume,
        "-u",
        "www-data",
        "-w",
        "/site",
        "host:",
        "/usr/bin/python3",
        "-u",
        "-c",
        // The first process has no default action for SIGTERM, so it takes one itself.
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n\
         import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080, bind='127.0.0.1')",
    ];
    let service = Service {
        run: &run,
        ask: (ASK, "from a volume"),
        log: "GET /hello HTTP/1.1\" 200",
        code: "0",
    };
    service.live(t, |t| {
        let seen = t.call(&[
            "exec",
            "s",
            "/usr/bin/python3",
            "-c",
            "import os; print(os.getuid())",
        ]);
        assert_eq!(seen.text(), "33");
    });
}

fn node(t: &Player) {
    t.need(&["/usr/bin/node", "/usr/bin/python3"]);
    let volume = format!("{}:/kept", t.directory("kept").display());
    let program = "const fs = require('fs');\
        process.on('SIGTERM', () => { console.log('asked'); process.exit(0); });\
        require('http').createServer((request, answer) => {\
            fs.appendFileSync('/kept/visits', request.url + '\\n');\
            console.log('visit', request.url);\
            answer.end('from node');\
        }).listen(8080, '127.0.0.1');";
    let run = ["-v", &volume, "host:", "/usr/bin/node", "-e", program];
    let service = Service {
        run: &run,
        ask: (ASK, "from node"),
        log: "visit /hello",
        code: "0",
    };
    service.live(t, |_| {});
    let visits = t.stage.dir.join("kept/visits");
    let kept = std::fs::read_to_string(&visits).expect("the volume's file");
    // Before the crash, after it, and after the stop.
    assert!(kept.lines().count() >= 3, "{kept}");
    assert_eq!(std::fs::metadata(&visits).expect("it").uid(), t.host_id(0));
}

fn on_the_host_s_network(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let program = "import http.server as h, socketserver\n\
        s = socketserver.TCPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\n\
        print('port', s.server_address[1], flush=True); s.serve_forever()";
    t.call(&[
        "run",
        "-d",
        "--name",
        "s",
        "--network",
        "host",
        "host:",
        "/usr/bin/python3",
        "-c",
        program,
    ])
    .text();
    let mut port = None;
    crate::stage::until(|| {
        let log = t.call(&["logs", "s"]).stdout;
        port = log
            .trim()
            .strip_prefix("port ")
            .and_then(|p| p.parse::<u16>().ok());
        port.is_some()
    });
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port.expect("a port")))
        .expect("it listens on the host's loopback");
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.0\r\n\r\n").expect("a request");
    let answer = std::io::read_to_string(stream).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    t.call(&["rm", "-f", "s"]).text();
}
