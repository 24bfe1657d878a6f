//! `--help`, written from the table.

use std::ffi::OsStr;
use std::fmt::Write as _;

use crate::argv;
use crate::cli::{self, Opt, Takes, Verb, config as keys};
use crate::failure::Failure;

/// Of the whole program.
pub(crate) fn program() -> String {
    let mut out = format!(
        "usage: {} {}\n\n{}\n\n",
        cli::NAME,
        cli::PROGRAM.usage,
        cli::PROGRAM.about
    );
    for verb in cli::VERBS {
        // Writing to a string cannot fail.
        writeln!(out, "  {:10} {}", verb.name, verb.about).unwrap_or_default();
    }
    out.push_str("\noptions:\n");
    options(&mut out, cli::PROGRAM.options());
    out
}

/// Of one verb.
pub(crate) fn verb(verb: &'static Verb) -> String {
    let path = argv::path(verb);
    let mut out = format!("usage: {path} {}\n\n{}\n", verb.usage, verb.about);
    if !verb.description.is_empty() {
        writeln!(out, "\n{}", verb.description).unwrap_or_default();
    }
    if verb.options().next().is_some() {
        out.push_str("\noptions:\n");
        options(&mut out, verb.options());
    }
    out
}

/// Of the configuration files.
fn config() -> String {
    let mut out = keys::ABOUT.join("\n\n");
    out.push_str("\n\nsettings of the program, absolute paths:\n");
    options(
        &mut out,
        cli::PROGRAM
            .options()
            .filter(|option| keys::PLACES.contains(&option.name)),
    );
    writeln!(out, "\n[{}], defaults of run and create:", keys::RUN).unwrap_or_default();
    let run = cli::find("run").into_iter().flat_map(Verb::options);
    options(
        &mut out,
        run.filter(|option| keys::DEFAULTS.contains(&option.name)),
    );
    out
}

/// `lockstep help VERB`, and `lockstep help config`.
pub(crate) fn topic(name: Option<&OsStr>) -> Result<u8, Failure> {
    let text = match name {
        None => program(),
        Some(name) if name == "config" => config(),
        Some(name) => {
            let known = name.to_str().and_then(cli::find);
            let known =
                known.ok_or_else(|| Failure::new(argv::unknown_verb(&name.to_string_lossy())))?;
            verb(known)
        }
    };
    crate::print::print(&text)?;
    Ok(0)
}

fn options(out: &mut String, all: impl Iterator<Item = &'static Opt>) {
    let (refused, known): (Vec<&Opt>, Vec<&Opt>) = all.partition(|o| o.refused.is_some());
    for option in known {
        let short = option
            .short
            .map(|short| format!("-{short}, "))
            .unwrap_or_default();
        let value = match option.takes {
            Takes::Nothing => String::new(),
            _ => format!(" {}", option.value),
        };
        let name = format!("{short}--{}{value}", option.name);
        writeln!(out, "  {name:36} {}", option.help).unwrap_or_default();
    }
    if !refused.is_empty() {
        out.push_str("\nrefused, with a reason:");
        for option in refused {
            write!(out, " --{}", option.name).unwrap_or_default();
        }
        out.push('\n');
    }
}
