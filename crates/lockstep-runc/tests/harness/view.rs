//! In which view of the machine a runtime is started: mounts, user, what the kernel withholds.

use super::host::Host;
use super::procfs::wait_until;
use super::test::{Test, run_directory};

/// In which view of the machine the runtime is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// As the tests themselves.
    Plain,
    /// In a mount namespace in which /sys/fs/cgroup is one version 2 tree.
    CgroupV2,
    /// In a mount namespace without the version 2 tree.
    CgroupV1,
    /// In a mount namespace with no cgroup file system at all.
    NoCgroup,
    /// As an ordinary user, group of the same number, without or with subordinate ids.
    User {
        /// User and group id.
        uid: u32,
        /// First of 65536 subordinate ids.
        subordinate: Option<u32>,
    },
    /// As an ordinary user without subordinate ids, in a cgroup below one that was given to it.
    Delegated {
        /// User and group id.
        uid: u32,
        /// Directory of the cgroup on version 2.
        group: String,
    },
    /// On a kernel that answers a call with an error: one that is too old for it, or that withholds it.
    Withheld {
        /// The call's number.
        number: u32,
        /// What it returns.
        errno: i32,
    },
    /// In a mount and a network namespace.
    Network,
    /// After a shell script, which ends with `exec "$@"`.
    Script(String),
    /// In the namespaces of a process, which have been made once as another view: see [`hold`].
    Held {
        /// The process.
        holder: u32,
        /// The view.
        of: Box<View>,
    },
}

impl View {
    /// The ordinary user that it is of.
    pub(crate) fn user(&self) -> Option<u32> {
        match self {
            View::User { uid, .. } | View::Delegated { uid, .. } => Some(*uid),
            _ => None,
        }
    }
}

/// The command that runs `argv` in that view; it ends by executing it.
pub(crate) fn in_view(view: &View, argv: Vec<String>) -> Vec<String> {
    let wrapper = match view {
        View::Plain => Vec::new(),
        View::Withheld { number, errno } => {
            let probe = super::probe::compiled().expect("a test that withholds calls asks first");
            let probe = probe.display().to_string();
            vec![
                probe,
                "withhold".to_owned(),
                number.to_string(),
                errno.to_string(),
            ]
        }
        View::Held { holder, of } => {
            let [mount, network] = [("mount", "mnt"), ("net", "net")]
                .map(|(option, name)| format!("--{option}=/proc/{holder}/ns/{name}"));
            let enter = ["nsenter".to_owned(), mount, network, "--".to_owned()];
            enter.into_iter().chain(identity(of)).collect()
        }
        _ => own_namespaces(view, &format!("{}; exec \"$@\"", mounts(view)))
            .chain(identity(view))
            .collect(),
    };
    wrapper.into_iter().chain(argv).collect()
}

/// Makes the view once, for a test that calls the runtime thousands of times: to copy a mount namespace, change it and
/// wait for its end takes ten times as long as what is called in it.
pub(crate) fn hold(test: &Test, view: &View) -> View {
    if *view == View::Plain {
        return View::Plain;
    }
    let ready = test.dir.join("held");
    let script = format!(
        "{}; : >{}; exec sleep infinity",
        mounts(view),
        ready.display()
    );
    let command: Vec<String> = own_namespaces(view, &script).collect();
    let args: Vec<&str> = command.iter().skip(1).map(String::as_str).collect();
    let holder = test.companion(&command[0], &args);
    assert!(wait_until(|| ready.exists()), "{view:?} is not made");
    View::Held {
        holder,
        of: Box::new(view.clone()),
    }
}

/// A shell with the namespaces of a view.
fn own_namespaces(view: &View, script: &str) -> impl Iterator<Item = String> {
    let namespaces = match view {
        View::Network => "-mn",
        _ => "-m",
    };
    let unshare = ["unshare", namespaces, "--propagation", "private"];
    let shell = ["sh", "-c", script, "sh"];
    unshare
        .into_iter()
        .chain(shell)
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The shell script that makes the view's mounts.
fn mounts(view: &View) -> String {
    match view {
        View::Plain | View::Network | View::Withheld { .. } | View::Held { .. } => ":".to_owned(),
        View::User { uid, subordinate } => user_files(*uid, *subordinate),
        View::Delegated { uid, group } => {
            let files = user_files(*uid, None);
            format!("echo $$ > {group}/cgroup.procs; {files}")
        }
        // With the options of the machine's own mount, which is of the same file system and would be changed with it.
        View::CgroupV2 => {
            "options=$(grep -q ' cgroup2 .*nsdelegate' /proc/mounts && echo nsdelegate || echo rw); \
             umount -l -R /sys/fs/cgroup; mount -t cgroup2 -o \"$options\" cgroup2 /sys/fs/cgroup"
                .to_owned()
        }
        View::CgroupV1 => Host::get().controllers.get("").map_or_else(
            || ":".to_owned(),
            |unified| format!("umount {}", unified.display()),
        ),
        View::NoCgroup => "umount -l -R /sys/fs/cgroup".to_owned(),
        View::Script(script) => script.clone(),
    }
}

/// The command that becomes the view's user and executes its arguments.
fn identity(view: &View) -> Vec<String> {
    let Some(uid) = view.user() else {
        return Vec::new();
    };
    vec![
        "setpriv".to_owned(),
        "--clear-groups".to_owned(),
        format!("--reuid={uid}"),
        format!("--regid={uid}"),
    ]
}

/// Mounts that make the user known: the machine's own files are not changed.
fn user_files(uid: u32, subordinate: Option<u32>) -> String {
    let dir = run_directory();
    let name = format!("{uid}-{}", subordinate.unwrap_or(0));
    let mut script = "mount --make-rprivate /".to_owned();
    let own = subordinate.map_or_else(String::new, |first| format!("lstest:{first}:65536\n"));
    for (file, text) in [
        (
            "passwd",
            format!("root:x:0:0::/root:/bin/sh\nlstest:x:{uid}:{uid}::/:/bin/sh\n"),
        ),
        ("group", format!("root:x:0:\nlstest:x:{uid}:\n")),
        ("subuid", own.clone()),
        ("subgid", own),
    ] {
        let path = dir.join(format!("{file}-{name}"));
        // Once: another test's newuidmap(1) may be reading it.
        if !path.exists() {
            let draft = dir.join(format!("{file}-{name}-{:?}", std::thread::current().id()));
            std::fs::write(&draft, text).expect("the run's directory is writable");
            std::fs::rename(&draft, &path).expect("the run's directory is writable");
        }
        script = format!("{script}; mount --bind {} /etc/{file}", path.display());
    }
    script
}
