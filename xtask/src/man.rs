//! Man pages and shell completions, written from the command line's own table.
//!
//! The table is included by path, since a binary has no library: pages cannot name an option that the
//! program does not have. The results are committed, so that a package needs no Rust to build them.

#[path = "../../crates/lockstep-runc/src/cli/mod.rs"]
#[allow(dead_code, reason = "parsing needs more of it than documentation")]
mod cli;

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;

use crate::Failure;

const MAN: &str = "docs/man";
const COMPLETIONS: &str = "docs/completions";

/// Writes the pages, or with `check` fails if one differs from what is committed.
pub(crate) fn run(root: &Path, check: bool) -> Result<(), Failure> {
    let mut files = BTreeMap::new();
    pages(&mut files)?;
    completions(&mut files);
    let mut stale = Vec::new();
    for (name, text) in &files {
        let path = root.join(name);
        if std::fs::read(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        stale.push(name.as_str());
        if !check {
            std::fs::create_dir_all(path.parent().unwrap_or(root))?;
            std::fs::write(&path, text)?;
        }
    }
    for directory in [MAN, COMPLETIONS] {
        for entry in std::fs::read_dir(root.join(directory))
            .into_iter()
            .flatten()
        {
            let name = format!("{directory}/{}", entry?.file_name().to_string_lossy());
            if !files.contains_key(&name) {
                return Err(Failure::new(format!("{name} documents nothing: remove it")));
            }
        }
    }
    match (check, stale.as_slice()) {
        (true, [_, ..]) => {
            let text = format!("run `cargo xtask man`: out of date: {}", stale.join(", "));
            Err(Failure::new(text))
        }
        _ => {
            println!("man: {} files, {} written", files.len(), stale.len());
            Ok(())
        }
    }
}

/// The program as clap's generators take it.
fn command() -> Command {
    verb(&cli::PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(cli::VERBS.iter().map(|known| verb(known)))
}

fn verb(verb: &'static cli::Verb) -> Command {
    let path = match verb.name == cli::NAME {
        true => cli::NAME.to_owned(),
        false => format!("{} {}", cli::NAME, verb.name),
    };
    let mut command = Command::new(verb.name)
        .about(verb.about)
        .override_usage(format!("{path} {}", verb.usage).trim_end().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(verb.options().map(option))
        .arg(
            Arg::new("help")
                .long("help")
                .short('h')
                .help("print this help")
                .action(ArgAction::SetTrue),
        );
    if !verb.description.is_empty() {
        command = command.long_about(verb.description);
    }
    command
}

fn option(option: &'static cli::Opt) -> Arg {
    let arg = Arg::new(option.name)
        .long(option.name)
        .help(option.help)
        .hide(option.hidden);
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let arg = match option.default {
        Some(default) => arg.default_value(default),
        None => arg,
    };
    match option.takes {
        cli::Takes::Nothing => arg.action(ArgAction::SetTrue),
        cli::Takes::Text | cli::Takes::Number(..) => arg.value_name("value"),
        cli::Takes::Texts | cli::Takes::Numbers(..) => {
            arg.value_name("value").action(ArgAction::Append)
        }
    }
}

fn pages(files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Failure> {
    let mut command = command();
    command.build();
    for page in std::iter::once(&command).chain(command.get_subcommands()) {
        let name = page.get_display_name().unwrap_or(page.get_name());
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone()).render(&mut text)?;
        files.insert(format!("{MAN}/{name}.1"), text);
    }
    Ok(())
}

fn completions(files: &mut BTreeMap<String, Vec<u8>>) {
    for (shell, name) in [
        (Shell::Bash, "lockstep-runc.bash"),
        (Shell::Zsh, "_lockstep-runc"),
        (Shell::Fish, "lockstep-runc.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command(), cli::NAME, &mut text);
        files.insert(format!("{COMPLETIONS}/{name}"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_with_its_options() {
        let mut files = BTreeMap::new();
        pages(&mut files).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(files.len(), cli::VERBS.len() + 1);
        let exec = files.get("docs/man/lockstep-runc-exec.1").expect("a page");
        let exec = String::from_utf8_lossy(exec);
        assert!(exec.contains("\\-\\-ignore\\-paused"), "{exec}");
    }
}
