//! Cgroup v2 gives the children of a cgroup no resources as long as it has processes of its own (cgroups(7), "no internal
//! processes"), but for the root of the whole tree. A container's first processes are in what it sees as its root: for
//! containers inside of it they have to move.

use lockstep_abi::errno::Errno;
use lockstep_kernel as kernel;
use lockstep_kernel::file::{self, CWD};

use super::TEXT_MAX;

/// Where the processes of a container's root go.
const LEAF: &str = "init";

/// How often those are moved that were forked meanwhile.
const ROUNDS: usize = 100;

/// Sees to it that a directory, whose path ends with a slash, may have children with controllers: at the root of a cgroup
/// namespace by moving its processes into a leaf, elsewhere by refusing what has some (`EBUSY`). Without that the kernel
/// would still give the children those controllers that go by threads (cpu, cpuset, pids), and then take no process there
/// ("domain invalid").
pub(super) fn make(dir: &str, is_root: bool) -> kernel::Result<()> {
    let busy = || kernel::Error {
        call: format!("{dir}cgroup.procs has processes"),
        errno: Errno::EBUSY.0,
    };
    match kernel::cgroup::value(CWD, format!("{dir}cgroup.type")) {
        Ok(_) => {}
        // The root of the whole tree has no type; nor had any before Linux 4.14.
        Err(call) if call.is(&[Errno::ENOENT.0]) => return Ok(()),
        Err(call) => return Err(call),
    }
    let mut made = false;
    for _ in 0..ROUNDS {
        let processes = file::read(CWD, format!("{dir}cgroup.procs"), TEXT_MAX)?;
        let processes = String::from_utf8_lossy(&processes);
        if processes.is_empty() {
            return Ok(());
        }
        // 0 is a process that this pid namespace has no name for.
        if !is_root || processes.lines().any(|pid| pid == "0") {
            return Err(busy());
        }
        if !made {
            make_leaf(dir)?;
            made = true;
        }
        for pid in processes.lines() {
            match file::write(CWD, format!("{dir}{LEAF}/cgroup.procs"), pid.as_bytes()) {
                Err(call) if !call.is(&[Errno::ESRCH.0]) => return Err(call),
                _ => {}
            }
        }
    }
    Err(busy())
}

fn make_leaf(dir: &str) -> kernel::Result<()> {
    match file::mkdirat(CWD, format!("{dir}{LEAF}"), 0o755) {
        Err(call) if !call.is(&[Errno::EEXIST.0]) => Err(call),
        _ => Ok(()),
    }
}
