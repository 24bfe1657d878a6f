//! Rules about arguments as a graph of tests on 32-bit words.
//!
//! A filter can only look at half an argument at a time, and rules of one call ask the same halves
//! again and again. The graph is first built as the rules read, one after the other, then every path
//! through it forgets what its own earlier tests have already answered; equal rests are one node.

use std::collections::BTreeMap;

use super::Verdict;
use super::filter::{Alternative, Comparison, Condition};

/// Half of an argument: the argument's index doubled, plus one for the upper half.
pub(super) type Word = u8;

/// A question about one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    pub(super) word: Word,
    pub(super) test: Test,
}

/// How a word is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    Equal(u32),
    Greater(u32),
    /// Whether the bits of the mask equal the value.
    Masked {
        mask: u32,
        value: u32,
    },
}

/// Where a path goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Return(Verdict),
    /// Index into [`Decision::nodes`].
    Node(usize),
}

/// One test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) atom: Atom,
    pub(super) yes: Target,
    pub(super) no: Target,
}

/// The graph of one rule. Nodes only point to earlier ones; none is unreachable.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Target,
}

/// Nodes that simplification may visit per node of the plain graph, and beyond. Rules that would need more
/// keep the plain graph: it grows only linearly with the rules.
const EFFORT: usize = 4;
const EFFORT_BASE: usize = 256;
/// Largest plain graph that is simplified; relations between questions grow with its square.
const SIMPLIFIED: usize = 1536;

/// The graph that finds the first alternative that matches, or `default`. With `narrow` arguments, upper
/// halves are never looked at.
pub(super) fn decide(alternatives: &[Alternative], default: Verdict, narrow: bool) -> Decision {
    let mut plain = Graph::default();
    let mut root = Target::Return(default);
    for alternative in alternatives.iter().rev() {
        let otherwise = root;
        root = Target::Return(alternative.verdict);
        for condition in alternative.conditions.iter().rev() {
            root = plain.condition(condition, narrow, root, otherwise);
        }
    }
    if plain.nodes.len() > SIMPLIFIED {
        return reachable(&plain.nodes, root);
    }
    let mut simple = Simplifier::new(&plain.nodes);
    match simple.simplify(root, &[]) {
        Some(root) if simple.graph.nodes.len() <= plain.nodes.len() => {
            reachable(&simple.graph.nodes, root)
        }
        _ => reachable(&plain.nodes, root),
    }
}

/// Nodes, each once.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    known: BTreeMap<Node, usize>,
}

impl Graph {
    fn node(&mut self, word: Word, test: Test, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let always = match test {
            Test::Greater(u32::MAX) => Some(false),
            Test::Masked { mask, value } if value & !mask != 0 => Some(false),
            Test::Masked { mask: 0, .. } => Some(true),
            _ => None,
        };
        if let Some(answer) = always {
            return if answer { yes } else { no };
        }
        let test = match test {
            Test::Masked {
                mask: u32::MAX,
                value,
            } => Test::Equal(value),
            other => other,
        };
        let node = Node {
            atom: Atom { word, test },
            yes,
            no,
        };
        let nodes = &mut self.nodes;
        Target::Node(*self.known.entry(node).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        }))
    }

    fn condition(
        &mut self,
        condition: &Condition,
        narrow: bool,
        yes: Target,
        no: Target,
    ) -> Target {
        let (low, high) = (condition.argument * 2, condition.argument * 2 + 1);
        let (value_low, value_high) = halves(condition.value);
        let greater = |graph: &mut Self, test: Option<Test>, yes, no| {
            let low = test.map_or(yes, |test| graph.node(low, test, yes, no));
            if narrow {
                return low;
            }
            let equal = graph.node(high, Test::Equal(value_high), low, no);
            graph.node(high, Test::Greater(value_high), yes, equal)
        };
        let at_least = value_low.checked_sub(1).map(Test::Greater);
        match condition.comparison {
            Comparison::Greater => greater(self, Some(Test::Greater(value_low)), yes, no),
            Comparison::LessOrEqual => greater(self, Some(Test::Greater(value_low)), no, yes),
            Comparison::GreaterOrEqual => greater(self, at_least, yes, no),
            Comparison::Less => greater(self, at_least, no, yes),
            Comparison::Equal => self.equal(condition, narrow, u64::MAX, yes, no),
            Comparison::NotEqual => self.equal(condition, narrow, u64::MAX, no, yes),
            Comparison::Masked(mask) => self.equal(condition, narrow, mask, yes, no),
        }
    }

    fn equal(
        &mut self,
        condition: &Condition,
        narrow: bool,
        mask: u64,
        yes: Target,
        no: Target,
    ) -> Target {
        let (low, high) = (condition.argument * 2, condition.argument * 2 + 1);
        let (value_low, value_high) = halves(condition.value & mask);
        let (mask_low, mask_high) = halves(mask);
        let yes = self.node(
            low,
            Test::Masked {
                mask: mask_low,
                value: value_low,
            },
            yes,
            no,
        );
        if narrow {
            return yes;
        }
        self.node(
            high,
            Test::Masked {
                mask: mask_high,
                value: value_high,
            },
            yes,
            no,
        )
    }
}

fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// A set of atoms, by their index.
type Atoms = Vec<u64>;

fn intersects(a: &Atoms, b: &Atoms) -> bool {
    a.iter().zip(b).any(|(a, b)| a & b != 0)
}

/// An atom's index and the answer to it.
type Fact = (usize, bool);

struct Simplifier<'a> {
    plain: &'a [Node],
    /// Each question of the graph once.
    atoms: Vec<Atom>,
    /// For each node, its question.
    asks: Vec<usize>,
    /// For each node, what it and its successors ask.
    below: Vec<Atoms>,
    /// For each atom, what a yes to it answers, and what a no answers.
    settles: Vec<[Atoms; 2]>,
    graph: Graph,
    done: BTreeMap<(usize, Vec<Fact>), Target>,
    effort: usize,
}

impl<'a> Simplifier<'a> {
    fn new(plain: &'a [Node]) -> Self {
        let mut atoms: Vec<Atom> = Vec::new();
        let mut asks = Vec::with_capacity(plain.len());
        for node in plain {
            let known = atoms.iter().position(|atom| *atom == node.atom);
            asks.push(known.unwrap_or_else(|| {
                atoms.push(node.atom);
                atoms.len() - 1
            }));
        }
        let empty: Atoms = vec![0; atoms.len().div_ceil(64)];
        let mut below: Vec<Atoms> = Vec::with_capacity(plain.len());
        for (node, ask) in plain.iter().zip(&asks) {
            let mut set = empty.clone();
            set[ask / 64] |= 1 << (ask % 64);
            for target in [node.yes, node.no] {
                if let Target::Node(next) = target {
                    set.iter_mut()
                        .zip(&below[next])
                        .for_each(|(set, next)| *set |= next);
                }
            }
            below.push(set);
        }
        let settled = |fact: (Atom, bool)| {
            let mut set = empty.clone();
            for (index, asked) in atoms.iter().enumerate() {
                set[index / 64] |= u64::from(implied(fact, *asked).is_some()) << (index % 64);
            }
            set
        };
        let settles = atoms
            .iter()
            .map(|atom| [(*atom, true), (*atom, false)].map(settled))
            .collect();
        let effort = EFFORT_BASE + EFFORT * plain.len();
        let (graph, done) = (Graph::default(), BTreeMap::new());
        Self {
            plain,
            atoms,
            asks,
            below,
            settles,
            graph,
            done,
            effort,
        }
    }

    /// The graph from `target` on, for a caller that knows `facts`; `None` once the effort is spent.
    fn simplify(&mut self, mut target: Target, facts: &[Fact]) -> Option<Target> {
        let index = loop {
            let Target::Node(index) = target else {
                return Some(target);
            };
            let node = self.plain[index];
            let answer = |fact: &Fact| implied((self.atoms[fact.0], fact.1), node.atom);
            match facts.iter().find_map(answer) {
                Some(true) => target = node.yes,
                Some(false) => target = node.no,
                None => break index,
            }
        };
        // Facts that answer nothing below would only keep equal rests apart.
        let useful = |fact: &&Fact| {
            intersects(
                &self.settles[fact.0][usize::from(!fact.1)],
                &self.below[index],
            )
        };
        let key = (
            index,
            facts.iter().filter(useful).copied().collect::<Vec<_>>(),
        );
        if let Some(done) = self.done.get(&key) {
            return Some(*done);
        }
        self.effort = self.effort.checked_sub(1)?;
        let node = self.plain[index];
        let mut known = key.1.clone();
        known.push((self.asks[index], true));
        let yes = self.simplify(node.yes, &known)?;
        if let Some(last) = known.last_mut() {
            last.1 = false;
        }
        let no = self.simplify(node.no, &known)?;
        let result = self.graph.node(node.atom.word, node.atom.test, yes, no);
        self.done.insert(key, result);
        Some(result)
    }
}

/// What the answer to one question says about another.
fn implied((known, answer): (Atom, bool), asked: Atom) -> Option<bool> {
    if known.word != asked.word {
        return None;
    }
    if known.test == asked.test {
        return Some(answer);
    }
    match (known.test, answer, asked.test) {
        (Test::Equal(k), true, test) => Some(holds(test, k)),
        (Test::Greater(k), true, Test::Greater(j)) if j <= k => Some(true),
        (Test::Greater(k), true, Test::Equal(j)) if j <= k => Some(false),
        (Test::Greater(k), false, Test::Greater(j)) if j >= k => Some(false),
        (Test::Greater(k), false, Test::Equal(j)) if j > k => Some(false),
        (Test::Masked { mask, value }, yes, Test::Equal(j)) => {
            ((j & mask == value) != yes).then_some(false)
        }
        (Test::Masked { mask, value }, true, Test::Masked { mask: m, value: v }) => {
            if (value ^ v) & mask & m != 0 {
                Some(false)
            } else {
                (m & !mask == 0).then_some(true)
            }
        }
        (Test::Masked { mask, value }, false, Test::Masked { mask: m, value: v }) => {
            (mask & !m == 0 && v & mask == value).then_some(false)
        }
        _ => None,
    }
}

