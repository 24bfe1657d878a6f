//! The words of each operation, by what it is about.

use super::{Call, Flags, call, moment, namespaces, numbers, place, quoted, with_maps};
use crate::step::{HandOver, MapMethod, Op};
use lockstep_abi::call::Text;
use lockstep_abi::{bpf, mount, rlimit};

/// From the caller's process to the new one in its namespaces and cgroups.
pub(super) fn birth(op: &Op) -> Option<Call> {
    Some(match op {
        Op::OpenInit { slot } => call("memfd_create").text("init").named("as", place(*slot)),
        Op::Clone { new, join, owner } => {
            let mut call = call("clone3").with(namespaces(*new));
            for (kind, path, _) in join {
                let path = Text(path.as_path().as_os_str().as_encoded_bytes());
                call = call.named("join", format_args!("{} {path}", namespaces(*kind)));
            }
            match owner {
                Some(uid) => call.named("owner", uid),
                None => call,
            }
        }
        Op::Enter { namespaces: kinds } => call("setns").with(namespaces(*kinds)),
        Op::WriteIdMaps { maps, method } => {
            let name = match method {
                MapMethod::Direct | MapMethod::OneId => "write",
                MapMethod::Helper => "newuidmap",
            };
            let setgroups = *method == MapMethod::OneId;
            with_maps(call(name).when(setgroups, "setgroups=\"deny\""), maps)
        }
        Op::JoinCgroup => call("write").text("cgroup.procs"),
        Op::SetOomScoreAdj { value } => call("write").text("oom_score_adj").with(value),
        Op::RaiseRlimit { resource, hard } => call("prlimit64")
            .with(rlimit::display(*resource))
            .named("rlim_max", rlimit::value(*hard)),
        Op::MoveNetDevice { host, name } => call("netlink")
            .text("RTM_NEWLINK")
            .text(host)
            .named("name", quoted(name)),
        Op::JoinResctrl {
            group,
            schemata,
            monitoring,
            create,
        } => call("write")
            .text("resctrl")
            .text(group)
            .texts(schemata)
            .when(*monitoring, "mon_groups")
            .when(*create, "mkdir"),
        Op::InitialCpuAffinity { cpus } => call("sched_setaffinity")
            .with("before the cgroup")
            .with(numbers(cpus)),
        Op::RunRuntimeHooks => call("hooks").with("prestart").with("createRuntime"),
        Op::Signal(barrier) => call("tell").text(moment(*barrier)),
        Op::Await(barrier) => call("await").text(moment(*barrier)),
        _ => return None,
    })
}

/// What the new process does with itself before it mounts.
pub(super) fn joining(op: &Op) -> Option<Call> {
    Some(match op {
        Op::JoinHierarchies => call("write").text("cgroup.procs").with("of each hierarchy"),
        Op::BecomeRoot { groups } => call("setresuid").with(0).when(*groups, "setgroups([])"),
        Op::JoinKeyring { name, label } => {
            let call = call("keyctl")
                .with("KEYCTL_JOIN_SESSION_KEYRING")
                .text(name);
            match label {
                Some(label) => call.named("label", quoted(label)),
                None => call,
            }
        }
        Op::NewSession => call("setsid"),
        Op::Unshare { flags } => call("unshare").with(namespaces(*flags)),
        Op::TimeOffsets { offsets } => offsets.iter().fold(
            call("write").text("timens_offsets"),
            |call, (clock, seconds, nanoseconds)| {
                call.text(&format!("{clock} {seconds} {nanoseconds}"))
            },
        ),
        Op::EnterTime => call("setns")
            .text("time_for_children")
            .with("CLONE_NEWTIME"),
        Op::LoopbackUp => call("netlink")
            .text("RTM_NEWLINK")
            .text("lo")
            .with("IFF_UP"),
        Op::TellNamespaces => call("sendmsg")
            .with("SCM_RIGHTS")
            .text("ns/user")
            .text("ns/mnt"),
        Op::DieWithSupervisor => call("prctl").with("PR_SET_PDEATHSIG").with("SIGKILL"),
        _ => return None,
    })
}

/// Trees that are opened and attached.
pub(super) fn trees(op: &Op) -> Option<Call> {
    Some(match op {
        Op::OpenTree {
            slot,
            source,
            recursive,
            links,
            peer,
            idmap,
        } => {
            let call = call("open_tree")
                .host(source)
                .with("OPEN_TREE_CLONE")
                .when(*recursive, "AT_RECURSIVE")
                .links(*links)
                .when(*peer, "shared");
            let call = match idmap {
                Some((maps, all)) => with_maps(call, maps).when(*all, "of all below"),
                None => call,
            };
            call.named("as", place(*slot))
        }
        Op::BorrowTree {
            slot,
            namespaces,
            path,
        } => call("open_tree")
            .inside(path)
            .named(
                "in",
                Text(namespaces.as_path().as_os_str().as_encoded_bytes()),
            )
            .named("as", place(*slot)),
        Op::HostPropagation { flags } => call("mount").text("/").with(mount::flags(*flags)),
        Op::AttachRoot { source, at } => call("move_mount").source(source).host(at),
        _ => return None,
    })
}

