//! `SCMP_ACT_NOTIFY`, `listenerPath` and `listenerMetadata`: the agent is the test's own probe.

use serde_json::{Value, json};

use lockstep_abi::feature::Feature;

use crate::harness::{Bundle, Host, Test, cases, short_path, wait_until};
use crate::seccomp::{ALARM, alarm, filtered, rule};

cases! {
    flag_wait_killable: "runc 1.1.5 has no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    flag_tsync: "runc 1.1.5 has no flags",
    notify_answers_the_call,
    notify_continue,
    notify_state_is_sent,
    notify_of_exec_reaches_the_agent,
    notify_of_sendmsg_itself,
    notify_where_sendmsg_is_refused,
    notify_of_execve,
    notify_without_listener_refused,
    notify_listener_absent_refused,
    notify_as_default_refused,
    listener_without_notify,
}

fn flag_wait_killable(t: &Test) {
    let since = Feature::SeccompWaitKillable.since();
    t.need(Host::get().kernel >= since, "a kernel before Linux 5.19");
    // The agent has the call, and sends a signal before it answers: without the flag the answer is EINTR.
    let agent = Agent::start(t, "signal:55");
    let bundle = agent.bundle(t, &["interruptible", ALARM, "0"]).set(
        "/linux/seccomp/flags",
        json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]),
    );
    assert_eq!(bundle.run().ok().value("syscall"), "-55");
}

/// The kernel takes the two together with SECCOMP_FILTER_FLAG_TSYNC_ESRCH alone.
fn flag_tsync(t: &Test) {
    let agent = Agent::start(t, "errno:55");
    let flags = json!(["SECCOMP_FILTER_FLAG_TSYNC"]);
    let bundle = agent.bundle(t, &["syscall", ALARM, "0"]);
    let output = bundle.set("/linux/seccomp/flags", flags).run().ok();
    assert_eq!(output.value("syscall"), "-55");
}

/// The test's seccomp agent: a process of the host that answers every notification alike.
struct Agent {
    socket: std::path::PathBuf,
    messages: std::path::PathBuf,
}

impl Agent {
    fn start(t: &Test, answer: &str) -> Self {
        // Unix socket names are short; the test's directory need not be.
        let socket = short_path(t, "agent");
        let messages = t.dir.join("messages");
        let program = t.probe().display().to_string();
        let (socket_text, messages_text) =
            (socket.display().to_string(), messages.display().to_string());
        t.companion(&program, &["agent", &socket_text, &messages_text, answer]);
        assert!(wait_until(|| socket.exists()), "the agent does not listen");
        Self { socket, messages }
    }

    fn bundle<'t>(&self, t: &'t Test, question: &[&str]) -> Bundle<'t> {
        filtered(t, question, json!([rule("SCMP_ACT_NOTIFY", json!([]))]))
            .set(
                "/linux/seccomp/listenerPath",
                self.socket.display().to_string(),
            )
            .set("/linux/seccomp/listenerMetadata", "opaque \"text\"")
    }

    /// Each message with the number of descriptors that came with it, as soon as there are `count`: the agent
    /// is a process of its own, and writes them down when it is its turn.
    fn received(&self, count: usize) -> Vec<(Value, u32)> {
        let text = || std::fs::read_to_string(&self.messages).unwrap_or_default();
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while text().matches('\n').count() < count && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        text()
            .lines()
            .map(|line| {
                let (message, count) = line.rsplit_once('\t').expect("the agent's own form");
                let value = serde_json::from_str(message).expect("the message is JSON");
                (value, count.parse().expect("a count"))
            })
            .collect()
    }
}

fn notify_answers_the_call(t: &Test) {
    let agent = Agent::start(t, "value:4711");
    let output = agent.bundle(t, &["syscall", ALARM, "0"]).run().ok();
    assert_eq!(output.value("syscall"), "4711");
}

fn notify_continue(t: &Test) {
    let agent = Agent::start(t, "continue");
    let question = ["syscall", ALARM, "100", ",", "syscall", ALARM, "0"];
    let output = agent.bundle(t, &question).run().ok();
    let remaining: u32 = output.lines()[1]
        .trim_start_matches("syscall=")
        .parse()
        .expect("seconds");
    assert!(
        (90..=100).contains(&remaining),
        "the kernel's own alarm ran: {remaining}"
    );
}

