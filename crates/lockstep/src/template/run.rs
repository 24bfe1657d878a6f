//! A template's tree carried out on a value.

use std::borrow::Cow;

use serde_json::Value;

use super::format;
use super::function::Function;
use super::parse::{Branch, Loop, Node, Operand, Pipeline};
use super::{Error, OUTPUT, Result, STEPS};

/// A value on its way to the output.
#[derive(Debug, Clone)]
pub(super) enum Val<'v> {
    /// Of the value that is shown: its texts are not harmless yet.
    Given(&'v Value),
    /// Of the template, or made by a function from what was made harmless.
    Made(Value),
    /// What a map does not have.
    Absent,
}

impl Val<'_> {
    pub(super) fn json(&self) -> &Value {
        match self {
            Val::Given(value) => value,
            Val::Made(value) => value,
            Val::Absent => &Value::Null,
        }
    }

    /// The same value with nothing in it that could drive a terminal.
    pub(super) fn harmless(&self) -> Cow<'_, Value> {
        match self {
            Val::Given(value) => Cow::Owned(format::harmless(value)),
            other => Cow::Borrowed(other.json()),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Val::Absent | Val::Given(Value::Null) | Val::Made(Value::Null) => "<no value>".into(),
            other => format::plain(&other.harmless()),
        }
    }

    /// Everything but what is empty, 0 or false.
    pub(super) fn is_true(&self) -> bool {
        match self.json() {
            Value::Null => false,
            Value::Bool(yes) => *yes,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(all) => !all.is_empty(),
            Value::Object(all) => !all.is_empty(),
        }
    }
}

/// What carrying out a list of nodes ended with.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'t, 'v> {
    out: String,
    steps: usize,
    /// Bytes of the values that were made or kept.
    made: usize,
    /// The innermost last; the first is `$`.
    variables: Vec<(&'t str, Val<'v>)>,
}

/// The text that the nodes make of a value.
pub(super) fn run(nodes: &[Node], value: &Value) -> Result<String> {
    let mut run = Run {
        out: String::new(),
        steps: 0,
        made: 0,
        variables: vec![("", Val::Given(value))],
    };
    run.nodes(nodes, &Val::Given(value))?;
    Ok(run.out)
}

