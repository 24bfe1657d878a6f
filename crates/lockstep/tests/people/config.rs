//! Configuration files: the machine's and the user's, and the command line beyond both.

use std::process::Command;

use crate::stage::{Output, Stage, USER, output};

crate::cases![
    a_file_is_typed_before_the_command_line,
    a_volume_of_a_file_is_one_of_the_binds,
    the_user_s_goes_beyond_the_machine_s,
    a_mistake_is_named_with_its_line,
    files_of_others_are_refused,
];

/// A command with this as the machine's file, in a mount namespace of its own; `prepare` runs there first.
fn with(t: &Stage, text: &str, prepare: &str, command: &Command) -> Output {
    for dir in ["up", "work"] {
        std::fs::create_dir_all(t.dir.join(dir)).expect("a directory");
    }
    std::fs::write(t.dir.join("config.toml"), text).expect("a file");
    let script = format!(
        "cd {} && mount -t overlay overlay -o lowerdir=/etc,upperdir=$PWD/up,workdir=$PWD/work /etc && \
         mkdir -p /etc/lockstep && cp config.toml /etc/lockstep/ && chmod 644 /etc/lockstep/config.toml && {prepare} \
         exec \"$@\"",
        t.dir.display()
    );
    let mut outer = Command::new("unshare");
    outer.args(["-m", "--propagation", "private", "sh", "-c", &script, "sh"]);
    outer.arg(command.get_program()).args(command.get_args());
    output(outer, b"")
}

fn as_root(t: &Stage, text: &str, args: &[&str]) -> Output {
    with(t, text, "", &t.command(args))
}

fn a_volume_of_a_file_is_one_of_the_binds(t: &Stage) {
    let shared = t.dir.join("shared");
    std::fs::create_dir(&shared).expect("a directory");
    let bind = format!("{}:/shared", shared.display());
    let text = format!("[run]\nvolume = \"{bind}\"\n");
    let typed = format!("{}:/typed", shared.display());
    let args = ["create", "--name", "c", "-v", &typed, "host:", "true"];
    as_root(t, &text, &args).text();
    let binds = t.field("c", "{{json .HostConfig.Binds}}");
    assert_eq!(binds, format!("[\"{bind}\",\"{typed}\"]"));
}

