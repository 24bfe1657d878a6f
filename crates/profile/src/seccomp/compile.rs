//! From rules to a program that the kernel runs at every call.
//!
//! Its length is paid once per container and its depth at every call whose answer the kernel cannot
//! cache (those that depend on arguments), so numbers are bisected, and the native interface comes first.

use std::collections::BTreeMap;

use lockstep_abi::arch::Arch;
use lockstep_abi::bpf::{self, Insn};
use lockstep_abi::syscall;
use lockstep_oci::runtime::{Seccomp, SeccompFlag};

use super::Verdict;
use super::assemble::{Assembler, Goal, Label};
use super::decision::{Decision, Target, Test, Word, decide};
use super::filter::{Alternative, Filter, Outcome, has_narrow_arguments};
use super::line::{Leaf, Run, line};
use super::lower::lower;
use crate::Error;

/// Most instructions that the kernel takes in one program (`BPF_MAXINSNS`, linux/bpf_common.h).
pub const MAX_INSTRUCTIONS: usize = bpf::MAX_INSTRUCTIONS;

/// How often each call was made, by interface and number. Calls that are not listed count as never made.
pub type Counts = BTreeMap<(Arch, u32), u64>;

/// A filter as seccomp(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// At most [`MAX_INSTRUCTIONS`].
    pub insns: Vec<Insn>,
    /// `SECCOMP_FILTER_FLAG_*` that the profile asks for. `NEW_LISTENER` is the loader's to add if
    /// `notify`; `TSYNC_ESRCH` is here if both are needed, without which the kernel refuses the pair.
    pub flags: u32,
    /// Whether some call is left to a listener.
    pub notify: bool,
    /// What of the profile has no effect, for people.
    pub warnings: Vec<String>,
}

/// Compiles the seccomp object of a config.json for a machine whose own interface is `native`.
///
/// What the rules mean is documented at [`lower`].
///
/// # Errors
/// Those of [`lower`], flags outside the specification, and [`Error::TooLong`].
pub fn compile(seccomp: &Seccomp, native: Arch) -> Result<Program, Error> {
    compile_with_counts(seccomp, native, &Counts::new())
}

/// As [`compile`], with the shortest ways for the calls that are made most often. The verdicts are the same.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_counts(
    seccomp: &Seccomp,
    native: Arch,
    counts: &Counts,
) -> Result<Program, Error> {
    let mut filter = lower(seccomp, native)?;
    let insns = assemble(&filter, counts)?;
    let notify = insns.contains(&Insn::ret(Verdict::NOTIFY.to_return()));
    let mut warnings = std::mem::take(&mut filter.warnings);
    let flags = flags(&seccomp.flags, notify, &mut warnings)?;
    Ok(Program {
        insns,
        flags,
        notify,
        warnings,
    })
}

fn flags(names: &[SeccompFlag], notify: bool, warnings: &mut Vec<String>) -> Result<u32, Error> {
    let mut flags = 0;
    for (index, name) in names.iter().enumerate() {
        flags |= match name {
            SeccompFlag::Tsync if notify => {
                bpf::SECCOMP_FILTER_FLAG_TSYNC | bpf::SECCOMP_FILTER_FLAG_TSYNC_ESRCH
            }
            SeccompFlag::Tsync => bpf::SECCOMP_FILTER_FLAG_TSYNC,
            SeccompFlag::Log => bpf::SECCOMP_FILTER_FLAG_LOG,
            SeccompFlag::SpecAllow => bpf::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            SeccompFlag::WaitKillableRecv if notify => bpf::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            SeccompFlag::WaitKillableRecv => {
                // EINVAL without a listener.
                warnings.push(format!(
                    "/flags/{index}: {name} has no effect without SCMP_ACT_NOTIFY"
                ));
                0
            }
            SeccompFlag::Unknown(value) => {
                return Err(Error::Unknown {
                    pointer: format!("/flags/{index}"),
                    value: value.clone(),
                });
            }
        };
    }
    Ok(flags)
}

/// The program of a filter.
///
/// # Errors
/// [`Error::TooLong`].
fn assemble(filter: &Filter, counts: &Counts) -> Result<Vec<Insn>, Error> {
    let mut audit_arches: Vec<u32> = Vec::new();
    for interface in &filter.interfaces {
        let audit_arch = interface.arch.audit_arch();
        if !audit_arches.contains(&audit_arch) {
            audit_arches.push(audit_arch);
        }
    }
    let mut writer = Writer {
        filter,
        counts,
        assembler: Assembler::default(),
        decisions: Vec::new(),
    };
    // Backwards: what is written last runs first, and jumps least far.
    let sections: Vec<(u32, Goal)> = audit_arches
        .iter()
        .rev()
        .map(|arch| (*arch, writer.section(*arch)))
        .collect();
    let mut goal = Goal::Return(filter.foreign);
    for (arch, section) in sections {
        goal = Goal::At(writer.assembler.branch(bpf::JEQ, arch, section, goal));
    }
    writer.assembler.fall_into(goal);
    writer.assembler.load(bpf::DATA_ARCH);
    let insns = writer.assembler.finish();
    if insns.len() > MAX_INSTRUCTIONS {
        return Err(Error::TooLong {
            instructions: insns.len(),
        });
    }
    Ok(insns)
}

