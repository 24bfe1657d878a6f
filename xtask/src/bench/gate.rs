//! `bench syscalls` and `bench gate`: figures that do not depend on the machine's load.
//!
//! Times on a shared machine say little about one commit; the number of system calls and page faults and the
//! size of the file say the same everywhere, so they are what CI holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::bundle::Kind;
use super::layout::Layout;
use super::sample;
use super::{Bench, Runtime};
use crate::Failure;

/// The goal for the system calls of `run`, all processes, without the payload's own. It is reached where there is
/// one hierarchy of cgroups. Each of version 1 costs eight calls (made, opened, joined, closed, shown in the
/// container with three, removed), the devices' and cpuset's some more, and this kernel has nine.
const GOAL: usize = 300;

/// What the gate holds, so that nothing is added to the path unseen: the figure of the day (v1 381, hybrid 388,
/// v2 298) and, where the goal is not reached anyway, some room for retries. It is lowered with the figure and
/// never raised.
pub(crate) fn ceiling(layout: Layout) -> usize {
    match layout {
        Layout::V1 => 390,
        Layout::Hybrid => 397,
        Layout::V2 => GOAL - 1,
    }
}
/// Page faults of `run`, the payload's few among them. They rise when the linker script of `bench order` no longer
/// fits the program, and when more is read, written or executed.
pub(crate) const FAULTS: u64 = 150;
/// Bytes of the release binary.
const SIZE: u64 = 3_000_000;

/// Counts the system calls of `run` for each runtime and prints the most frequent.
pub(crate) fn syscalls(bench: &Bench, runtimes: &[Runtime]) -> Result<bool, Failure> {
    let bundle = bench.bundles.make(Kind::Plain)?;
    let mut good = true;
    for runtime in runtimes {
        let ours = runtime.name == "lockstep-runc";
        let on = format!("{} on {}", runtime.name, bench.layout.name());
        let calls = match count(bench, runtime, &bundle) {
            Ok(calls) => calls,
            Err(failure) => {
                // A peer that refuses a layout does not keep ours from being counted in it.
                println!("{on}: {failure}");
                good &= !ours;
                continue;
            }
        };
        let total: usize = calls.values().sum();
        let mut most: Vec<(&String, &usize)> = calls.iter().collect();
        most.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), name.as_str()));
        let most: Vec<String> = most
            .iter()
            .take(12)
            .map(|(n, c)| format!("{n} {c}"))
            .collect();
        println!("{on}: {total} system calls: {}", most.join(", "));
        if ours {
            let most = ceiling(bench.layout);
            println!("{on}: the gate is {most}, the goal {GOAL}");
            good &= total <= most;
        }
    }
    Ok(good)
}

fn count(
    bench: &Bench,
    runtime: &Runtime,
    bundle: &Path,
) -> Result<BTreeMap<String, usize>, Failure> {
    let log = bench.folder.join(format!("{}.strace", runtime.name));
    // Each signal that the caller ignores costs a call: nohup, and Python's SIGXFSZ.
    let mut strace = Command::new("env");
    strace
        .args(["--default-signal", "timeout", "60"])
        .args(["strace", "-f", "-qq", "-e", "signal=none", "-o"])
        .arg(&log);
    let id = format!("bench-strace-{}", runtime.name);
    strace.args(runtime.words(&["run", "-b", &bundle.to_string_lossy(), &id]));
    crate::run::output(&mut strace)?;
    // A runtime that does nothing makes few calls.
    calls(&std::fs::read_to_string(log)?, "/bin/true")
        .ok_or(Failure::new("the payload was never executed"))
}