impl<'t, 'v> Run<'t, 'v> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        match self.steps > STEPS {
            true => Err(Error::new(format!("more than {STEPS} steps"))),
            false => Ok(()),
        }
    }

    /// Counts a value that is made or kept.
    fn charge(&mut self, value: Val<'v>) -> Result<Val<'v>> {
        if let Val::Made(made) = &value {
            self.made += format::size(made);
        }
        match self.made > OUTPUT {
            true => Err(Error::new(format!("more than {OUTPUT} bytes of values"))),
            false => Ok(value),
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if self.out.len() + text.len() > OUTPUT {
            return Err(Error::new(format!("more than {OUTPUT} bytes of output")));
        }
        self.out.push_str(text);
        Ok(())
    }

    /// Variables that are declared in the nodes end with them.
    fn nodes(&mut self, nodes: &'t [Node], dot: &Val<'v>) -> Result<Flow> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            self.step()?;
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &'t Node, dot: &Val<'v>) -> Result<Flow> {
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.sets.is_none() {
                    self.write(&value.text())?;
                }
            }
            Node::If(branch) => return self.branch(branch, dot, false),
            Node::With(branch) => return self.branch(branch, dot, true),
            Node::Range(range) => return self.range(range, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn branch(&mut self, branch: &'t Branch, dot: &Val<'v>, with: bool) -> Result<Flow> {
        let scope = self.variables.len();
        let value = self.pipeline(&branch.when, dot)?;
        let flow = match (value.is_true(), with) {
            (true, true) => self.nodes(&branch.then, &value)?,
            (true, false) => self.nodes(&branch.then, dot)?,
            (false, _) => self.nodes(&branch.otherwise, dot)?,
        };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(&mut self, range: &'t Loop, dot: &Val<'v>) -> Result<Flow> {
        let over = self.pipeline(&range.over, dot)?;
        let members = members(&self.charge(over)?)?;
        if members.is_empty() {
            return self.nodes(&range.otherwise, dot);
        }
        let scope = self.variables.len();
        for (key, value) in members {
            self.step()?;
            for (name, value) in [(&range.key, Val::Made(key)), (&range.value, value.clone())] {
                if let Some(name) = name {
                    self.variables.push((name, value));
                }
            }
            let flow = self.nodes(&range.body, &value)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Val<'v>) -> Result<Val<'v>> {
        let mut last: Option<Val<'v>> = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        let value = last.unwrap_or(Val::Absent);
        match &pipeline.sets {
            None => {}
            Some((name, true)) => {
                let kept = self.charge(value.clone())?;
                self.variables.push((name, kept));
            }
            Some((name, false)) => {
                self.charge(value.clone())?;
                let there = self
                    .variables
                    .iter_mut()
                    .rev()
                    .find(|(known, _)| known == name);
                there
                    .ok_or_else(|| Error::new(format!("there is no ${name} yet")))?
                    .1 = value.clone();
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'t [Operand],
        piped: Option<Val<'v>>,
        dot: &Val<'v>,
    ) -> Result<Val<'v>> {
        let Some((first, rest)) = command.split_first() else {
            return Ok(Val::Absent);
        };
        if let Operand::Function(function) = first {
            return self.call(*function, rest, piped, dot);
        }
        let value = self.operand(first, dot)?;
        match (rest, piped) {
            ([], None) => Ok(value),
            ([key], None) if first.is_method() => {
                let key = self.operand(key, dot)?;
                Ok(member(value, &key.text()).unwrap_or(Val::Made("".into())))
            }
            _ => Err(Error::new("a value that is no function has arguments")),
        }
    }

    fn call(
        &mut self,
        function: Function,
        operands: &'t [Operand],
        piped: Option<Val<'v>>,
        dot: &Val<'v>,
    ) -> Result<Val<'v>> {
        let mut args = Vec::new();
        for operand in operands {
            let value = self.operand(operand, dot)?;
            // What does not decide any more is not looked at, and may be wrong.
            if function.is_decided_by(&value) {
                return Ok(value);
            }
            args.push(value);
        }
        args.extend(piped);
        self.charge(function.call(&args)?)
    }

    fn operand(&mut self, operand: &'t Operand, dot: &Val<'v>) -> Result<Val<'v>> {
        self.step()?;
        match operand {
            Operand::Field(names) => fields(dot.clone(), names),
            Operand::Variable(name, names) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) =
                    found.ok_or_else(|| Error::new(format!("there is no ${name} yet")))?;
                fields(value.clone(), names)
            }
            Operand::Constant(value) => Ok(Val::Made(value.clone())),
            Operand::Function(function) => function.call(&[]),
            Operand::Group(pipeline, names) => {
                let scope = self.variables.len();
                let value = self.pipeline(pipeline, dot)?;
                self.variables.truncate(scope);
                fields(value, names)
            }
        }
    }
}

/// What `range` goes over, with keys; maps in the order of their keys.
fn members<'v>(over: &Val<'v>) -> Result<Vec<(Value, Val<'v>)>> {
    fn list<'a, T>(all: &'a [Value], to: impl Fn(&'a Value) -> T) -> Vec<(Value, T)> {
        let numbered = all.iter().enumerate();
        numbered
            .map(|(n, value)| (Value::from(n), to(value)))
            .collect()
    }
    fn map<'a, T>(
        all: &'a serde_json::Map<String, Value>,
        to: impl Fn(&'a Value) -> T,
    ) -> Vec<(Value, T)> {
        let mut members: Vec<_> = all.iter().collect();
        members.sort_by_key(|(key, _)| *key);
        let key = |key: &String| Value::from(crate::escape::text(key));
        members
            .into_iter()
            .map(|(name, value)| (key(name), to(value)))
            .collect()
    }
    Ok(match over {
        Val::Given(Value::Array(all)) => list(all, Val::Given),
        Val::Given(Value::Object(all)) => map(all, Val::Given),
        Val::Made(Value::Array(all)) => list(all, |value| Val::Made(value.clone())),
        Val::Made(Value::Object(all)) => map(all, |value| Val::Made(value.clone())),
        Val::Absent | Val::Given(Value::Null) | Val::Made(Value::Null) => Vec::new(),
        other => return Err(Error::new(format!("range cannot go over {}", other.text()))),
    })
}

fn fields<'v>(value: Val<'v>, names: &[String]) -> Result<Val<'v>> {
    names
        .iter()
        .try_fold(value, |value, name| field(&value, name))
}

/// What a map has under this very key.
fn member<'v>(map: Val<'v>, key: &str) -> Option<Val<'v>> {
    match map {
        Val::Given(map) => map.get(key).map(Val::Given),
        Val::Made(map) => map.get(key).cloned().map(Val::Made),
        Val::Absent => None,
    }
}

/// A field of a struct or of a map. Go's names and those of its JSON differ in case at most (`CPUShares`, `CpuShares`),
/// and people write both. Names of structs begin with a capital: what does not is the key of a map, which may be absent.
fn field<'v>(value: &Val<'v>, name: &str) -> Result<Val<'v>> {
    let none = |found: &str| Error::new(format!("there is no {name:?} in {found}"));
    let Value::Object(all) = value.json() else {
        return Err(none(&value.text()));
    };
    let key = match all.contains_key(name) {
        true => Some(name),
        false => all
            .keys()
            .map(String::as_str)
            .find(|key| key.eq_ignore_ascii_case(name)),
    };
    match (key, value) {
        (Some(key), Val::Given(Value::Object(all))) => {
            Ok(all.get(key).map_or(Val::Absent, Val::Given))
        }
        (Some(key), _) => Ok(all.get(key).map_or(Val::Absent, |v| Val::Made(v.clone()))),
        (None, _) if !name.starts_with(char::is_uppercase) => Ok(Val::Absent),
        (None, _) => {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            Err(Error::new(format!("there is no {name:?} here"))
                .hint(format!("there are {}", known.join(", "))))
        }
    }
}
