//! The plan of `create` and `run`: the birth of a container as one list.

use crate::mount::{self, Context};
use crate::namespace::{self, NEWCGROUP, NEWTIME, Namespaces};
use crate::process::{Role, limits, privileges};
use crate::secret::{Hidden, Secret};
use crate::step::{Barrier, IdMaps, MapMethod, Op, OverlayRoot, Plan, Slot};
use crate::{Error, Host, Result, landlock};
use lockstep_oci::runtime::{Hooks, IntelRdt, Linux, Process, Spec, ValidSpec};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What the caller of the runtime decided beside config.json.
#[derive(Debug)]
pub struct Request<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The bundle's absolute path.
    pub bundle: &'a Path,
    /// The container's directory in each hierarchy, as absolute host paths, by hierarchy.
    pub cgroups: &'a [(usize, PathBuf)],
    /// Do not use pivot_root(2).
    pub no_pivot: bool,
    /// Do not make a session keyring.
    pub no_keyring: bool,
    /// Descriptors beyond the standard streams that the program gets.
    pub keep: u32,
    /// The most processes that there may be where no cgroup counts them; see `CgroupPlan`.
    pub processes: Option<u64>,
    /// How many of them are sockets of a service manager (sd_listen_fds(3)), which come first.
    pub sockets: u32,
    /// What only a container with a supervisor of its own has.
    pub supervised: Option<&'a Supervised>,
}

/// What the plan of a container with a supervisor has beyond config.json.
#[derive(Debug, Clone, Default)]
pub struct Supervised {
    /// The user id that owns the container's user namespace: the supervisor goes on as this user and so keeps
    /// every right over the container without a capability (user_namespaces(7)). `None` is the caller's own.
    pub owner: Option<u32>,
    /// A root file system in memory, which takes the place of config.json's directory.
    pub memory_root: Option<MemoryRoot>,
    /// Layers in the place of that directory.
    pub overlay: Option<OverlayRoot>,
    /// Whether that directory is id-mapped, so that its files have the same owners inside as on the host.
    pub idmap_root: bool,
    /// Whether our own init is the first process and starts the program.
    pub init: bool,
    /// Files in memory whose content is in no configuration.
    pub secrets: Vec<Secret>,
    /// Variables of the environment (`NAME=value`) that are in none either.
    pub secret_env: Vec<Hidden>,
    /// Sysctls (name, value) of the container's own network namespace that are wanted and not needed: where the
    /// kernel refuses one, as below a read-only /proc/sys, the outcome says so.
    pub network_defaults: Vec<(String, String)>,
    /// Whether the container is made for its file systems alone: no program is looked for or ever executed.
    pub held: bool,
    /// Overlays in the place of the bind mounts at these targets.
    pub over: Vec<(String, OverlayRoot)>,
    /// Containers whose namespaces config.json names by the /proc files of their first processes.
    pub neighbours: Vec<Neighbour>,
    /// The directory of namespace files of the one whose /dev/shm is this container's too.
    pub shared_memory: Option<PathBuf>,
    /// The file of a user namespace in the place of a new one: nobody else is in it, and it has the container's maps.
    pub users: Option<String>,
}

/// A container whose namespaces are joined. A process id can come to mean another process: what was opened by it is the
/// container's only if that is still its first process behind the opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: String,
    /// Its first process.
    pub pid: i32,
}

/// What a root file system in memory begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRoot {
    /// Links (link, target) that are there before anything is mounted.
    pub links: Vec<(String, String)>,
    /// Directories that are made when everything is mounted.
    pub directories: Vec<String>,
    /// Links that are made then.
    pub late_links: Vec<(String, String)>,
}

/// Plans a container.
pub fn plan(spec: &ValidSpec, host: &Host, request: &Request<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    let empty = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&empty);
    let process = spec
        .process
        .as_ref()
        .ok_or_else(|| Error::new("/process", "", "a process is required"))?;
    let mut namespaces = Namespaces::of(linux)?;
    if let Some(users) = request.supervised.and_then(|s| s.users.as_deref()) {
        namespaces.take_user(users);
    }
    let (maps, method) = namespace::id_maps(linux, host)?;
    // Compiled first: a wrong filter is found before a cgroup or a process exists.
    let filter = crate::seccomp::filter(&mut plan, linux)?;
    let context = context(request, host, &namespaces, &maps);
    plan.mount_label = mount::label(linux).map(str::to_owned);
    let Early { opened, init_steps } = open_early(&mut plan, spec, &context)?;
    let init = request.supervised.is_some_and(|s| s.init);
    if init {
        plan.supervisor("<init>", Op::OpenInit { slot: Slot::INIT });
    }
    birth(
        &mut plan,
        linux,
        process,
        &namespaces,
        host,
        (&maps, method),
        request.supervised.and_then(|s| s.owner),
    )?;
    own_things(&mut plan, &namespaces, process, request);
    plan.steps.extend(init_steps);
    let hooks = spec.hooks.clone().unwrap_or_default();
    file_systems(&mut plan, spec, &opened, &context, &hooks)?;
    if request.supervised.is_some_and(|s| s.held) {
        return hold(plan);
    }
    identity(&mut plan, spec, linux, request);
    let set_groups = host.set_groups && method != MapMethod::OneId;
    let role = Role {
        linux,
        host,
        user_namespace: namespaces.enters_user(),
        set_groups,
        filter,
        landlock: landlock::domain(spec)?,
        start_hooks: !hooks.start_container.is_empty(),
        waits: true,
        supervised: request.supervised.is_some(),
        init,
        keep: request.keep,
        sockets: request.sockets,
        processes: request.processes,
        pointer: "/process",
    };
    limits(&mut plan, process, &role)?;
    privileges(&mut plan, process, role)?;
    crate::order::check(&plan)?;
    Ok(plan)
}

