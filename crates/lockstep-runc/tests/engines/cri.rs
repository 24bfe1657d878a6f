//! containerd's CRI: the calls of a kubelet, without Kubernetes.
//!
//! A pod is a sandbox whose namespaces its containers join by path, which no other engine here
//! makes the runtime do in this way.

use std::path::PathBuf;

use crate::containerd::Containerd;
use crate::cri_api::{
    Api, CONTAINER, Container, ContainerOptions, NODE, POD, Pod, PodOptions, TARGET,
};
use crate::cri_stream;
use crate::grpc::Message;
use crate::life::{COUNTER, MEMORY_LIMIT};
use crate::session::Session;
use crate::shell::{has, same, until};

/// The life of pods and containers under CRI.
pub(crate) fn play(session: &Session) {
    let Some((containerd, api)) = session.need("containerd", || start(session)) else {
        return;
    };
    let check = |name, body: fn(&Session, &Api) -> Result<(), String>| {
        session.check(name, || body(session, &api))
    };
    check("version-and-status", version_and_status);
    check("pod-and-network", pod_and_network);
    check("two-containers-share", two_containers_share);
    check("own-pid-namespace", own_pid_namespace);
    check("target-pid-namespace", target_pid_namespace);
    check("namespaces-of-the-node", namespaces_of_the_node);
    check("exec-probe", exec_probe);
    check("exec-terminal", exec_terminal);
    check("container-terminal", container_terminal);
    check("stop-gracefully", stop_gracefully);
    check("stop-by-force", stop_by_force);
    check("logs", logs);
    check("stats", stats);
    check("limits-and-update", limits_and_update);
    check("memory-limit-kills", memory_limit_kills);
    check("user-and-groups", user_and_groups);
    check("security", security);
    check("seccomp", seccomp);
    check("privileged", privileged);
    check("mounts", mounts);
    check("devices", devices);
    check("sysctls", sysctls);
    check("start-error", start_error);
    let states = [PathBuf::from("/run/containerd/runc/k8s.io")];
    session.check("nothing-left", || session.nothing_left(&states));
    session.check("daemon-ends", || containerd.stop());
}

fn start(session: &Session) -> Result<(Containerd<'_>, Api), String> {
    let work = session.work.display();
    let network = format!(
        r#"{{"cniVersion":"0.4.0","name":"pods","plugins":[{{"type":"bridge","bridge":"pods0","isGateway":true,"ipam":{{"type":"host-local","ranges":[[{{"subnet":"10.85.0.0/16"}}]],"dataDir":"{work}/ipam"}}}}]}}"#
    );
    let write = |name: &str, text: &str| {
        let path = session.work.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    for dir in ["cni", "logs"] {
        std::fs::create_dir(session.work.join(dir)).map_err(|error| error.to_string())?;
    }
    write("cni/10-pods.conflist", &network)?;
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    let config = format!(
        "[{cri}]\nrestrict_oom_score_adj = true\nsandbox_image = \"{sandbox}\"\nstream_server_address = \"127.0.0.1\"\n[{cri}.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n[{cri}.containerd.runtimes.runc.options]\nBinaryName = \"{runtime}\"\n[{cri}.cni]\nbin_dir = \"/usr/lib/cni\"\nconf_dir = \"{work}/cni\"\n",
        sandbox = crate::image::SANDBOX,
        runtime = session.runtime()
    );
    let containerd = Containerd::start(session, &config)?;
    containerd.import("k8s.io")?;
    let api = Api::new(containerd.socket(), session);
    let ready = || {
        let status = api.call("Status", &Message::default())?.message(1)?;
        same("conditions", status.count(1), 2)?;
        same("runtime is ready", status.message(1)?.number(2), 1)
    };
    until(ready).map_err(|error| format!("{error}\n{}", containerd.tail()))?;
    Ok((containerd, api))
}

/// A running container that counts; its traps are set when this returns.
fn counter<'a>(pod: &'a Pod<'_>, options: &ContainerOptions) -> Result<Container<'a>, String> {
    let container = pod.container(COUNTER, options)?;
    until(|| container.exec("cat /tmp/n"))?;
    Ok(container)
}

fn version_and_status(_session: &Session, api: &Api) -> Result<(), String> {
    let version = api.call("Version", &Message::default())?;
    same("runtime", version.text(2).as_str(), "containerd")
}

fn pod_and_network(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let status = pod.status()?;
    same("state", status.number(3), 0)?;
    let address = status.message(5)?.text(1);
    has("address", &address, "10.85.")?;
    let script = "hostname; ip -o -4 addr show eth0; echo $WORD";
    let text = pod.inside(script, &ContainerOptions::default())?;
    has("hostname", &text, &pod.name)?;
    has("address", &text, &address)?;
    has("environment", &text, "two words")?;
    api.call("StopPodSandbox", &Message::default().text(1, &pod.id))?;
    same("state", pod.status()?.number(3), 1)
}

fn two_containers_share(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let one = counter(&pod, &ContainerOptions::default())?;
    let two = counter(&pod, &ContainerOptions::default())?;
    for kind in ["net", "ipc", "uts", "pid"] {
        let link = format!("readlink /proc/self/ns/{kind}");
        same(kind, one.exec(&link)?, two.exec(&link)?)?;
    }
    for kind in ["mnt", "net"] {
        let own = std::fs::read_link(format!("/proc/self/ns/{kind}"))
            .map_err(|error| error.to_string())?;
        if one.exec(&format!("readlink /proc/self/ns/{kind}"))? == own.display().to_string() {
            return Err(format!("{kind} is the node's"));
        }
    }
    if one.exec("readlink /proc/self/ns/mnt")? == two.exec("readlink /proc/self/ns/mnt")? {
        return Err("the mount namespace is shared".into());
    }
    let seen = two.exec("ps")?;
    same(
        "counters seen from one",
        seen.matches("got-usr1").count(),
        2,
    )?;
    one.exec("(echo over-loopback | nc -l -p 7000) > /dev/null 2>&1 &")?;
    let heard = until(|| two.exec("nc 127.0.0.1 7000 < /dev/null"))?;
    same("loopback", heard.as_str(), "over-loopback")
}

fn own_pid_namespace(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions {
        pid: CONTAINER,
        ..PodOptions::default()
    })?;
    let one = counter(&pod, &ContainerOptions::default())?;
    same(
        "first process",
        one.exec("tr '\\0' ' ' < /proc/1/cmdline | head -c 5")?
            .as_str(),
        "sh -c",
    )?;
    let two = counter(&pod, &ContainerOptions::default())?;
    same(
        "counters seen from one",
        two.exec("ps")?.matches("got-usr1").count(),
        1,
    )
}

