//! System calls by name and number, for every architecture that seccomp knows.
//!
//! A filter is compiled for several architectures from one list of names, so a name is looked up once
//! ([`Syscall::from_name`]) and then has its number on each. The tables are generated, from kernel 6.17.

use std::fmt;

use crate::arch::Arch;
use crate::feature::KernelVersion;
use crate::generated::syscalls as generated;

/// The numbers of one architecture; the shape of the generated tables.
pub(crate) struct Numbers {
    /// By name index; `u32::MAX` where the architecture has no such call.
    pub(crate) by_name: &'static [u32; generated::COUNT],
    /// Name indexes in ascending order of the number, an alias after the name of its number.
    pub(crate) by_number: &'static [u16],
}

/// A system call that exists on at least one architecture. Ordered by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Syscall(u16);

impl Syscall {
    /// How many there are.
    pub const COUNT: usize = generated::COUNT;

    /// The call of that name; `None` if no architecture has one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut slot = slot(name.as_bytes());
        while SLOTS[slot] != FREE {
            if bytes_at(usize::from(SLOTS[slot])) == name.as_bytes() {
                return Some(Self(SLOTS[slot]));
            }
            slot = (slot + 1) % SLOTS.len();
        }
        None
    }

    /// The call that has `number` on `arch`.
    #[must_use]
    pub fn from_number(arch: Arch, number: u32) -> Option<Self> {
        let numbers = numbers(arch);
        let of = |index: &u16| numbers.by_name[usize::from(*index)];
        let position = numbers
            .by_number
            .partition_point(|index| of(index) < number);
        let found = numbers.by_number.get(position);
        found.filter(|index| of(index) == number).copied().map(Self)
    }

    /// The calls of `arch` in ascending order of their numbers, an alias after the name of its number.
    pub fn by_number(arch: Arch) -> impl Iterator<Item = (u32, Self)> {
        let numbers = numbers(arch);
        let calls = numbers.by_number.iter();
        calls.map(|&index| (numbers.by_name[usize::from(index)], Self(index)))
    }

    /// Its place among all calls, from 0: what is kept for each call is kept there.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All calls of all architectures, sorted by name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        (0..generated::COUNT as u16).map(Self)
    }

    /// Its name, as in `syscalls(2)`.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_at(usize::from(self.0))
    }

    /// Its number on `arch`; x32's carry [`X32_SYSCALL_BIT`](crate::arch::X32_SYSCALL_BIT).
    #[must_use]
    pub fn number(self, arch: Arch) -> Option<u32> {
        Some(numbers(arch).by_name[usize::from(self.0)]).filter(|number| *number != u32::MAX)
    }
}

impl fmt::Debug for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Syscall({})", self.name())
    }
}

impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The calls of one architecture, sorted by name.
#[derive(Clone, Copy)]
pub struct Table(Arch);

impl Table {
    /// Name and number of each call, aliases included.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, u32)> + Clone {
        Syscall::all().filter_map(move |call| Some((call.name(), call.number(self.0)?)))
    }
}

/// The calls that `arch` has.
#[must_use]
pub const fn table(arch: Arch) -> Table {
    Table(arch)
}

/// The number of `name` on `arch`; `None` if it has no such call.
///
/// 32-bit x86, s390, PowerPC, MIPS, SuperH and m68k have the socket and System V IPC calls twice: with a
/// number of their own (since 4.3 and 5.1) and behind `socketcall` and `ipc`. This is the former.
#[must_use]
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    Syscall::from_name(name)?.number(arch)
}

/// The name of `number` on `arch`; `None` for one that is newer than the table or in a gap.
#[must_use]
pub fn name(arch: Arch, number: u32) -> Option<&'static str> {
    Syscall::from_number(arch, number).map(Syscall::name)
}

/// The highest number on `arch`, with x32's bit on x32 and without ARM's private calls at 0x0f0000.
#[must_use]
pub fn newest(arch: Arch) -> u32 {
    let numbers = numbers(arch);
    numbers
        .by_number
        .iter()
        .rev()
        .map(|&index| numbers.by_name[usize::from(index)])
        .find(|number| arch != Arch::Arm || *number < ARM_PRIVATE_BASE)
        .unwrap_or_default()
}

/// The kernel that brought `name`, for calls newer than 4.14. A call that some architectures had
/// earlier has no version here.
#[must_use]
pub fn since(name: &str) -> Option<KernelVersion> {
    SINCE
        .iter()
        .find(|(_, _, names)| names.contains(&name))
        .map(|&(major, minor, _)| KernelVersion::new(major, minor))
}

/// `__ARM_NR_BASE` (asm/unistd.h of ARM).
const ARM_PRIVATE_BASE: u32 = 0x000f_0000;