/// New and bound mounts.
pub(super) fn mounts(op: &Op) -> Option<Call> {
    Some(match op {
        Op::Mount {
            kind,
            source,
            data,
            attributes,
            target,
            copy_up,
            nofollow,
            fallback,
            root_label,
        } => {
            let call = call("mount")
                .text(source)
                .inside(target)
                .text(kind)
                .attributes(attributes)
                .text(&data.join(","))
                .when(*copy_up, "with a copy of what was there")
                .when(*nofollow, "RESOLVE_NO_SYMLINKS");
            let call = match root_label {
                Some(label) => call.named("label", quoted(label)),
                None => call,
            };
            match fallback {
                Some(path) => call.named("else", format_args!("{:?}", path.as_path())),
                None => call,
            }
        }
        Op::Bind {
            source,
            recursive,
            attributes,
            target,
            nofollow,
        } => call("move_mount")
            .source(source)
            .inside(target)
            .when(*recursive, "AT_RECURSIVE")
            .attributes(attributes)
            .when(*nofollow, "RESOLVE_NO_SYMLINKS"),
        Op::Remount {
            target,
            flags,
            data,
        } => call("mount")
            .inside(target)
            .with(mount::flags(*flags))
            .text(data),
        _ => return None,
    })
}

/// What is changed of mounts and files that are there.
pub(super) fn changes(op: &Op) -> Option<Call> {
    Some(match op {
        Op::CgroupMount {
            target,
            views,
            single,
            namespaced,
            own,
            attributes,
        } => views
            .iter()
            .fold(call("mount").inside(target), |call, view| {
                let (kind, name) = (view.kind, &view.name);
                let host = Text(view.host.as_os_str().as_encoded_bytes());
                call.with(format_args!(
                    "{kind} {} {} {host}",
                    quoted(name),
                    quoted(&view.option)
                ))
            })
            .when(*single, "one mount")
            .when(!*namespaced, "bound")
            .when(*own, "or nothing")
            .attributes(attributes),
        Op::SetAttributes { target, attributes } => {
            call("mount_setattr").inside(target).attributes(attributes)
        }
        Op::MakeDevice(device) => call("mknodat").device(device),
        Op::BindDevice { device, source } => call("move_mount").host(source).device(device),
        Op::Symlink { target, link } => call("symlinkat").text(target).inside(link),
        Op::Console { size, mount } => {
            let call = call("openpty").when(*mount, "/dev/console");
            match size {
                Some((rows, columns)) => call.named("size", format_args!("{rows}x{columns}")),
                None => call,
            }
        }
        Op::MaskPath { path } => call("mask").inside(path),
        Op::ReadonlyPath { path } => call("mount_setattr")
            .inside(path)
            .named("recursive-set", mount::attributes(mount::MOUNT_ATTR_RDONLY)),
        Op::RunContainerHooks => call("hooks").with("createContainer"),
        Op::PivotRoot => call("pivot_root").text(".").text("."),
        Op::MoveRoot => call("move_mount").text(".").text("/"),
        Op::Chroot => call("chroot").text("."),
        Op::RootPropagation { flags } => call("mount").text("/").with(mount::flags(*flags)),
        Op::MakeDirectory { path } => call("mkdirat").inside(path),
        Op::ReadonlyRoot => call("mount_setattr")
            .text("/")
            .named("set", mount::attributes(mount::MOUNT_ATTR_RDONLY)),
        _ => return None,
    })
}

