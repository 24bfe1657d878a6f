//! The same bundle under runc and under Lockstep, seen from inside.
//!
//! What is compared is what the kernel says about the container's process: its mounts, its status,
//! its limits, namespaces, devices and descriptors. Ids that the kernel numbers anew are
//! normalised; every other difference must be explained in a table, and every explanation must be
//! needed, so that the table stays true.

use std::collections::BTreeSet;
use std::path::Path;

use crate::compare_configs::{CONFIGS, Config, Way};
use crate::compare_normal::normal;
use crate::session::Session;
use crate::shell::Shell;
use crate::{BASELINE, image, podman};

/// Printed between sections, which begin with their name.
const SECTIONS: &str = r#"
p=$$
echo "== mountinfo"; cat /proc/$p/mountinfo
echo "== status"; cat /proc/$p/status
echo "== stat"; awk '{print "group", $5 == $1, "session", $6 == $1, "terminal", $7 != 0, "foreground", $8 == $1}' /proc/$p/stat
echo "== limits"; cat /proc/$p/limits
echo "== maps"; cat /proc/$p/uid_map /proc/$p/gid_map /proc/$p/setgroups
echo "== namespaces"; for n in cgroup ipc mnt net pid time user uts; do readlink /proc/$p/ns/$n; done
echo "== cgroup"; cat /proc/$p/cgroup
echo "== scores"; cat /proc/$p/oom_score_adj /proc/$p/loginuid /proc/$p/timerslack_ns /proc/$p/personality 2>&1
echo "== environment"; tr '\0' '\n' < /proc/$p/environ
echo "== folder"; readlink /proc/$p/cwd; umask; hostname
echo "== descriptors"; ls /proc/$p/fd
echo "== devices"; stat -c '%F %a %u %g %t:%T %N' /dev/* /dev/disk/* 2>&1 | grep -v directory
echo "== folders"; stat -c '%F %a %u %g %n' / /dev /dev/* /etc /etc/* /mnt /mnt/* /tmp /tmp/* /home /sys/fs/cgroup /sys/fs/cgroup/* 2>/dev/null
echo "== sysctls"; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ping_group_range
echo "== refused"; chmod 755 /tmp 2>&1; touch /etc/new 2>&1; touch /tmp/unseen 2>&1; chown 1000 /home 2>&1
(echo x > /proc/sys/kernel/domainname) 2>&1; head -c 10 /proc/kcore 2>&1; head -c 1 /dev/fuse 2>&1; pwd 2>&1
rm -rf /tmp/unseen /etc/new; chmod 1777 /tmp
true
"#;

/// A difference that is meant.
struct Explained {
    /// The configurations in which it may occur; empty for any.
    configs: &'static [&'static str],
    /// It is a line of Lockstep's (else of runc's).
    ours: bool,
    /// What the line begins with, section included.
    starts: &'static str,
    /// Why it differs.
    #[allow(
        dead_code,
        reason = "for the reader; the text is the point of the table"
    )]
    reason: &'static str,
}

/// All differences that are meant.
const EXPLAINED: &[Explained] = &[];

/// Compare all configurations.
pub(crate) fn play(session: &Session) {
    let Some(users) = session.need("bundle", || prepare(session)) else {
        return;
    };
    let mut needed = BTreeSet::new();
    for config in CONFIGS {
        session.check(config.name, || {
            compare(session, config, &users, &mut needed)
        });
    }
    let same = session.runtime.file_name() == Path::new(BASELINE).file_name();
    session.check("explanations-are-needed", || {
        let idle = |row: &usize| !same && !needed.contains(row);
        let idle: Vec<&str> = (0..EXPLAINED.len())
            .filter(idle)
            .map(|row| EXPLAINED[row].starts)
            .collect();
        if idle.is_empty() {
            Ok(())
        } else {
            Err(format!("nothing to explain: {idle:?}"))
        }
    });
    session.check("nothing-left", || session.nothing_left(&[]));
}

/// Make rootfs and the things to bind; the shell is that of the unprivileged user.
fn prepare(session: &Session) -> Result<Shell, String> {
    let io = |error: std::io::Error| error.to_string();
    let root = session.work.join("bundle/rootfs");
    image::rootfs(&root, &session.shell)?;
    std::os::unix::fs::symlink("/tmp/linked", root.join("link")).map_err(io)?;
    std::fs::create_dir(session.work.join("folder")).map_err(io)?;
    std::fs::write(session.work.join("file"), "content\n").map_err(io)?;
    podman::add_user(session, false)?;
    let id = podman::USER.to_string();
    let shell = Shell::new(&session.work.join("scratch"))
        .env("HOME", session.work.join("user"))
        .env("XDG_RUNTIME_DIR", session.work.join("user/run"));
    Ok(shell.prefix(&["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]))
}

fn compare(
    session: &Session,
    config: &Config,
    users: &Shell,
    needed: &mut BTreeSet<usize>,
) -> Result<(), String> {
    let theirs = observe(session, config, users, BASELINE);
    let ours = observe(session, config, users, &session.runtime());
    let (theirs, ours) = match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(theirs), Err(ours)) => {
            return Err(format!("runs under neither: runc: {theirs}; ours: {ours}"));
        }
        (Err(theirs), Ok(_)) => return Err(format!("does not run under runc: {theirs}")),
        (Ok(_), Err(ours)) => return Err(format!("does not run under Lockstep: {ours}")),
    };
    let mut unexplained = Vec::new();
    for (lines, others, is_ours) in [(&theirs, &ours, false), (&ours, &theirs, true)] {
        for line in without(lines, others) {
            let explains = |row: &Explained| {
                row.ours == is_ours
                    && line.starts_with(row.starts)
                    && (row.configs.is_empty() || row.configs.contains(&config.name))
            };
            match EXPLAINED.iter().position(explains) {
                Some(row) => drop(needed.insert(row)),
                None => unexplained.push(format!(
                    "{} {line}",
                    if is_ours { "ours:" } else { "runc:" }
                )),
            }
        }
    }
    if unexplained.is_empty() {
        Ok(())
    } else {
        Err(unexplained.join("\n"))
    }
}

/// The lines that occur more often in one list than in the other.
fn without(lines: &[String], others: &[String]) -> Vec<String> {
    let count = |list: &[String], line: &String| list.iter().filter(|other| *other == line).count();
    let distinct: BTreeSet<&String> = lines.iter().collect();
    distinct
        .into_iter()
        .flat_map(|line| {
            let more = count(lines, line).saturating_sub(count(others, line));
            std::iter::repeat_n(line.clone(), more)
        })
        .collect()
}

/// What the payload sees under `runtime`, normalised.
fn observe(
    session: &Session,
    config: &Config,
    users: &Shell,
    runtime: &str,
) -> Result<Vec<String>, String> {
    let io = |error: std::io::Error| error.to_string();
    let bundle = session.path("bundle");
    let mut spec = config.spec(
        &session.work.display().to_string(),
        &format!("/{}/compared", session.name),
    );
    let payload = ["sh", "-c", SECTIONS];
    let args: &[&str] = if config.way == Way::Exec {
        &["sleep", "1000"]
    } else {
        &payload
    };
    spec["process"]["args"] = serde_json::json!(args);
    std::fs::write(format!("{bundle}/config.json"), spec.to_string()).map_err(io)?;
    let root = match config.way {
        Way::Rootless => session.path("user/state"),
        _ => session.path("state"),
    };
    let call = |words: &[&str]| {
        let mut all = vec![runtime, "--root", &root];
        all.extend(words);
        all.iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let shell = if config.way == Way::Rootless {
        users
    } else {
        &session.shell
    };
    let run = |words: &[&str], terminal: bool| {
        let words = call(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = if terminal {
            shell.on_terminal(&words, "")?
        } else {
            shell.run(&words)?
        };
        if output.code == 0 {
            Ok(output.out)
        } else {
            Err(output.shown())
        }
    };
    let text = match config.way {
        Way::Run | Way::Rootless => run(&["run", "--bundle", &bundle, "compared"], false),
        Way::Terminal => run(&["run", "--bundle", &bundle, "compared"], true),
        Way::Exec => {
            run(&["run", "-d", "--bundle", &bundle, "compared"], false)?;
            run(&["exec", "compared", "sh", "-c", SECTIONS], false)
        }
    };
    // Gone already where the payload was the first process.
    drop(run(&["delete", "--force", "compared"], false));
    Ok(normal(&text?))
}
