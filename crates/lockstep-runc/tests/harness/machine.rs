//! A machine that runs systemd, for tests of the systemd driver: this one, or the container of a systemd.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bundle::cgroup_parent;
use super::host::Host;
use super::procfs::cgroup_of;
use super::systemd_bundle::{self, SYSTEMD};
use super::test::{Test, run_directory};
use super::view::View;

/// It makes the container, so that what is tested does not stand on itself.
const RUNC: &str = "/usr/sbin/runc";
/// An emulated machine takes long.
const BOOT: Duration = Duration::from_secs(300);

/// Held by whoever needs the set of control group hierarchies to stay as it is, or changes it: a systemd makes
/// groups in all that there are.
pub(crate) fn hierarchies_alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A container whose first process is a systemd; it ends with the value.
pub(crate) struct Machine {
    work: PathBuf,
    name: String,
    /// Process id of its systemd.
    pid: u32,
    _alone: MutexGuard<'static, ()>,
}

impl Machine {
    /// Boots it, and has the test call a copy of the runtime that is visible inside.
    fn boot(test: &Test) -> Self {
        let programs = [SYSTEMD, RUNC].iter().all(|path| Path::new(path).exists());
        test.need(programs, "systemd and runc are not installed");
        let work = test.subdir("machine");
        let name = format!("machine-{}", test.number());
        let text = work.display().to_string();
        let shared = run_directory().display().to_string();
        let cgroup = format!("{}/{name}", cgroup_parent());
        systemd_bundle::write(&text, &cgroup, &[], &[(&shared, &shared)]);
        let mut machine = Machine {
            work,
            name,
            pid: 0,
            _alone: hierarchies_alone(),
        };
        assert!(
            machine.runc(&["run", "-d", "--bundle", &text]),
            "{}",
            machine.log()
        );
        let state = machine
            .work
            .join("state")
            .join(&machine.name)
            .join("state.json");
        let state = std::fs::read_to_string(state).expect("runc keeps a state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        let pid = state["init_process_pid"].as_u64().expect("a pid");
        machine.pid = u32::try_from(pid).expect("a pid");
        let end = Instant::now() + BOOT;
        while machine.show("lockstep.target", "ActiveState") != "active" {
            assert!(
                Instant::now() < end,
                "systemd does not boot: {}",
                machine.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let copy = test.dir.join("lockstep-runc");
        std::fs::copy(&Host::get().runtime, &copy).expect("a copy on the disk of the test");
        test.arm(&copy, Vec::new());
        machine
    }

    fn runc(&self, args: &[&str]) -> bool {
        let log = std::fs::File::create(self.work.join("log")).expect("own directory");
        let mut command = Command::new(RUNC);
        command.arg("--root").arg(self.work.join("state"));
        command.args(args).arg(&self.name).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        command.status().is_ok_and(|status| status.success())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.work.join("log")).unwrap_or_default()
    }

    fn enter(&self) -> String {
        format!("nsenter -t {} -m -p -C -i -u -n", self.pid)
    }

    /// The view from inside, in the control groups of its systemd.
    fn view(&self) -> View {
        let mut script = String::new();
        for (controller, mount) in &Host::get().controllers {
            if let Some(group) = cgroup_of(self.pid, controller) {
                let procs = mount
                    .join(group.trim_start_matches('/'))
                    .join("cgroup.procs");
                script += &format!("echo $$ > {}; ", procs.display());
            }
        }
        View::Script(format!("{script} set -- {} \"$@\"", self.enter()))
    }

    fn show(&self, unit: &str, property: &str) -> String {
        let command = format!(
            "{} systemctl show --value -p {property} {unit}",
            self.enter()
        );
        let output = Command::new("sh").args(["-c", &command]).output();
        let output = output.expect("a shell");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.runc(&["delete", "--force"]);
    }
}

/// The systemd of this machine, or else one that boots now and ends with the test. One test has it at a time: what one
/// does to all of systemd the others would feel.
pub(crate) struct Systemd<'t>(&'t Test, Option<MutexGuard<'static, ()>>);

impl<'t> Systemd<'t> {
    pub(crate) fn of(test: &'t Test) -> Self {
        if Path::new("/run/systemd/system").exists() {
            return Self(test, Some(hierarchies_alone()));
        }
        let machine = Machine::boot(test);
        test.machine.replace(Some(machine));
        Self(test, None)
    }

    /// Where the runtime is to be called.
    pub(crate) fn view(&self) -> View {
        let machine = self.0.machine.borrow();
        machine.as_ref().map_or(View::Plain, Machine::view)
    }

    /// Runs a program beside the systemd.
    pub(crate) fn call(&self, argv: &[&str]) {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let argv = super::view::in_view(&self.view(), argv);
        let (program, args) = argv.split_first().expect("a program");
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.0.host(program, &args);
    }

    /// A property of a unit, as systemctl(1) writes it.
    pub(crate) fn show(&self, unit: &str, property: &str) -> String {
        match &*self.0.machine.borrow() {
            Some(machine) => machine.show(unit, property),
            None => {
                let args = ["show", "--value", "-p", property, unit];
                self.0.host("systemctl", &args).trim().to_owned()
            }
        }
    }
}