/// Names and limits.
pub(super) fn limits(op: &Op) -> Option<Call> {
    Some(match op {
        Op::SetHostname { name } => call("sethostname").text(name),
        Op::SetDomainname { name } => call("setdomainname").text(name),
        Op::Sysctl { key, value } => call("sysctl").text(key).text(value),
        Op::SetRlimit {
            resource,
            soft,
            hard,
        } => call("prlimit64")
            .with(rlimit::display(*resource))
            .named("rlim_cur", rlimit::value(*soft))
            .named("rlim_max", rlimit::value(*hard)),
        Op::LimitProcesses { limit } => call("prlimit64")
            .with("RLIMIT_NPROC")
            .named("rlim_max", rlimit::value(*limit)),
        Op::SetScheduler {
            policy,
            flags,
            nice,
            priority,
            runtime,
            deadline,
            period,
        } => call("sched_setattr")
            .named("policy", policy)
            .named("flags", format_args!("{flags:#x}"))
            .named("nice", nice)
            .named("priority", priority)
            .named("runtime", runtime)
            .named("deadline", deadline)
            .named("period", period),
        Op::SetIoPriority { class, level } => call("ioprio_set")
            .named("class", class)
            .named("level", level),
        Op::SetCpuAffinity { cpus } => call("sched_setaffinity").with(numbers(cpus)),
        Op::SetMemoryPolicy { mode, nodes } => call("set_mempolicy")
            .with(format_args!("{mode:#x}"))
            .with(numbers(nodes)),
        Op::SetPersonality { persona } => call("personality").with(format_args!("{persona:#x}")),
        Op::SetUmask { mask } => call("umask").with(format_args!("{mask:04o}")),
        Op::ApparmorOnExec { profile, stack } => call("write")
            .text("attr/apparmor/exec")
            .text(profile)
            .when(*stack, "stacked"),
        Op::SelinuxOnExec { label } => call("write").text("attr/exec").text(label),
        _ => return None,
    })
}

/// Rights that it loses.
pub(super) fn confinement(op: &Op) -> Option<Call> {
    Some(match op {
        Op::NoNewPrivs => call("prctl").with("PR_SET_NO_NEW_PRIVS").with(1),
        Op::DropBounding { keep } => call("prctl")
            .with("PR_CAPBSET_DROP")
            .sets(&[("all but", *keep)]),
        Op::SwitchUser {
            uid,
            gid,
            groups,
            set_groups,
        } => {
            let call = match set_groups {
                true => call("setresuid").named("groups", numbers(groups)),
                false => call("setresuid").with("groups as they are"),
            };
            call.named("gid", gid).named("uid", uid)
        }
        Op::SetCapabilities {
            effective,
            permitted,
            inheritable,
            ambient,
            extra,
        } => call("capset").sets(&[
            ("effective", *effective),
            ("permitted", *permitted),
            ("inheritable", *inheritable),
            ("ambient", *ambient),
            ("until the filter", *extra),
        ]),
        Op::FinalCapabilities {
            effective,
            permitted,
            inheritable,
        } => call("capset").sets(&[
            ("effective", *effective),
            ("permitted", *permitted),
            ("inheritable", *inheritable),
        ]),
        _ => return None,
    })
}

/// What filters and domains refuse it.
pub(super) fn refusal(op: &Op) -> Option<Call> {
    Some(match op {
        Op::Landlock(domain) => {
            let call = call("landlock_restrict_self")
                .named("fs", format_args!("{:#x}", domain.handled_fs))
                .named("net", format_args!("{:#x}", domain.handled_net))
                .named("scoped", format_args!("{:#x}", domain.scoped));
            let call = domain.paths.iter().fold(call, |call, (path, rights)| {
                let path = Text(path.as_path().as_os_str().as_encoded_bytes());
                call.with(format_args!("{path} {rights:#x}"))
            });
            let ports = domain.ports.iter();
            ports
                .fold(call, |call, (port, rights)| {
                    call.with(format_args!("port {port} {rights:#x}"))
                })
                .when(domain.best_effort, "as far as the kernel knows it")
        }
        Op::Seccomp {
            filter,
            flags,
            listener,
        } => {
            let call = call("seccomp")
                .with("SECCOMP_SET_MODE_FILTER")
                .with(Flags {
                    bits: u64::from(*flags),
                    names: bpf::SECCOMP_FILTER_FLAG_NAMES,
                })
                .with(format_args!("{} instructions", filter.len()));
            match listener {
                None => call,
                Some(HandOver::Sent) => call.named("listener", "sent"),
                Some(HandOver::Beside) => call.named("listener", "sent from beside it"),
            }
        }
        _ => return None,
    })
}

/// The last acts.
pub(super) fn program(op: &Op) -> Option<Call> {
    Some(match op {
        Op::ChangeDirectory { path } => call("chdir").inside(path),
        Op::FindHome { uid } => call("getpwuid").with(uid).with("HOME"),
        Op::FindProgram { program, path } => {
            call("faccessat2").text(program).named("PATH", quoted(path))
        }
        Op::RunStartHooks => call("hooks").with("startContainer"),
        Op::CloseDescriptors { keep } => call("close_range")
            .with(3_u64 + u64::from(*keep))
            .with("~0")
            .with("CLOSE_RANGE_CLOEXEC"),
        Op::Execute { args, env, init } => {
            let call = call("execve").texts(args).texts(env);
            match init {
                Some(slot) => call.named("by", place(*slot)),
                None => call,
            }
        }
        _ => return None,
    })
}
