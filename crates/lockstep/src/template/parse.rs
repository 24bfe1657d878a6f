//! From tokens to a tree of bounded depth.

use serde_json::Value;

use super::function::Function;
use super::lex::{Piece, Token};
use super::{DEEPEST, Error, Result};

/// A part of a template as it is carried out.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipeline),
    /// What stands between `if` and `end`.
    If(Branch),
    /// The same with the value as the dot.
    With(Branch),
    Range(Loop),
    Break,
    Continue,
}

/// A condition and its two sides.
#[derive(Debug, PartialEq)]
pub(super) struct Branch {
    pub(super) when: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// `range`, with the names of its variables.
#[derive(Debug, PartialEq)]
pub(super) struct Loop {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) over: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each with the value of the one before as its last argument.
#[derive(Debug, PartialEq)]
pub(super) struct Pipeline {
    /// The variable that gets the value, and whether it is a new one.
    pub(super) sets: Option<(String, bool)>,
    pub(super) commands: Vec<Vec<Operand>>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    /// Fields of the dot; none is the dot itself.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Constant(Value),
    Function(Function),
    Group(Box<Pipeline>, Vec<String>),
}

impl Operand {
    /// Whether it is called as a method is: `.Label "KEY"`, the only one that formats use.
    pub(super) fn is_method(&self) -> bool {
        matches!(self, Operand::Field(names) if names.last().is_some_and(|name| name == "Label"))
    }
}

/// The tree of a whole template.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>> {
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        loops: 0,
    };
    let (nodes, end) = parser.nodes(0)?;
    match end {
        End::Text => Ok(nodes),
        End::Block | End::Else(_) => Err(Error::new("{{end}} or {{else}} without its beginning")),
    }
}

/// Whether the whole of it is one `range` over the dot.
pub(super) fn ranges_over_dot(nodes: &[Node]) -> bool {
    let mut ranges = nodes.iter().filter(|node| !matches!(node, Node::Text(_)));
    let dot = |over: &Pipeline| over.commands == [[Operand::Field(Vec::new())]];
    matches!((ranges.next(), ranges.next()), (Some(Node::Range(range)), None) if dot(&range.over))
}

/// A node's share of the headings: a field's name as words (`CreatedAt`: `CREATED AT`), of a label's the last part, and
/// text as it is.
pub(super) fn heading(node: &Node) -> String {
    let pipeline = match node {
        Node::Text(text) => return text.clone(),
        Node::Print(pipeline) => pipeline,
        _ => return String::new(),
    };
    let label = pipeline
        .commands
        .iter()
        .find_map(|command| match &command[..] {
            [method, Operand::Constant(Value::String(label))] if method.is_method() => Some(label),
            _ => None,
        });
    if let Some(label) = label {
        let last = label.rsplit('.').next().unwrap_or_default();
        return last.replace(['-', '_'], " ");
    }
    let mut operands = pipeline.commands.iter().flatten();
    let name = operands.find_map(|operand| match operand {
        Operand::Field(names) => names.last(),
        _ => None,
    });
    let mut out = String::new();
    let mut lower = false;
    for c in name.map_or("", String::as_str).chars() {
        if lower && c.is_uppercase() {
            out.push(' ');
        }
        lower = c.is_lowercase();
        out.extend(c.to_uppercase());
    }
    out
}

/// What ended a list of nodes.
enum End {
    Text,
    Block,
    /// With what follows the word, as in `else if`.
    Else(Vec<Token>),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// How many `range` are open.
    loops: usize,
}

impl Parser {
    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, End)> {
        if depth > DEEPEST {
            return Err(Error::new(format!(
                "more than {DEEPEST} blocks in one another"
            )));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, written) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, written) => (tokens, written),
            };
            let wrong = |reason: String| Error::new(format!("{{{{{written}}}}}: {reason}"));
            let keyword = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            let rest = tokens.get(1..).unwrap_or_default();
            match keyword {
                "end" if rest.is_empty() => return Ok((nodes, End::Block)),
                "else" => return Ok((nodes, End::Else(rest.to_vec()))),
                "break" | "continue" if rest.is_empty() => {
                    if self.loops == 0 {
                        return Err(wrong("outside of range".into()));
                    }
                    let node = if keyword == "break" {
                        Node::Break
                    } else {
                        Node::Continue
                    };
                    nodes.push(node);
                }
                "if" => nodes.push(Node::If(self.branch(rest, &written, depth)?)),
                "with" => nodes.push(Node::With(self.branch(rest, &written, depth)?)),
                "range" => nodes.push(Node::Range(self.range(rest, &written, depth)?)),
                _ => nodes.push(Node::Print(pipeline(&tokens).map_err(wrong)?)),
            }
        }
        Ok((nodes, End::Text))
    }

    fn branch(&mut self, tokens: &[Token], written: &str, depth: usize) -> Result<Branch> {
        let when = pipeline(tokens).map_err(|r| Error::new(format!("{{{{{written}}}}}: {r}")))?;
        let (then, end) = self.nodes(depth + 1)?;
        Ok(Branch {
            when,
            then,
            otherwise: self.otherwise(end, written, depth)?,
        })
    }

    fn range(&mut self, tokens: &[Token], written: &str, depth: usize) -> Result<Loop> {
        let wrong = |r: String| Error::new(format!("{{{{{written}}}}}: {r}"));
        let (key, value, tokens) = variables(tokens).map_err(wrong)?;
        let over = pipeline(tokens).map_err(wrong)?;
        self.loops += 1;
        let (body, end) = self.nodes(depth + 1)?;
        self.loops -= 1;
        Ok(Loop {
            key,
            value,
            over,
            body,
            otherwise: self.otherwise(end, written, depth)?,
        })
    }

    /// The other side of a block whose first has ended so.
    fn otherwise(&mut self, end: End, written: &str, depth: usize) -> Result<Vec<Node>> {
        let unended = || Error::new(format!("{{{{{written}}}}} without {{{{end}}}}"));
        let tokens = match end {
            End::Text => return Err(unended()),
            End::Block => return Ok(Vec::new()),
            End::Else(tokens) => tokens,
        };
        match tokens.split_first() {
            None => match self.nodes(depth + 1)? {
                (nodes, End::Block) => Ok(nodes),
                _ => Err(unended()),
            },
            // Its end is the end of the whole.
            Some((Token::Word(word), rest)) if word == "if" => {
                Ok(vec![Node::If(self.branch(rest, "else if", depth + 1)?)])
            }
            Some((Token::Word(word), rest)) if word == "with" => Ok(vec![Node::With(
                self.branch(rest, "else with", depth + 1)?,
            )]),
            Some(_) => Err(Error::new("{{else}} with something else behind it")),
        }
    }
}

