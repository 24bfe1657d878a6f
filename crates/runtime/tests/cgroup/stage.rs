//! What the tests stand on: a directory of their own in every hierarchy, and processes to put there.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lockstep_oci::runtime::Resources;
use lockstep_plan::cgroup::{self as plan, CgroupPlan, Hierarchy, Layout, Mode, Version};
use lockstep_runtime::cgroup::{self, Cgroup};

use crate::Skip;

/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) layout: Layout,
    /// Directory below every mount.
    pub(crate) base: String,
    next: Cell<u32>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let layout = cgroup::probe().expect("a layout");
        Stage {
            base: format!("lockstep-test-{}", std::process::id()),
            next: Cell::new(0),
            layout,
        }
    }

    fn unified(&self) -> Option<&Hierarchy> {
        self.layout.unified().map(|at| &self.layout.hierarchies[at])
    }

    /// Skips where a controller is missing.
    pub(crate) fn needs(&self, controller: &str) -> Result<(), Skip> {
        match self.layout.find(controller) {
            Some(_) => Ok(()),
            None => Err(match self.layout.mode {
                Mode::V2 if matches!(controller, "blkio" | "devices") => {
                    "the test is of version 1's controller"
                }
                Mode::V2 => "this kernel's v2 hierarchy has not the controller",
                _ => "this kernel has not the controller",
            }),
        }
    }

    /// Whether a controller, which is there, is on version 2.
    pub(crate) fn is_v2(&self, controller: &str) -> bool {
        let found = self.layout.find(controller).expect("asked for before");
        self.layout.hierarchies[found].version == Version::V2
    }

    /// Whether this kernel's controller has a control file, in a cgroup that is not the root.
    pub(crate) fn has_file(&self, controller: &str, file: &str) -> bool {
        let container = self.container("{}");
        Path::new(&format!("{}/{file}", container.dir(controller))).exists()
    }

    pub(crate) fn needs_unified(&self) -> Result<(), Skip> {
        self.unified()
            .map(drop)
            .ok_or("no unified hierarchy in this layout")
    }

    /// A fresh cgroupsPath.
    pub(crate) fn path(&self) -> String {
        self.next.set(self.next.get() + 1);
        format!("/{}/{}", self.base, self.next.get())
    }

    /// The plan of `{"resources": TEXT}` at a path.
    pub(crate) fn plan_at(&self, path: &str, text: &str) -> CgroupPlan {
        let resources: Resources = serde_json::from_str(text).expect("resources parse");
        let defaults = plan::default_devices();
        plan::plan(
            Some(path),
            "id",
            Some(&resources),
            &defaults,
            &self.layout,
            false,
        )
        .expect("a plan")
    }

    /// A container's cgroup with limits.
    pub(crate) fn container(&self, text: &str) -> Container<'_> {
        self.container_at(&self.path(), text)
    }

    /// The same at a path.
    pub(crate) fn container_at(&self, path: &str, text: &str) -> Container<'_> {
        let plan = self.plan_at(path, text);
        let cgroup = Cgroup::create(&plan, &self.layout).expect("a cgroup");
        let mut container = Container {
            stage: self,
            cgroup,
        };
        let cgroup = &mut container.cgroup;
        let downgrades = cgroup.apply(&plan.writes, &self.layout).expect("limits");
        assert_eq!(downgrades, []);
        let downgrade = cgroup
            .apply_devices(&plan.devices, &self.layout)
            .expect("devices");
        assert_eq!(downgrade, None);
        container
    }

    /// Everything below our directories in every hierarchy; the directories go if they are empty.
    ///
    /// A controller that was enabled at the v2 root stays so: by now another container may need it.
    pub(crate) fn leave(&self) -> Vec<String> {
        let mut left = Vec::new();
        for hierarchy in &self.layout.hierarchies {
            let base = format!("{}/{}", hierarchy.mount, self.base);
            if Path::new(&base).exists() && fs::remove_dir(&base).is_err() {
                left.push(base);
            }
        }
        left
    }
}

pub(crate) struct Container<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) cgroup: Cgroup,
}

impl Container<'_> {
    /// The directory in the hierarchy of a controller (or of `name=systemd`, or the unified one: "").
    pub(crate) fn dir(&self, label: &str) -> String {
        let of = |l: &str| l.split(',').any(|c| c == label);
        let dirs = &self.cgroup.state().dirs;
        let found = dirs
            .iter()
            .find(|d| of(&d.label))
            .or_else(|| dirs.iter().find(|d| d.version == Version::V2));
        found.expect("a directory").path.clone()
    }

    /// A control file's text.
    pub(crate) fn read(&self, controller: &str, file: &str) -> String {
        let path = format!("{}/{file}", self.dir(controller));
        fs::read_to_string(&path).expect(&path).trim().to_owned()
    }

    /// Starts a shell script inside.
    pub(crate) fn spawn(&mut self, script: &str) -> Child {
        let mut child = waiting(script);
        self.cgroup.join(child.id() as i32).expect("joins");
        go(&mut child);
        child
    }

    /// Runs a shell script inside to its end.
    pub(crate) fn run(&mut self, script: &str) -> Output {
        self.spawn(script).wait_with_output().expect("runs")
    }

    /// Whether a shell script inside ends with 0.
    pub(crate) fn succeeds(&mut self, script: &str) -> bool {
        self.run(script).status.success()
    }

    /// `update` of the limits.
    pub(crate) fn update(&mut self, old: &str, new: &str) -> Result<(), cgroup::Error> {
        let parse = |text| serde_json::from_str::<Resources>(text).expect("resources parse");
        let defaults = plan::default_devices();
        let layout = &self.stage.layout;
        let update =
            plan::update(&parse(new), &parse(old), &defaults, layout, false, None).expect("a plan");
        self.cgroup.apply(&update.writes, layout)?;
        self.cgroup.apply_devices(&update.devices, layout).map(drop)
    }

    /// Whether anything of it is left.
    pub(crate) fn is_gone(&self) -> bool {
        self.cgroup
            .state()
            .dirs
            .iter()
            .all(|d| !Path::new(&d.path).exists())
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // After a failed assertion; a test that is about removal looks for itself.
        drop(self.cgroup.delete(true));
    }
}

/// A shell that waits for a line before it runs the script.
pub(crate) fn waiting(script: &str) -> Child {
    Command::new("/bin/sh")
        .args(["-c", &format!("read go\n{script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell")
}

/// The line.
pub(crate) fn go(child: &mut Child) {
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"\n")
        .expect("it waits");
}

/// Waits for something that should come true at once.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    status.lines().any(|line| line.starts_with("Uid:\t0\t0\t"))
}

/// Says loudly that a test did not run.
pub(crate) fn skip(name: &str, reason: &str) {
    println!("SKIP {name}: {reason}");
    if let Some(file) = std::env::var_os("LOCKSTEP_SKIPS") {
        let open = fs::OpenOptions::new().append(true).create(true).open(file);
        writeln!(open.expect("the skip file"), "{name}\t{reason}").expect("writable");
    }
}
