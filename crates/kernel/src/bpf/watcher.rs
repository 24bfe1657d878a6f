//! Which BPF programs can watch this kernel, found out by having one called: loaded, attached, set off.
//!
//! Nothing less tells. A kernel may list BPF among its security modules and refuse every program at a function, and one
//! that does not list it loads such programs, attaches them and never calls them.

use std::ffi::CStr;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use lockstep_abi::btf;

use super::{Load, bpf, number, owned};
use crate::call::{self, Error, Result};
use crate::file::{self, CWD};

// Commands of linux/bpf.h.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_LINK_CREATE: libc::c_int = 28;

const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_TRACE_KPROBE_MULTI: u32 = 42;

// linux/perf_event.h.
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// What is watched: the name of a task being changed, by prctl(PR_SET_NAME). It happens rarely, so that nobody pays.
const TRACEPOINT: &CStr = c"task_rename";
const FUNCTION: &CStr = c"__set_task_comm";
/// sched_getscheduler(2) asks the security modules, and a program that says nothing allows it as before.
const HOOK: &str = "bpf_lsm_task_getscheduler";

const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Most that is read of it, in bytes; those of distributions have six million.
const BTF_MAX: usize = 64 << 20;

/// Programs that watch, or that decide beside the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watcher {
    /// BPF_PROG_TYPE_TRACEPOINT by a perf event (Linux 4.7).
    Tracepoint,
    /// BPF_PROG_TYPE_RAW_TRACEPOINT (Linux 4.17).
    RawTracepoint,
    /// BPF_TRACE_RAW_TP, a tracepoint with types (Linux 5.5).
    TypedTracepoint,
    /// BPF_PROG_TYPE_KPROBE by a perf event (Linux 4.17).
    Kprobe,
    /// BPF_TRACE_KPROBE_MULTI, many functions at once (Linux 5.18).
    KprobeMulti,
    /// BPF_TRACE_FENTRY, at the beginning of a function (Linux 5.5).
    FunctionEntry,
    /// BPF_TRACE_FEXIT, at its end, with what it returns (Linux 5.5).
    FunctionExit,
    /// BPF_LSM_MAC, a decision beside the security modules (Linux 5.7).
    Lsm,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The program was called.
    Called,
    /// It was loaded and attached, and what it watches happened without it.
    NeverCalled,
    /// This call was refused. `EPERM`: CAP_BPF and CAP_PERFMON are needed, and some kernels refuse programs at functions
    /// to everybody.
    Refused(Error),
}

impl Watcher {
    /// All of them, from what needs least.
    pub const ALL: [Watcher; 8] = [
        Watcher::Tracepoint,
        Watcher::RawTracepoint,
        Watcher::TypedTracepoint,
        Watcher::Kprobe,
        Watcher::KprobeMulti,
        Watcher::FunctionEntry,
        Watcher::FunctionExit,
        Watcher::Lsm,
    ];