fn notify_state_is_sent(t: &Test) {
    let agent = Agent::start(t, "errno:1");
    let bundle = agent
        .bundle(t, &["sleep", "1000"])
        .set("/annotations", json!({"org.example.key": "value"}));
    let c = bundle.started();
    let received = agent.received(1);
    assert_eq!(received.len(), 1, "{received:?}");
    let (message, descriptors) = &received[0];
    assert_eq!(*descriptors, 1);
    assert_eq!(message["fds"], json!(["seccompFd"]));
    assert_eq!(message["metadata"], "opaque \"text\"");
    assert_eq!(message["pid"], c.pid());
    assert!(
        message["ociVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("1."))
    );
    let state = &message["state"];
    assert_eq!(state["id"], c.id);
    assert_eq!(state["status"], "creating");
    assert_eq!(state["pid"], c.pid());
    assert_eq!(state["bundle"], bundle.dir().display().to_string());
    assert_eq!(state["annotations"]["org.example.key"], "value");
}

fn notify_of_exec_reaches_the_agent(t: &Test) {
    let agent = Agent::start(t, "errno:66");
    let c = agent.bundle(t, &["sleep", "1000"]).started();
    let output = c.exec(&[], &["/probe", "syscall", ALARM, "0"]).ok();
    assert_eq!(output.value("syscall"), "-66");
    let received = agent.received(2);
    assert_eq!(received.len(), 2, "{received:?}");
    assert_eq!(received[1].0["state"]["status"], "running");
    assert_ne!(received[1].0["pid"], c.pid(), "the pid is that of the exec");
    assert_eq!(received[1].0["state"]["pid"], c.pid());
}

/// The numbers of x86-64.
const SENDMSG: &str = "46";

/// The listener gets out although its own filter stops the call that hands it over.
fn notify_of_sendmsg_itself(t: &Test) {
    let agent = Agent::start(t, "errno:55");
    let rules = json!([{"names": ["sendmsg"], "action": "SCMP_ACT_NOTIFY"}]);
    let bundle = agent
        .bundle(t, &["syscall", SENDMSG, "0", "0", "0"])
        .set("/linux/seccomp/syscalls", rules);
    assert_eq!(bundle.run().ok().value("syscall"), "-55");
    assert_eq!(agent.received(1)[0].1, 1);
    // Later, too, and by a process that joins.
    let c = agent
        .bundle(t, &["sleep", "1000"])
        .set(
            "/linux/seccomp/syscalls",
            json!([{"names": ["sendmsg"], "action": "SCMP_ACT_NOTIFY"}]),
        )
        .started();
    let output = c
        .exec(&[], &["/probe", "syscall", SENDMSG, "0", "0", "0"])
        .ok();
    assert_eq!(output.value("syscall"), "-55");
    assert_eq!(agent.received(3).len(), 3);
    // Nobody that helped is left in the container.
    assert_eq!(
        c.call("ps", &["--format", "json"]).ok().json(),
        json!([c.pid()])
    );
}

fn notify_where_sendmsg_is_refused(t: &Test) {
    let agent = Agent::start(t, "errno:55");
    for without in [true, false] {
        let rules = json!([rule("SCMP_ACT_NOTIFY", json!([])),
            {"names": ["sendmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 44}]);
        let question = [
            "syscall", ALARM, "0", ",", "syscall", SENDMSG, "0", "0", "0",
        ];
        let output = agent
            .bundle(t, &question)
            .set("/linux/seccomp/syscalls", rules)
            .set("/process/noNewPrivileges", without)
            .run()
            .ok();
        assert_eq!(output.lines(), ["syscall=-55", "syscall=-44"]);
    }
}

/// The last call before the program is asked for as any other.
fn notify_of_execve(t: &Test) {
    let agent = Agent::start(t, "continue");
    let rules = json!([{"names": ["execve", "sendmsg", "close"], "action": "SCMP_ACT_NOTIFY"}]);
    let bundle = agent
        .bundle(t, &["argv0"])
        .set("/linux/seccomp/syscalls", rules);
    assert_eq!(bundle.run().ok().value("argv0"), "/probe");
}

fn notify_without_listener_refused(t: &Test) {
    alarm(t, "0", json!([rule("SCMP_ACT_NOTIFY", json!([]))])).fails_with(&["listenerPath"]);
}

fn notify_listener_absent_refused(t: &Test) {
    let rules = json!([rule("SCMP_ACT_NOTIFY", json!([]))]);
    filtered(t, &["syscall", ALARM, "0"], rules)
        .set("/linux/seccomp/listenerPath", "/no/such/socket")
        .run()
        .fails_with(&["/no/such/socket"]);
}

fn notify_as_default_refused(t: &Test) {
    let agent = Agent::start(t, "continue");
    agent
        .bundle(t, &["syscall", ALARM, "0"])
        .set("/linux/seccomp/defaultAction", "SCMP_ACT_NOTIFY")
        .run()
        .fails_with(&["SCMP_ACT_NOTIFY"]);
}

fn listener_without_notify(t: &Test) {
    // No rule notifies: no listener is needed and nothing is sent.
    let rules = json!([rule("SCMP_ACT_ERRNO", json!([]))]);
    let output = filtered(t, &["syscall", ALARM, "0"], rules)
        .set("/linux/seccomp/listenerPath", "/no/such/socket")
        .run();
    if output.code == 0 {
        assert_eq!(output.value("syscall"), "-1");
    } else {
        assert!(output.stderr.contains("listenerPath"), "{output:?}");
    }
}
