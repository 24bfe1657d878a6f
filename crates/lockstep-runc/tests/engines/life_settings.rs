//! What the options of Docker and Podman do, seen from inside the container.
//!
//! One check per subsystem: each asserts an effect that the kernel shows or enforces, because an
//! option that is passed on and not obeyed looks the same from outside.

use crate::case::View;
use crate::life::{Cli, MEMORY_LIMIT};
use crate::shell::{has, same, until};

/// The checks of settings.
pub(crate) fn play(cli: &Cli<'_>) {
    let check =
        |name, body: fn(&Cli<'_>) -> Result<(), String>| cli.session.check(name, || body(cli));
    check("limits-of-cgroup", limits_of_cgroup);
    check("limits-of-process", limits_of_process);
    check("pids-limit-holds", pids_limit_holds);
    check("memory-limit-kills", memory_limit_kills);
    check("capabilities", capabilities);
    check("no-new-privileges", no_new_privileges);
    check("seccomp", seccomp);
    check("privileged", privileged);
    check("masked-paths", masked_paths);
    check("read-only-root", read_only_root);
    check("user", user);
    check("environment", environment);
    check("volumes", volumes);
    check("propagation", propagation);
    check("tmpfs", tmpfs);
    check("devices", devices);
    check("sysctl", sysctl);
    check("network-none", network_none);
    check("network-host", network_host);
    check("pid-of-the-host", |cli| host_namespace(cli, "pid"));
    check("ipc-of-the-host", |cli| host_namespace(cli, "ipc"));
    check("uts-of-the-host", |cli| host_namespace(cli, "uts"));
    check("namespaces-of-another", namespaces_of_another);
}

fn limits_of_cgroup(cli: &Cli<'_>) -> Result<(), String> {
    let options = [
        "-m",
        "64m",
        "--pids-limit",
        "50",
        "--cpus",
        "0.5",
        "--cpu-shares",
        "512",
        "--cpuset-cpus",
        "0",
    ];
    same(
        "memory",
        cli.inside(&options, MEMORY_LIMIT)?.as_str(),
        "67108864",
    )?;
    let v1 = "cd /sys/fs/cgroup; cat pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares cpuset/cpuset.cpus";
    let v2 = "cd /sys/fs/cgroup; cat pids.max cpu.max cpu.weight cpuset.cpus";
    let script = format!("if [ -d /sys/fs/cgroup/pids ]; then {v1}; else {v2}; fi");
    let text = cli.inside(&options, &script)?;
    if text != "50\n50000\n512\n0" && text != "50\n50000 100000\n20\n0" {
        return Err(format!("limits: {text:?}"));
    }
    has(
        "cpus",
        &cli.inside(&options, "grep Cpus_allowed_list /proc/self/status")?,
        "\t0",
    )
}

fn limits_of_process(cli: &Cli<'_>) -> Result<(), String> {
    let options = [
        "--ulimit",
        "nofile=100:200",
        "--ulimit",
        "nproc=1000:1000",
        "--ulimit",
        "core=0:0",
    ];
    let script = "ulimit -Sn; ulimit -Hn; ulimit -c";
    same(
        "rlimits",
        cli.inside(&options, script)?.as_str(),
        "100\n200\n0",
    )?;
    let score = cli.inside(&["--oom-score-adj", "555"], "cat /proc/self/oom_score_adj")?;
    same("oom_score_adj", score.as_str(), "555")
}

fn pids_limit_holds(cli: &Cli<'_>) -> Result<(), String> {
    let script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all-started";
    let output = cli.run(&["--pids-limit", "5"], &["sh", "-c", script])?;
    if output.out.contains("all-started") {
        return Err(format!("more processes than allowed: {}", output.shown()));
    }
    has("refusal", &output.err.to_lowercase(), "fork")
}

fn memory_limit_kills(cli: &Cli<'_>) -> Result<(), String> {
    let hog = "dd if=/dev/zero of=/dev/null bs=64M count=1";
    let output = cli.run(
        &["-m", "16m", "--memory-swap", "16m"],
        &["sh", "-c", &format!("{hog} & wait $!")],
    )?;
    if output.code == 0 {
        return Err(format!("64 MiB were held below 16 MiB: {}", output.shown()));
    }
    same("killed", output.code, 137)
}

fn capabilities(cli: &Cli<'_>) -> Result<(), String> {
    let all = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | tr -d '\\n\\t'";
    let none = cli.inside(&["--cap-drop", "ALL"], all)?;
    let zero = "0000000000000000";
    same(
        "none",
        none,
        format!("CapInh:{zero}CapPrm:{zero}CapEff:{zero}CapBnd:{zero}CapAmb:{zero}"),
    )?;
    let options = ["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"];
    has(
        "one",
        &cli.inside(&options, all)?,
        "CapEff:0000000000000400CapBnd:0000000000000400",
    )?;
    let chown = cli.run(&["--cap-drop", "CHOWN"], &["chown", "1000", "/tmp"])?;
    has("chown", &chown.err, "Operation not permitted")?;
    let user = cli.inside(&["--user", "1000"], "grep CapEff /proc/self/status")?;
    has("a user has none", &user, zero)
}

fn no_new_privileges(cli: &Cli<'_>) -> Result<(), String> {
    let script = "grep NoNewPrivs /proc/self/status";
    has("default", &cli.inside(&[], script)?, "\t0")?;
    has(
        "asked",
        &cli.inside(&["--security-opt", "no-new-privileges"], script)?,
        "\t1",
    )?;
    let options = ["--security-opt", "no-new-privileges", "--user", "1000"];
    has("with a user", &cli.inside(&options, script)?, "\t1")
}

fn seccomp(cli: &Cli<'_>) -> Result<(), String> {
    let script = "grep Seccomp: /proc/self/status";
    has("default", &cli.inside(&[], script)?, "\t2")?;
    has(
        "unconfined",
        &cli.inside(&["--security-opt", "seccomp=unconfined"], script)?,
        "\t0",
    )?;
    let profile = cli.session.work.join("profile.json");
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat","fchmodat2"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}"#;
    std::fs::write(&profile, text).map_err(|error| error.to_string())?;
    let option = format!("seccomp={}", profile.display());
    let output = cli.run(&["--security-opt", &option], &["chmod", "700", "/tmp"])?;
    has("own profile", &output.err, "No space left on device")
}

fn privileged(cli: &Cli<'_>) -> Result<(), String> {
    let effective = "grep CapEff /proc/self/status";
    let default = cli.inside(&[], effective)?;
    let all = cli.inside(&["--privileged"], effective)?;
    if default == all {
        return Err(format!("no more than the default: {all}"));
    }
    cli.inside(
        &["--privileged"],
        "mount -t tmpfs tmpfs /mnt && test -w /proc/sys/kernel/domainname",
    )
    .map(drop)
}

fn masked_paths(cli: &Cli<'_>) -> Result<(), String> {
    same(
        "kcore",
        cli.inside(
            &[],
            "wc -c < /proc/keys; ls -A /proc/acpi /sys/firmware | grep -v :$; true",
        )?
        .as_str(),
        "0",
    )?;
    let refused = cli.run(&[], &["sh", "-c", "echo x > /proc/sys/kernel/domainname"])?;
    has("proc/sys", &refused.err, "Read-only file system")?;
    let refused = cli.run(&[], &["sh", "-c", "echo x > /proc/bus/none"])?;
    if refused.code == 0 {
        return Err("/proc/bus is writable".into());
    }
    Ok(())
}

fn read_only_root(cli: &Cli<'_>) -> Result<(), String> {
    let output = cli.run(&["--read-only"], &["touch", "/etc/new"])?;
    has("touch", &output.err, "Read-only file system")?;
    cli.inside(&["--read-only", "--tmpfs", "/scratch"], "echo > /scratch/x")
        .map(drop)
}

fn user(cli: &Cli<'_>) -> Result<(), String> {
    let ids = "echo $(id -u) $(id -g) $(id -G)";
    same(
        "ids",
        cli.inside(&["--user", "1000:2000"], ids)?.as_str(),
        "1000 2000 2000",
    )?;
    has(
        "name",
        &cli.inside(&["--user", "guest"], ids)?,
        "1000 1000 1000",
    )?;
    let more = cli.inside(&["--user", "1000:1000", "--group-add", "3000"], ids)?;
    has("more groups", &more, "3000")
}

fn environment(cli: &Cli<'_>) -> Result<(), String> {
    let options = [
        "-e",
        "WORD=two words",
        "-w",
        "/usr/bin",
        "--hostname",
        "named",
    ];
    let text = cli.inside(
        &options,
        "echo $WORD; pwd; hostname; cat /proc/sys/kernel/hostname",
    )?;
    same(
        "environment",
        text.as_str(),
        "two words\n/usr/bin\nnamed\nnamed",
    )?;
    Ok(())
}

fn volumes(cli: &Cli<'_>) -> Result<(), String> {
    let dir = cli.session.path("tmp");
    let option = |suffix: &str| format!("{dir}:/data{suffix}");
    let file = cli.session.work.join("tmp/from-inside");
    cli.inside(&["-v", &option("")], "echo content > /data/from-inside")?;
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    same("written", text.as_str(), "content\n")?;
    let refused = cli.run(&["-v", &option(":ro")], &["touch", "/data/x"])?;
    has("read-only", &refused.err, "Read-only file system")?;
    let one = format!("{}:/etc/one:ro", file.display());
    same(
        "one file",
        cli.inside(&["-v", &one], "cat /etc/one")?.as_str(),
        "content",
    )?;
    let nested = format!("{dir}:/new/place/deep");
    same(
        "new place",
        cli.inside(&["-v", &nested], "cat /new/place/deep/from-inside")?
            .as_str(),
        "content",
    )
}

fn propagation(cli: &Cli<'_>) -> Result<(), String> {
    let dir = cli.session.path("tmp");
    for kind in ["rprivate", "rslave", "rshared"] {
        let option = format!("type=bind,source={dir},target=/data,bind-propagation={kind}");
        let line = cli.inside(&["--mount", &option], "grep ' /data ' /proc/self/mountinfo")?;
        let (slave, shared) = (line.contains("master:"), line.contains("shared:"));
        // Below a private mount nothing is a slave; in a user namespace what is shared among the
        // container's own is a slave to the host's.
        let right = match kind {
            "rprivate" => !slave && !shared,
            "rslave" => slave == (cli.session.view == View::Private) && !shared,
            _ => shared,
        };
        if !right {
            return Err(format!("{kind}: {line}"));
        }
    }
    Ok(())
}

fn tmpfs(cli: &Cli<'_>) -> Result<(), String> {
    let options = [
        "--tmpfs",
        "/data:rw,size=1m,mode=1770,noexec",
        "--shm-size",
        "2m",
    ];
    let script = "grep -E ' (/data|/dev/shm) ' /proc/mounts; stat -c %a /data";
    let text = cli.inside(&options, script)?;
    for part in ["size=1024k", "noexec", "size=2048k", "1770"] {
        has("tmpfs", &text, part)?;
    }
    let full = cli.run(
        &options,
        &["dd", "if=/dev/zero", "of=/data/x", "bs=1M", "count=2"],
    )?;
    has("full", &full.err, "No space left on device")
}

fn devices(cli: &Cli<'_>) -> Result<(), String> {
    let nodes = "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; head -c1 /dev/zero | wc -c; echo x > /dev/null";
    same("default devices", cli.inside(&[], nodes)?.as_str(), "1")?;
    let links = "for l in fd stdin ptmx; do readlink /dev/$l; done; stat -c %t:%T /dev/null";
    same(
        "links",
        cli.inside(&[], links)?.as_str(),
        "/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n1:3",
    )?;
    let refused = cli.run(
        &[],
        &["sh", "-c", "mknod /tmp/kmsg c 1 11 && head -c1 /tmp/kmsg"],
    )?;
    has(
        "a device that was not given",
        &refused.err,
        "Operation not permitted",
    )?;
    cli.inside(
        &["--device", "/dev/zero:/dev/given"],
        "head -c1 /dev/given | wc -c | grep -q 1",
    )
    .map(drop)
}

fn sysctl(cli: &Cli<'_>) -> Result<(), String> {
    let options = [
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--sysctl",
        "kernel.msgmax=4096",
    ];
    let text = cli.inside(
        &options,
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax",
    )?;
    same("sysctl", text.as_str(), "1\n4096")
}

fn network_none(cli: &Cli<'_>) -> Result<(), String> {
    let text = cli.inside(
        &["--network=none"],
        "ls /sys/class/net; ip -o addr show lo | grep -c 127.0.0.1",
    )?;
    same("interfaces", text.as_str(), "lo\n1")
}

fn network_host(cli: &Cli<'_>) -> Result<(), String> {
    let host = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
    let inside = cli.inside(&["--network=host"], "readlink /proc/self/ns/net")?;
    same("network namespace", inside, host.display().to_string())
}

fn host_namespace(cli: &Cli<'_>, kind: &str) -> Result<(), String> {
    let host = std::fs::read_link(format!("/proc/self/ns/{kind}"));
    let host = host.map_err(|error| error.to_string())?;
    let script = format!("readlink /proc/self/ns/{kind}");
    let inside = cli.inside(&[&format!("--{kind}=host")], &script)?;
    same(kind, inside, host.display().to_string())
}

fn namespaces_of_another(cli: &Cli<'_>) -> Result<(), String> {
    let first = cli.counter(&["--ipc=shareable"])?;
    let [net, ipc, pid] =
        ["net", "ipc", "pid"].map(|kind| format!("--{kind}=container:{}", first.name));
    let net = net.replace("--net=", "--network=");
    for kind in ["net", "ipc", "pid"] {
        let theirs = first.exec(&[], &format!("readlink /proc/self/ns/{kind}"))?;
        let ours = cli.inside(
            &[&net, &ipc, &pid],
            &format!("readlink /proc/self/ns/{kind}"),
        )?;
        same(kind, ours, theirs)?;
    }
    until(|| has("processes", &cli.inside(&[&net, &pid], "ps")?, "got-usr1"))
}
