//! `plan`: what `run` would do, here and on another host.

use std::path::Path;
use std::process::{Command, ExitCode};

use lockstep_runtime::{CgroupDriver, Runtime, Settings};
use lockstep_supervisor::Job;

use crate::stage::{Stage, output};

crate::cases![
    plan_does_nothing,
    a_plan_for_another_host,
    it_is_what_root_s_run_does,
    it_is_what_a_user_s_run_does,
];

fn plan_does_nothing(t: &Stage) {
    let plan = t.call(&["plan", "host:", "true"]).text();
    for step in [
        "clone3(CLONE_NEWUSER|CLONE_NEWNS|",
        "write(uid_map=\"0 ",
        "prctl(PR_SET_PDEATHSIG, SIGKILL)",
        "seccomp(SECCOMP_SET_MODE_FILTER, ",
        "mount(\"proc\", \"/proc\", \"proc\", set=MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC",
        "execve([\"true\"], ",
    ] {
        assert!(plan.contains(step), "{step} in {plan}");
    }
    // Words for every operation, and not what Rust calls it.
    assert!(!plan.contains(" {") && !plan.contains("::"), "{plan}");
    assert_eq!(t.call(&["ps", "-aq"]).text(), "");
}

/// What would happen on a host that is described: a saved one, and one that was invented from it.
fn a_plan_for_another_host(t: &Stage) {
    let here = t.call(&["doctor", "--json"]).stdout;
    let file = t.dir.join("host.json");
    let path = file.display().to_string();
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    let plan = |options: &[&str]| {
        let args = [&["plan", "--host", &path][..], options, &["host:", "true"]].concat();
        t.call(&args)
    };
    write(&here);
    assert_eq!(plan(&[]).text(), t.call(&["plan", "host:", "true"]).text());
    // Another user of another host: cgroup v2 alone, subordinate ids.
    let mut other: serde_json::Value = serde_json::from_str(&here).expect("JSON");
    let host = &mut other["host"];
    (host["uid"], host["gid"], host["capabilities"]) = (1000.into(), 1000.into(), 0.into());
    host["cgroup"] = serde_json::json!({"mode": "v2", "hierarchies": [{
        "controllers": ["memory", "pids"], "name": null, "version": "v2", "mount": "/sys/fs/cgroup", "root": "/",
        "own": "/user.slice"}]});
    other["subuids"] = serde_json::json!([[300_000, 65_536]]);
    other["subgids"] = other["subuids"].clone();
    write(&other.to_string());
    let made = plan(&[]).text();
    for wanted in ["/proc/self/fd/", "cgroup2 "] {
        assert!(made.contains(wanted), "{wanted} in {made}");
    }
    let made = plan(&["--userns", "keep-id"]).text();
    for wanted in [" 1000 1", " 300000 "] {
        assert!(made.contains(wanted), "{wanted} in {made}");
    }
    let why = plan(&["--why"]).text();
    assert!(why.contains("1-65536 are subordinate ids"), "{why}");
    other["host"]["kernel"] = "9".into();
    write(&other.to_string());
    let refused = plan(&[]).refused(125);
    assert!(
        refused.contains("--host") && refused.contains("kernel"),
        "{refused}"
    );
}

/// The word that makes this binary print the plan of a container that was made, as its supervisor comes to it: the tests
/// have to ask as the container's user, and in a process with one thread.
pub(crate) const PLAN_OF: &str = "plan-of";

pub(crate) fn plan_of(directory: &str, root: bool) -> ExitCode {
    let read = |name: &str| {
        let text = std::fs::read(Path::new(directory).join(name)).expect("a file");
        serde_json::from_slice::<serde_json::Value>(&text).expect("JSON")
    };
    let job = read("record.json")["job"].clone();
    let mut job: Job = serde_json::from_value(job).expect("a job");
    if root {
        // Mounted before the supervisor begins.
        job.overlay = None;
        job.over.clear();
    } else {
        // Lent by `run`, whose container has the usual ids, and made anew by `start`.
        job.users = true;
    }
    let values = vec![b"hidden".to_vec(); job.secrets.len()];
    let request = job.request_with(values, 0).expect("a request");
    let runtime = Runtime::open(Settings {
        root: job.state,
        cgroup_driver: CgroupDriver::Cgroupfs,
        rootless: job.no_cgroups.then_some(true),
        runtime_dir: job.runtime_dir,
        warn: &|_| {},
    });
    let spec = serde_json::from_value(read("config.json")).expect("a configuration");
    let plan = runtime.and_then(|runtime| runtime.plan(&request, spec, None));
    println!("{}", plan.expect("a plan"));
    ExitCode::SUCCESS
}

