//! Why each setting of a container is as it is: `--why`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::escape;

/// Who asked for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// A flag on the command line.
    Flag,
    /// A configuration file.
    Config,
    /// The image's configuration.
    Image,
    /// Lockstep's own default.
    Default,
    /// What this kernel or user can do.
    Host,
}

/// One resolved setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// What is set, in the specification's words.
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
    /// The flag that changes it.
    pub(crate) change: String,
    /// FILE:LINE of a configuration file that asked for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) place: String,
}

impl Setting {
    /// Whether this option changes it.
    pub(crate) fn is_changed_by(&self, option: &str) -> bool {
        let mut words = self.change.split([' ', ',']);
        words.any(|word| word.strip_prefix("--") == Some(option))
    }
}

/// All settings as a table for people.
pub(crate) fn table(settings: &[Setting], warnings: &[String]) -> String {
    let name = settings.iter().map(|s| s.name.len()).max().unwrap_or(0);
    let origins: Vec<String> = settings.iter().map(origin).collect();
    let width = origins.iter().map(String::len).max().unwrap_or(0);
    let mut out = String::new();
    for (setting, origin) in settings.iter().zip(&origins) {
        let value = escape::text(&setting.value);
        // Writing to a string cannot fail.
        write!(out, "{:name$}  {origin:width$}  {value}", setting.name).unwrap_or_default();
        if !setting.change.is_empty() {
            write!(out, "   [change: {}]", setting.change).unwrap_or_default();
        }
        out.push('\n');
    }
    for warning in warnings {
        writeln!(out, "note: {}", escape::text(warning)).unwrap_or_default();
    }
    out
}

fn origin(setting: &Setting) -> String {
    let word = match setting.origin {
        Origin::Flag => "flag",
        Origin::Config => "config",
        Origin::Image => "image",
        Origin::Default => "default",
        Origin::Host => "host",
    };
    match setting.place.as_str() {
        "" => word.to_owned(),
        place => format!("{word} {}", escape::text(place)),
    }
}