fn context<'a>(
    request: &'a Request<'a>,
    host: &'a Host,
    namespaces: &'a Namespaces,
    maps: &'a IdMaps,
) -> Context<'a> {
    Context {
        bundle: request.bundle,
        host,
        namespaces,
        maps,
        cgroups: request.cgroups,
        no_pivot: request.no_pivot,
        memory_root: request.supervised.and_then(|s| s.memory_root.as_ref()),
        overlay: request.supervised.and_then(|s| s.overlay.as_ref()),
        secrets: request.supervised.map_or(&[], |s| &s.secrets),
        idmap_root: request.supervised.is_some_and(|s| s.idmap_root),
        own_cgroups: request.supervised.is_some(),
        over: request.supervised.map_or(&[], |s| &s.over),
        shared_memory: request.supervised.and_then(|s| s.shared_memory.as_deref()),
    }
}

/// The end of a container that nothing runs in: its first process waits for its supervisor's end.
fn hold(mut plan: Plan) -> Result<Plan> {
    plan.init("<supervisor>", Op::DieWithSupervisor);
    plan.init("<supervisor>", Op::TellNamespaces);
    plan.report(Barrier::Ready);
    plan.release(Barrier::Go);
    crate::order::check(&plan)?;
    Ok(plan)
}

/// Everything from the first mount to the change of root, with the hooks that run in between.
fn file_systems(
    plan: &mut Plan,
    spec: &Spec,
    opened: &mount::Opened,
    context: &Context<'_>,
    hooks: &Hooks,
) -> Result<()> {
    let own = context.namespaces.own_mount();
    if own {
        mount::plan(plan, spec, opened, context)?;
    } else if !spec.mounts.is_empty() {
        let reason = "mounts need a mount namespace of the container";
        return Err(Error::new("/mounts", spec.mounts.len(), reason));
    } else if let Some(process) = spec.process.as_ref().filter(|p| p.terminal) {
        crate::process::console(plan, process, false);
    }
    hook_barriers(plan, hooks);
    // Before the root changes: what covers a masked path is copied from the host's /dev/null, which has to be
    // in this mount namespace for that.
    if let (true, Some(linux)) = (own, &spec.linux) {
        mount::restrict_paths(plan, linux);
    }
    mount::change_root(plan, spec, context);
    Ok(())
}

/// Trees opened before anything else, and the steps of the init process among them, which come after its birth.
struct Early {
    opened: mount::Opened,
    init_steps: Vec<crate::Step>,
}

fn open_early(plan: &mut Plan, spec: &Spec, context: &Context<'_>) -> Result<Early> {
    let opened = mount::open_sources(plan, spec, context)?;
    let (supervisor, init_steps) = plan
        .steps
        .drain(..)
        .partition(|step| step.actor == crate::Actor::Supervisor);
    plan.steps = supervisor;
    Ok(Early { opened, init_steps })
}

fn birth(
    plan: &mut Plan,
    linux: &Linux,
    process: &Process,
    namespaces: &Namespaces,
    host: &Host,
    (maps, method): (&IdMaps, MapMethod),
    owner: Option<u32>,
) -> Result<()> {
    namespace::clone(plan, namespaces, owner);
    // First of all, so that everything that it makes is charged to the container.
    plan.init("/linux/cgroupsPath", Op::JoinHierarchies);
    // By the supervisor, and before the init process changes its ids: that makes its /proc files root's.
    if let Some(value) = process.oom_score_adj {
        plan.supervisor("/process/oomScoreAdj", Op::SetOomScoreAdj { value });
    }
    // Before the maps: an ordinary user's process becomes untraceable with them, and its /proc files the host root's.
    if namespaces.new & NEWTIME != 0 {
        namespace::time(plan, linux);
    }
    if namespaces.new_user() {
        plan.supervisor(
            "/linux/uidMappings",
            Op::WriteIdMaps {
                maps: maps.clone(),
                method,
            },
        );
    }
    // One that was made for this container is nobody else's either: until here the process stays traceable, which what is
    // written of it needs.
    if namespaces.new_user() || namespaces.taken_user {
        plan.release(Barrier::Mapped);
        raise_limits(plan, process, host);
    }
    if namespaces.enters_user() {
        let groups = host.set_groups && method != MapMethod::OneId;
        plan.init("/linux/uidMappings", Op::BecomeRoot { groups });
    }
    plan.supervisor("/linux/cgroupsPath", Op::JoinCgroup);
    for (device, target) in &linux.net_devices {
        let name = target.name.clone().unwrap_or_else(|| device.into());
        let because = format!("/linux/netDevices/{device}");
        plan.supervisor(
            because,
            Op::MoveNetDevice {
                host: device.into(),
                name,
            },
        );
    }
    resctrl(plan, linux, host)?;
    plan.supervisor("<order>", Op::Signal(Barrier::Joined));
    Ok(())
}

