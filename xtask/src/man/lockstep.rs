//! The command line of `lockstep` for the generators.

#[path = "../../../crates/lockstep/src/cli/mod.rs"]
#[allow(dead_code, reason = "parsing needs more of it than documentation")]
mod cli;

use clap::{Arg, ArgAction, Command};

pub(super) use cli::NAME;
#[cfg(test)]
pub(super) use cli::VERBS;

/// The program as clap's generators take it.
pub(super) fn command() -> Command {
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
    let help = Arg::new("help")
        .long("help")
        .help("print this help")
        .action(ArgAction::SetTrue);
    let mut command = Command::new(verb.name)
        .about(verb.about)
        .visible_aliases(verb.aliases)
        .override_usage(format!("{path} {}", verb.usage).trim_end().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(verb.options().map(option))
        .arg(help);
    if !verb.description.is_empty() {
        command = command.long_about(verb.description);
    }
    command
}

/// One that is refused is not offered, but its page says so.
fn option(option: &'static cli::Opt) -> Arg {
    let help = match option.refused {
        Some(why) => format!("refused: {why}"),
        None => option.help.to_owned(),
    };
    let arg = Arg::new(option.name).long(option.name).help(help);
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match option.takes {
        cli::Takes::Nothing => arg.action(ArgAction::SetTrue),
        cli::Takes::Text => arg.value_name(option.value),
        cli::Takes::Texts => arg.value_name(option.value).action(ArgAction::Append),
    }
}
