//! The rules for one interface of the kernel: by number, in the order in which they are tried.

use std::cmp::{Ordering, Reverse};

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall::Syscall;

use super::Verdict;
use super::classes::Class;
use super::filter::{
    Alternative, Comparison, Condition, Interface, NumberRule, Outcome, has_narrow_arguments,
};
use super::lower::Rules;
use super::multiplexer::{Multiplexer, join};

/// What the rules say about the calls of `arch`.
pub(super) fn interface(
    arch: Arch,
    rules: &Rules,
    default: Verdict,
    warnings: &mut Vec<String>,
) -> Interface {
    let of = |call: Syscall| rules.classes.of(call);
    let mut outcomes = Outcomes::new(rules, has_narrow_arguments(arch));
    let mut numbers = Vec::with_capacity(Syscall::COUNT);
    let mut newest = None;
    for (number, call) in Syscall::by_number(arch) {
        let class = of(call);
        if class == Class::UNNAMED {
            continue;
        }
        if !is_private(arch, number) {
            newest = Some(number);
        }
        let alias = numbers.pop_if(|rule: &mut NumberRule| rule.number == number);
        let outcome = match alias {
            None => outcomes.of(class),
            Some(_) => outcomes.of_all(&names(arch, number).map(of).collect::<Vec<_>>()),
        };
        if let Some(outcome) = outcome {
            numbers.push(NumberRule { number, outcome });
        }
    }
    for multiplexer in Multiplexer::ALL {
        if let Some(number) = multiplexer.number(arch) {
            outcomes.multiplex(multiplexer, number, &mut numbers, default);
        }
    }
    warnings.extend(
        numbers
            .iter()
            .flat_map(|rule| outcomes.clashes(arch, *rule)),
    );
    if arch_shows_unknown_calls_as_zero(arch) && newest.is_some() && hides_newer(default) {
        numbers.retain(|rule| rule.number != 0);
        let outcome = outcomes.push(Outcome::Always(Verdict::ENOSYS));
        numbers.insert(0, NumberRule { number: 0, outcome });
    }
    Interface {
        arch,
        newest: newest.filter(|_| hides_newer(default)),
        rules: numbers,
        outcomes: outcomes.list,
    }
}

/// The call of a number and its aliases.
fn names(arch: Arch, number: u32) -> impl Iterator<Item = Syscall> {
    let calls = Syscall::by_number(arch).filter(move |(other, _)| *other == number);
    calls.map(|(_, call)| call)
}

/// Whether a filter with this default answers ENOSYS for newer calls. A tracer is trusted to know them.
fn hides_newer(default: Verdict) -> bool {
    default != Verdict::ALLOW
        && default != Verdict::LOG
        && default.action() != Verdict::trace(0).action()
}

/// s390's call 0 carries numbers above 255; the kernel replaces it by the number only if it knows that.
fn arch_shows_unknown_calls_as_zero(arch: Arch) -> bool {
    matches!(arch, Arch::S390 | Arch::S390x)
}

/// ARM's private calls stand far above all others and say nothing about how new a profile is.
fn is_private(arch: Arch, number: u32) -> bool {
    arch == Arch::Arm && number >= 0x000f_0000
}

/// The outcomes of an interface, each worked out when the first call asks for it.
struct Outcomes<'a> {
    rules: &'a Rules,
    narrow: bool,
    list: Vec<Outcome>,
    /// By class, the place in `list`.
    known: Vec<Option<u32>>,
    /// Conditions that stand twice in an outcome of `list`, with the verdict that holds and the one that does not.
    clashes: Vec<(u32, Verdict, Verdict)>,
}

impl<'a> Outcomes<'a> {
    fn new(rules: &'a Rules, narrow: bool) -> Self {
        Self {
            rules,
            narrow,
            list: Vec::new(),
            known: vec![None; rules.classes.len()],
            clashes: Vec::new(),
        }
    }

    /// The outcome for calls of a class; `None` if no rule is about them.
    #[inline]
    fn of(&mut self, class: Class) -> Option<u32> {
        if let Some(known) = self.known[class.index()] {
            return Some(known);
        }
        let outcome = self.of_all(&[class])?;
        self.known[class.index()] = Some(outcome);
        Some(outcome)
    }

