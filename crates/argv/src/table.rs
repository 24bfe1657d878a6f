//! Verbs and options, as the tables of the two programs write them down.

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing; it is there or not, and `=false` takes it back.
    Nothing,
    /// Any text; of several the last counts.
    Text,
    /// Any number of texts.
    Texts,
    /// A whole number in this range; of several the last counts.
    Number(i64, i64),
    /// Any number of whole numbers in this range.
    Numbers(i64, i64),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Its long name, without dashes.
    pub name: &'static str,
    /// Its one-letter name.
    pub short: Option<char>,
    /// What follows it.
    pub takes: Takes,
    /// Stands for the value in help.
    pub value: &'static str,
    /// What it has where it was not given.
    pub default: Option<&'static str>,
    /// One sentence without a dot.
    pub help: &'static str,
    /// Accepted but not documented.
    pub hidden: bool,
    /// Why it cannot be honoured, where it cannot.
    pub refused: Option<&'static str>,
}

impl Opt {
    /// An option that takes `takes`.
    pub const fn new(
        name: &'static str,
        takes: Takes,
        value: &'static str,
        help: &'static str,
    ) -> Self {
        Opt {
            name,
            short: None,
            takes,
            value,
            default: None,
            help,
            hidden: false,
            refused: None,
        }
    }

    /// The same with a one-letter name.
    pub const fn short(self, short: char) -> Self {
        Opt {
            short: Some(short),
            ..self
        }
    }

    /// The same with a default.
    pub const fn default(self, default: &'static str) -> Self {
        Opt {
            default: Some(default),
            ..self
        }
    }

    /// The same without a line in help and pages.
    pub const fn hidden(self) -> Self {
        Opt {
            hidden: true,
            ..self
        }
    }
}

/// An option without a value.
pub const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Nothing, "", help)
}

/// An option with a value.
pub const fn value(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Text, value, help)
}

/// An option that may be given several times.
pub const fn values(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt::new(name, Takes::Texts, value, help)
}

/// An option that people type and that is refused for a reason.
pub const fn refused(name: &'static str, takes: Takes, why: &'static str) -> Opt {
    let value = match takes {
        Takes::Nothing => "",
        _ => "VALUE",
    };
    Opt {
        refused: Some(why),
        ..Opt::new(name, takes, value, why)
    }
}

/// One verb, or the program itself.
#[derive(Debug)]
pub struct Verb {
    /// The word that is typed.
    pub name: &'static str,
    /// Other names that people type; the program lists them too.
    pub aliases: &'static [&'static str],
    /// What follows the name in the usage line.
    pub usage: &'static str,
    /// One line for lists.
    pub about: &'static str,
    /// More, for its own help; empty where the line says all.
    pub description: &'static str,
    /// Its options, in groups that verbs share.
    pub options: &'static [&'static [Opt]],
    /// Fewest positional arguments.
    pub min: usize,
    /// Most positional arguments; `None` where any number may follow.
    pub max: Option<usize>,
    /// Whether options end at the first positional argument (the rest belongs to another program).
    pub options_first: bool,
}

impl Verb {
    /// All its options.
    pub fn options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().copied().flatten()
    }

    /// The option of this long name.
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options().find(|option| option.name == name)
    }
}