/// Man pages' "VERSIONS" sections and the release in which the number entered the kernel's syscall tables.
#[rustfmt::skip]
const SINCE: &[(u16, u16, &[&str])] = &[
    (4, 15, &["riscv_flush_icache"]),
    (4, 18, &["io_pgetevents", "rseq"]),
    (5, 1, &[
        "pidfd_send_signal", "io_uring_setup", "io_uring_enter", "io_uring_register",
        "clock_gettime64", "clock_settime64", "clock_adjtime64", "clock_getres_time64",
        "clock_nanosleep_time64", "timer_gettime64", "timer_settime64", "timerfd_gettime64",
        "timerfd_settime64", "utimensat_time64", "pselect6_time64", "ppoll_time64",
        "io_pgetevents_time64", "recvmmsg_time64", "mq_timedsend_time64", "mq_timedreceive_time64",
        "semtimedop_time64", "rt_sigtimedwait_time64", "futex_time64", "sched_rr_get_interval_time64",
    ]),
    (5, 2, &["open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"]),
    (5, 3, &["pidfd_open", "clone3"]),
    (5, 6, &["openat2", "pidfd_getfd"]),
    (5, 8, &["faccessat2"]),
    (5, 9, &["close_range"]),
    (5, 10, &["process_madvise"]),
    (5, 11, &["epoll_pwait2"]),
    (5, 12, &["mount_setattr"]),
    (5, 13, &["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]),
    (5, 14, &["quotactl_fd", "memfd_secret"]),
    (5, 15, &["process_mrelease"]),
    (5, 16, &["futex_waitv"]),
    (5, 17, &["set_mempolicy_home_node"]),
    (6, 4, &["riscv_hwprobe"]),
    (6, 5, &["cachestat"]),
    (6, 6, &["fchmodat2", "map_shadow_stack"]),
    (6, 7, &["futex_wake", "futex_wait", "futex_requeue"]),
    (6, 8, &["statmount", "listmount", "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"]),
    (6, 10, &["mseal"]),
    (6, 11, &["uretprobe"]),
    (6, 13, &["setxattrat", "getxattrat", "listxattrat", "removexattrat"]),
    (6, 15, &["open_tree_attr"]),
    (6, 17, &["file_getattr", "file_setattr"]),
];

fn name_at(index: usize) -> &'static str {
    &generated::NAMES[range_of(index)]
}

fn bytes_at(index: usize) -> &'static [u8] {
    &generated::NAMES.as_bytes()[range_of(index)]
}

fn range_of(index: usize) -> std::ops::Range<usize> {
    usize::from(generated::OFFSETS[index])..usize::from(generated::OFFSETS[index + 1])
}

/// Name indexes by [`slot`], or in the next free place after it. A profile has hundreds of names, and a search by halves
/// mispredicts at each step.
static SLOTS: [u16; 1024] = slots();

/// A place in [`SLOTS`] without a name.
const FREE: u16 = u16::MAX;

const fn slots() -> [u16; 1024] {
    let mut slots = [FREE; 1024];
    let mut index = 0;
    while index < generated::COUNT {
        let (_, from) = generated::NAMES
            .as_bytes()
            .split_at(generated::OFFSETS[index] as usize);
        let length = generated::OFFSETS[index + 1] - generated::OFFSETS[index];
        let mut slot = slot(from.split_at(length as usize).0);
        while slots[slot] != FREE {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = index as u16;
        index += 1;
    }
    slots
}

/// Where a name is looked for first: its length and five of its letters tell most names apart.
const fn slot(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let places = [0, length / 4, length / 2, length * 3 / 4, length - 1];
    let mut key = length as u64;
    let mut place = 0;
    while place < places.len() {
        key = key << 8 | name[places[place]] as u64;
        place += 1;
    }
    // Fibonacci hashing: the upper 10 bits of the product with 2^64 divided by the golden ratio.
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

fn numbers(arch: Arch) -> &'static Numbers {
    match arch {
        Arch::X86 => &generated::X86,
        Arch::X86_64 => &generated::X86_64,
        Arch::X32 => &generated::X32,
        Arch::Arm => &generated::ARM,
        Arch::Aarch64 => &generated::AARCH64,
        Arch::Mips | Arch::Mipsel => &generated::MIPS,
        Arch::Mips64 | Arch::Mipsel64 => &generated::MIPS64,
        Arch::Mips64N32 | Arch::Mipsel64N32 => &generated::MIPS64N32,
        Arch::Ppc => &generated::PPC,
        Arch::Ppc64 | Arch::Ppc64le => &generated::PPC64,
        Arch::S390 => &generated::S390,
        Arch::S390x => &generated::S390X,
        Arch::Parisc => &generated::PARISC,
        Arch::Parisc64 => &generated::PARISC64,
        Arch::Riscv64 => &generated::RISCV64,
        Arch::Loongarch64 => &generated::LOONGARCH64,
        Arch::M68k => &generated::M68K,
        Arch::Sh | Arch::Sheb => &generated::SH,
    }
}

#[cfg(test)]
mod tests;
