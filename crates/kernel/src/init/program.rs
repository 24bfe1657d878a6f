//! The first process of a container with an init: starts the program, passes signals on to it, reaps what is
//! orphaned, and ends with the program's status.
//!
//! A program of its own, compiled by `build.rs` without the standard library: what stays in the container as its
//! first process must be small, and nothing of the runtime may be in its memory or behind its `/proc/1/exe`. It has
//! exactly the rights of the program that it starts, and the container's filter holds for it too. Its arguments are
//! its own name, the program's path, and the program's arguments from the name on.
//!
//! The loops must stay loops: `no_builtins` keeps the compiler from calling a C library that is not there.

#![no_std]
#![no_main]
#![no_builtins]

use core::arch::{asm, global_asm};

/// Numbers of asm/unistd.h.
#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const WRITE: usize = 1;
    pub(super) const RT_SIGACTION: usize = 13;
    pub(super) const RT_SIGPROCMASK: usize = 14;
    pub(super) const IOCTL: usize = 16;
    pub(super) const GETPID: usize = 39;
    pub(super) const CLONE: usize = 56;
    pub(super) const EXECVE: usize = 59;
    pub(super) const WAIT4: usize = 61;
    pub(super) const KILL: usize = 62;
    pub(super) const SETPGID: usize = 109;
    pub(super) const GETPPID: usize = 110;
    pub(super) const RT_SIGTIMEDWAIT: usize = 128;
    pub(super) const PRCTL: usize = 157;
    pub(super) const EXIT_GROUP: usize = 231;
}

const SIGKILL: usize = 9;
const SIGCHLD: usize = 17;
const SIGTTIN: usize = 21;
const SIGTTOU: usize = 22;
const SIG_SETMASK: usize = 2;
const PR_SET_PDEATHSIG: usize = 1;
const PR_SET_CHILD_SUBREAPER: usize = 36;
const TIOCSPGRP: usize = 0x5410;
const WNOHANG: usize = 1;
const ENOENT: isize = -2;
const EINTR: isize = -4;
const ENOEXEC: isize = -8;
const EAGAIN: isize = -11;
const EACCES: isize = -13;
/// Bytes of a set of signals.
const SET: usize = 8;

/// Status of an init that could not do its work, Docker's for its own errors.
const OURS: usize = 125;

// The kernel's initial stack is the only argument: the count of arguments, arguments, a null pointer, environment, a
// null pointer (System V ABI, AMD64 supplement, section 3.4.1).
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {run}",
    "ud2",
    run = sym run,
);

/// One system call; the kernel's negative errno.
#[cfg(target_arch = "x86_64")]
fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: the kernel reads and writes nothing but what the arguments point to, which each caller has; rcx and
    // r11 are what the instruction destroys. The fifth argument of clone(2) is 0.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") 0,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// The program as execve(2) takes it.
struct Program {
    path: usize,
    arguments: usize,
    environment: usize,
}

/// # Safety
/// `stack` is what the kernel put there.
unsafe extern "C" fn run(stack: *const usize) -> ! {
    // SAFETY: as the kernel lays it out; with three arguments at least there are these.
    let program = unsafe {
        let count = *stack;
        if count < 3 {
            exit(OURS);
        }
        Program {
            path: *stack.add(2),
            arguments: stack.add(3) as usize,
            environment: stack.add(count + 2) as usize,
        }
    };
    let (all, mut mask) = (u64::MAX, 0_u64);
    let masks = [
        SIG_SETMASK,
        &raw const all as usize,
        &raw mut mask as usize,
        SET,
    ];
    call(number::RT_SIGPROCMASK, masks);
    let own = call(number::GETPID, [0; 4]);
    // In a pid namespace of others orphans would go to their init, and the kernel would not end the program with us.
    let alone = own == 1;
    if !alone {
        call(number::PRCTL, [PR_SET_CHILD_SUBREAPER, 1, 0, 0]);
    }
    let child = call(number::CLONE, [SIGCHLD, 0, 0, 0]);
    if child == 0 {
        become_program(&program, mask, (!alone).then_some(own));
    }
    if child < 0 {
        complain(&program, child);
        exit(OURS);
    }
    attend(child)
}

