//! The rules of a filter, per interface of the kernel and by number.
//!
//! It stands between the names of config.json and the instructions of a program, so that what a
//! profile means is decided once, and the compiler, a diff or an explanation start from the same answer.

use lockstep_abi::arch::Arch;

use super::Verdict;

/// A whole filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// For calls without a rule.
    pub default: Verdict,
    /// For calls of an interface that is not listed, among them x32's beside x86-64's.
    pub foreign: Verdict,
    /// One entry per listed interface, the native one first.
    pub interfaces: Vec<Interface>,
    /// What of the profile has no effect, for people.
    pub warnings: Vec<String>,
}

/// The rules for one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Which.
    pub arch: Arch,
    /// Calls with a higher number get ENOSYS, so that programs fall back to what the profile's author
    /// knew; `None` where they get the default.
    pub newest: Option<u32>,
    /// In ascending order of the number, each once. x32's numbers carry their bit.
    pub rules: Vec<NumberRule>,
    /// What the rules decide: hundreds of calls share a few outcomes.
    pub outcomes: Vec<Outcome>,
}

/// The rule for one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberRule {
    /// Number of the call on this interface.
    pub number: u32,
    /// What is decided, as a place in [`Interface::outcomes`].
    pub outcome: u32,
}

/// What a rule decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Whatever the arguments are.
    Always(Verdict),
    /// The first alternative whose conditions all hold; the filter's default if none does.
    ByArguments(Vec<Alternative>),
}

/// Conditions on arguments and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Alternative {
    /// All must hold. In ascending order of the argument, each argument at most once.
    pub conditions: Vec<Condition>,
    /// What then happens.
    pub verdict: Verdict,
}

/// A condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// 0 to 5.
    pub argument: u8,
    /// How it is compared, unsigned.
    pub comparison: Comparison,
    /// With what. Of an interface with 32-bit arguments only the lower half counts, here and in the call.
    pub value: u64,
}

/// How an argument is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
    /// Equal to the value in the bits of this mask.
    Masked(u64),
}

/// Whether a filter sees only the lower half of this interface's arguments.
///
/// That is libseccomp's reading for x32 and MIPS n32 too, whose registers are wider than their `long`.
#[must_use]
pub fn has_narrow_arguments(arch: Arch) -> bool {
    !arch.is_64_bit() || matches!(arch, Arch::X32 | Arch::Mips64N32 | Arch::Mipsel64N32)
}

impl Condition {
    /// The condition as an interface with 32-bit arguments sees it.
    #[must_use]
    pub fn narrowed(self) -> Self {
        const LOW: u64 = 0xffff_ffff;
        let comparison = match self.comparison {
            Comparison::Masked(mask) => Comparison::Masked(mask & LOW),
            other => other,
        };
        Self {
            comparison,
            value: self.value & LOW,
            ..self
        }
    }

    /// Whether no value of the argument fails it: a mask without bits.
    #[must_use]
    pub fn is_vacuous(self) -> bool {
        self.comparison == Comparison::Masked(0)
    }
}