    /// Its name in libbpf's sections.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Watcher::Tracepoint => "tracepoint",
            Watcher::RawTracepoint => "raw_tracepoint",
            Watcher::TypedTracepoint => "tp_btf",
            Watcher::Kprobe => "kprobe",
            Watcher::KprobeMulti => "kprobe.multi",
            Watcher::FunctionEntry => "fentry",
            Watcher::FunctionExit => "fexit",
            Watcher::Lsm => "lsm",
        }
    }

    /// Type of the program and of its attachment (`enum bpf_prog_type`, `enum bpf_attach_type`).
    fn types(self) -> (u32, u32) {
        match self {
            Watcher::Kprobe => (2, 0),
            Watcher::KprobeMulti => (2, BPF_TRACE_KPROBE_MULTI),
            Watcher::Tracepoint => (5, 0),
            Watcher::RawTracepoint => (17, 0),
            Watcher::TypedTracepoint => (26, 23),
            Watcher::FunctionEntry => (26, 24),
            Watcher::FunctionExit => (26, 25),
            Watcher::Lsm => (29, 27),
        }
    }

    /// The name among the kernel's types that it is attached to; none for those that are attached by name.
    fn target(self) -> Option<(btf::Kind, String)> {
        let text = |name: &CStr| name.to_string_lossy().into_owned();
        match self {
            Watcher::TypedTracepoint => {
                let name = format!("btf_trace_{}", text(TRACEPOINT));
                Some((btf::Kind::Typedef, name))
            }
            Watcher::FunctionEntry | Watcher::FunctionExit => {
                Some((btf::Kind::Function, text(FUNCTION)))
            }
            Watcher::Lsm => Some((btf::Kind::Function, HOOK.to_owned())),
            _ => None,
        }
    }

    /// Has such a program called; nothing of it is left. The name of the calling thread is set to what it is.
    #[must_use]
    pub fn attempt(self) -> Attempt {
        match self.is_called() {
            Ok(true) => Attempt::Called,
            Ok(false) => Attempt::NeverCalled,
            Err(refused) => Attempt::Refused(refused),
        }
    }

    fn is_called(self) -> Result<bool> {
        let mark = new_mark()?;
        let program = self.load(&mark)?;
        let attached = self.attach(&program)?;
        set_off()?;
        drop(attached);
        is_set(&mark)
    }

    fn load(self, mark: &OwnedFd) -> Result<OwnedFd> {
        #[repr(C)]
        #[derive(Default)]
        struct LoadFor {
            load: Load,
            prog_ifindex: u32,
            expected_attach_type: u32,
            // What a program says of its own types and lines: nothing.
            debug: [u32; 9],
            attach_btf_id: u32,
        }
        let id = self
            .target()
            .map_or(Ok(0), |(kind, name)| type_id(kind, &name))?;
        let instructions = program(number(mark.as_fd()));
        let (prog_type, expected_attach_type) = self.types();
        let license = c"GPL";
        let mut attr = LoadFor {
            load: Load {
                prog_type,
                insn_cnt: instructions.len() as u32,
                insns: instructions.as_ptr() as u64,
                license: license.as_ptr() as u64,
                prog_name: *b"lockstep_try\0\0\0\0",
                ..Load::default()
            },
            expected_attach_type,
            attach_btf_id: id,
            ..LoadFor::default()
        };
        let text = || format!("bpf(BPF_PROG_LOAD, {})", self.name());
        // SAFETY: the attribute has the kernel's layout; the instructions and the licence that it points to live until
        // the call returns.
        unsafe { bpf(BPF_PROG_LOAD, &mut attr, text) }.map(owned)
    }

    /// Until the result is dropped.
    fn attach(self, program: &OwnedFd) -> Result<OwnedFd> {
        match self {
            Watcher::Tracepoint => {
                let name = TRACEPOINT.to_string_lossy();
                let id = format!("/sys/kernel/tracing/events/task/{name}/id");
                self.at_event(
                    program,
                    PERF_TYPE_TRACEPOINT,
                    u64::from(read_number(&id)?),
                    None,
                )
            }
            Watcher::Kprobe => {
                let kind = read_number("/sys/bus/event_source/devices/kprobe/type")?;
                self.at_event(program, kind, 0, Some(FUNCTION))
            }
            Watcher::KprobeMulti => self.at_functions(program, FUNCTION),
            Watcher::RawTracepoint => self.at_hook(program, Some(TRACEPOINT)),
            _ => self.at_hook(program, None),
        }
    }

    /// Where the name says, or else where the program was loaded for.
    fn at_hook(self, program: &OwnedFd, name: Option<&CStr>) -> Result<OwnedFd> {
        #[repr(C)]
        struct Open {
            name: u64,
            prog_fd: u32,
            padding: u32,
        }
        let mut attr = Open {
            name: name.map_or(0, |name| name.as_ptr() as u64),
            prog_fd: number(program.as_fd()),
            padding: 0,
        };
        let text = || format!("bpf(BPF_RAW_TRACEPOINT_OPEN, {})", self.name());
        // SAFETY: the attribute has the kernel's layout; the name that it points to is static.
        unsafe { bpf(BPF_RAW_TRACEPOINT_OPEN, &mut attr, text) }.map(owned)
    }

    fn at_functions(self, program: &OwnedFd, function: &'static CStr) -> Result<OwnedFd> {
        #[repr(C)]
        struct Link {
            prog_fd: u32,
            target_fd: u32,
            attach_type: u32,
            flags: u32,
            multi_flags: u32,
            count: u32,
            names: u64,
            addresses: u64,
            cookies: u64,
        }
        let names = [function.as_ptr() as u64];
        let mut attr = Link {
            prog_fd: number(program.as_fd()),
            target_fd: 0,
            attach_type: BPF_TRACE_KPROBE_MULTI,
            flags: 0,
            multi_flags: 0,
            count: 1,
            names: names.as_ptr() as u64,
            addresses: 0,
            cookies: 0,
        };
        let text = || format!("bpf(BPF_LINK_CREATE, {})", self.name());
        // SAFETY: the attribute has the kernel's layout; the list of one static name lives until the call returns.
        unsafe { bpf(BPF_LINK_CREATE, &mut attr, text) }.map(owned)
    }

    /// perf_event_open(2) and two ioctl(2) of it.
    fn at_event(
        self,
        program: &OwnedFd,
        kind: u32,
        config: u64,
        function: Option<&'static CStr>,
    ) -> Result<OwnedFd> {
        /// The second published size of `struct perf_event_attr`.
        #[repr(C)]
        #[derive(Default)]
        struct Event {
            kind: u32,
            size: u32,
            config: u64,
            sample_period: u64,
            sample_type: u64,
            read_format: u64,
            flags: u64,
            wakeup_events: u32,
            bp_type: u32,
            function: u64,
            offset: u64,
        }
        let attr = Event {
            kind,
            size: size_of::<Event>() as u32,
            config,
            sample_period: 1,
            function: function.map_or(0, |name| name.as_ptr() as u64),
            ..Event::default()
        };
        let text = || format!("perf_event_open({})", self.name());
        let (own, any, none) = (0, -1, -1);
        // SAFETY: the attribute has the kernel's layout and says its size; the name that it points to is static.
        let raw = unsafe {
            let attr: *const Event = &attr;
            libc::syscall(
                libc::SYS_perf_event_open,
                attr,
                own,
                any,
                none,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        let event = owned(call::check(raw, text)?);
        for (request, name, value) in [
            (
                PERF_EVENT_IOC_SET_BPF,
                "PERF_EVENT_IOC_SET_BPF",
                program.as_raw_fd(),
            ),
            (PERF_EVENT_IOC_ENABLE, "PERF_EVENT_IOC_ENABLE", 0),
        ] {
            // SAFETY: both requests take a number.
            let ret = unsafe { libc::ioctl(event.as_raw_fd(), request, value) };
            let text = || format!("ioctl({}, {name})", self.name());
            call::check(libc::c_long::from(ret), text)?;
        }
        Ok(event)
    }
}

/// `*mark = 1; return 0`, each number one `struct bpf_insn`.
fn program(mark: u32) -> [u64; 5] {
    // BPF_LD|BPF_DW|BPF_IMM of a map's value into r1, whose operand goes on in the next one.
    const VALUE: u64 = 0x18 | 1 << 8 | 2 << 12;
    // BPF_ST|BPF_MEM|BPF_DW at r1.
    const STORE: u64 = 0x7a | 1 << 8;
    [
        VALUE | u64::from(mark) << 32,
        0,
        STORE | 1 << 32,
        0xb7, // r0 = 0
        0x95, // exit
    ]
}

/// A map of one number, which is 0.
fn new_mark() -> Result<OwnedFd> {
    #[repr(C)]
    struct Create {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    }
    let mut attr = Create {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
    };
    let text = || "bpf(BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY)".to_owned();
    // SAFETY: the attribute has the kernel's layout and holds numbers only.
    unsafe { bpf(BPF_MAP_CREATE, &mut attr, text) }.map(owned)
}

fn is_set(mark: &OwnedFd) -> Result<bool> {
    #[repr(C)]
    struct Lookup {
        map_fd: u32,
        padding: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let (key, mut value) = (0_u32, 0_u64);
    let mut attr = Lookup {
        map_fd: number(mark.as_fd()),
        padding: 0,
        key: (&raw const key) as u64,
        value: (&raw mut value) as u64,
        flags: 0,
    };
    let text = || "bpf(BPF_MAP_LOOKUP_ELEM)".to_owned();
    // SAFETY: the attribute has the kernel's layout; the kernel reads the 4 bytes of the key and writes the 8 of the
    // value, both of which outlive the call.
    unsafe { bpf(BPF_MAP_LOOKUP_ELEM, &mut attr, text) }?;
    Ok(value != 0)
}

/// Does what all of them watch.
fn set_off() -> Result<()> {
    let name = rustix::thread::name().map_err(|e| told("prctl(PR_GET_NAME)", e))?;
    rustix::thread::set_name(&name).map_err(|e| told("prctl(PR_SET_NAME)", e))?;
    // SAFETY: the call takes a number.
    let policy = unsafe { libc::sched_getscheduler(0) };
    call::check(libc::c_long::from(policy), || {
        "sched_getscheduler(0)".to_owned()
    })
    .map(drop)
}

fn told(call: &str, errno: rustix::io::Errno) -> Error {
    Error {
        call: call.to_owned(),
        errno: errno.raw_os_error(),
    }
}

/// `ENOENT` for a name that the kernel does not have.
fn type_id(kind: btf::Kind, name: &str) -> Result<u32> {
    let types = file::read(CWD, BTF, BTF_MAX)?;
    btf::find(&types, kind, name).ok_or_else(|| Error {
        call: format!("looking for {name} in {}", Path::new(BTF).display()),
        errno: libc::ENOENT,
    })
}

/// `EINVAL` for what is no number.
fn read_number(path: &str) -> Result<u32> {
    let text = file::read_at_once(CWD, path, 64)?;
    let text = String::from_utf8_lossy(&text);
    text.trim().parse().map_err(|_| Error {
        call: format!("read({path})"),
        errno: libc::EINVAL,
    })
}
