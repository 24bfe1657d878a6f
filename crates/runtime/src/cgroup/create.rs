//! Making the directories, and the two things that a new directory needs before a process can join:
//! a v1 cpuset's CPUs and memory nodes, and a v2 parent's enabled controllers.

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_plan::cgroup::{CgroupPlan, Dir, Enable, Layout, Version};

use super::systemd::{self, Started, UnitState};
use super::{Cgroup, CgroupState, DirState, Downgrade, Error, FORBIDDEN, control, room};

const MODE: u32 = 0o755;

/// How often a parent that vanishes between being made and being used is made again: another
/// container's end may remove it.
const RETRIES: usize = 5;

impl Cgroup {
    /// Makes the directories of the plan. On an error those made so far are removed again.
    ///
    /// A directory that is there already is used if it is empty and not frozen, as runc does, and is
    /// not removed at the end. So is a slice, which somebody else may have begun to use by then.
    pub fn create(plan: &CgroupPlan, layout: &Layout) -> Result<Cgroup, Error> {
        let mut cgroup = Cgroup::open(&CgroupState::default());
        let intended = CgroupState::intended(plan, layout);
        if let Some(unit) = &plan.unit {
            let started = systemd::start(unit)?;
            cgroup.state.unit = intended.unit.map(|state| UnitState {
                found: matches!(started, Started::Found),
                ..state
            });
            if let Started::Scope(placeholder) = started {
                cgroup.placeholder = Some(placeholder);
            }
        }
        for (dir, intended) in plan.dirs.iter().zip(intended.dirs) {
            let result = cgroup.add(plan, layout, dir, intended);
            if let Err(error) = result {
                // Empty, or with nothing but the placeholder; the error that is on its way says more than one of rmdir.
                drop(cgroup.delete(cgroup.state.unit.is_some()));
                return Err(error);
            }
        }
        Ok(cgroup)
    }

    fn add(
        &mut self,
        plan: &CgroupPlan,
        layout: &Layout,
        dir: &Dir,
        intended: DirState,
    ) -> Result<(), Error> {
        let owned = self.state.unit.as_ref().is_some_and(|unit| !unit.found);
        let Some(state) = make(dir, intended, layout, owned)? else {
            return Ok(());
        };
        if dir.tolerate {
            self.tolerated.push(state.label.clone());
        }
        // Before anything else can fail: what is made must be known to be removed.
        self.state.dirs.push(state.clone());
        prepare(plan, layout, dir, &state)
    }
}

fn make(
    dir: &Dir,
    mut state: DirState,
    layout: &Layout,
    owned: bool,
) -> Result<Option<DirState>, Error> {
    let mount = &layout.hierarchies[dir.hierarchy].mount;
    match make_dir(mount, &dir.path) {
        Ok(()) => Ok(Some(state)),
        // systemd has made it for the unit that we have just started; a scope that was there before has
        // been refused by name.
        Err(call) if owned && call.is(&[Errno::EEXIST.0]) => Ok(Some(state)),
        Err(call) if call.is(&[Errno::EEXIST.0]) => {
            check_unused(&state)?;
            state.found = true;
            Ok(Some(state))
        }
        Err(call) if dir.tolerate && call.is(&FORBIDDEN) => Ok(None),
        Err(call) => {
            let forbidden = call.is(&FORBIDDEN);
            let error = Error::call("cannot make the container's cgroup", call);
            Err(if forbidden {
                error.hint("this user has no right to that part of the cgroup tree")
            } else {
                error
            }
            .because("/linux/cgroupsPath"))
        }
    }
}

/// mkdirat(2), with the parents only when one is missing: that is rare and costs a call each.
fn make_dir(mount: &str, path: &str) -> kernel::Result<()> {
    let mut result = kernel::file::mkdirat(CWD, format!("{mount}/{path}"), MODE);
    for _ in 0..RETRIES {
        match &result {
            Err(call) if call.is(&[Errno::ENOENT.0]) => {}
            _ => break,
        }
        for (at, _) in path.match_indices('/') {
            match kernel::file::mkdirat(CWD, format!("{mount}/{}", &path[..at]), MODE) {
                Err(call) if !call.is(&[Errno::EEXIST.0]) => return Err(call),
                _ => {}
            }
        }
        result = kernel::file::mkdirat(CWD, format!("{mount}/{path}"), MODE);
    }
    result
}

fn check_unused(state: &DirState) -> Result<(), Error> {
    let pids = control::pids_below(&state.path)?;
    let because = "/linux/cgroupsPath";
    if !pids.is_empty() {
        let what = format!(
            "container's cgroup is not empty: {} process(es) found",
            pids.len()
        );
        return Err(Error::new(what).hint(state.path.clone()).because(because));
    }
    if control::is_frozen(state)? {
        let error = Error::new("container's cgroup unexpectedly frozen");
        return Err(error.hint(state.path.clone()).because(because));
    }
    Ok(())
}

fn prepare(plan: &CgroupPlan, layout: &Layout, dir: &Dir, state: &DirState) -> Result<(), Error> {
    let mount = &layout.hierarchies[dir.hierarchy].mount;
    if state.version == Version::V1 && state.label.split(',').any(|c| c == "cpuset") {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            // What the configuration names is written with the limits, before a process joins. A
            // parent that has nothing itself must be filled in any case.
            let named = plan.writes.iter().any(|w| w.file == file);
            fill_cpuset(mount, &dir.path, file, state.found, named)?;
        }
    }
    match &plan.enable {
        Some(enable) if enable.hierarchy == dir.hierarchy => {
            let tolerate = dir.tolerate && enable.needed.is_empty();
            match enable_controllers(mount, &dir.path, enable) {
                Err(_) if tolerate => Ok(()),
                result => result,
            }
        }
        _ => Ok(()),
    }
}