    /// The outcome for a call with several names, which are of these classes.
    fn of_all(&mut self, names: &[Class]) -> Option<u32> {
        let rules = names
            .iter()
            .flat_map(|name| self.rules.classes.rules(*name));
        let mut rules: Vec<usize> = rules.collect();
        rules.sort_unstable();
        rules.dedup();
        (!rules.is_empty()).then(|| self.push(outcome(&rules, self.rules, self.narrow)))
    }

    /// Adds an outcome, its alternatives in the order in which they are tried.
    fn push(&mut self, mut outcome: Outcome) -> u32 {
        let place = self.list.len() as u32;
        if let Outcome::ByArguments(alternatives) = &mut outcome {
            alternatives.sort_by(|a, b| precedence(&a.conditions, &b.conditions));
            alternatives.dedup_by(|later, earlier| {
                let same = later.conditions == earlier.conditions;
                if same && later.verdict != earlier.verdict {
                    self.clashes.push((place, earlier.verdict, later.verdict));
                }
                same
            });
        }
        self.list.push(outcome);
        place
    }

    /// Has the rules hold where a multiplexer, which has this number, makes the calls.
    fn multiplex(
        &mut self,
        multiplexer: Multiplexer,
        number: u32,
        numbers: &mut Vec<NumberRule>,
        default: Verdict,
    ) {
        let mut inner = Vec::new();
        for (call, name) in multiplexer.calls() {
            let class = Syscall::from_name(name).map(|call| self.rules.classes.of(call));
            inner.extend(class.and_then(|class| Some((*call, self.of(class)?))));
        }
        let position = numbers.binary_search_by_key(&number, |rule| rule.number);
        let own = position.ok().map(|position| numbers[position].outcome);
        let at = |outcome: u32| &self.list[outcome as usize];
        let inner = inner.iter().map(|(call, outcome)| (*call, at(*outcome)));
        let Some(joined) = join(multiplexer, own.map(at), inner, default) else {
            return;
        };
        let outcome = self.push(Outcome::ByArguments(joined));
        let mut clashes = self.clashes.clone();
        clashes.retain(|(of, ..)| Some(*of) == own);
        let clashes = clashes.into_iter().map(|(_, a, b)| (outcome, a, b));
        self.clashes.extend(clashes);
        match position {
            Ok(position) => numbers[position].outcome = outcome,
            Err(position) => numbers.insert(position, NumberRule { number, outcome }),
        }
    }

    /// What is to be said of a rule whose conditions contradict each other.
    fn clashes(&self, arch: Arch, rule: NumberRule) -> impl Iterator<Item = String> {
        let clashes = self
            .clashes
            .iter()
            .filter(move |(of, ..)| *of == rule.outcome);
        clashes.map(move |(_, holds, other)| {
            let name = Syscall::from_number(arch, rule.number).map_or("?", Syscall::name);
            format!(
                "{name} on {arch}: the same conditions give {holds} and {other}, the former holds"
            )
        })
    }
}

/// What these rules say together.
fn outcome(numbers: &[usize], rules: &Rules, narrow: bool) -> Outcome {
    let mut alternatives = Vec::new();
    for rule in numbers.iter().map(|number| &rules.list[*number]) {
        if rule.alternatives.is_empty() {
            alternatives.push(Alternative {
                conditions: Vec::new(),
                verdict: rule.verdict,
            });
            break;
        }
        for conditions in &rule.alternatives {
            let seen = conditions
                .iter()
                .map(|c| if narrow { c.narrowed() } else { *c });
            let conditions: Vec<_> = seen.filter(|c| !c.is_vacuous()).collect();
            alternatives.push(Alternative {
                conditions,
                verdict: rule.verdict,
            });
        }
    }
    match alternatives
        .iter()
        .find(|alternative| alternative.conditions.is_empty())
    {
        Some(always) => Outcome::Always(always.verdict),
        None => Outcome::ByArguments(alternatives),
    }
}

fn precedence(a: &[Condition], b: &[Condition]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| rank(a).cmp(&rank(b)));
    pairs
        .fold(Ordering::Equal, Ordering::then)
        .then(a.len().cmp(&b.len()))
}

fn rank(condition: &Condition) -> (Reverse<u8>, u8, Reverse<u64>) {
    let value = condition.value;
    let (class, value) = match condition.comparison {
        Comparison::Equal | Comparison::NotEqual | Comparison::Masked(_) => (0, value),
        Comparison::Less | Comparison::LessOrEqual => (1, !value),
        Comparison::Greater | Comparison::GreaterOrEqual => (2, value),
    };
    (Reverse(condition.argument), class, Reverse(value))
}