fn a_file_is_typed_before_the_command_line(t: &Stage) {
    let text = "[run]\npids-limit = 77\nread-only = true\nenv = [\"A=file\", \"B=file\"]\nulimit = \"nofile=99\"\n\
                cap-drop = [\"kill\"]\n";
    let script = "echo $A $B; ulimit -n; grep CapBnd /proc/self/status";
    let run = |options: &[&str], command: &[&str]| {
        let mut args = vec!["run", "--rm"];
        args.extend(options);
        args.push("host:");
        args.extend(command);
        as_root(t, text, &args)
    };
    let seen = run(&[], &["sh", "-c", script]).text();
    assert_eq!(seen, "file file\n99\nCapBnd:\t00000000000004db");
    let seen = run(
        &["-e", "A=typed", "--ulimit", "nofile=55"],
        &["sh", "-c", script],
    )
    .text();
    assert!(seen.starts_with("typed file\n55\n"), "{seen}");
    let line = |options: &[&str], name: &str| {
        let seen = run(&[options, &["--why"]].concat(), &["true"]).text();
        let found = seen
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let file = "/etc/lockstep/config.toml";
    assert!(line(&[], "pids-limit").starts_with(&format!("pids-limit config {file}:2 77")));
    assert!(line(&["--pids-limit", "5"], "pids-limit").starts_with("pids-limit flag 5"));
    assert!(line(&[], "process.rlimits").contains(&format!("config {file}:5 nofile=99")));
    // Other verbs read it too, and the doctor says so.
    let doctor = as_root(t, text, &["doctor"]).stdout;
    assert!(doctor.contains(&format!("{file}: 6 settings")), "{doctor}");
    let doctor = t.call(&["doctor"]).stdout;
    assert!(doctor.contains("config.toml: "), "{doctor}");
    // What a value is worth is found out where it would be for a typed one.
    let wrong = as_root(
        t,
        "[run]\nmemory = \"much\"\n",
        &["run", "--rm", "host:", "true"],
    )
    .refused(125);
    assert!(
        wrong.contains(&format!("{file}:2: --memory takes")),
        "{wrong}"
    );
    let typed = as_root(
        t,
        "[run]\nmemory = \"1g\"\n",
        &["run", "--rm", "-m", "much", "host:", "true"],
    )
    .refused(125);
    assert!(!typed.contains(file), "{typed}");
    // The places: of a store elsewhere.
    let root = t.dir.join("elsewhere");
    let text = format!(
        "root = \"{0}/data\"\nrunroot = \"{0}/state\"\n",
        root.display()
    );
    let mut plain = Command::new(t.command(&[]).get_program());
    plain.args(["doctor"]);
    let doctor = with(t, &text, "", &plain).stdout;
    assert!(
        doctor.contains(&format!("{}/data ({file}:1)", root.display())),
        "{doctor}"
    );
    assert!(
        doctor.contains(&format!("{}/state ({file}:2)", root.display())),
        "{doctor}"
    );
}

fn the_user_s_goes_beyond_the_machine_s(t: &Stage) {
    let dir = t.dir.join("xdg/lockstep");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(
        dir.join("config.toml"),
        "[run]\nenv = \"A=user\"\numask = \"0027\"\n",
    )
    .expect("a file");
    std::os::unix::fs::chown(dir.join("config.toml"), Some(USER), Some(USER))
        .expect("it is the user's");
    let run = |args: &[&str]| {
        let user = t.user_command(None, args);
        let words: Vec<_> = user.get_args().collect();
        let program = t.command(&[]);
        let at = words
            .iter()
            .position(|word| *word == program.get_program())
            .expect("the program");
        let mut command = Command::new(user.get_program());
        command.args(&words[..at]);
        command
            .arg("env")
            .arg(format!("XDG_CONFIG_HOME={}/xdg", t.dir.display()));
        command.args(&words[at..]);
        with(
            t,
            "[run]\nenv = [\"A=machine\", \"B=machine\"]\n",
            "",
            &command,
        )
    };
    let seen = run(&["run", "--rm", "host:", "sh", "-c", "echo $A $B; umask"]);
    assert_eq!(seen.text(), "user machine\n0027");
    let seen = run(&[
        "run", "--rm", "--umask", "022", "host:", "sh", "-c", "umask",
    ]);
    assert_eq!(seen.text(), "0022");
}

fn a_mistake_is_named_with_its_line(t: &Stage) {
    let refused = |text: &str, args: &[&str]| as_root(t, text, args).refused(125);
    let file = "/etc/lockstep/config.toml";
    // No verb goes on with half of a configuration.
    for args in [&["ps"][..], &["run", "--rm", "host:", "true"]] {
        let said = refused("[run]\n\nmemroy = \"1g\"\n", args);
        assert!(
            said.contains(&format!(
                "{file}:3: there is no setting run.memroy; did you mean run.memory?"
            )),
            "{said}"
        );
    }
    let said = refused("[run]\nprivileged = true\n", &["ps"]);
    assert!(said.contains("has to be typed"), "{said}");
    let said = refused("[run\n", &["ps"]);
    assert!(said.contains(&format!("{file}:1: ")), "{said}");
    // Help does not need it.
    assert!(as_root(t, "[run\n", &["--help"]).text().contains("usage"));
}

fn files_of_others_are_refused(t: &Stage) {
    let run = |prepare: &str| with(t, "[run]\n", prepare, &t.command(&["ps"]));
    run("true &&").text();
    let said = run("chmod 664 /etc/lockstep/config.toml &&").refused(125);
    assert!(
        said.contains("may be written by others") && said.contains("chmod go-w"),
        "{said}"
    );
    let said = run("chown 4242 /etc/lockstep/config.toml &&").refused(125);
    assert!(said.contains("belongs to user 4242"), "{said}");
}
