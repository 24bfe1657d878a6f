//! The five capability sets of this thread (capabilities(7)).

use crate::call::{Result, check};

/// _LINUX_CAPABILITY_VERSION_3 (linux/capability.h).
const VERSION_3: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[derive(Default, Clone, Copy)]
#[repr(C)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Effective, permitted and inheritable set as bit masks, bit n being capability n.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sets {
    /// What the kernel checks.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What is kept across execve of a file with matching bits.
    pub inheritable: u64,
}

/// capget(2) of this thread.
pub fn get() -> Result<Sets> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 makes the kernel write two data structs, which is what the array holds.
    let ret = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    check(ret, || "capget()".into())?;
    let join = |f: fn(&Data) -> u32| u64::from(f(&data[0])) | u64::from(f(&data[1])) << 32;
    Ok(Sets {
        effective: join(|d| d.effective),
        permitted: join(|d| d.permitted),
        inheritable: join(|d| d.inheritable),
    })
}

/// capset(2) of this thread.
pub fn set(sets: &Sets) -> Result<()> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 makes the kernel read two data structs, which is what the array holds.
    let ret = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    check(ret, || {
        let Sets { effective, permitted, inheritable } = *sets;
        format!("capset({{effective={effective:#x}, permitted={permitted:#x}, inheritable={inheritable:#x}}})")
    })
    .map(drop)
}

/// PR_CAPBSET_DROP.
pub fn drop_bounding(capability: u8) -> Result<()> {
    crate::process::prctl(
        libc::PR_CAPBSET_DROP,
        "PR_CAPBSET_DROP",
        u64::from(capability),
    )
}

/// PR_CAP_AMBIENT_RAISE (Linux 4.3).
pub fn raise_ambient(capability: u8) -> Result<()> {
    ambient(libc::PR_CAP_AMBIENT_RAISE, u64::from(capability))
}

/// PR_CAP_AMBIENT_CLEAR_ALL (Linux 4.3).
pub fn clear_ambient() -> Result<()> {
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)
}

/// Keeps those of the permitted capabilities that are in `kept`, effective too, and no others; none is passed on to a
/// program; prctl(2) PR_CAP_AMBIENT_CLEAR_ALL, capset(2).
pub fn keep_only(kept: u64) -> Result<()> {
    let kept = get()?.permitted & kept;
    clear_ambient()?;
    set(&Sets {
        effective: kept,
        permitted: kept,
        inheritable: 0,
    })
}

fn ambient(command: i32, value: u64) -> Result<()> {
    // SAFETY: PR_CAP_AMBIENT takes plain integers.
    let ret = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, command, value, 0, 0) };
    check(ret.into(), || {
        format!("prctl(PR_CAP_AMBIENT, {command}, {value})")
    })
    .map(drop)
}
