//! Servers that keep data: it survives a crash, and belongs to whom it says on both sides.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::player::Player;
use crate::service::Service;

crate::cases![redis, postgresql];

fn redis(t: &Player) {
    t.need(&["/usr/bin/redis-server", "/usr/bin/redis-cli"]);
    let data = t.directory("data");
    let volume = format!("{}:/data", data.display());
    let script = "chown redis:redis /data && \
        exec setpriv --reuid=redis --regid=redis --clear-groups redis-server --dir /data --appendonly yes";
    let run = ["-v", &volume, "host:", "sh", "-c", script];
    let service = Service {
        run: &run,
        // The same question is the first write, and later the proof that it was kept.
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
        t.call(&["exec", "s", "redis-cli", "set", "kept2", "x"])
            .text();
    });
    let made = data.join("appendonlydir");
    let inside = id_of("/etc/passwd", "redis");
    assert_eq!(
        std::fs::metadata(&made).expect("its data").uid(),
        t.host_id(inside)
    );
    // Another container has the data.
    let script = format!(
        "{script} --save '' >/dev/null & \
        for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; redis-cli get kept2 2>/dev/null | grep x && exit 0; done; exit 1"
    );
    let seen = t.run(&[
        "-v",
        &volume,
        "host:",
        "sh",
        "-c",
        &script.replace("exec ", ""),
    ]);
    assert_eq!(seen.text(), "x");
}

fn postgresql(t: &Player) {
    let programs = postgres_programs();
    t.stage
        .need(programs.is_some(), "no PostgreSQL (postgresql)");
    let programs = programs.expect("found").display().to_string();
    t.need(&[&format!("{programs}/postgres"), &format!("{programs}/psql")]);
    postgresql_of(t, "host:", &programs);
}

/// The whole life of a database whose files are in a volume, with an image's `programs`.
pub(crate) fn postgresql_of(t: &Player, image: &str, programs: &str) {
    let data = t.directory("data");
    let volume = format!("{}:/data", data.display());
    let as_postgres = "exec setpriv --reuid=postgres --regid=postgres --clear-groups";
    let script = format!(
        "chown postgres:postgres /data && chmod 700 /data && \
         {as_postgres} sh -c '\
         [ -e /data/PG_VERSION ] || {programs}/initdb -D /data -A trust --no-sync >/dev/null; \
         exec {programs}/postgres -D /data -k /tmp'"
    );
    // A fast shutdown is SIGINT; SIGTERM waits for the clients.
    let run = [
        "--stop-signal",
        "SIGINT",
        "-v",
        &volume,
        image,
        "sh",
        "-c",
        &script,
    ];
    let psql = format!("{programs}/psql");
    let ask = [
        psql.as_str(),
        "-h",
        "/tmp",
        "-U",
        "postgres",
        "-qAtc",
        "create table if not exists kept (n int primary key); \
         insert into kept values (42) on conflict do nothing; select n from kept order by n desc",
    ];
    let service = Service {
        run: &run,
        ask: (&ask, "42"),
        log: "ready to accept connections",
        code: "0",
    };
    service.live(t, |t| {
        let mut command = vec!["exec", "-u", "postgres", "s"];
        command.extend(&ask[..6]);
        command
            .push("insert into kept values (7); select sum(n) from generate_series(1, 100000) n");
        assert_eq!(t.call(&command).text(), "5000050000");
    });
    // Another container has the data, and the owners that the host sees are those that it sees.
    let script = format!(
        "stat -c '%U:%G %u %g' /data/base; \
         echo 'select n from kept' | {as_postgres} {programs}/postgres --single -D /data postgres"
    );
    let seen = t.run(&["-v", &volume, image, "sh", "-c", &script]).text();
    assert!(
        seen.contains("n = \"42\"") && seen.contains("n = \"7\""),
        "{seen}"
    );
    let owner = seen
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("postgres:postgres "));
    let ids = owner.and_then(|ids| ids.split_once(' '));
    let id = |text: &str| t.host_id(text.parse().expect("an id"));
    let made = std::fs::metadata(data.join("base")).expect("its data");
    assert_eq!(
        Some((made.uid(), made.gid())),
        ids.map(|(uid, gid)| (id(uid), id(gid))),
        "{seen}"
    );
}

/// Where Debian has the server's programs.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| Path::new(path).join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// The number of a user or group of the host, which `host:` shares.
fn id_of(file: &str, name: &str) -> u32 {
    let text = std::fs::read_to_string(file).expect("users or groups");
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name));
    let field = line.and_then(|line| line.split(':').nth(2));
    field.and_then(|id| id.parse().ok()).expect("an id")
}