struct Writer<'a> {
    filter: &'a Filter,
    counts: &'a Counts,
    assembler: Assembler,
    decisions: Vec<(Key<'a>, Goal)>,
}

/// Rules with equal keys have equal code.
#[derive(PartialEq, Eq)]
struct Key<'a> {
    alternatives: &'a [Alternative],
    narrow: bool,
    little_endian: bool,
}

impl<'a> Writer<'a> {
    /// The code for one `AUDIT_ARCH` value.
    fn section(&mut self, audit_arch: u32) -> Goal {
        let runs = line(self.filter, audit_arch);
        let sums = self.sums(&runs, audit_arch);
        match self.bisect(&runs, &sums) {
            goal @ Goal::Return(_) => goal,
            goal @ Goal::At(_) => {
                self.assembler.fall_into(goal);
                Goal::At(self.assembler.load(bpf::DATA_NR))
            }
        }
    }

    /// How often the filter is asked about the calls before each run, and about all: as often as they are made, and
    /// once for each number when the kernel looks for answers that it can keep (Linux 5.11), which is much of
    /// what a container's start spends on a filter.
    fn sums(&self, runs: &[Run], audit_arch: u32) -> Vec<u64> {
        /// Numbers of a gap before the first call are not asked about: MIPS counts from 4000.
        const WIDEST: u32 = 256;
        let interfaces = self.filter.interfaces.iter().map(|i| i.arch);
        let newest = interfaces
            .filter(|arch| arch.audit_arch() == audit_arch)
            .map(syscall::newest);
        let end = newest.min().map_or(0, |newest| newest.saturating_add(1));
        let mut sums = Vec::with_capacity(runs.len() + 1);
        sums.push(0);
        let ends = runs
            .iter()
            .skip(1)
            .map(|run| run.start.min(end))
            .chain([end]);
        for (run, end) in runs.iter().zip(ends) {
            let width = end.saturating_sub(run.start).clamp(1, WIDEST);
            sums.push(u64::from(width));
        }
        for ((arch, number), count) in self.counts {
            if arch.audit_arch() == audit_arch {
                let run = runs.partition_point(|run| run.start <= *number);
                sums[run] = sums[run].saturating_add(*count);
            }
        }
        for run in 0..runs.len() {
            sums[run + 1] = sums[run + 1].saturating_add(sums[run]);
        }
        sums
    }

    /// Code that finds the run of a number; `sums` begins with what stands before the first run.
    fn bisect(&mut self, runs: &[Run], sums: &[u64]) -> Goal {
        if let [only] = runs {
            return self.leaf(only.leaf);
        }
        if let [before, one, after] = runs
            && before.leaf == after.leaf
            && after.start - one.start == 1
        {
            let (yes, no) = (self.leaf(one.leaf), self.leaf(before.leaf));
            return Goal::At(self.assembler.branch(bpf::JEQ, one.start, yes, no));
        }
        let middle = balance(sums);
        let yes = self.bisect(&runs[middle..], &sums[middle..]);
        let no = self.bisect(&runs[..middle], &sums[..=middle]);
        Goal::At(self.assembler.branch(bpf::JGE, runs[middle].start, yes, no))
    }

