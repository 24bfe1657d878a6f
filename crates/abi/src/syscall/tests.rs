//! Tests of the tables: known numbers, order, and that every lookup finds back what it came from.

use proptest::prelude::*;

use super::*;
use crate::arch::{ALL, X32_SYSCALL_BIT};

#[test]
fn known_numbers() {
    // From the man pages' and kernel documentation's well-known numbers, one or two per table.
    for (arch, call, expected) in [
        (Arch::X86_64, "read", 0),
        (Arch::X86_64, "execve", 59),
        (Arch::X86_64, "openat2", 437),
        (Arch::X86, "execve", 11),
        (Arch::X86, "socketcall", 102),
        (Arch::X86, "socket", 359),
        (Arch::X86, "clock_gettime64", 403),
        (Arch::X32, "read", X32_SYSCALL_BIT),
        (Arch::X32, "execve", X32_SYSCALL_BIT | 520),
        (Arch::Arm, "execve", 11),
        (Arch::Arm, "set_tls", 0x000f_0005),
        (Arch::Aarch64, "execve", 221),
        (Arch::Riscv64, "execve", 221),
        (Arch::Riscv64, "riscv_flush_icache", 259),
        (Arch::Loongarch64, "openat", 56),
        (Arch::Mipsel, "execve", 4011),
        (Arch::Mips64, "read", 5000),
        (Arch::Mipsel64N32, "read", 6000),
        (Arch::Mips64N32, "cachestat", 6451),
        (Arch::Ppc64le, "execve", 11),
        (Arch::S390x, "s390_pci_mmio_write", 352),
        (Arch::S390, "mmap2", 192),
        (Arch::Parisc, "execve", 11),
        (Arch::M68k, "cacheflush", 123),
        (Arch::Sh, "cacheflush", 123),
        (Arch::Sheb, "mseal", 462),
    ] {
        assert_eq!(number(arch, call), Some(expected), "{arch} {call}");
        assert_eq!(name(arch, expected), Some(call), "{arch} {expected}");
    }
    assert_eq!(number(Arch::Aarch64, "open"), None);
    assert_eq!(number(Arch::X86_64, "socketcall"), None);
    assert_eq!(number(Arch::X86_64, "no_such_call"), None);
    assert_eq!(number(Arch::X86_64, ""), None);
    assert_eq!(name(Arch::X86_64, X32_SYSCALL_BIT), None);
    assert_eq!(name(Arch::X86_64, u32::MAX), None);
}

#[test]
fn every_call_is_found_by_name_and_number() {
    for &arch in ALL {
        let calls: Vec<_> = table(arch).iter().collect();
        assert!(calls.len() > 300, "{arch}: {}", calls.len());
        assert!(calls.is_sorted_by(|a, b| a.0 < b.0), "{arch}");
        for (call, nr) in calls {
            assert_eq!(number(arch, call), Some(nr), "{arch} {call}");
            let first = name(arch, nr).unwrap_or_else(|| panic!("{arch} {nr}"));
            assert_eq!(number(arch, first), Some(nr), "{arch} {call}");
        }
    }
}

#[test]
fn aliases_are_few() {
    let aliases: Vec<_> = ALL
        .iter()
        .flat_map(|&arch| {
            table(arch)
                .iter()
                .filter(move |&(call, nr)| name(arch, nr) != Some(call))
        })
        .collect();
    assert_eq!(aliases, [("sync_file_range2", 341)]);
}

#[test]
fn newest_is_what_the_headers_end_with() {
    assert_eq!(newest(Arch::X86_64), 469);
    assert_eq!(newest(Arch::X86), 469);
    assert_eq!(newest(Arch::X32), X32_SYSCALL_BIT | 547);
    assert_eq!(newest(Arch::Arm), 469);
    assert_eq!(newest(Arch::Mipsel), 4469);
    assert_eq!(newest(Arch::Mips64N32), 6469);
    for &arch in ALL {
        assert!(name(arch, newest(arch)).is_some(), "{arch}");
    }
}

#[test]
fn every_call_with_a_common_number_has_a_version() {
    for &arch in ALL {
        for (call, nr) in table(arch).iter() {
            // From 403 on numbers are the same everywhere; before x32's bit is taken off.
            let low = nr & 0xfff;
            if arch == Arch::X86_64 && (424..=469).contains(&low) {
                assert!(since(call).is_some(), "{call}");
            }
        }
    }
    for (_, _, names) in SINCE {
        for call in *names {
            assert!(Syscall::from_name(call).is_some(), "{call}");
        }
    }
    assert_eq!(since("openat2"), Some(KernelVersion::new(5, 6)));
    assert_eq!(since("read"), None);
}

#[test]
fn calls_after_424_came_in_the_order_of_their_numbers() {
    let mut last = (0, KernelVersion::new(0, 0));
    let mut calls: Vec<_> = table(Arch::Aarch64)
        .iter()
        .filter(|(_, nr)| *nr >= 424)
        .collect();
    calls.sort_by_key(|(_, nr)| *nr);
    for (call, nr) in calls {
        let version = since(call).unwrap_or_else(|| panic!("{call}"));
        // 436 (5.9), 443 (5.14) and 447 (5.14) were reserved before their neighbours were merged.
        if ![436, 443, 447].contains(&nr) {
            assert!(
                last.1 <= version,
                "{call} {nr}: {version}, {} has {}",
                last.0,
                last.1
            );
            last = (nr, version);
        }
    }
}

proptest! {
    #[test]
    fn numbers_round_trip(index in 0..ALL.len(), nr in prop_oneof![0_u32..7000, X32_SYSCALL_BIT..X32_SYSCALL_BIT + 600, any::<u32>()]) {
        let arch = ALL[index];
        if let Some(found) = name(arch, nr) {
            prop_assert_eq!(number(arch, found), Some(nr));
        }
    }

    #[test]
    fn no_text_is_mistaken_for_a_call(text in "[a-z_0-9]{0,20}") {
        let listed = Syscall::all().any(|call| call.name() == text);
        prop_assert_eq!(Syscall::from_name(&text).is_some(), listed);
    }
}