/// What a refusal of the whole of `intelRdt` points at.
fn first_of_rdt(rdt: &IntelRdt) -> &'static str {
    let fields = [
        ("/linux/intelRdt/closID", rdt.clos_id.is_some()),
        ("/linux/intelRdt/schemata", !rdt.schemata.is_empty()),
        (
            "/linux/intelRdt/l3CacheSchema",
            rdt.l3_cache_schema.is_some(),
        ),
        ("/linux/intelRdt/memBwSchema", rdt.mem_bw_schema.is_some()),
        ("/linux/intelRdt/enableMonitoring", rdt.enable_monitoring),
    ];
    let given = fields.iter().find(|(_, given)| *given);
    given.map_or("/linux/intelRdt", |(pointer, _)| pointer)
}

fn resctrl(plan: &mut Plan, linux: &Linux, host: &Host) -> Result<()> {
    let Some(rdt) = &linux.intel_rdt else {
        return Ok(());
    };
    if host.resctrl.is_none() {
        let reason = "resctrl is not mounted on this host";
        return Err(Error::new(first_of_rdt(rdt), "", reason));
    }
    let mut schemata = rdt.schemata.clone();
    schemata.extend(rdt.l3_cache_schema.clone());
    schemata.extend(rdt.mem_bw_schema.clone());
    let op = Op::JoinResctrl {
        group: rdt.clos_id.clone().unwrap_or_default(),
        create: rdt.clos_id.is_none() || !schemata.is_empty(),
        schemata,
        monitoring: rdt.enable_monitoring,
    };
    plan.supervisor("/linux/intelRdt", op);
    Ok(())
}

/// Only the host's root may raise a hard limit, which the init process no longer is.
fn raise_limits(plan: &mut Plan, process: &Process, host: &Host) {
    const CAP_SYS_RESOURCE: u8 = 24;
    if !host.has(CAP_SYS_RESOURCE) {
        return;
    }
    for (n, limit) in process.rlimits.iter().enumerate() {
        if let Some(resource) = lockstep_abi::rlimit::number(limit.kind.as_str()) {
            plan.supervisor(
                format!("/process/rlimits/{n}"),
                Op::RaiseRlimit {
                    resource,
                    hard: limit.hard,
                },
            );
        }
    }
}

fn own_things(plan: &mut Plan, namespaces: &Namespaces, process: &Process, request: &Request<'_>) {
    if !request.no_keyring {
        // ENOSYS: a kernel without keyrings has none to protect. EDQUOT: a quota of the user's, not a hole.
        plan.init_best_effort(
            "<session keyring>",
            Op::JoinKeyring {
                name: format!("_ses.{}", request.id),
                label: crate::process::label(process),
            },
        );
    }
    // Always: whoever shares the caller's session could type into its terminal (TIOCSTI).
    plan.init("<session>", Op::NewSession);
    // Waited for here, before the cgroup namespace is taken from the cgroup that the process is in; and in
    // any case before mounts are made, so that the memory for them is charged to the container.
    plan.init("<order>", Op::Await(Barrier::Joined));
    if namespaces.new & NEWCGROUP != 0 {
        plan.init("/linux/namespaces", Op::Unshare { flags: NEWCGROUP });
    }
    if namespaces.new_network() {
        plan.init("<default network>", Op::LoopbackUp);
    }
}

fn hook_barriers(plan: &mut Plan, hooks: &Hooks) {
    if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
        plan.report(Barrier::Mounted);
        plan.supervisor("/hooks/createRuntime", Op::RunRuntimeHooks);
        plan.release(Barrier::Hooked);
    }
    if !hooks.create_container.is_empty() {
        plan.init("/hooks/createContainer", Op::RunContainerHooks);
    }
}

fn identity(plan: &mut Plan, spec: &Spec, linux: &Linux, request: &Request<'_>) {
    if let Some(name) = spec.hostname.as_ref().filter(|n| !n.is_empty()) {
        plan.init("/hostname", Op::SetHostname { name: name.clone() });
    }
    if let Some(name) = spec.domainname.as_ref().filter(|n| !n.is_empty()) {
        plan.init("/domainname", Op::SetDomainname { name: name.clone() });
    }
    for (key, value) in request.supervised.iter().flat_map(|s| &s.network_defaults) {
        let op = Op::Sysctl {
            key: key.clone(),
            value: value.clone(),
        };
        plan.init_best_effort("<default network>", op);
    }
    for (key, value) in &linux.sysctl {
        plan.init(
            format!("/linux/sysctl/{key}"),
            Op::Sysctl {
                key: key.into(),
                value: value.clone(),
            },
        );
    }
}