/// Whether `test` is true of a word.
fn holds(test: Test, word: u32) -> bool {
    match test {
        Test::Equal(value) => word == value,
        Test::Greater(value) => word > value,
        Test::Masked { mask, value } => word & mask == value,
    }
}

/// The part of a graph that can be reached, still with successors first.
fn reachable(nodes: &[Node], root: Target) -> Decision {
    let mut wanted = vec![false; nodes.len()];
    if let Target::Node(index) = root {
        wanted[index] = true;
    }
    for (index, node) in nodes.iter().enumerate().rev() {
        for target in [node.yes, node.no] {
            if let (true, Target::Node(next)) = (wanted[index], target) {
                wanted[next] = true;
            }
        }
    }
    let mut place = vec![0; nodes.len()];
    let mut kept = Vec::new();
    let moved = |target, place: &[usize]| match target {
        Target::Node(index) => Target::Node(place[index]),
        other => other,
    };
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| wanted[*index]) {
        place[index] = kept.len();
        kept.push(Node {
            yes: moved(node.yes, &place),
            no: moved(node.no, &place),
            ..*node
        });
    }
    Decision {
        root: moved(root, &place),
        nodes: kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(argument: u8, value: u64, verdict: Verdict) -> Alternative {
        let condition = Condition {
            argument,
            comparison: Comparison::Equal,
            value,
        };
        Alternative {
            conditions: vec![condition],
            verdict,
        }
    }

    #[test]
    fn the_upper_half_is_asked_once_for_all_alternatives() {
        let list: Vec<_> = [0, 8, 0x2_0000, 0xffff_ffff]
            .map(|v| equal(0, v, Verdict::ALLOW))
            .into();
        let decision = decide(&list, Verdict::errno(1), false);
        assert_eq!(decision.nodes.len(), 5);
        assert_eq!(decide(&list, Verdict::errno(1), true).nodes.len(), 4);
    }

    #[test]
    fn answers_that_follow_from_earlier_ones_are_not_asked_for() {
        let below = |value| Alternative {
            conditions: vec![Condition {
                argument: 1,
                comparison: Comparison::Less,
                value,
            }],
            verdict: Verdict::ALLOW,
        };
        // Less than 10 covers less than 5; what is left is one comparison of each half.
        let decision = decide(&[below(5), below(10)], Verdict::errno(1), true);
        assert_eq!(decision.nodes.len(), 2);
        let decision = decide(&[below(10), below(5)], Verdict::errno(1), true);
        assert_eq!(decision.nodes.len(), 1);
    }

    #[test]
    fn rules_beyond_the_effort_stay_correct_and_linear() {
        let list: Vec<Alternative> = (0..400u64)
            .map(|i| Alternative {
                conditions: (0..6)
                    .map(|argument| Condition {
                        argument,
                        comparison: Comparison::Masked(1 << (i % 61)),
                        value: (i % 3 / 2) << (i % 61),
                    })
                    .collect(),
                verdict: Verdict::errno(i as u16),
            })
            .collect();
        let decision = decide(&list, Verdict::ALLOW, false);
        assert!(decision.nodes.len() <= 400 * 12, "{}", decision.nodes.len());
        for node in &decision.nodes {
            assert_ne!(node.yes, node.no);
        }
    }

    #[test]
    fn every_implication_is_true_of_every_small_word() {
        let tests: Vec<Test> = (0..16)
            .flat_map(|a| {
                let masked = (0..16).map(move |mask| Test::Masked {
                    mask,
                    value: a & mask,
                });
                [Test::Equal(a), Test::Greater(a)].into_iter().chain(masked)
            })
            .collect();
        let atom = |test| Atom { word: 0, test };
        let mut implications = 0;
        for known in &tests {
            for asked in &tests {
                for answer in [true, false] {
                    let Some(says) = implied((atom(*known), answer), atom(*asked)) else {
                        continue;
                    };
                    implications += 1;
                    for word in (0..16).filter(|word| holds(*known, *word) == answer) {
                        assert_eq!(
                            holds(*asked, word),
                            says,
                            "{known:?} {answer} {asked:?} {word}"
                        );
                    }
                }
            }
        }
        assert!(implications > 1000, "{implications}");
    }
}
