//! The program's real entry, before the C library's: a runtime that will enter a container puts its own file out
//! of reach here, without executing itself again.
//!
//! A process holds its program's file in two ways: by `/proc/PID/exe`, which anyone who sees the process can
//! open and whoever executes it executes again; and by the mappings of its segments. At this moment nothing has
//! been written to the segments, so each can be mapped anew over itself through a mount of the file alone, which
//! is read-only and attached nowhere. Then the old file is mapped no more, and the kernel lets the process say
//! that its file is another one (prctl(2), PR_SET_MM_MAP; Linux 3.18, with CONFIG_CHECKPOINT_RESTORE, and
//! CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN): a memfd with nothing in it, sealed.
//!
//! A second execve would cost 0.3 ms more on a virtual machine, most of it the C library's start, where each
//! CPUID instruction is a trip to the hypervisor. Whatever fails here is left to [`super::seal`], which comes
//! later, can speak, and does not return before the binary is out of reach. A binary has this entry from
//! [`crate::entry`], which knows its verbs, and chooses it by the linker's `--entry=lockstep_start`.
//!
//! The C library has not started: there is no `errno`, no allocation, no relocated pointer in the program's
//! data, and no memcpy, memset or strlen, of which the compiler would make calls if loops did not read volatile.

use super::{FILE, SEALS};
use libc::Elf64_Phdr;
use lockstep_abi::mount::MOUNT_ATTR_RDONLY;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process's file is out of reach.
pub(super) static OUT_OF_REACH: AtomicBool = AtomicBool::new(false);

/// What the kernel put on the initial stack.
struct Stack {
    top: usize,
    arguments: *const usize,
    environment: *const usize,
    auxiliary: *const usize,
}

