//! Writing limits into the directories, and device rules by way of `device.rs`.
//!
//! Every refusal becomes a sentence with the field that asked, what is in force, and where it is known
//! what to change: engines show this text to their users.

use std::time::Duration;

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_plan::cgroup::undo::former_value;
use lockstep_plan::cgroup::{
    Devices, IfMissing, Layout, ListWrite, Required, Update, Version, Write, change_of_list,
};

use super::create::enable_controllers;
use super::{Cgroup, DirState, Downgrade, Error, device, systemd};

/// Errnos of a control file that is not there, or can only be written.
const UNREADABLE: [i32; 5] = [
    Errno::ENOENT.0,
    Errno::ENODEV.0,
    Errno::EACCES.0,
    Errno::EINVAL.0,
    Errno::EOPNOTSUPP.0,
];

impl Cgroup {
    /// Makes the writes in order; what was best effort and failed is returned.
    ///
    /// `layout` is the one that the writes were planned with.
    pub fn apply(&mut self, writes: &[Write], layout: &Layout) -> Result<Vec<Downgrade>, Error> {
        let downgrades = self.write_each(writes, layout)?;
        for write in writes {
            if !downgrades.iter().any(|lost| lost.because == write.because) {
                let label = layout.hierarchies[write.hierarchy].label();
                self.limited.push(label);
            }
        }
        Ok(downgrades)
    }

    fn write_each(&self, writes: &[Write], layout: &Layout) -> Result<Vec<Downgrade>, Error> {
        let mut downgrades: Vec<Downgrade> = Vec::new();
        let mut done = vec![false; writes.len()];
        for at in 0..writes.len() {
            self.apply_at(writes, at, layout, &mut done, &mut downgrades)?;
        }
        Ok(downgrades)
    }

    /// Does all that an update asks for; what was best effort and failed is returned. When one limit is refused
    /// the others get their old values back.
    pub fn update(&self, update: &Update, layout: &Layout) -> Result<Vec<Downgrade>, Error> {
        // Files of a controller are there when it is enabled.
        self.enable(update, layout)?;
        let before = self.present(&update.writes, layout)?;
        let result = self.change(update, layout);
        if result.is_err() {
            // The first error is the one to report. systemd writes files too, so it is told first.
            if let Some(unit) = &self.state.unit {
                drop(systemd::set_properties(unit, &update.former));
            }
            for (path, value) in before.iter().rev() {
                // Of a file that was not changed yet, it changes nothing.
                drop(kernel::file::write(CWD, path, value.as_bytes()));
            }
        }
        result
    }

    fn change(&self, update: &Update, layout: &Layout) -> Result<Vec<Downgrade>, Error> {
        let Some(unit) = &self.state.unit else {
            return self.write_all(update, layout);
        };
        let change = || {
            systemd::set_properties(unit, &update.properties)?;
            // It takes away the controllers that it knows no use for.
            self.enable(update, layout)?;
            let mut lost = self.write_each(&update.again, layout)?;
            lost.extend(self.write_all(update, layout)?);
            Ok(lost)
        };
        match update.devices {
            // systemd writes its list of devices anew on version 1: nothing, and then line by line.
            Devices::List { .. } => self.stopped(change),
            _ => change(),
        }
    }

    fn write_all(&self, update: &Update, layout: &Layout) -> Result<Vec<Downgrade>, Error> {
        let mut lost = self.write_each(&update.writes, layout)?;
        lost.extend(self.apply_devices(&update.devices, layout)?);
        Ok(lost)
    }

    /// Does it while no process of the container runs.
    fn stopped<T>(&self, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let paused = self.frozen()?;
        if !paused {
            self.freeze()?;
        }
        let result = act();
        // The first error is the one to report.
        match (paused, result) {
            (false, Ok(value)) => self.thaw().map(|()| value),
            (false, Err(error)) => {
                drop(self.thaw());
                Err(error)
            }
            (true, result) => result,
        }
    }

    fn enable(&self, update: &Update, layout: &Layout) -> Result<(), Error> {
        let Some(enable) = &update.enable else {
            return Ok(());
        };
        let hierarchy = &layout.hierarchies[enable.hierarchy];
        let Some(dir) = self.dir(&hierarchy.label()) else {
            return Ok(());
        };
        let mount = hierarchy.mount.trim_end_matches('/');
        let path = dir.path.strip_prefix(mount).unwrap_or(&dir.path);
        enable_controllers(mount, path.trim_start_matches('/'), enable)
    }

