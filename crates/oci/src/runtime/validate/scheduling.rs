//! When and where the process runs: scheduler, I/O priority, CPU affinity.
//!
//! The rules are those of the kernel's system calls, so that EINVAL from them becomes a named field.

use super::Report;
use crate::pointer::Pointer;
use crate::runtime::{Process, Scheduler, SchedulerPolicy};

/// Shortest run time of a deadline task in nanoseconds (sched(7), `SCHED_DEADLINE`).
const MIN_DEADLINE_RUNTIME: u64 = 1024;

pub(super) fn check(report: &mut Report, at: &Pointer<'_>, process: &Process) {
    if let Some(scheduler) = &process.scheduler {
        check_scheduler(report, &at.key("scheduler"), scheduler);
    }
    if let Some(priority) = &process.io_priority {
        let at = at.key("ioPriority");
        report.known(
            &at.key("class"),
            &priority.class,
            priority.class.is_known(),
            "I/O priority class",
        );
        if !(0..=7).contains(&priority.priority) {
            report.refuse(
                &at.key("priority"),
                &priority.priority,
                "must be from 0 (highest) to 7 (lowest)",
            );
        }
    }
    if let Some(affinity) = &process.exec_cpu_affinity {
        let at = at.key("execCPUAffinity");
        for (field, list) in [("initial", &affinity.initial), ("final", &affinity.final_)] {
            if let Some(list) = list {
                report.cpu_list(&at.key(field), list);
            }
        }
    }
}

fn check_scheduler(report: &mut Report, at: &Pointer<'_>, scheduler: &Scheduler) {
    use SchedulerPolicy::{Batch, Deadline, Fifo, Iso, Other, Rr};
    let policy = &scheduler.policy;
    report.known(
        &at.key("policy"),
        policy,
        policy.is_known(),
        "scheduling policy",
    );
    if *policy == Iso {
        report.refuse(
            &at.key("policy"),
            policy,
            "is reserved, no kernel implements it",
        );
    }
    let flags = at.key("flags");
    for (nth, flag) in scheduler.flags.iter().enumerate() {
        report.known(&flags.index(nth), flag, flag.is_known(), "scheduling flag");
    }
    if let Some(nice) = scheduler.nice {
        if !(-20..=19).contains(&nice) {
            report.refuse(&at.key("nice"), &nice, "must be from -20 to 19");
        } else if nice != 0 && !matches!(policy, Other | Batch) {
            report.warn(
                &at.key("nice"),
                &nice,
                format!("has no effect with {policy}"),
            );
        }
    }
    let priority = scheduler.priority.unwrap_or(0);
    if matches!(policy, Fifo | Rr) {
        if !(1..=99).contains(&priority) {
            report.refuse(
                &at.key("priority"),
                &priority,
                format!("must be from 1 to 99 with {policy}"),
            );
        }
    } else if priority != 0 {
        report.refuse(
            &at.key("priority"),
            &priority,
            format!("must be 0 with {policy}"),
        );
    }
    if *policy == Deadline {
        check_deadline(report, at, scheduler);
    } else {
        for (field, value) in [
            ("runtime", scheduler.runtime),
            ("deadline", scheduler.deadline),
            ("period", scheduler.period),
        ] {
            if let Some(value) = value.filter(|value| *value != 0) {
                report.refuse(
                    &at.key(field),
                    &value,
                    format!("must be 0 with {policy}, only SCHED_DEADLINE takes it"),
                );
            }
        }
    }
}

fn check_deadline(report: &mut Report, at: &Pointer<'_>, scheduler: &Scheduler) {
    let runtime = scheduler.runtime.unwrap_or(0);
    let deadline = scheduler.deadline.unwrap_or(0);
    // A period of 0 means one as long as the deadline.
    let period = scheduler
        .period
        .filter(|period| *period != 0)
        .unwrap_or(deadline);
    if runtime < MIN_DEADLINE_RUNTIME {
        report.refuse(
            &at.key("runtime"),
            &runtime,
            format!("must be at least {MIN_DEADLINE_RUNTIME} with SCHED_DEADLINE"),
        );
    }
    if deadline < runtime {
        report.refuse(
            &at.key("deadline"),
            &deadline,
            format!("is below the runtime {runtime}"),
        );
    }
    if period < deadline {
        report.refuse(
            &at.key("period"),
            &period,
            format!("is below the deadline {deadline}"),
        );
    }
    for (field, value) in [("deadline", deadline), ("period", period)] {
        // The kernel keeps the top bit for comparing times that wrap.
        if value > i64::MAX.cast_unsigned() {
            report.refuse(
                &at.key(field),
                &value,
                format!("must be at most {}", i64::MAX),
            );
        }
    }
}