/// Puts the program's file out of reach when one of its arguments is one of `words`.
///
/// # Safety
/// `top` is the initial stack: the count of arguments, arguments, a null pointer, environment, a null pointer,
/// auxiliary vector. `words` are C strings, the last an empty one.
pub unsafe extern "C" fn early(top: *const usize, words: *const u8) {
    // What a weakness leaves out is decided later.
    if cfg!(lockstep_weak) {
        return;
    }
    // SAFETY: as the kernel lays it out.
    unsafe {
        let arguments = top.add(1);
        let environment = arguments.add(*top + 1);
        let mut at = environment;
        while *at != 0 {
            at = at.add(1);
        }
        let stack = Stack {
            top: top as usize,
            arguments,
            environment,
            auxiliary: at.add(1),
        };
        if enters(arguments, words)
            && let Some(file) = hide(&stack)
        {
            FILE.store(file as i32, Ordering::Relaxed);
            OUT_OF_REACH.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether one of the arguments is one of the words.
///
/// # Safety
/// `argument` points to C strings, the last followed by a null pointer; `words` are C strings, the last an empty
/// one.
unsafe fn enters(mut argument: *const usize, words: *const u8) -> bool {
    // SAFETY: stops at the null pointer, and at the empty word.
    unsafe {
        while *argument != 0 {
            let mut word = words;
            while word.read_volatile() != 0 {
                if is(*argument as *const u8, word) {
                    return true;
                }
                while word.read_volatile() != 0 {
                    word = word.add(1);
                }
                word = word.add(1);
            }
            argument = argument.add(1);
        }
    }
    false
}

/// Whether two C strings are the same.
///
/// # Safety
/// Both are C strings.
unsafe fn is(mut one: *const u8, mut other: *const u8) -> bool {
    // SAFETY: neither is read behind the first difference or its end.
    unsafe {
        while one.read_volatile() == other.read_volatile() {
            if one.read_volatile() == 0 {
                return true;
            }
            (one, other) = (one.add(1), other.add(1));
        }
    }
    false
}

/// The two steps, and the file; nothing where one is refused, which leaves the process as it was.
///
/// # Safety
/// Nothing was written to any segment since execve.
unsafe fn hide(stack: &Stack) -> Option<usize> {
    // SAFETY: as for this function; descriptors of its own.
    unsafe {
        let file = read_only()?;
        // A number of a standard stream, which the caller left out, is none to keep.
        let image = if file > 2 {
            map_anew(stack, file)
        } else {
            None
        };
        let nothing = nothing();
        // Where no memfd may be executed (sysctl vm.memfd_noexec), the file that only a read-only mount leads to.
        let named = image.is_some_and(|image| {
            nothing.is_some_and(|memfd| name_anew(stack, &image, memfd))
                || name_anew(stack, &image, file)
        });
        if let Some(memfd) = nothing {
            call(libc::SYS_close, [memfd]);
        }
        if named {
            return Some(file);
        }
        call(libc::SYS_close, [file]);
        None
    }
}

/// The program's file through a read-only mount of it alone; needs CAP_SYS_ADMIN.
fn read_only() -> Option<usize> {
    let exe = c"/proc/self/exe".as_ptr() as usize;
    let empty = c"".as_ptr() as usize;
    let attributes = libc::mount_attr {
        attr_set: MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: C strings, constants, a structure of this function and its descriptors.
    unsafe {
        let clone = libc::OPEN_TREE_CLONE as usize | libc::OPEN_TREE_CLOEXEC as usize;
        let mount = descriptor(call(libc::SYS_open_tree, [CWD, exe, clone]))?;
        let (at, size) = (
            &raw const attributes as usize,
            size_of::<libc::mount_attr>(),
        );
        let itself = libc::AT_EMPTY_PATH as usize;
        let file = if call(libc::SYS_mount_setattr, [mount, empty, itself, at, size]) == 0 {
            reopen(mount)
        } else {
            None
        };
        call(libc::SYS_close, [mount]);
        file
    }
}

/// Opens for reading what an O_PATH descriptor stands for.
///
/// # Safety
/// Only system calls on memory of its own; unsafe because they are.
unsafe fn reopen(path: usize) -> Option<usize> {
    const DIRECTORY: &[u8] = b"/proc/self/fd/";
    let mut text = MaybeUninit::<[u8; 32]>::uninit();
    let start = text.as_mut_ptr().cast::<u8>();
    let mut digits = 1;
    let mut rest = path;
    while rest >= 10 {
        rest /= 10;
        digits += 1;
    }
    // SAFETY: 14 bytes, at most 10 digits of a descriptor and a terminator.
    unsafe {
        let mut at = 0;
        while at < DIRECTORY.len() {
            let byte = DIRECTORY.as_ptr().add(at).read_volatile();
            start.add(at).write_volatile(byte);
            at += 1;
        }
        start.add(at + digits).write_volatile(0);
        let mut rest = path;
        while digits > 0 {
            digits -= 1;
            start
                .add(at + digits)
                .write_volatile(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
        descriptor(call(libc::SYS_openat, [CWD, start as usize, flags]))
    }
}

/// An executable file with nothing in it, which stays so.
fn nothing() -> Option<usize> {
    let name = c"lockstep".as_ptr() as usize;
    let flags = (libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) as usize;
    // SAFETY: a C string, constants and a descriptor of this function.
    unsafe {
        // MFD_EXEC (Linux 6.3) says that an executable memfd is meant; older kernels refuse the flag.
        let exec = flags | libc::MFD_EXEC as usize;
        let memfd = descriptor(call(libc::SYS_memfd_create, [name, exec]))
            .or_else(|| descriptor(call(libc::SYS_memfd_create, [name, flags])))?;
        let (command, seals) = (libc::F_ADD_SEALS as usize, SEALS.bits() as usize);
        if call(libc::SYS_fcntl, [memfd, command, seals]) == 0 {
            return Some(memfd);
        }
        call(libc::SYS_close, [memfd]);
    }
    None
}

/// A value of the auxiliary vector, getauxval(3); 0 for none.
///
/// # Safety
/// `stack` is the initial stack.
unsafe fn auxiliary(stack: &Stack, key: libc::c_ulong) -> usize {
    let mut entry = stack.auxiliary;
    // SAFETY: pairs up to AT_NULL.
    unsafe {
        while *entry != 0 {
            if *entry == key as usize {
                return *entry.add(1);
            }
            entry = entry.add(2);
        }
    }
    0
}

/// Where the program lies in memory.
struct Image {
    code: (usize, usize),
    data: (usize, usize),
}

/// Maps every segment of the program from `file`, which has the same content, over itself, as the kernel did
/// at execve(2): what a segment has in memory beyond the file is zero.
///
/// # Safety
/// Nothing was written to any segment since execve, and `file` is this program's.
unsafe fn map_anew(stack: &Stack, file: usize) -> Option<Image> {
    let mut image = Image {
        code: (0, 0),
        data: (0, 0),
    };
    // SAFETY: AT_PHDR and AT_PHNUM describe the program's headers, which lie in its first segment; each mapping
    // replaces one of the same range and content.
    unsafe {
        let page = auxiliary(stack, libc::AT_PAGESZ);
        let headers = auxiliary(stack, libc::AT_PHDR);
        let end = headers + auxiliary(stack, libc::AT_PHNUM) * size_of::<Elf64_Phdr>();
        let base = base(headers, end)?;
        let mut header = headers;
        while header < end {
            let segment = header as *const Elf64_Phdr;
            header += size_of::<Elf64_Phdr>();
            if (*segment).p_type != libc::PT_LOAD {
                continue;
            }
            let address = base + (*segment).p_vaddr as usize;
            let filled = address + (*segment).p_filesz as usize;
            let start = address & !(page - 1);
            let offset = (*segment).p_offset as usize & !(page - 1);
            let protection = protection((*segment).p_flags);
            // Relocation writes to every page that can be written: one trap for all instead of one for each.
            let written = (*segment).p_flags & libc::PF_W != 0;
            let ahead = if written { libc::MAP_POPULATE } else { 0 };
            let flags = (libc::MAP_PRIVATE | libc::MAP_FIXED | ahead) as usize;
            let arguments = [start, filled - start, protection, flags, file, offset];
            if call(libc::SYS_mmap, arguments) < 0 {
                // What was there is there still: mmap(2) checks before it unmaps.
                return None;
            }
            if (*segment).p_memsz > (*segment).p_filesz {
                let mut byte = filled;
                while byte & (page - 1) != 0 {
                    (byte as *mut u8).write_volatile(0);
                    byte += 1;
                }
            }
            if (*segment).p_flags & libc::PF_X != 0 {
                image.code = (address, filled);
            }
            if written {
                let first = image.data.0 == 0;
                image.data = (if first { address } else { image.data.0 }, filled);
            }
        }
    }
    Some(image)
}

/// The difference between the addresses in the program's headers and those in memory.
///
/// # Safety
/// Between `headers` and `end` are the program's headers.
unsafe fn base(headers: usize, end: usize) -> Option<usize> {
    let mut header = headers;
    while header < end {
        // SAFETY: within the headers.
        let segment = unsafe { &*(header as *const Elf64_Phdr) };
        if segment.p_type == libc::PT_PHDR {
            return Some(headers - segment.p_vaddr as usize);
        }
        header += size_of::<Elf64_Phdr>();
    }
    None
}

/// PF_X, PF_W and PF_R as PROT_EXEC, PROT_WRITE and PROT_READ.
fn protection(flags: u32) -> usize {
    let (execute, write, read) = (flags & 1, flags >> 1 & 1, flags >> 2 & 1);
    (execute << 2 | write << 1 | read) as usize
}

/// `struct prctl_mm_map` of linux/prctl.h.
#[repr(C)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// Makes `file` what `/proc/self/exe` is. The kernel wants the whole description of the process's memory with
/// it and refuses while the old file is mapped anywhere.
///
/// # Safety
/// `stack` is the initial stack, and nothing has moved the program break.
unsafe fn name_anew(stack: &Stack, image: &Image, file: usize) -> bool {
    // SAFETY: the kernel reads `map` only.
    unsafe {
        let heap = call(libc::SYS_brk, [0]) as u64;
        let environment = *stack.environment as u64;
        let end = auxiliary(stack, libc::AT_EXECFN) as u64;
        // An empty environment begins where it ends.
        let middle = if environment == 0 { end } else { environment };
        let map = MemoryMap {
            start_code: image.code.0 as u64,
            end_code: image.code.1 as u64,
            start_data: image.data.0 as u64,
            end_data: image.data.1 as u64,
            start_brk: heap,
            brk: heap,
            start_stack: stack.top as u64,
            arg_start: *stack.arguments as u64,
            arg_end: middle,
            env_start: middle,
            env_end: end,
            // None: the kernel keeps its own.
            auxv: 0,
            auxv_size: 0,
            exe_fd: file as u32,
        };
        let (number, option) = (libc::PR_SET_MM as usize, libc::PR_SET_MM_MAP as usize);
        let (at, size) = (&raw const map as usize, size_of::<MemoryMap>());
        call(libc::SYS_prctl, [number, option, at, size]) == 0
    }
}

const CWD: usize = libc::AT_FDCWD as isize as usize;

/// A descriptor that the kernel returned, or nothing.
fn descriptor(result: isize) -> Option<usize> {
    usize::try_from(result).ok()
}

/// One system call; what it returns is the kernel's word, a negative errno for an error.
///
/// # Safety
/// As for the call: pointers are valid for what the kernel reads and writes.
#[inline(always)]
unsafe fn call<const N: usize>(number: libc::c_long, arguments: [usize; N]) -> isize {
    let argument = |at: usize| if at < N { arguments[at] } else { 0 };
    let result;
    // SAFETY: the kernel's convention for x86-64, syscall(2); the caller answers for the arguments.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") argument(0), in("rsi") argument(1), in("rdx") argument(2),
            in("r10") argument(3), in("r8") argument(4), in("r9") argument(5),
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}