fn target_pid_namespace(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions {
        pid: CONTAINER,
        ..PodOptions::default()
    })?;
    let one = counter(&pod, &ContainerOptions::default())?;
    let target = Message::default()
        .number(1, POD)
        .number(2, TARGET)
        .number(3, POD)
        .text(4, &one.id);
    let options = ContainerOptions {
        namespaces: Some(target),
        ..ContainerOptions::default()
    };
    let seen = pod.inside("ps; readlink /proc/self/ns/pid", &options)?;
    has("processes of the target", &seen, "got-usr1")?;
    has(
        "pid namespace",
        &seen,
        &one.exec("readlink /proc/self/ns/pid")?,
    )
}

fn namespaces_of_the_node(_session: &Session, api: &Api) -> Result<(), String> {
    let options = PodOptions {
        network: NODE,
        pid: NODE,
        ipc: NODE,
        ..PodOptions::default()
    };
    let pod = api.pod(options)?;
    for kind in ["net", "pid", "ipc"] {
        let own = std::fs::read_link(format!("/proc/self/ns/{kind}"))
            .map_err(|error| error.to_string())?;
        let inside = pod.inside(
            &format!("readlink /proc/self/ns/{kind}"),
            &ContainerOptions::default(),
        )?;
        same(kind, inside, own.display().to_string())?;
    }
    Ok(())
}