    fn leaf(&mut self, leaf: Leaf) -> Goal {
        let (arch, outcome) = match leaf {
            Leaf::Return(verdict) => return Goal::Return(verdict),
            Leaf::Decide { arch, outcome } => (arch, outcome),
        };
        let filter = self.filter;
        let outcome = filter
            .interfaces
            .iter()
            .find(|i| i.arch == arch)
            .map(|i| &i.outcomes[outcome as usize]);
        let alternatives: &'a [Alternative] = match outcome {
            Some(Outcome::ByArguments(alternatives)) => alternatives,
            Some(Outcome::Always(verdict)) => return Goal::Return(*verdict),
            None => return Goal::Return(filter.foreign),
        };
        let (narrow, little_endian) = (has_narrow_arguments(arch), arch.is_little_endian());
        let key = Key {
            alternatives,
            narrow,
            little_endian,
        };
        if let Some((_, goal)) = self.decisions.iter().find(|(known, _)| *known == key) {
            return *goal;
        }
        let decision = decide(alternatives, filter.default, narrow);
        let goal = self.decision(&decision, little_endian);
        self.decisions.push((key, goal));
        goal
    }

    fn decision(&mut self, decision: &Decision, little_endian: bool) -> Goal {
        let needs = needs(decision);
        let mut entries: Vec<Entries> = Vec::with_capacity(decision.nodes.len());
        for (node, needs) in decision.nodes.iter().zip(needs) {
            let form = Form::of(node.atom.test);
            let held = form.leaves(node.atom.word);
            let (yes, no) = (
                goal(node.yes, held, decision, &entries),
                goal(node.no, held, decision, &entries),
            );
            let (yes, no) = if form.inverted { (no, yes) } else { (yes, no) };
            let masked = self.assembler.branch(form.operator, form.operand, yes, no);
            let mut first = masked;
            if let Some(mask) = form.mask
                && (needs.load || needs.mask)
            {
                first = self.assembler.mask(mask);
            }
            let whole = first;
            if needs.load {
                first = self.assembler.load(offset(node.atom.word, little_endian));
            }
            entries.push(Entries {
                masked,
                whole,
                load: first,
            });
        }
        match decision.root {
            Target::Return(verdict) => Goal::Return(verdict),
            Target::Node(root) => Goal::At(entries[root].load),
        }
    }
}

/// Where to cut runs so that both sides are taken equally often: not before the first and not after the last.
fn balance(sums: &[u64]) -> usize {
    let (first, last) = (sums[0], sums[sums.len() - 1]);
    let unequal = |at: usize| (sums[at] - first).abs_diff(last - sums[at]);
    let half = first + (last - first) / 2;
    let above = sums
        .partition_point(|sum| *sum < half)
        .clamp(1, sums.len() - 2);
    let below = (above - 1).max(1);
    if unequal(below) <= unequal(above) {
        below
    } else {
        above
    }
}

/// What the accumulator holds between two tests.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    word: Word,
    mask: Option<u32>,
}

/// How a test is written.
struct Form {
    mask: Option<u32>,
    operator: u16,
    operand: u32,
    /// Whether the jump is taken when the test fails.
    inverted: bool,
}

impl Form {
    fn of(test: Test) -> Self {
        let (mask, operator, operand, inverted) = match test {
            Test::Equal(value) => (None, bpf::JEQ, value, false),
            Test::Greater(value) => (None, bpf::JGT, value, false),
            Test::Masked { mask, value: 0 } => (None, bpf::JSET, mask, true),
            Test::Masked { mask, value } if mask == value && mask.is_power_of_two() => {
                (None, bpf::JSET, mask, false)
            }
            Test::Masked { mask, value } => (Some(mask), bpf::JEQ, value, false),
        };
        Self {
            mask,
            operator,
            operand,
            inverted,
        }
    }

    fn leaves(&self, word: Word) -> Held {
        Held {
            word,
            mask: self.mask,
        }
    }
}

/// Where a test can be entered: with its word masked, with its word loaded, or with anything.
struct Entries {
    masked: Label,
    whole: Label,
    load: Label,
}

/// Which preparations of a test somebody needs.
#[derive(Clone, Copy, Default)]
struct Needs {
    load: bool,
    mask: bool,
}

fn needs(decision: &Decision) -> Vec<Needs> {
    let mut needs = vec![Needs::default(); decision.nodes.len()];
    if let Target::Node(root) = decision.root {
        needs[root].load = true;
    }
    for node in &decision.nodes {
        let held = Form::of(node.atom.test).leaves(node.atom.word);
        for target in [node.yes, node.no] {
            if let Target::Node(next) = target {
                match entry(held, decision, next) {
                    Entry::Masked => {}
                    Entry::Whole => needs[next].mask = true,
                    Entry::Load => needs[next].load = true,
                }
            }
        }
    }
    needs
}

enum Entry {
    Masked,
    Whole,
    Load,
}

fn entry(held: Held, decision: &Decision, next: usize) -> Entry {
    let atom = decision.nodes[next].atom;
    if held == Form::of(atom.test).leaves(atom.word) {
        Entry::Masked
    } else if held
        == (Held {
            word: atom.word,
            mask: None,
        })
    {
        Entry::Whole
    } else {
        Entry::Load
    }
}

fn goal(target: Target, held: Held, decision: &Decision, entries: &[Entries]) -> Goal {
    match target {
        Target::Return(verdict) => Goal::Return(verdict),
        Target::Node(next) => Goal::At(match entry(held, decision, next) {
            Entry::Masked => entries[next].masked,
            Entry::Whole => entries[next].whole,
            Entry::Load => entries[next].load,
        }),
    }
}

fn offset(word: Word, little_endian: bool) -> u32 {
    let (argument, high) = (u32::from(word / 2), word % 2 == 1);
    bpf::DATA_ARGS + 8 * argument + 4 * u32::from(high == little_endian)
}
