//! The system call filter: names, and combinations that cannot be compiled or would hang the container.
//!
//! Names of system calls are not judged: which exist depends on the architecture, and an unknown one
//! is the compiler's business.

use super::Report;
use crate::pointer::Pointer;
use crate::runtime::{Seccomp, SeccompAction, SeccompFlag, SeccompSyscall};

/// Largest errno that a system call can return (`MAX_ERRNO` of the kernel).
const MAX_ERRNO: u32 = 4095;

/// Largest number that a trace action can hand over (`SECCOMP_RET_DATA`, seccomp(2)).
const MAX_TRACE: u32 = 0xffff;

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, filter: &Seccomp) {
    check_action(report, &at.key("defaultAction"), &filter.default_action);
    if filter.default_action == SeccompAction::Notify {
        report.refuse(
            &at.key("defaultAction"),
            &filter.default_action,
            "would also stop the calls that hand the descriptor to the listener",
        );
    }
    check_errno(
        report,
        &at.key("defaultErrnoRet"),
        &filter.default_action,
        filter.default_errno_ret,
    );
    let place = at.key("architectures");
    for (nth, arch) in filter.architectures.iter().enumerate() {
        report.known(
            &place.index(nth),
            arch,
            arch.is_known(),
            "seccomp architecture",
        );
    }
    let place = at.key("flags");
    for (nth, flag) in filter.flags.iter().enumerate() {
        report.known(&place.index(nth), flag, flag.is_known(), "seccomp flag");
    }
    let place = at.key("syscalls");
    for (nth, rule) in filter.syscalls.iter().enumerate() {
        check_rule(
            report,
            &place.index(nth),
            rule,
            filter.listener_path.is_some(),
        );
    }
    check_listener(report, at, filter);
}

fn check_action(report: &mut Report, at: &Pointer<'_>, action: &SeccompAction) {
    report.known(at, action, action.is_known(), "seccomp action");
}

fn check_errno(report: &mut Report, at: &Pointer<'_>, action: &SeccompAction, errno: Option<u32>) {
    let Some(errno) = errno else { return };
    let largest = match action {
        SeccompAction::Errno => MAX_ERRNO,
        SeccompAction::Trace => MAX_TRACE,
        _ => {
            report.refuse(at, &errno, format!("the action {action} returns no number"));
            return;
        }
    };
    if errno > largest {
        report.refuse(
            at,
            &errno,
            format!("must be at most {largest} with {action}"),
        );
    }
}

fn check_rule(report: &mut Report, at: &Pointer<'_>, rule: &SeccompSyscall, listener: bool) {
    let place = at.key("names");
    if rule.names.is_empty() {
        report.refuse(&place, &rule.names, "needs at least one system call");
    }
    for (nth, name) in rule.names.unknown() {
        if name.is_empty() || name.contains('\0') {
            report.refuse(&place.index(nth), &name, "is not the name of a system call");
        }
    }
    if rule.action == SeccompAction::Notify {
        for (nth, name) in rule.names.iter().enumerate().filter(|(_, n)| *n == "write") {
            report.refuse(
                &place.index(nth),
                &name,
                "cannot be notified, the runtime writes after the filter is loaded",
            );
        }
    }
    check_action(report, &at.key("action"), &rule.action);
    if rule.action == SeccompAction::Notify && !listener {
        report.refuse(
            &at.key("action"),
            &rule.action,
            "needs /linux/seccomp/listenerPath",
        );
    }
    check_errno(report, &at.key("errnoRet"), &rule.action, rule.errno_ret);
    let place = at.key("args");
    for (nth, arg) in rule.args.iter().enumerate() {
        let place = place.index(nth);
        if arg.index > 5 {
            report.refuse(&place.key("index"), &arg.index, "must be from 0 to 5");
        }
        report.known(
            &place.key("op"),
            &arg.op,
            arg.op.is_known(),
            "seccomp operator",
        );
    }
}

fn check_listener(report: &mut Report, at: &Pointer<'_>, filter: &Seccomp) {
    if let Some(path) = &filter.listener_path {
        report.absolute_path(&at.key("listenerPath"), path);
    } else if let Some(metadata) = &filter.listener_metadata {
        report.refuse(
            &at.key("listenerMetadata"),
            metadata,
            "must not be set without listenerPath",
        );
    }
    let notifies = filter
        .syscalls
        .iter()
        .any(|rule| rule.action == SeccompAction::Notify);
    for (nth, flag) in filter.flags.iter().enumerate() {
        // seccomp(2) gives EINVAL for it without a listener.
        if *flag == SeccompFlag::WaitKillableRecv && !notifies {
            report.warn(
                &at.key("flags").index(nth),
                flag,
                "has no effect without a rule that notifies",
            );
        }
    }
}