    /// What to write to which file to have back what is in force.
    fn present(&self, writes: &[Write], layout: &Layout) -> Result<Vec<(String, String)>, Error> {
        let mut all = Vec::new();
        for write in writes {
            let Some(dir) = self.dir(&layout.hierarchies[write.hierarchy].label()) else {
                continue;
            };
            let mut files = vec![(&write.file, &write.value)];
            if let IfMissing::Instead { file, value } = &write.if_missing {
                files.push((file, value));
            }
            for (file, written) in files {
                let path = format!("{}/{file}", dir.path);
                match kernel::cgroup::value(CWD, &path) {
                    Ok(text) => {
                        let former = former_value(file, written, &text);
                        all.extend(former.map(|former| (path, former)));
                    }
                    // It is not there, which the write tells; or it can only be written.
                    Err(call) if call.is(&UNREADABLE) => {}
                    Err(call) => {
                        let what = format!("cannot read {file}");
                        return Err(Error::call(what, call).because(write.because.clone()));
                    }
                }
            }
        }
        Ok(all)
    }

    fn apply_at(
        &self,
        writes: &[Write],
        at: usize,
        layout: &Layout,
        done: &mut [bool],
        downgrades: &mut Vec<Downgrade>,
    ) -> Result<(), Error> {
        if done[at] {
            return Ok(());
        }
        done[at] = true;
        let write = &writes[at];
        let mut result = self.write(write, layout);
        if write.after_next && at + 1 < writes.len() && was_invalid(&result) {
            self.apply_at(writes, at + 1, layout, done, downgrades)?;
            result = self.write(write, layout);
        }
        match result {
            Err(error) if write.required == Required::BestEffort => {
                downgrades.push(error.downgrade(&write.because))
            }
            other => other?,
        }
        Ok(())
    }

    fn write(&self, write: &Write, layout: &Layout) -> Result<(), Error> {
        let label = layout.hierarchies[write.hierarchy].label();
        let Some(dir) = self.dir(&label) else {
            let controller = write.file.split('.').next().unwrap_or_default();
            let what =
                format!("cannot set {controller} limit: container could not join or create cgroup");
            let value = format!("{} was to be {}", write.file, write.value);
            return Err(Error::new(what).hint(value).because(write.because.clone()));
        };
        if let Some(file) = &write.at_least {
            check_usage(dir, file, write)?;
        }
        let mut result = write_file(dir, &write.file, &write.value);
        if result
            .as_ref()
            .is_err_and(|call| call.is(&[Errno::ENOENT.0]))
        {
            match &write.if_missing {
                IfMissing::Fail if is_coming(dir, &write.file) => {
                    result = write_when_there(dir, write)
                }
                IfMissing::Fail => {}
                IfMissing::Skip => return Ok(()),
                IfMissing::Instead { file, value } => result = write_file(dir, file, value),
            }
        }
        result.map_err(|call| refused(dir, write, call))
    }

    fn dir(&self, label: &str) -> Option<&DirState> {
        self.state.dirs.iter().find(|d| d.label == label)
    }

    /// Puts the device rules in force; a best-effort refusal is returned.
    pub fn apply_devices(
        &self,
        devices: &Devices,
        layout: &Layout,
    ) -> Result<Option<Downgrade>, Error> {
        let (result, required) = match devices {
            Devices::Keep => return Ok(None),
            Devices::Unenforced { because, reason } => {
                return Ok(Some(Downgrade {
                    because: because.clone(),
                    lost: reason.clone(),
                    call: String::new(),
                }));
            }
            Devices::Open { hierarchy } => {
                let dir = self.dir(&layout.hierarchies[*hierarchy].label());
                let result = dir.map_or(Ok(()), |dir| device::take_programs(&dir.path));
                (result, Required::Hard)
            }
            Devices::List {
                hierarchy,
                writes,
                former,
                required,
            } => {
                let dir = self.dir(&layout.hierarchies[*hierarchy].label());
                let result = dir.map_or_else(no_dir, |dir| match former {
                    Some(former) => self.change_list(dir, former, writes),
                    None => device::write_list(dir, writes),
                });
                (result, *required)
            }
            Devices::Program {
                hierarchy,
                program,
                required,
            } => {
                let dir = self.dir(&layout.hierarchies[*hierarchy].label());
                let result = dir.map_or_else(no_dir, |dir| device::put_program(&dir.path, program));
                (result, *required)
            }
        };
        match result {
            Err(error) if required == Required::BestEffort => Ok(Some(error.downgrade(DEVICES))),
            other => other.map(|()| None),
        }
    }

    /// Brings a list of version 1 from what is in force to `wanted`.
    fn change_list(
        &self,
        dir: &DirState,
        former: &[ListWrite],
        wanted: &[ListWrite],
    ) -> Result<(), Error> {
        let text = device::list(dir)?;
        let change = change_of_list(&text, former, wanted);
        match change.stopped {
            true => self.stopped(|| device::write_list(dir, &change.writes)),
            false => device::write_changes(dir, &change.writes),
        }
    }
}