/// Compares what `plan` says with the plan of the container that the same words make.
#[track_caller]
/// Without the two categories that a label of SELinux has: those of a user's container are drawn.
fn without_categories(text: &str) -> String {
    let mut parts = text.split(":s0:c");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest =
            part.trim_start_matches(|sign: char| sign.is_ascii_digit() || ",c".contains(sign));
        all.push_str(":s0");
        all.push_str(rest);
    }
    all
}

fn compare(t: &Stage, user: Option<Option<u32>>, options: &[&str], image: &[&str]) {
    let call = |args: &[&str]| match user {
        None => t.call(args),
        Some(first) => output(t.user_command(first, args), b""),
    };
    let line = [options, image].concat();
    let id = call(&[&["create"][..], &line].concat()).text();
    let who = if user.is_some() { "user" } else { "root" };
    let directory = t.dir.join(format!("{who}-data/containers/{id}"));
    // Where every user can execute it, and by another process: what others fork here never has it open to write (ETXTBSY).
    let copy = t.dir.join("people");
    let own = std::env::current_exe().expect("this program");
    let copied = Command::new("cp").arg("-u").args([&own, &copy]).status();
    assert!(copied.expect("cp runs").success());
    let words = [&*copy, Path::new(PLAN_OF), &directory, Path::new(who)];
    let words = words.map(|word| word.display().to_string());
    let made = match user {
        None => {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            output(command, b"")
        }
        Some(first) => output(t.as_user(first, &words), b""),
    };
    call(&["rm", &id]).text();
    let any = |text: String| {
        let text = text.replace(&id, &"0".repeat(64));
        without_categories(&text.replace(&id[..12], &"0".repeat(12)))
    };
    let said = call(&[&["plan"][..], &line].concat()).text();
    let (made, said) = (any(made.text()), without_categories(&said));
    let differ = made.lines().zip(said.lines()).find(|(a, b)| a != b);
    assert_eq!(differ, None, "{line:?}");
    assert_eq!(made.lines().count(), said.lines().count(), "{line:?}");
}

fn it_is_what_root_s_run_does(t: &Stage) {
    let data = t.dir.join("brought");
    std::fs::create_dir_all(&data).expect("own directory");
    let bind = |place: &str| format!("{}:{place}", data.display());
    t.call_with(b"worth", &["secret", "create", "key", "-"])
        .text();
    t.call(&["volume", "create", "kept"]).text();
    let image = crate::image::layout(t);
    let images = ["host:", &image];
    // Counted before there is a container.
    let why = t.call(&["run", "--why", &image, "true"]).text();
    assert!(why.contains("layer") && !why.contains(" 0 layers"), "{why}");
    let plan = t.call(&["plan", &image, "true"]).text();
    assert!(!plan.contains("/bundle/"), "{plan}");
    for image in images {
        for options in [
            &[][..],
            &["-v", &bind("/x"), "-v", &bind("/y:ro"), "-v", "kept:/z"],
            &["-v", &bind("/x:O"), "-v", "kept:/z:O", "--tmpfs", "/t"],
            &["--secret", "key", "--secret", "key,type=env,target=WORD"],
            &["--init", "-t", "--memory", "64m", "--read-only"],
            &["--user", "0"],
        ] {
            compare(t, None, options, &[image, "true"]);
        }
    }
    // Last: its block of ids is the one that a plan takes for free.
    t.call(&["run", "-d", "--name", "one", "host:", "sleep", "1000"])
        .text();
    for image in images {
        let options = ["--network", "container:one", "--ipc", "container:one"];
        compare(t, None, &options, &[image, "true"]);
    }
}

fn it_is_what_a_user_s_run_does(t: &Stage) {
    let data = t.dir.join("brought");
    std::fs::create_dir_all(&data).expect("own directory");
    let over = format!("{}:/x:O", data.display());
    let image = crate::image::layout(t);
    for first in [None, Some(300_000)] {
        for image in ["host:", &image] {
            let options = ["--user", "0", "-v", &over, "-v", "new:/z"];
            compare(t, Some(first), &options, &[image, "true"]);
        }
        // It is made by somebody else's ids now.
        drop(std::fs::remove_dir_all(t.dir.join("user-data")));
    }
}
