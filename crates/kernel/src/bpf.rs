//! Device filters of cgroup v2 by bpf(2): load, attach, replace, detach. [`watcher`] tries what else is there.
//!
//! A few commands of one system call; a BPF library would be larger than the runtime.

use crate::call::{self, Result};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub mod watcher;

// Commands, types and flags of linux/bpf.h.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_DETACH: libc::c_int = 9;
const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
const BPF_F_REPLACE: u32 = 1 << 2;

/// Most programs that the kernel attaches to one cgroup (BPF_CGROUP_MAX_PROGS).
const MAX_PROGRAMS: usize = 64;

#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
}

#[repr(C)]
struct Info {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// The name of Lockstep's programs, by which they are told from those of others.
pub const DEVICE_FILTER: &str = "lockstep_device";

#[repr(C)]
struct ById {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// BPF_PROG_LOAD of a `BPF_PROG_TYPE_CGROUP_DEVICE` program (Linux 4.15; needs CAP_BPF and
/// CAP_NET_ADMIN, or CAP_SYS_ADMIN, in the initial user namespace). Each number is one
/// `struct bpf_insn`, little-endian. Of the name 15 bytes are kept.
pub fn load_device_filter(name: &str, program: &[u64]) -> Result<OwnedFd> {
    let instructions: Vec<[u8; 8]> = program.iter().map(|insn| insn.to_le_bytes()).collect();
    let license = c"Apache-2.0";
    let mut prog_name = [0; 16];
    for (to, from) in prog_name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let mut attr = Load {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).unwrap_or(u32::MAX),
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name,
    };
    let text = || {
        format!(
            "bpf(BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE, {})",
            program.len()
        )
    };
    // SAFETY: the attribute has the kernel's layout; the instructions and the licence that it points
    // to live until the call returns.
    let raw = unsafe { bpf(BPF_PROG_LOAD, &mut attr, text) }?;
    Ok(owned(raw))
}

/// BPF_PROG_ATTACH with `BPF_F_ALLOW_MULTI`: the program holds beside those of the parents and of
/// others. With `replace` it takes the place of that program without a moment between (Linux 5.6).
pub fn attach_device_filter(
    cgroup: impl AsFd,
    program: impl AsFd,
    replace: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let cgroup = cgroup.as_fd();
    let replaces = if replace.is_some() { BPF_F_REPLACE } else { 0 };
    let mut attr = Attach {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program.as_fd()),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: BPF_F_ALLOW_MULTI | replaces,
        replace_bpf_fd: replace.map_or(0, number),
    };
    let text = || {
        format!(
            "bpf(BPF_PROG_ATTACH, {}, BPF_CGROUP_DEVICE)",
            call::fd(cgroup)
        )
    };
    // SAFETY: the attribute has the kernel's layout and holds numbers only.
    unsafe { bpf(BPF_PROG_ATTACH, &mut attr, text) }.map(drop)
}

/// BPF_PROG_DETACH.
pub fn detach_device_filter(cgroup: impl AsFd, program: impl AsFd) -> Result<()> {
    let cgroup = cgroup.as_fd();
    let mut attr = Attach {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program.as_fd()),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: 0,
        replace_bpf_fd: 0,
    };
    let text = || {
        format!(
            "bpf(BPF_PROG_DETACH, {}, BPF_CGROUP_DEVICE)",
            call::fd(cgroup)
        )
    };
    // SAFETY: the attribute has the kernel's layout and holds numbers only.
    unsafe { bpf(BPF_PROG_DETACH, &mut attr, text) }.map(drop)
}

/// The programs attached to the cgroup itself, not those of its parents (BPF_PROG_QUERY, then
/// BPF_PROG_GET_FD_BY_ID for each, which needs CAP_SYS_ADMIN).
pub fn device_filters(cgroup: impl AsFd) -> Result<Vec<OwnedFd>> {
    let cgroup = cgroup.as_fd();
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attr = Query {
        target_fd: number(cgroup),
        attach_type: BPF_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MAX_PROGRAMS as u32,
        padding: 0,
    };
    let text = || {
        format!(
            "bpf(BPF_PROG_QUERY, {}, BPF_CGROUP_DEVICE)",
            call::fd(cgroup)
        )
    };
    // SAFETY: the attribute has the kernel's layout; the kernel writes at most `prog_cnt` numbers into
    // `ids`, which has that many and outlives the call.
    unsafe { bpf(BPF_PROG_QUERY, &mut attr, text) }?;
    let count = usize::try_from(attr.prog_cnt).unwrap_or(0);
    ids[..count.min(MAX_PROGRAMS)]
        .iter()
        .map(|&id| by_id(id))
        .collect()
}

fn by_id(id: u32) -> Result<OwnedFd> {
    let mut attr = ById {
        prog_id: id,
        next_id: 0,
        open_flags: 0,
    };
    let text = || format!("bpf(BPF_PROG_GET_FD_BY_ID, {id})");
    // SAFETY: the attribute has the kernel's layout and holds numbers only.
    let raw = unsafe { bpf(BPF_PROG_GET_FD_BY_ID, &mut attr, text) }?;
    Ok(owned(raw))
}

/// The name that a program was loaded with; BPF_OBJ_GET_INFO_BY_FD (Linux 4.15).
pub fn name(program: impl AsFd) -> Result<String> {
    /// Of `struct bpf_prog_info`, where `name` begins and ends.
    const NAME: std::ops::Range<usize> = 64..80;
    let program = program.as_fd();
    let mut info = [0u64; NAME.end / size_of::<u64>()];
    let mut attr = Info {
        bpf_fd: number(program),
        info_len: NAME.end as u32,
        info: info.as_mut_ptr() as u64,
    };
    let text = || format!("bpf(BPF_OBJ_GET_INFO_BY_FD, {})", call::fd(program));
    // SAFETY: the attribute has the kernel's layout; the kernel writes at most `info_len` bytes into `info`, which has
    // that many and outlives the call. The lengths and addresses in it are zero: nothing else is written.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr, text) }?;
    let bytes: Vec<u8> = info.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let name = bytes[NAME].split(|&byte| byte == 0).next();
    Ok(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
}

/// bpf(2).
///
/// # Safety
/// `attr` must be a prefix of the command's part of `union bpf_attr`, and what it points to must be
/// valid for what the command reads and writes.
unsafe fn bpf<T>(
    command: libc::c_int,
    attr: &mut T,
    text: impl FnOnce() -> String,
) -> Result<libc::c_long> {
    let attr: *mut T = attr;
    // SAFETY: the caller vouches for `attr`; the kernel reads and writes at most `size_of::<T>` of it.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<T>()) };
    call::check(ret, text)
}

fn owned(raw: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us (close-on-exec, as bpf(2) always does),
    // and a descriptor fits an int.
    unsafe { OwnedFd::from_raw_fd(raw as i32) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    // A BorrowedFd is never negative but for AT_FDCWD, which bpf(2) refuses with EBADF either way.
    fd.as_raw_fd() as u32
}
