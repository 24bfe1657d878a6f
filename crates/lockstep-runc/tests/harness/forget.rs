//! What a runtime that never heard of a field would see: a configuration without it.
//!
//! A test that passes with the field forgotten does not assert its effect. The field is taken out of config.json
//! before the runtime reads it, which to the runtime is the same as ignoring it, and needs no weakened build. A
//! configuration that is refused for want of the field would fail every test and prove nothing, so the result is
//! always valid: a required field gets another value instead, or takes its list element along.

use lockstep_oci::runtime;
use serde_json::{Value, json};

/// Values that a field has for a runtime that never looks at it, where leaving it out or zero is refused.
const STAND_INS: &[(&str, &str)] = &[
    ("ociVersion", r#""1.0.0""#),
    ("root.path", r#""rootfs""#),
    ("mounts[].source", r#""/etc""#),
    ("mounts[].type", r#""tmpfs""#),
    ("mounts[].uidMappings[].size", "1"),
    ("mounts[].gidMappings[].size", "1"),
    ("process.args", r#"["true"]"#),
    ("process.env", r#"["PATH=/bin"]"#),
    ("process.cwd", r#""/""#),
    ("process.rlimits[].soft", "1"),
    ("process.rlimits[].hard", "18446744073709551615"),
    (
        "process.capabilities.bounding",
        r#"["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SYS_ADMIN"]"#,
    ),
    ("process.scheduler.policy", r#""SCHED_OTHER""#),
    ("process.scheduler.priority", "1"),
    ("process.scheduler.runtime", "500000"),
    ("process.scheduler.deadline", "25000000"),
    ("process.ioPriority.class", r#""IOPRIO_CLASS_BE""#),
    ("linux.uidMappings[].size", "1"),
    ("linux.gidMappings[].size", "1"),
    ("linux.devices[].type", r#""c""#),
    ("linux.resources.devices[].access", r#""rwm""#),
    ("linux.resources.blockIO.weightDevice[].weight", "100"),
    ("linux.resources.hugepageLimits[].pageSize", r#""1GB""#),
    ("linux.memoryPolicy.mode", r#""MPOL_DEFAULT""#),
    ("linux.personality.domain", r#""LINUX""#),
    ("linux.seccomp.listenerPath", r#""/absent""#),
    ("linux.seccomp.defaultAction", r#""SCMP_ACT_ALLOW""#),
    ("linux.seccomp.syscalls[].names", r#"["acct"]"#),
    ("linux.seccomp.syscalls[].action", r#""SCMP_ACT_ALLOW""#),
    ("linux.seccomp.syscalls[].args[].op", r#""SCMP_CMP_EQ""#),
];

/// A step on the way from the document to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    /// All elements of an array, or all members of an object whose keys are data.
    Each,
}

/// A field, as `docs/spec-conformance.md` names it: `linux.devices[].uid`, `mounts[].options: ro`,
/// `annotations.*`; a remark in parentheses at the end is not part of the name.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    path: String,
    way: Vec<Step>,
    /// Only what has this value: an element of a list, a key, or the object whose field that is. A `*` at its end
    /// stands for anything.
    value: Option<String>,
}

impl Field {
    /// Reads a name of the page.
    pub(crate) fn parse(name: &str) -> Self {
        let name = name.split(" (").next().unwrap_or(name);
        let (path, value) = match name.split_once(": ") {
            Some((path, value)) => (path, Some(value.to_owned())),
            None => (name, None),
        };
        let mut way = Vec::new();
        for part in path.split('.') {
            let key = part.trim_end_matches("[]");
            if key != "*" {
                way.push(Step::Member(key.to_owned()));
            }
            if key == "*" || key != part {
                way.push(Step::Each);
            }
        }
        // All members forgotten is the map forgotten.
        if way.last() == Some(&Step::Each) {
            way.pop();
        }
        let path = path.to_owned();
        Self { path, way, value }
    }

    /// Whether `document` has the field.
    pub(crate) fn is_in(&self, document: &Value) -> bool {
        self.without(document) != *document
    }

    /// The configuration as a runtime that ignores the field understands it; itself if there is none such that
    /// is valid.
    pub(crate) fn forget(&self, config: &Value) -> Value {
        let stand_in = STAND_INS.iter().find(|(path, _)| *path == self.path);
        let stand_in = stand_in.map(|(_, text)| serde_json::from_str::<Value>(text).expect("JSON"));
        let candidates = match (&self.value, stand_in) {
            (Some(_), _) => vec![self.without(config)],
            (None, Some(value)) => vec![self.change(config, &|_| Some(value.clone()))],
            (None, None) => vec![
                self.without(config),
                self.change(config, &|old| Some(zero(old))),
                self.without_elements(config),
            ],
        };
        candidates
            .into_iter()
            .find(|other| other != config && is_valid(other))
            .unwrap_or_else(|| config.clone())
    }

    /// What a verb printed (`state`, `features`), without the field if it is one of that document.
    pub(crate) fn forget_printed(&self, verb: &str, text: &str) -> Option<String> {
        let document: Value = serde_json::from_str(text).ok()?;
        let named = json!({ verb: document });
        self.is_in(&named)
            .then(|| self.without(&named)[verb].to_string())
    }

    /// The document without the field, or without what has its value.
    fn without(&self, document: &Value) -> Value {
        match &self.value {
            None => self.change(document, &|_| None),
            Some(value) => self.without_those(document, value),
        }
    }

    fn without_those(&self, document: &Value, value: &str) -> Value {
        let is = |text: &str| match value.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text == value,
        };
        let mut document = document.clone();
        visit(
            &mut document,
            &self.way,
            &mut |object, key| match object.get_mut(key) {
                Some(Value::Array(items)) => items.retain(|item| !item.as_str().is_some_and(is)),
                Some(Value::Object(members)) => members.retain(|key, _| !is(key)),
                _ => {}
            },
        );
        if let [list @ .., Step::Each, Step::Member(field)] = self.way.as_slice() {
            visit(&mut document, list, &mut |object, key| {
                if let Some(Value::Array(items)) = object.get_mut(key) {
                    items.retain(|item| !item[field].as_str().is_some_and(is));
                }
            });
        }
        document
    }

    /// The document with the field changed, or removed, wherever it stands.
    fn change(&self, document: &Value, to: &dyn Fn(&Value) -> Option<Value>) -> Value {
        let mut document = document.clone();
        visit(&mut document, &self.way, &mut |object, key| {
            let Some(members) = object.as_object_mut() else {
                return;
            };
            match members.get_mut(key).map(|old| (to(old), old)) {
                Some((Some(new), old)) => *old = new,
                Some((None, _)) => drop(members.remove(key)),
                None => {}
            }
        });
        document
    }

    /// The document with the innermost list around the field empty.
    fn without_elements(&self, document: &Value) -> Value {
        let mut document = document.clone();
        if let Some(end) = self.way.iter().rposition(|step| *step == Step::Each) {
            visit(&mut document, &self.way[..end], &mut |object, key| {
                if let Some(Value::Array(items)) = object.get_mut(key) {
                    items.clear();
                }
            });
        }
        document
    }
}

/// What a field of that type holds before anything is read into it.
fn zero(value: &Value) -> Value {
    match value {
        Value::Bool(_) => json!(false),
        Value::Number(_) => json!(0),
        Value::String(_) => json!(""),
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
        Value::Null => Value::Null,
    }
}

fn is_valid(config: &Value) -> bool {
    runtime::parse(config.to_string().as_bytes())
        .is_ok_and(|parsed| runtime::validate(parsed.spec).is_ok())
}

/// Calls `change` with each object that may have the field, and the field's key.
fn visit(value: &mut Value, way: &[Step], change: &mut dyn FnMut(&mut Value, &str)) {
    match way {
        [] => {}
        [Step::Member(key)] => change(value, key),
        [Step::Member(key), rest @ ..] => {
            if let Some(member) = value.get_mut(key) {
                visit(member, rest, change);
            }
        }
        [Step::Each, rest @ ..] => match value {
            Value::Array(items) => items.iter_mut().for_each(|item| visit(item, rest, change)),
            Value::Object(members) => members
                .values_mut()
                .for_each(|member| visit(member, rest, change)),
            _ => {}
        },
    }
}