/// Copies the list of the nearest ancestor that has one down to the container: a v1 cpuset without
/// CPUs or memory nodes takes no process (`ENOSPC`).
fn fill_cpuset(mount: &str, path: &str, file: &str, found: bool, named: bool) -> Result<(), Error> {
    let fail = |call| Error::call("cannot initialise the container's cpuset", call);
    let (parent, _) = path.rsplit_once('/').unwrap_or(("", path));
    if found {
        inherited(mount, path, file).map_err(fail)?;
        return Ok(());
    }
    if named && parent.is_empty() {
        return Ok(());
    }
    let list = inherited(mount, parent, file).map_err(fail)?;
    if named {
        return Ok(());
    }
    kernel::file::write(CWD, format!("{mount}/{path}/{file}"), list.as_bytes()).map_err(fail)
}

/// The list at `path`; where it is empty that of the parent, written there.
fn inherited(mount: &str, path: &str, file: &str) -> kernel::Result<String> {
    let at = if path.is_empty() {
        format!("{mount}/{file}")
    } else {
        format!("{mount}/{path}/{file}")
    };
    let own = kernel::cgroup::value(CWD, &at)?;
    if !own.is_empty() || path.is_empty() {
        return Ok(own);
    }
    let (parent, _) = path.rsplit_once('/').unwrap_or(("", path));
    let list = inherited(mount, parent, file)?;
    kernel::file::write(CWD, &at, list.as_bytes())?;
    Ok(list)
}

/// Enables controllers from the mount down to the container's parent, unless they are enabled already,
/// which its own `cgroup.controllers` tells.
pub(super) fn enable_controllers(mount: &str, path: &str, enable: &Enable) -> Result<(), Error> {
    let leaf = absolute_file(mount, path, "cgroup.controllers");
    let fail = |call| Error::call("cannot read the cgroup's controllers", call);
    let available = kernel::cgroup::value(CWD, &leaf).map_err(fail)?;
    let missing = missing(enable, &available);
    if missing.is_empty() {
        return Ok(());
    }
    let mut refused = None;
    let ends = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at));
    for end in ends {
        let dir = absolute_file(mount, &path[..end], "");
        let enabled = room::make(&dir, end == 0).and_then(|()| enable_at(&dir, &missing));
        refused = enabled.err().or(refused);
    }
    let available = kernel::cgroup::value(CWD, &leaf).map_err(fail)?;
    let has = |name: &String| available.split_whitespace().any(|a| a == name);
    let Some(lacking) = enable.needed.iter().find(|name| !has(name)) else {
        return Ok(());
    };
    let what = format!("cannot enable the {lacking} controller for the container's cgroup");
    let Some(call) = refused else {
        return Err(Error::new(what).hint("no parent has it"));
    };
    let busy = call.is(&[Errno::EBUSY.0]);
    let error = Error::call(what, call);
    Err(if busy {
        error.hint("a parent has processes of its own, and cgroup v2 then gives its children none")
    } else {
        error
    })
}

fn missing<'a>(enable: &'a Enable, available: &str) -> Vec<&'a str> {
    let all = enable.needed.iter().chain(&enable.wanted);
    let lacks = |name: &&String| !available.split_whitespace().any(|a| a == name.as_str());
    all.filter(lacks).map(String::as_str).collect()
}

/// All at once, and one by one where the kernel refuses: it takes all or none of a write.
fn enable_at(dir: &str, controllers: &[&str]) -> kernel::Result<()> {
    let file = format!("{dir}cgroup.subtree_control");
    let plus = |name: &&str| format!("+{name}");
    let all: Vec<String> = controllers.iter().map(plus).collect();
    let mut result = kernel::file::write(CWD, &file, all.join(" ").as_bytes());
    if result.is_err() && all.len() > 1 {
        result = Ok(());
        for one in &all {
            // The last refusal is kept for the error, should a needed one be among them.
            result = kernel::file::write(CWD, &file, one.as_bytes()).and(result);
        }
    }
    result
}

fn absolute_file(mount: &str, path: &str, file: &str) -> String {
    if path.is_empty() {
        format!("{mount}/{file}")
    } else {
        format!("{mount}/{path}/{file}")
    }
}

impl Cgroup {
    /// Gives the v2 directory, and the files in it that may be delegated, to a host's uid
    /// (config-linux.md, "Cgroup ownership"); v1 is never delegated. A caller without the right to give
    /// them away keeps them, and is told so.
    pub fn delegate(&self, uid: u32) -> Result<Option<Downgrade>, Error> {
        let Some(dir) = self.unified_dir() else {
            return Ok(None);
        };
        let list = match kernel::file::read(CWD, "/sys/kernel/cgroup/delegate", 1 << 16) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            // The list that the specification gives for kernels before 4.15.
            Err(_) => "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n".to_owned(),
        };
        let fail = |call| Error::call("cannot delegate the container's cgroup", call);
        match kernel::cgroup::chown(CWD, &dir.path, uid).map_err(fail) {
            Err(error) if error.refused().is_some_and(|call| call.is(&FORBIDDEN)) => {
                return Ok(Some(error.downgrade("/linux/cgroupsPath")));
            }
            other => other?,
        }
        for file in list.lines() {
            match kernel::cgroup::chown(CWD, format!("{}/{file}", dir.path), uid) {
                // Of a controller that is not enabled here.
                Err(call) if call.is(&[Errno::ENOENT.0]) => {}
                other => other.map_err(fail)?,
            }
        }
        Ok(None)
    }
}
