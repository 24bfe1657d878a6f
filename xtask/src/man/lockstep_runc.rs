//! The command line of `lockstep-runc` for the generators.

#[path = "../../../crates/lockstep-runc/src/cli/mod.rs"]
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
