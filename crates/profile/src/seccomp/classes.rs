//! Calls by the rules that name them.
//!
//! A profile names hundreds of calls in a few rules, so calls that the same rules name are one class, and what the
//! rules say is worked out once for all of them.

use lockstep_abi::syscall::Syscall;

/// A class of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(u32);

/// Every call's class, after as many rules as were added.
#[derive(Debug)]
pub(super) struct Classes {
    of: Vec<Class>,
    steps: Vec<Step>,
}

/// A class as its last rule and the class without that rule.
#[derive(Debug, Clone, Copy)]
struct Step {
    rule: usize,
    before: Class,
    /// The class that was made last by adding a rule to this one.
    after: Class,
}

/// Where no rule stands.
const NO_RULE: usize = usize::MAX;

impl Class {
    /// No rule names the call.
    pub(super) const UNNAMED: Self = Self(0);
    /// Only rules without an effect do.
    const NAMED: Self = Self(1);

    /// Its place among all classes.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Classes {
    /// No rules.
    pub(super) fn new() -> Self {
        let step = Step {
            rule: NO_RULE,
            before: Class::UNNAMED,
            after: Class::UNNAMED,
        };
        Self {
            of: vec![Class::UNNAMED; Syscall::COUNT],
            steps: vec![step; 2],
        }
    }

    /// Notes that `rule` names the call. Rules are added in ascending order.
    pub(super) fn add(&mut self, call: Syscall, rule: usize) {
        let class = self.of[call.index()];
        self.of[call.index()] = self.joined(class, rule);
    }

    /// Notes that a rule without an effect names the call.
    pub(super) fn mention(&mut self, call: Syscall) {
        let class = &mut self.of[call.index()];
        if *class == Class::UNNAMED {
            *class = Class::NAMED;
        }
    }

    /// The class of calls of `class` that `rule` names too.
    fn joined(&mut self, class: Class, rule: usize) -> Class {
        let step = self.steps[class.index()];
        if step.rule == rule {
            return class;
        }
        if self.steps[step.after.index()].rule == rule {
            return step.after;
        }
        let joined = Class(self.steps.len() as u32);
        self.steps[class.index()].after = joined;
        self.steps.push(Step {
            rule,
            before: class,
            after: Class::UNNAMED,
        });
        joined
    }

    /// The call's class.
    pub(super) fn of(&self, call: Syscall) -> Class {
        self.of[call.index()]
    }

    /// How many classes there are, those included that have no call any more.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The rules that name the calls of a class, in ascending order.
    pub(super) fn rules(&self, class: Class) -> Vec<usize> {
        let mut rules = Vec::new();
        let mut step = self.steps[class.index()];
        while step.rule != NO_RULE {
            rules.push(step.rule);
            step = self.steps[step.before.index()];
        }
        rules.reverse();
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_the_same_rules_name_are_one_class() {
        let call = |name| Syscall::from_name(name).expect("a call");
        let (read, write, open, close) = (call("read"), call("write"), call("open"), call("close"));
        let mut classes = Classes::new();
        for (rule, names) in [&[read, write, open][..], &[write, read, write], &[open]]
            .iter()
            .enumerate()
        {
            names.iter().for_each(|call| classes.add(*call, rule));
        }
        classes.mention(close);
        classes.mention(read);
        assert_eq!(classes.of(read), classes.of(write));
        assert_eq!(classes.rules(classes.of(write)), [0, 1]);
        assert_eq!(classes.rules(classes.of(open)), [0, 2]);
        assert_ne!(classes.of(close), Class::UNNAMED);
        assert_eq!(classes.rules(classes.of(close)), [0; 0]);
        assert_eq!(classes.of(call("stat")), Class::UNNAMED);
    }
}
