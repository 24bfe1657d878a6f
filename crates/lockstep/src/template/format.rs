//! Values as Go's `fmt` writes them.

use serde_json::Value;

use super::run::Val;
use super::{Error, Result, VALUE};
use crate::escape;

/// A value in which no text can drive a terminal.
pub(super) fn harmless(value: &Value) -> Value {
    match value {
        Value::String(text) => escape::text(text).into(),
        Value::Array(all) => all.iter().map(harmless).collect::<Vec<_>>().into(),
        Value::Object(all) => {
            let member =
                |(key, value): (&String, &Value)| (escape::text(key).into_owned(), harmless(value));
            Value::Object(all.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

/// `%v`: lists and maps without commas and quotes, maps in the order of their keys.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(plain).collect();
            format!("[{}]", all.join(" "))
        }
        Value::Object(all) => {
            let mut members: Vec<_> = all.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            let member = |(key, value): (&String, &Value)| format!("{key}:{}", plain(value));
            let all: Vec<String> = members.into_iter().map(member).collect();
            format!("map[{}]", all.join(" "))
        }
    }
}

/// About how many bytes a value takes.
pub(super) fn size(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    NODE + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(size).sum(),
        Value::Object(all) => all.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

/// A text that grows up to [`VALUE`].
fn push(out: &mut String, text: &str) -> Result<()> {
    if out.len() + text.len() > VALUE {
        return Err(Error::new(format!("a text of more than {VALUE} bytes")));
    }
    out.push_str(text);
    Ok(())
}

/// `Print`: a blank between two values of which none is a text.
pub(super) fn print(args: &[Val<'_>]) -> Result<String> {
    let mut out = String::new();
    let mut after_text = true;
    for arg in args {
        let text = arg.json().is_string();
        if !after_text && !text {
            push(&mut out, " ")?;
        }
        push(&mut out, &plain(&arg.harmless()))?;
        after_text = text;
    }
    Ok(out)
}

/// `Println`: a blank between all values, and a line feed.
pub(super) fn println(args: &[Val<'_>]) -> Result<String> {
    let mut out = String::new();
    for (n, arg) in args.iter().enumerate() {
        push(&mut out, if n == 0 { "" } else { " " })?;
        push(&mut out, &plain(&arg.harmless()))?;
    }
    push(&mut out, "\n")?;
    Ok(out)
}

/// One verb of a form: flags, width, precision, letter.
#[derive(Default)]
struct Verb {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// `Printf` with the verbs v s d q t x X o b f e g c and %, flags `-`, `0`, `+`, width and precision.
pub(super) fn printf(form: &str, args: &[Val<'_>]) -> Result<String> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut chars = form.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '0' | '+' | '#' | ' ')) {
            verb.left |= flag == '-';
            verb.zeros |= flag == '0';
            verb.plus |= flag == '+';
        }
        let mut number = || {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<usize>().ok()
        };
        verb.width = number().unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            verb.precision = Some(digits.parse().unwrap_or(0));
        }
        let letter = chars
            .next()
            .ok_or_else(|| Error::new("printf: % at the end"))?;
        if letter == '%' {
            out.push('%');
            continue;
        }
        let value = args
            .next()
            .ok_or_else(|| Error::new(format!("printf: there is no value for %{letter}")))?;
        push(&mut out, &verb.padded(&verb.text(letter, value)?)?)?;
    }
    match args.next() {
        None => Ok(out),
        Some(value) => Err(Error::new(format!(
            "printf: {} is one value too many",
            value.text()
        ))),
    }
}

impl Verb {
    fn text(&self, letter: char, value: &Val<'_>) -> Result<String> {
        let wrong = || Error::new(format!("printf: %{letter} does not write {}", value.text()));
        let integer = || value.json().as_i64().ok_or_else(wrong);
        let signed = |text: String| match self.plus && !text.starts_with('-') {
            true => format!("+{text}"),
            false => text,
        };
        Ok(match letter {
            'v' | 's' => {
                let text = plain(&value.harmless());
                match self.precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                }
            }
            'd' => signed(integer()?.to_string()),
            't' if value.json().is_boolean() => plain(value.json()),
            'q' => Value::from(plain(&value.harmless())).to_string(),
            'x' => match value.json() {
                Value::String(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                _ => format!("{:x}", integer()?),
            },
            'X' => format!("{:X}", integer()?),
            'o' => format!("{:o}", integer()?),
            'b' => format!("{:b}", integer()?),
            'c' => {
                let code = u32::try_from(integer()?).ok().and_then(char::from_u32);
                escape::text(&code.ok_or_else(wrong)?.to_string()).into_owned()
            }
            'f' => {
                let digits = self.precision.unwrap_or(6).min(64);
                signed(format!(
                    "{:.digits$}",
                    value.json().as_f64().ok_or_else(wrong)?
                ))
            }
            'e' => format!("{:e}", value.json().as_f64().ok_or_else(wrong)?),
            'g' => signed(format!("{}", value.json().as_f64().ok_or_else(wrong)?)),
            _ => return Err(wrong()),
        })
    }

    fn padded(&self, text: &str) -> Result<String> {
        // Not by the standard library, which ends the program at a width of 65536.
        let missing = self.width.saturating_sub(text.chars().count());
        if missing > VALUE {
            return Err(Error::new(format!("printf: a width of {}", self.width)));
        }
        Ok(match (self.left, self.zeros) {
            (true, _) => text.to_owned() + &" ".repeat(missing),
            (false, false) => " ".repeat(missing) + text,
            (false, true) => match text.strip_prefix(['-', '+']) {
                Some(digits) => format!("{}{}{digits}", &text[..1], "0".repeat(missing)),
                None => "0".repeat(missing) + text,
            },
        })
    }
}
