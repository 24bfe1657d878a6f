//! Properties of the unit that annotations ask for: `org.systemd.property.NAME` with a value in the
//! text form of GVariant, as engines write them for runc.
//!
//! Of that form what properties of units have: truth values, whole numbers with their types, strings,
//! and lists of strings.

use lockstep_oci::ordered_map::OrderedMap;

use super::Error;
use super::systemd::{Property, Value};

/// What the names of these annotations begin with.
pub const PREFIX: &str = "org.systemd.property.";

/// What the names begin with of properties that `resources` and `cgroupsPath` govern (systemd.resource-control(5)).
/// systemd writes them again whenever it is reloaded, over what those say: an annotation, which whoever may start
/// a container writes, would lift the limits of whoever may not.
const GOVERNED: &[&str] = &[
    "Allowed",
    "BlockIO",
    "CPU",
    "DefaultMemory",
    "DefaultStartup",
    "Delegate",
    "Device",
    "Disable",
    "IO",
    "ManagedOOM",
    "Memory",
    "PIDs",
    "Slice",
    "Startup",
    "Tasks",
];

const MICROSECONDS: u64 = 1_000_000;

/// The properties that a configuration's annotations ask for, in their order.
pub fn of_annotations(annotations: &OrderedMap<String>) -> Result<Vec<Property>, Error> {
    let asked = annotations.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(PREFIX)?;
        Some((key, name, value))
    });
    let parsed = asked.map(|(key, name, text)| {
        property(name, text).map_err(|reason| {
            let key = key.replace('~', "~0").replace('/', "~1");
            Error::new(format!("/annotations/{key}"), format!("{text:?}"), reason)
        })
    });
    parsed.collect()
}

fn property(name: &str, text: &str) -> Result<Property, &'static str> {
    let proper = name.len() >= 3
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    if !proper {
        return Err("not the name of a property");
    }
    // To be counted limits nothing.
    let counts = name.ends_with("Accounting");
    if !counts && GOVERNED.iter().any(|begin| name.starts_with(begin)) {
        return Err("an annotation cannot set what resources and cgroupsPath say");
    }
    let value =
        value(text.trim()).ok_or("not a value in GVariant's text form that a unit can have")?;
    // Documented in seconds, known on the bus in microseconds.
    let (name, value) = match name.strip_suffix("Sec") {
        Some(stem) if !stem.ends_with('U') => {
            let seconds = number(&value).ok_or("a time is a number that is not negative")?;
            let time = seconds.checked_mul(MICROSECONDS).ok_or("too long a time")?;
            (format!("{stem}USec"), Value::Number(time))
        }
        _ => (name.to_owned(), value),
    };
    Ok(Property {
        name: name.into(),
        value,
        since: 0,
    })
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(n) => Some(*n),
        Value::Unsigned32(n) => Some((*n).into()),
        Value::Signed32(n) => u64::try_from(*n).ok(),
        Value::Signed64(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

fn value(text: &str) -> Option<Value> {
    match text {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        "@as []" => return Some(Value::Texts(Vec::new())),
        _ => {}
    }
    if let Some((kind, number)) = text.split_once(' ')
        && !text.starts_with(['\'', '"', '['])
    {
        let number = number.trim();
        return match kind {
            "int32" => number.parse().ok().map(Value::Signed32),
            "uint32" => number.parse().ok().map(Value::Unsigned32),
            "int64" => number.parse().ok().map(Value::Signed64),
            "uint64" => number.parse().ok().map(Value::Number),
            _ => None,
        };
    }
    if let Some(list) = text.strip_prefix('[') {
        return strings(list).map(Value::Texts);
    }
    if text.starts_with(['\'', '"']) {
        let (string, rest) = string(text)?;
        return rest.is_empty().then_some(Value::Text(string));
    }
    // A number without a type is an int32.
    text.parse().ok().map(Value::Signed32)
}

/// `'a', 'b']`
fn strings(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim_start();
    let mut all = Vec::new();
    loop {
        let (one, after) = string(rest)?;
        all.push(one);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => return (rest == "]").then_some(all),
        }
    }
}

/// A quoted string, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other @ ('\\' | '\'' | '"') => other,
                _ => return None,
            }),
            c if c == quote => return Some((out, &text[at + 1..])),
            c => out.push(c),
        }
    }
    None
}