/// System calls by name in the output of `strace -f -o`, without those of the process that has
/// executed `payload` from then on; none if nothing executed it.
fn calls(log: &str, payload: &str) -> Option<BTreeMap<String, usize>> {
    let execve = format!("execve(\"{payload}\"");
    let mut counted = BTreeMap::new();
    let mut payload_pid = None;
    for line in log.lines() {
        let Some((pid, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if payload_pid == Some(pid) || call.starts_with(['<', '+', '-']) {
            continue; // `<... read resumed>` is the end of a call already counted
        }
        if let Some((name, _)) = call.split_once('(') {
            *counted.entry(name.to_owned()).or_default() += 1;
        }
        // A failed execve leaves the runtime's own code running.
        if call.starts_with(&execve) && !call.contains(" = -1 ") {
            payload_pid = Some(pid);
        }
    }
    payload_pid.map(|_| counted)
}

/// Counts the page faults of `run`.
pub(crate) fn faults(bench: &Bench) -> Result<bool, Failure> {
    let bundle = bench.bundles.make(Kind::Plain)?;
    let case = super::load::run_case(&bench.ours()?, &bundle, "");
    let samples = sample::interleave(&bench.measure, &[case], 11, 1, 30_000)?;
    let samples: Vec<_> = samples.into_values().flatten().collect();
    let faults = sample::percentile(&samples, 50, |sample| sample.faults);
    println!("lockstep-runc: {faults} page faults, the gate is {FAULTS}");
    Ok(samples.iter().all(|sample| sample.status == "0") && (1..=FAULTS).contains(&faults))
}

/// Size and linkage of the binary, in libtest's form. Returns how many failed.
pub(crate) fn binary(path: &Path) -> Result<Vec<(String, bool)>, Failure> {
    let bytes = std::fs::read(path)?;
    let size = bytes.len() as u64;
    let kind = if has_interpreter(&bytes) {
        "dynamic"
    } else {
        "static"
    };
    println!("{}: {size} bytes, {kind}", path.display());
    Ok(vec![
        (
            format!("binary is at most {SIZE} bytes ({size})"),
            size <= SIZE,
        ),
        ("binary is static".to_owned(), kind == "static"),
    ])
}

/// Whether an ELF64 little-endian file asks for a dynamic loader.
fn has_interpreter(bytes: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| -> usize {
        let bytes = bytes.get(at..at + length).unwrap_or(&[]);
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | usize::from(*byte))
    };
    let (table, entry, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|i| number(table + i * entry, 4) == PT_INTERP as usize)
}

/// Prints results as libtest does, so that the test runner counts them.
pub(crate) fn report(results: &[(String, bool)]) -> Result<(), Failure> {
    for (name, good) in results {
        println!("test {name} ... {}", if *good { "ok" } else { "FAILED" });
    }
    let failed = results.iter().filter(|(_, good)| !good).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {} passed; {failed} failed; 0 ignored",
        results.len() - failed
    );
    if failed > 0 {
        Err(Failure::silent())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_up_to_the_payload_and_after_its_end() {
        let log = "\
10 execve(\"/x/runc\", [\"runc\"]) = 0
10 clone3({flags=0}) = 11
11 execve(\"/usr/bin/true\", []) = -1 ENOENT
11 write(1, \"a(b\", 1 <unfinished ...>
10 wait4(11,  <unfinished ...>
11 <... write resumed>) = 1
11 execve(\"/bin/true\", [\"true\"]) = 0
11 brk(NULL) = 0
11 exit_group(0) = ?
11 +++ exited with 0 +++
10 <... wait4 resumed>) = 11
10 --- SIGCHLD {si_signo=SIGCHLD} ---
10 rmdir(\"/a\") = 0
";
        let counted = calls(log, "/bin/true").expect("the payload runs");
        assert_eq!(counted.values().sum::<usize>(), 7);
        assert!(!counted.contains_key("brk"));
        assert_eq!(counted["execve"], 3);
        assert!(calls(log, "/bin/false").is_none());
    }

    #[test]
    fn an_interpreter_is_seen() {
        let mut elf = vec![0; 64 + 56];
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        assert!(!has_interpreter(&elf));
        elf[64] = 3;
        assert!(has_interpreter(&elf));
    }
}