fn exec_probe(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let container = counter(&pod, &ContainerOptions::default())?;
    let script = "echo out; echo err >&2; exit 3";
    let answer = container.probe(&["sh", "-c", script], 20)?;
    same("probe", answer, (3, "out\n".into(), "err\n".into()))?;
    same(
        "healthy",
        container.probe(&["test", "-e", "/tmp/n"], 20)?.0,
        0,
    )?;
    same(
        "not healthy",
        container.probe(&["test", "-e", "/none"], 20)?.0,
        1,
    )?;
    let absent = container.probe(&["no-such-program"], 20);
    has(
        "absent",
        &absent.err().unwrap_or_default(),
        "no-such-program",
    )?;
    let late = container.probe(&["sleep", "50"], 1);
    has("late", &late.err().unwrap_or_default(), "timed out").or_else(|error| {
        if error.contains("timeout") {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    until(|| {
        if container.exec("ps")?.contains("sleep 50") {
            Err("the late probe lives on".into())
        } else {
            Ok(())
        }
    })
}

fn exec_terminal(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let container = counter(&pod, &ContainerOptions::default())?;
    let url = container.exec_url(&["sh"])?;
    let (shown, status) =
        cri_stream::terminal(&url, "tty; sleep 1; stty size; echo $((6*7)); exit 6\n")?;
    for part in ["/dev/pts/0", "33 77", "42"] {
        has("terminal", &shown, part)?;
    }
    has("status", &status, "\"message\":\"6\"")
}

fn container_terminal(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let options = ContainerOptions {
        terminal: true,
        ..ContainerOptions::default()
    };
    has(
        "tty",
        &pod.inside("tty; test -t 0 && test -t 1 && test -t 2", &options)?,
        "/dev/pts/0",
    )
}

fn stop_gracefully(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let container = counter(&pod, &ContainerOptions::default())?;
    same("running", container.status()?.number(3), 1)?;
    container.stop(30)?;
    same("exit code", container.end()?, 9)?;
    has("last word", &container.log()?, "bye")
}

fn stop_by_force(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let script = "trap '' TERM; echo > /tmp/n; while :; do sleep 1; done";
    let container = pod.container(script, &ContainerOptions::default())?;
    until(|| container.exec("cat /tmp/n"))?;
    container.stop(1)?;
    same("exit code", container.end()?, 137)?;
    let survivor = counter(&pod, &ContainerOptions::default())?;
    api.call("StopPodSandbox", &Message::default().text(1, &pod.id))?;
    same("exit code with its pod", survivor.end()?, 137)
}

fn logs(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let container = counter(&pod, &ContainerOptions::default())?;
    let text = container.raw_log()?;
    has("stdout", &text, " stdout F ready\n")?;
    has("stderr", &text, " stderr F complaint\n")
}

fn stats(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let container = counter(&pod, &ContainerOptions::default())?;
    let stats = container.stats()?;
    let cpu = stats.message(2)?.message(2)?.number(1);
    let memory = stats.message(3)?.message(2)?.number(1);
    if cpu == 0 || memory == 0 {
        return Err(format!("cpu {cpu} ns, memory {memory} bytes"));
    }
    Ok(())
}

fn limits_and_update(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions {
        pid: CONTAINER,
        ..PodOptions::default()
    })?;
    let resources = Message::default()
        .number(1, 100_000)
        .number(2, 50_000)
        .number(3, 512)
        .number(4, 64 << 20)
        .number(5, 555)
        .text(6, "0");
    let container = counter(
        &pod,
        &ContainerOptions {
            resources,
            ..ContainerOptions::default()
        },
    )?;
    same("memory", container.exec(MEMORY_LIMIT)?.as_str(), "67108864")?;
    let v1 = "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us cpu/cpu.shares cpuset/cpuset.cpus";
    let v2 = "cd /sys/fs/cgroup; cat cpu.max cpu.weight cpuset.cpus";
    let script = format!("if [ -d /sys/fs/cgroup/cpu ]; then {v1}; else {v2}; fi");
    let text = container.exec(&script)?;
    if text != "50000\n512\n0" && text != "50000 100000\n20\n0" {
        return Err(format!("limits: {text:?}"));
    }
    same(
        "oom_score_adj",
        container.exec("cat /proc/1/oom_score_adj")?.as_str(),
        "555",
    )?;
    container.update(&Message::default().number(4, 48 << 20))?;
    same(
        "memory after update",
        container.exec(MEMORY_LIMIT)?.as_str(),
        "50331648",
    )
}

fn memory_limit_kills(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let resources = Message::default().number(4, 16 << 20).number(10, 16 << 20);
    let options = ContainerOptions {
        resources,
        ..ContainerOptions::default()
    };
    let container = pod.container(
        "dd if=/dev/zero of=/dev/null bs=64M count=1 & wait $!",
        &options,
    )?;
    same("exit code", container.end()?, 137)?;
    same("reason", container.status()?.text(10).as_str(), "OOMKilled")
}

fn wrapped(value: u64) -> Message {
    Message::default().number(1, value)
}

fn user_and_groups(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let security = Message::default()
        .message(5, &wrapped(1000))
        .message(12, &wrapped(1000))
        .number(8, 3000);
    let options = ContainerOptions {
        security,
        ..ContainerOptions::default()
    };
    let text = pod.inside("echo $(id -u) $(id -g) $(id -G)", &options)?;
    has("user", &text, "1000 1000 ")?;
    has("groups", &text, "3000")?;
    let security = Message::default().text(6, "guest");
    let options = ContainerOptions {
        security,
        ..ContainerOptions::default()
    };
    has("user name", &pod.inside("echo $(id -u)", &options)?, "1000")
}

fn security(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let capabilities = Message::default()
        .text(1, "NET_BIND_SERVICE")
        .text(2, "ALL");
    let security = Message::default()
        .message(1, &capabilities)
        .number(7, 1)
        .number(11, 1)
        .text(13, "/proc/meminfo")
        .text(14, "/proc/sys");
    let options = ContainerOptions {
        security,
        ..ContainerOptions::default()
    };
    let status = "grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status | tr -d '\\n\\t'";
    let script = format!(
        "{status}; echo; touch /etc/new 2>&1; wc -c < /proc/meminfo; echo x 2>&1 > /proc/sys/kernel/domainname; true"
    );
    let text = pod.inside(&script, &options)?;
    has(
        "status",
        &text,
        "CapEff:0000000000000400CapBnd:0000000000000400NoNewPrivs:1",
    )?;
    has("root", &text, "touch: /etc/new: Read-only file system\n0\n")?;
    has("proc/sys", &text, "domainname: Read-only file system")
}

fn seccomp(session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let with = |kind: u64, path: &str| ContainerOptions {
        security: Message::default().message(15, &Message::default().number(1, kind).text(2, path)),
        ..ContainerOptions::default()
    };
    let mode = "grep Seccomp: /proc/self/status";
    has("runtime default", &pod.inside(mode, &with(0, ""))?, "\t2")?;
    has("unconfined", &pod.inside(mode, &with(1, ""))?, "\t0")?;
    let profile = session.work.join("profile.json");
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat","fchmodat2"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}"#;
    std::fs::write(&profile, text).map_err(|error| error.to_string())?;
    let options = with(2, &profile.display().to_string());
    has(
        "own profile",
        &pod.inside("chmod 700 /tmp 2>&1; true", &options)?,
        "No space left on device",
    )
}

fn privileged(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions {
        privileged: true,
        ..PodOptions::default()
    })?;
    let options = ContainerOptions {
        security: Message::default().number(2, 1),
        ..ContainerOptions::default()
    };
    pod.inside(
        "mount -t tmpfs tmpfs /mnt && test -w /proc/sys/kernel/domainname",
        &options,
    )
    .map(drop)
}

fn mounts(session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let dir = session.path("tmp");
    let mount = |target: &str, read_only: u64, propagation: u64| {
        Message::default()
            .text(1, target)
            .text(2, &dir)
            .number(3, read_only)
            .number(5, propagation)
    };
    let options = ContainerOptions {
        mounts: vec![mount("/rw", 0, 0), mount("/ro", 1, 0)],
        ..ContainerOptions::default()
    };
    let text = pod.inside(
        "echo content > /rw/from-inside; cat /ro/from-inside; touch /ro/x 2>&1; true",
        &options,
    )?;
    same(
        "mounts",
        text.as_str(),
        "content\ntouch: /ro/x: Read-only file system",
    )?;
    if session.view == crate::case::View::Plain {
        return Ok(()); // the node's root is private: CRI refuses other propagation before the runtime
    }
    let options = ContainerOptions {
        mounts: vec![mount("/slave", 0, 1), mount("/shared", 0, 2)],
        ..ContainerOptions::default()
    };
    let text = pod.inside(
        "grep ' /slave ' /proc/self/mountinfo; grep ' /shared ' /proc/self/mountinfo",
        &options,
    )?;
    has("slave", text.lines().next().unwrap_or_default(), "master:")?;
    has("shared", text.lines().nth(1).unwrap_or_default(), "shared:")
}

fn devices(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let device = Message::default()
        .text(1, "/dev/given")
        .text(2, "/dev/zero")
        .text(3, "rw");
    let options = ContainerOptions {
        devices: vec![device],
        ..ContainerOptions::default()
    };
    let script =
        "head -c1 /dev/given | wc -c; mknod /tmp/kmsg c 1 11; head -c1 /tmp/kmsg 2>&1; true";
    let text = pod.inside(script, &options)?;
    has("given", &text, "1\n")?;
    has("not given", &text, "Operation not permitted")
}

fn sysctls(_session: &Session, api: &Api) -> Result<(), String> {
    let sysctls = vec![("net.ipv4.ip_forward", "1"), ("kernel.msgmax", "4096")];
    let pod = api.pod(PodOptions {
        sysctls,
        ..PodOptions::default()
    })?;
    let text = pod.inside(
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax",
        &ContainerOptions::default(),
    )?;
    same("sysctls", text.as_str(), "1\n4096")
}

fn start_error(_session: &Session, api: &Api) -> Result<(), String> {
    let pod = api.pod(PodOptions::default())?;
    let mount = Message::default().text(1, "/etc/passwd/x").text(2, "/tmp");
    let options = ContainerOptions {
        mounts: vec![mount],
        ..ContainerOptions::default()
    };
    let error = pod.container("true", &options).err().unwrap_or_default();
    has("error", &error, "/etc/passwd/x").or_else(|_| has("error", &error, "not a directory"))
}
