//! From a bundle to everything that is decided before anything is made.

use crate::cgroup::CgroupState;
use crate::error::{Error, Kind, Result};
use crate::request::CreateRequest;
use crate::state::{Filter, SCHEMA, State as Stored};
use crate::{Runtime, clock, host, notify, setting, words};
use lockstep_kernel::file;
use lockstep_oci::runtime::{self as oci, Linux, ValidSpec};
use lockstep_plan::secret::Hidden;
use lockstep_plan::{Host, Op, Plan, cgroup as plan_cgroup, create as plan_create};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The largest config.json that is read, in bytes; the parser has its own, smaller limit.
const CONFIG_LIMIT: usize = 16 << 20;

/// Everything decided before anything is made.
pub(crate) struct Prepared {
    pub(crate) stored: Stored,
    pub(crate) plan: Plan,
    pub(crate) cgroup: plan_cgroup::CgroupPlan,
    pub(crate) host: Host,
    pub(crate) proc: OwnedFd,
}

impl Runtime<'_> {
    pub(crate) fn prepare(&self, request: &CreateRequest) -> Result<Prepared> {
        #[cfg(lockstep_weak)]
        lockstep_kernel::weak::mistake("panic");
        let spec = self.load(&request.bundle, request)?;
        let rootfs = |path: &str| {
            let path = request.bundle.join(path);
            file::canonicalize(&path).map_err(|e| {
                let mut error =
                    Error::refused(format!("invalid rootfs: stat {}", path.display()), &e);
                error.kind = Kind::Invalid;
                error.asked("/root/path")
            })
        };
        let mut prepared = self.decide(request, spec, &rootfs, None)?;
        if request.notify_socket.is_some() {
            notify::name_steps(&mut prepared.plan, &prepared.stored.spec);
        }
        Ok(prepared)
    }

    /// Everything that planning may want to know of this host.
    pub fn host(&self) -> Result<Host> {
        host::probe_all(setting::open_proc()?.as_fd())
    }

    /// What would be done for a configuration, none of which is: on this host, or on the one that is given.
    pub fn plan(
        &self,
        request: &CreateRequest,
        spec: oci::Spec,
        host: Option<Host>,
    ) -> Result<Plan> {
        let spec = oci::validate(spec).map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
        let rootfs = |path: &str| Ok(request.bundle.join(path));
        let plan = self.decide(request, spec, &rootfs, host)?.plan;
        for lost in &plan.lost {
            (self.warn)(&lost.to_string());
        }
        Ok(plan)
    }

    fn decide(
        &self,
        request: &CreateRequest,
        spec: ValidSpec,
        rootfs: &dyn Fn(&str) -> Result<PathBuf>,
        other: Option<Host>,
    ) -> Result<Prepared> {
        let bundle = request.bundle.clone();
        if spec.process.is_none() {
            return Err(
                Error::new(Kind::Invalid, "process property must not be empty").asked("/process"),
            );
        }
        let proc = setting::open_proc()?;
        let empty = Linux::default();
        let linux = spec.linux.as_ref().unwrap_or(&empty);
        let host = match other {
            Some(host) => host::seen_from(host, linux),
            None => host::probe(proc.as_fd(), &spec, spec.process.as_ref())?,
        };
        let cgroup = self.plan_cgroup(request.id.as_str(), &spec, linux, &host, proc.as_fd())?;
        let intended = CgroupState::intended(&cgroup, &host.cgroup);
        let cgroups: Vec<(usize, PathBuf)> = cgroup
            .dirs
            .iter()
            .zip(&intended.dirs)
            .map(|(d, s)| (d.hierarchy, PathBuf::from(&s.path)))
            .collect();
        let mut planned = plan_create::plan(
            &spec,
            &host,
            &plan_create::Request {
                id: request.id.as_str(),
                bundle: &bundle,
                cgroups: &cgroups,
                no_pivot: request.no_pivot,
                no_keyring: request.no_new_keyring,
                processes: cgroup.processes,
                keep: request.preserve_fds + request.listen_fds,
                sockets: request.listen_fds,
                supervised: request.supervised.as_ref(),
            },
        )?;
        if let Some(supervised) = &request.supervised {
            // Not by the configuration, which the state keeps.
            add_variables(&mut planned, &supervised.secret_env)?;
        }
        for warning in planned.warnings.iter().chain(&cgroup.warnings) {
            (self.warn)(warning);
        }
        let rootfs = rootfs(spec.root.as_ref().map_or("", |root| &root.path))?;
        let stored = Stored {
            schema: SCHEMA,
            id: request.id.clone(),
            bundle,
            rootfs,
            created: clock::now_rfc3339(),
            owner: host.uid,
            cgroup: intended,
            spec: without_rules(spec.into_inner()),
            filter: lockstep_plan::seccomp::of(&planned).map(Filter::from),
        };
        Ok(Prepared {
            stored,
            plan: planned,
            cgroup,
            host,
            proc,
        })
    }

    fn load(&self, bundle: &Path, request: &CreateRequest) -> Result<ValidSpec> {
        let path = bundle.join("config.json");
        let text = file::read_at_once(file::CWD, &path, CONFIG_LIMIT).map_err(|e| {
            let mut error = Error::call(format!("reading {}", path.display()), &e);
            if e.is(&[lockstep_abi::errno::Errno::ENOENT.0]) {
                error.message = "JSON specification file config.json not found".into();
                error.kind = Kind::Invalid;
            }
            error
        })?;
        let wrong = |e: String| Error::new(Kind::Invalid, format!("{}: {e}", path.display()));
        let mut parsed = oci::parse(&text).map_err(|e| wrong(e.to_string()))?;
        for pointer in &parsed.unknown {
            (self.warn)(&format!(
                "{}: unknown field {pointer} ignored",
                path.display()
            ));
        }
        if let (count @ 1.., Some(process)) = (request.listen_fds, &mut parsed.spec.process) {
            // sd_listen_fds(3) checks that they are meant for it: the program is the container's first process.
            let variables = [format!("LISTEN_FDS={count}"), "LISTEN_PID=1".into()];
            process.env.extend(variables);
        }
        if request.notify_socket.is_some() {
            notify::add_to(&mut parsed.spec, &self.root.path_of(&request.id));
        }
        let spec = oci::validate(parsed.spec).map_err(|e| words::invalid(&path, &e))?;
        for warning in spec.warnings() {
            (self.warn)(&format!("{}: {warning}", path.display()));
        }
        Ok(spec)
    }
}

/// Variables of the program that take the place of others of their names.
fn add_variables(plan: &mut Plan, variables: &[Hidden]) -> Result<()> {
    let executed = plan.steps.iter_mut().find_map(|step| match &mut step.op {
        Op::Execute { env, .. } => Some(env),
        _ => None,
    });
    let Some(env) = executed else {
        return Ok(());
    };
    for variable in variables {
        let text = String::from_utf8(variable.reveal().to_vec()).map_err(|_not_text| {
            Error::new(
                Kind::Invalid,
                "a secret that is not UTF-8 is to be a variable",
            )
        })?;
        let name = text.find('=').map_or(&*text, |end| &text[..=end]);
        env.retain(|entry| !entry.starts_with(name));
        env.push(text);
    }
    Ok(())
}

/// The configuration as the state keeps it, beside the filter that the rules became.
fn without_rules(mut spec: oci::Spec) -> oci::Spec {
    if let Some(seccomp) = spec.linux.as_mut().and_then(|l| l.seccomp.as_mut()) {
        seccomp.syscalls.clear();
    }
    spec
}
