//! The functions of Go's templates and those that Docker and Podman add.

use std::cmp::Ordering;

use serde_json::Value;

use super::format::{self, plain};
use super::run::Val;
use super::{Error, Result, VALUE};

/// A function by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Print,
    Println,
    Printf,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Json,
    Join,
    Split,
    Lower,
    Upper,
    Title,
    Pad,
    Truncate,
}

const ALL: [(&str, Function); 23] = [
    ("and", Function::And),
    ("or", Function::Or),
    ("not", Function::Not),
    ("len", Function::Len),
    ("index", Function::Index),
    ("slice", Function::Slice),
    ("print", Function::Print),
    ("println", Function::Println),
    ("printf", Function::Printf),
    ("eq", Function::Eq),
    ("ne", Function::Ne),
    ("lt", Function::Lt),
    ("le", Function::Le),
    ("gt", Function::Gt),
    ("ge", Function::Ge),
    ("json", Function::Json),
    ("join", Function::Join),
    ("split", Function::Split),
    ("lower", Function::Lower),
    ("upper", Function::Upper),
    ("title", Function::Title),
    ("pad", Function::Pad),
    ("truncate", Function::Truncate),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Function> {
        let found = ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, function)| *function)
    }

    /// All names, for who typed another.
    pub(super) fn names() -> String {
        ALL.map(|(name, _)| name).join(", ")
    }

    fn name(self) -> &'static str {
        let found = ALL.iter().find(|(_, function)| *function == self);
        found.map_or("", |(name, _)| name)
    }

    /// Whether `and` or `or` is over with this argument.
    pub(super) fn is_decided_by(self, value: &Val<'_>) -> bool {
        match self {
            Function::And => !value.is_true(),
            Function::Or => value.is_true(),
            _ => false,
        }
    }

    pub(super) fn call<'v>(self, args: &[Val<'v>]) -> Result<Val<'v>> {
        let made = |value: Value| Ok(Val::Made(value));
        match (self, args) {
            (Function::And, [.., last]) => {
                Ok(args.iter().find(|v| !v.is_true()).unwrap_or(last).clone())
            }
            (Function::Or, [.., last]) => {
                Ok(args.iter().find(|v| v.is_true()).unwrap_or(last).clone())
            }
            (Function::Not, [value]) => made((!value.is_true()).into()),
            (Function::Len, [value]) => made(self.length(value)?.into()),
            (Function::Index, [value, keys @ ..]) => keys
                .iter()
                .try_fold(value.clone(), |value, key| self.index(&value, key)),
            (Function::Slice, [value, bounds @ ..]) if bounds.len() <= 2 => {
                made(self.slice(value, bounds)?)
            }
            (Function::Print, _) => made(format::print(args)?.into()),
            (Function::Println, _) => made(format::println(args)?.into()),
            (Function::Printf, [form, args @ ..]) => {
                made(format::printf(&form.text(), args)?.into())
            }
            (Function::Eq, [value, others @ ..]) if !others.is_empty() => {
                for other in others {
                    if self.order(value, other)? == Some(Ordering::Equal) {
                        return made(true.into());
                    }
                }
                made(false.into())
            }
            (Function::Ne, [a, b]) => made((self.order(a, b)? != Some(Ordering::Equal)).into()),
            (Function::Lt, [a, b]) => made((self.order(a, b)? == Some(Ordering::Less)).into()),
            (Function::Le, [a, b]) => made((self.order(a, b)? != Some(Ordering::Greater)).into()),
            (Function::Gt, [a, b]) => made((self.order(a, b)? == Some(Ordering::Greater)).into()),
            (Function::Ge, [a, b]) => made((self.order(a, b)? != Some(Ordering::Less)).into()),
            (Function::Json, [value]) => {
                made(crate::escape::json(&value.json().to_string()).into())
            }
            (Function::Join, [list, separator]) => made(self.join(list, separator)?.into()),
            (Function::Split, [text, separator]) => {
                let (text, separator) = (text.text(), separator.text());
                made(text.split(&separator).collect::<Vec<_>>().into())
            }
            (Function::Lower, [text]) => made(text.text().to_lowercase().into()),
            (Function::Upper, [text]) => made(text.text().to_uppercase().into()),
            (Function::Title, [text]) => made(title(&text.text()).into()),
            (Function::Pad, [text, before, after]) => {
                let (before, after) = (self.count(before)?, self.count(after)?);
                match text.text() {
                    empty if empty.is_empty() => made(empty.into()),
                    text => made((" ".repeat(before) + &text + &" ".repeat(after)).into()),
                }
            }
            (Function::Truncate, [text, length]) => {
                let length = self.count(length)?;
                made(text.text().chars().take(length).collect::<String>().into())
            }
            _ => Err(self.wrong(&format!("does not take {} arguments", args.len()))),
        }
    }

    fn wrong(self, reason: &str) -> Error {
        Error::new(format!("{}: {reason}", self.name()))
    }

    fn length(self, value: &Val<'_>) -> Result<usize> {
        match value.json() {
            Value::String(text) => Ok(text.len()),
            Value::Array(all) => Ok(all.len()),
            Value::Object(all) => Ok(all.len()),
            Value::Null => Ok(0),
            _ => Err(self.wrong(&format!("{} has no length", value.text()))),
        }
    }

    /// A member by its key. What a map does not have is the empty text, as in Go's maps of texts; what a list does not
    /// have is an error there too.
    fn index<'v>(self, value: &Val<'v>, key: &Val<'_>) -> Result<Val<'v>> {
        let number = || self.count(key);
        let gone = || self.wrong(&format!("there is no {}", key.text()));
        let empty = || Val::Made(Value::from(""));
        match (value, key.json()) {
            (Val::Given(Value::Object(all)), Value::String(key)) => {
                Ok(all.get(key).map_or_else(empty, Val::Given))
            }
            (Val::Made(Value::Object(all)), Value::String(key)) => Ok(all
                .get(key)
                .map_or_else(empty, |value| Val::Made(value.clone()))),
            (Val::Given(Value::Array(all)), _) => {
                all.get(number()?).map(Val::Given).ok_or_else(gone)
            }
            (Val::Made(Value::Array(all)), _) => all
                .get(number()?)
                .map(|value| Val::Made(value.clone()))
                .ok_or_else(gone),
            _ => Err(self.wrong(&format!("{} has no members", value.text()))),
        }
    }

    fn slice(self, value: &Val<'_>, bounds: &[Val<'_>]) -> Result<Value> {
        let value = value.harmless();
        let length = self.length(&Val::Made(value.as_ref().clone()))?;
        let from = bounds.first().map_or(Ok(0), |bound| self.count(bound))?;
        let to = bounds
            .get(1)
            .map_or(Ok(length), |bound| self.count(bound))?;
        let outside = || self.wrong(&format!("{from} to {to} of {length}"));
        match value.as_ref() {
            Value::String(text) => Ok(text.get(from..to).ok_or_else(outside)?.into()),
            Value::Array(all) => Ok(all.get(from..to).ok_or_else(outside)?.to_vec().into()),
            other => Err(self.wrong(&format!("{} has no parts", plain(other)))),
        }
    }

    fn join(self, list: &Val<'_>, separator: &Val<'_>) -> Result<String> {
        let separator = separator.text();
        match list.harmless().as_ref() {
            Value::Array(all) => {
                let long = separator.len().saturating_mul(all.len()) > VALUE;
                if long {
                    return Err(self.wrong("the text would be too long"));
                }
                Ok(all.iter().map(plain).collect::<Vec<_>>().join(&separator))
            }
            Value::Null => Ok(String::new()),
            other => Err(self.wrong(&format!("{} is no list", plain(other)))),
        }
    }

    /// A number that counts something.
    fn count(self, value: &Val<'_>) -> Result<usize> {
        let number = value
            .json()
            .as_u64()
            .and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| *number <= VALUE);
        number.ok_or_else(|| self.wrong(&format!("{} counts nothing", value.text())))
    }

    /// How two values stand to each other; those of different kinds cannot be compared.
    fn order(self, a: &Val<'_>, b: &Val<'_>) -> Result<Option<Ordering>> {
        match (a.json(), b.json()) {
            (Value::String(a), Value::String(b)) => Ok(Some(a.cmp(b))),
            (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
            (Value::Number(x), Value::Number(y)) => Ok(match (x.as_i64(), y.as_i64()) {
                (Some(x), Some(y)) => Some(x.cmp(&y)),
                _ => x.as_f64().partial_cmp(&y.as_f64()),
            }),
            (Value::Null, Value::Null) => Ok(Some(Ordering::Equal)),
            (Value::Null, _) | (_, Value::Null) => Ok(None),
            _ => Err(self.wrong(&format!("{} and {} are of two kinds", a.text(), b.text()))),
        }
    }
}

/// Each word with a capital.
fn title(text: &str) -> String {
    let mut begins = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match begins {
            true => out.extend(c.to_uppercase()),
            false => out.push(c),
        }
        begins = !c.is_alphanumeric() && c != '_' && c != '\'';
    }
    out
}