pub(super) const DEVICES: &str = "/linux/resources/devices";

fn no_dir() -> Result<(), Error> {
    let what = "cannot set devices limit: container could not join or create cgroup";
    Err(Error::new(what).because(DEVICES))
}

fn was_invalid(result: &Result<(), Error>) -> bool {
    let call = result.as_ref().err().and_then(Error::refused);
    call.is_some_and(|call| call.is(&[Errno::EINVAL.0]))
}

/// Whether the file's controller is on, and it is only a matter of moments: another process that is just enabling it on
/// version 2 has its name in `cgroup.controllers` before the kernel has made its files.
fn is_coming(dir: &DirState, file: &str) -> bool {
    let controller = file.split('.').next().unwrap_or_default();
    let on = || kernel::cgroup::value(CWD, format!("{}/cgroup.controllers", dir.path));
    dir.version == Version::V2
        && on().is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
}

/// Tries again for 50 ms.
fn write_when_there(dir: &DirState, write: &Write) -> kernel::Result<()> {
    let mut left = 50;
    loop {
        std::thread::sleep(Duration::from_millis(1));
        left -= 1;
        match write_file(dir, &write.file, &write.value) {
            Err(call) if left > 0 && call.is(&[Errno::ENOENT.0]) => {}
            result => return result,
        }
    }
}

fn write_file(dir: &DirState, file: &str, value: &str) -> kernel::Result<()> {
    kernel::file::write(CWD, format!("{}/{file}", dir.path), value.as_bytes())
}

fn check_usage(dir: &DirState, file: &str, write: &Write) -> Result<(), Error> {
    let read = kernel::cgroup::value(CWD, format!("{}/{file}", dir.path));
    let current = read.map_err(|call| refused(dir, write, call))?;
    let (Ok(current), Ok(limit)) = (current.parse::<u64>(), write.value.parse::<u64>()) else {
        return Ok(());
    };
    if current <= limit {
        return Ok(());
    }
    let what = format!("cannot set {} to {limit}", write.file);
    let hint = format!("the usage is {current} and checkBeforeUpdate is set");
    Err(Error::new(what).hint(hint).because(write.because.clone()))
}

/// What the kernel's number means for this file.
fn refused(dir: &DirState, write: &Write, call: kernel::Error) -> Error {
    let file = write.file.as_str();
    let show = |file: &str| {
        let path = format!("{}/{file}", dir.path);
        kernel::cgroup::value(CWD, path).unwrap_or_else(|_| "unknown".to_owned())
    };
    let hint = match Errno(call.errno) {
        Errno::ENOENT => "the kernel has no such control".to_owned(),
        Errno::EBUSY if file == "memory.limit_in_bytes" => format!(
            "unable to set memory limit to {} (current usage: {}, peak usage: {})",
            write.value,
            show("memory.usage_in_bytes"),
            show("memory.max_usage_in_bytes"),
        ),
        Errno::EINVAL if file == "memory.limit_in_bytes" => format!(
            "memory cannot exceed memory and swap together, {} now",
            show("memory.memsw.limit_in_bytes"),
        ),
        Errno::EINVAL if file == "memory.memsw.limit_in_bytes" => format!(
            "memory and swap together cannot be less than memory, {} now",
            show("memory.limit_in_bytes"),
        ),
        Errno::EINVAL | Errno::EACCES | Errno::ENODEV | Errno::ERANGE | Errno::ENOSPC
            if file.starts_with("cpuset.") =>
        {
            let effective = match (file, dir.version) {
                ("cpuset.cpus", Version::V1) => "cpuset.effective_cpus",
                ("cpuset.cpus", Version::V2) => "cpuset.cpus.effective",
                (_, Version::V1) => "cpuset.effective_mems",
                (_, Version::V2) => "cpuset.mems.effective",
            };
            format!(
                "this cgroup may use at most {}",
                show(&format!("../{effective}"))
            )
        }
        Errno::EINVAL if file.starts_with("cpu.rt_") => {
            "the parent cgroup has not that much real-time bandwidth left".to_owned()
        }
        Errno::ENODEV if file.contains("throttle") || file.starts_with("io.") => {
            "there is no such block device".to_owned()
        }
        Errno::EPERM | Errno::EACCES => "this user may not set it here".to_owned(),
        _ => String::new(),
    };
    let what = format!("cannot set {file} to {:?}", write.value);
    Error::call(what, call)
        .hint(hint)
        .because(write.because.clone())
}