/// The child: a process group of its own, in the foreground of its terminal if it has one, so that what is typed
/// reaches it once.
fn become_program(program: &Program, mask: u64, parent: Option<isize>) -> ! {
    call(number::SETPGID, [0; 4]);
    let group = call(number::GETPID, [0; 4]) as i32;
    // ENOTTY: there is none. SIGTTOU is blocked still.
    call(number::IOCTL, [0, TIOCSPGRP, &raw const group as usize, 0]);
    if let Some(parent) = parent {
        call(number::PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0, 0]);
        if call(number::GETPPID, [0; 4]) != parent {
            exit(OURS);
        }
    }
    let set = [SIG_SETMASK, &raw const mask as usize, 0, SET];
    call(number::RT_SIGPROCMASK, set);
    let Program {
        path,
        arguments,
        environment,
    } = *program;
    let errno = call(number::EXECVE, [path, arguments, environment, 0]);
    complain(program, errno);
    exit(if errno == ENOENT { 127 } else { 126 })
}

/// Passes signals on and reaps until the program has ended.
fn attend(child: isize) -> ! {
    // An ignored SIGCHLD, which execve(2) keeps, would let nobody wait.
    let default = [0_usize; 4];
    call(
        number::RT_SIGACTION,
        [SIGCHLD, &raw const default as usize, 0, SET],
    );
    let all = u64::MAX;
    let mut options = WNOHANG;
    loop {
        reap(child, options);
        match call(number::RT_SIGTIMEDWAIT, [&raw const all as usize, 0, 0, SET]) {
            EINTR | EAGAIN => {}
            // A filter refuses it: there is nothing to do then but to reap.
            error if error < 0 => options = 0,
            signal => match signal as usize {
                // The terminal's answer to a process in the background, which this one is.
                SIGCHLD | SIGTTIN | SIGTTOU => {}
                signal => drop(call(number::KILL, [child as usize, signal, 0, 0])),
            },
        }
    }
}

/// Waits for whoever has ended; ends with the program.
fn reap(child: isize, options: usize) {
    loop {
        let mut status = 0_i32;
        let any = usize::MAX;
        let ended = call(number::WAIT4, [any, &raw mut status as usize, options, 0]);
        match ended {
            EINTR => {}
            ended if ended == child => {
                let signal = status & 0x7f;
                exit(match signal {
                    0 => (status >> 8 & 0xff) as usize,
                    signal => 128 + signal as usize,
                })
            }
            // Another one; ask again.
            1.. => {}
            // Nobody has ended, or a filter refuses to say who has.
            0 => return,
            _ if options == WNOHANG => return,
            _ => exit(OURS),
        }
    }
}

fn exit(status: usize) -> ! {
    loop {
        call(number::EXIT_GROUP, [status, 0, 0, 0]);
    }
}

/// Says on standard error why the program could not be executed.
fn complain(program: &Program, errno: isize) {
    let reason: &[u8] = match errno {
        ENOENT => b": no such file or directory\n",
        ENOEXEC => b": exec format error\n",
        EACCES => b": permission denied\n",
        EAGAIN => b": no further process is allowed\n",
        _ => b": the kernel refuses to execute it\n",
    };
    let path = program.path as *const u8;
    let mut length = 0;
    // SAFETY: a C string of the kernel's.
    while unsafe { *path.add(length) } != 0 {
        length += 1;
    }
    say(b"error: exec: ");
    call(number::WRITE, [2, path as usize, length, 0]);
    say(reason);
}

fn say(text: &[u8]) {
    call(number::WRITE, [2, text.as_ptr() as usize, text.len(), 0]);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(OURS)
}