type Parsed<T> = std::result::Result<T, String>;

/// `$value :=` or `$key, $value :=` in front of what `range` goes over.
fn variables(tokens: &[Token]) -> Parsed<(Option<String>, Option<String>, &[Token])> {
    match tokens {
        [Token::Variable(value, none), Token::Declare, rest @ ..] if none.is_empty() => {
            Ok((None, Some(value.clone()), rest))
        }
        [
            Token::Variable(key, no),
            Token::Comma,
            Token::Variable(value, none),
            Token::Declare,
            rest @ ..,
        ] if no.is_empty() && none.is_empty() => Ok((Some(key.clone()), Some(value.clone()), rest)),
        _ => Ok((None, None, tokens)),
    }
}

fn pipeline(tokens: &[Token]) -> Parsed<Pipeline> {
    let (sets, tokens) = match tokens {
        [
            Token::Variable(name, none),
            how @ (Token::Declare | Token::Assign),
            rest @ ..,
        ] if none.is_empty() && !name.is_empty() => {
            (Some((name.clone(), *how == Token::Declare)), rest)
        }
        _ => (None, tokens),
    };
    let mut rest = tokens;
    let mut pipeline = commands(&mut rest, 0)?;
    if !rest.is_empty() {
        return Err(") without (".into());
    }
    pipeline.sets = sets;
    Ok(pipeline)
}

/// Commands up to a closing parenthesis or the end.
fn commands(rest: &mut &[Token], depth: usize) -> Parsed<Pipeline> {
    if depth > DEEPEST {
        return Err(format!("more than {DEEPEST} parentheses in one another"));
    }
    let mut commands = vec![Vec::new()];
    while let Some((token, after)) = rest.split_first() {
        if *token == Token::Close {
            break;
        }
        *rest = after;
        let operand = match token {
            Token::Pipe => {
                commands.push(Vec::new());
                continue;
            }
            Token::Open => {
                let group = self::commands(rest, depth + 1)?;
                match rest.split_first() {
                    Some((Token::Close, after)) => *rest = after,
                    _ => return Err("( without )".into()),
                }
                Operand::Group(Box::new(group), fields_behind(rest))
            }
            other => operand(other)?,
        };
        if let Some(command) = commands.last_mut() {
            command.push(operand);
        }
    }
    match commands.iter().any(Vec::is_empty) {
        true => Err("a value is missing".into()),
        false => Ok(Pipeline {
            sets: None,
            commands,
        }),
    }
}

/// The fields of a parenthesis.
fn fields_behind(rest: &mut &[Token]) -> Vec<String> {
    match rest.split_first() {
        Some((Token::Field(names, true), after)) => {
            *rest = after;
            names.clone()
        }
        _ => Vec::new(),
    }
}

fn operand(token: &Token) -> Parsed<Operand> {
    Ok(match token {
        Token::Dot => Operand::Field(Vec::new()),
        Token::Field(names, _) => Operand::Field(names.clone()),
        Token::Variable(name, names) => Operand::Variable(name.clone(), names.clone()),
        Token::Text(text) => Operand::Constant(Value::String(text.clone())),
        Token::Number(number) => Operand::Constant(Value::Number(number.clone())),
        Token::Word(word) => match word.as_str() {
            "true" => Operand::Constant(Value::Bool(true)),
            "false" => Operand::Constant(Value::Bool(false)),
            "nil" => Operand::Constant(Value::Null),
            name => Operand::Function(Function::named(name).ok_or_else(|| {
                format!(
                    "there is no function {name:?}; there are {}",
                    Function::names()
                )
            })?),
        },
        Token::Declare | Token::Assign | Token::Comma => {
            return Err("a variable is set at the beginning of an action alone".into());
        }
        Token::Pipe | Token::Open | Token::Close => return Err("a value is missing".into()),
    })
}
