//! The architectures that a system call can belong to, as seccomp tells them apart.
//!
//! They are named as libseccomp names them because config.json does (`linux.seccomp.architectures`,
//! OCI runtime specification, config-linux.md).

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! architectures {
    ($($variant:ident, $scmp:literal, $audit:literal;)*) => {
        /// One system call interface of the kernel. x86-64 machines have three (`X86_64`, `X86`,
        /// `X32`); a filter must know each, or it is walked around through another.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Arch {
            $(
                #[doc = concat!("`", $scmp, "`")]
                #[serde(rename = $scmp)]
                $variant,
            )*
        }

        /// Every architecture, in the order of the OCI runtime specification.
        pub const ALL: &[Arch] = &[$(Arch::$variant),*];

        impl Arch {
            /// The name in config.json: `SCMP_ARCH_X86_64`.
            #[must_use]
            pub const fn scmp_name(self) -> &'static str {
                match self { $(Arch::$variant => $scmp,)* }
            }

            /// What `struct seccomp_data` has in `arch` for a call of this interface
            /// (`AUDIT_ARCH_*`, linux/audit.h).
            ///
            /// `X32` has the value of `X86_64`: its calls are told apart by bit 30 of their number.
            #[must_use]
            pub const fn audit_arch(self) -> u32 {
                match self { $(Arch::$variant => $audit,)* }
            }
        }
    };
}

architectures! {
    X86, "SCMP_ARCH_X86", 0x4000_0003;
    X86_64, "SCMP_ARCH_X86_64", 0xc000_003e;
    X32, "SCMP_ARCH_X32", 0xc000_003e;
    Arm, "SCMP_ARCH_ARM", 0x4000_0028;
    Aarch64, "SCMP_ARCH_AARCH64", 0xc000_00b7;
    Mips, "SCMP_ARCH_MIPS", 0x0000_0008;
    Mips64, "SCMP_ARCH_MIPS64", 0x8000_0008;
    Mips64N32, "SCMP_ARCH_MIPS64N32", 0xa000_0008;
    Mipsel, "SCMP_ARCH_MIPSEL", 0x4000_0008;
    Mipsel64, "SCMP_ARCH_MIPSEL64", 0xc000_0008;
    Mipsel64N32, "SCMP_ARCH_MIPSEL64N32", 0xe000_0008;
    Ppc, "SCMP_ARCH_PPC", 0x0000_0014;
    Ppc64, "SCMP_ARCH_PPC64", 0x8000_0015;
    Ppc64le, "SCMP_ARCH_PPC64LE", 0xc000_0015;
    S390, "SCMP_ARCH_S390", 0x0000_0016;
    S390x, "SCMP_ARCH_S390X", 0x8000_0016;
    Parisc, "SCMP_ARCH_PARISC", 0x0000_000f;
    Parisc64, "SCMP_ARCH_PARISC64", 0x8000_000f;
    Riscv64, "SCMP_ARCH_RISCV64", 0xc000_00f3;
    Loongarch64, "SCMP_ARCH_LOONGARCH64", 0xc000_0102;
    M68k, "SCMP_ARCH_M68K", 0x0000_0004;
    Sh, "SCMP_ARCH_SH", 0x4000_002a;
    Sheb, "SCMP_ARCH_SHEB", 0x0000_002a;
}

/// The bit that marks a number as x32's (`__X32_SYSCALL_BIT`, asm/unistd.h of x86).
pub const X32_SYSCALL_BIT: u32 = 0x4000_0000;

impl Arch {
    /// The architecture of a name of config.json; `None` for one that the specification does not list.
    #[must_use]
    pub fn from_scmp_name(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|arch| arch.scmp_name() == name)
    }

    /// The interface that belongs to `audit_arch` and a call's number, as a filter would see them.
    #[must_use]
    pub fn from_audit_arch(audit_arch: u32, number: u32) -> Option<Self> {
        let arch = ALL
            .iter()
            .copied()
            .find(|arch| arch.audit_arch() == audit_arch)?;
        // Number -1 is what a tracer sets to skip a call; the kernel does not count it as x32.
        if arch == Self::X86_64 && number & X32_SYSCALL_BIT != 0 && number != u32::MAX {
            return Some(Self::X32);
        }
        Some(arch)
    }

    /// The architecture this program was compiled for.
    #[must_use]
    pub const fn native() -> Self {
        NATIVE
    }

    /// Whether arguments and pointers have 64 bits. x32's registers do, though its pointers are short.
    #[must_use]
    pub const fn is_64_bit(self) -> bool {
        self.audit_arch() & 0x8000_0000 != 0
    }

    /// Whether the low half of a 64-bit argument comes first in `struct seccomp_data`.
    #[must_use]
    pub const fn is_little_endian(self) -> bool {
        self.audit_arch() & 0x4000_0000 != 0
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scmp_name())
    }
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
const NATIVE: Arch = Arch::X86_64;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "32"))]
const NATIVE: Arch = Arch::X32;
#[cfg(target_arch = "x86")]
const NATIVE: Arch = Arch::X86;
#[cfg(target_arch = "aarch64")]
const NATIVE: Arch = Arch::Aarch64;
#[cfg(target_arch = "arm")]
const NATIVE: Arch = Arch::Arm;
#[cfg(target_arch = "riscv64")]
const NATIVE: Arch = Arch::Riscv64;
#[cfg(target_arch = "loongarch64")]
const NATIVE: Arch = Arch::Loongarch64;
#[cfg(target_arch = "s390x")]
const NATIVE: Arch = Arch::S390x;
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
const NATIVE: Arch = Arch::Ppc64le;
#[cfg(all(target_arch = "powerpc64", target_endian = "big"))]
const NATIVE: Arch = Arch::Ppc64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_only_x32_shares_its_audit_value() {
        let mut seen = std::collections::BTreeMap::new();
        for &arch in ALL {
            assert_eq!(Arch::from_scmp_name(arch.scmp_name()), Some(arch));
            assert_eq!(serde_name(arch), arch.scmp_name());
            seen.entry(arch.audit_arch())
                .or_insert_with(Vec::new)
                .push(arch);
        }
        let shared: Vec<_> = seen.into_values().filter(|a| a.len() > 1).collect();
        assert_eq!(shared, [[Arch::X86_64, Arch::X32]]);
        assert_eq!(Arch::from_scmp_name("SCMP_ARCH_NATIVE"), None);
    }

    fn serde_name(arch: Arch) -> String {
        use serde::de::{IntoDeserializer, value::Error};
        let name = arch.scmp_name();
        let back = Arch::deserialize(IntoDeserializer::<Error>::into_deserializer(name));
        assert_eq!(back, Ok(arch));
        name.to_owned()
    }

    #[test]
    fn the_number_tells_x32_from_x86_64() {
        let x86_64 = Arch::X86_64.audit_arch();
        assert_eq!(Arch::from_audit_arch(x86_64, 1), Some(Arch::X86_64));
        assert_eq!(
            Arch::from_audit_arch(x86_64, X32_SYSCALL_BIT | 1),
            Some(Arch::X32)
        );
        assert_eq!(Arch::from_audit_arch(x86_64, u32::MAX), Some(Arch::X86_64));
        assert_eq!(Arch::from_audit_arch(0xdead_beef, 1), None);
    }
}
