//! A command line's table as clap's generators take it.

use clap::{Arg, ArgAction, Command};
use lockstep_argv::{Opt, Takes, Verb};

/// A whole program; `help` is the letter that asks for help with every verb, if one does.
pub(super) fn program(
    program: &'static Verb,
    verbs: &[&'static Verb],
    help: Option<char>,
) -> Command {
    let name = program.name;
    let verbs = verbs
        .iter()
        .map(|known| verb(known, &format!("{name} {}", known.name), help));
    verb(program, name, help)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(verbs)
}

fn verb(verb: &'static Verb, path: &str, help: Option<char>) -> Command {
    let mut asks = Arg::new("help")
        .long("help")
        .help("print this help")
        .action(ArgAction::SetTrue);
    if let Some(letter) = help {
        asks = asks.short(letter);
    }
    let mut command = Command::new(verb.name)
        .about(verb.about)
        .visible_aliases(verb.aliases)
        .override_usage(format!("{path} {}", verb.usage).trim_end().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(verb.options().map(option))
        .arg(asks);
    if !verb.description.is_empty() {
        command = command.long_about(verb.description);
    }
    command
}

/// One that is refused is not offered, but its page says so.
fn option(option: &'static Opt) -> Arg {
    let help = match option.refused {
        Some(why) => format!("refused: {why}"),
        None => option.help.to_owned(),
    };
    let mut arg = Arg::new(option.name)
        .long(option.name)
        .help(help)
        .hide(option.hidden);
    if let Some(short) = option.short {
        arg = arg.short(short);
    }
    if let Some(default) = option.default {
        arg = arg.default_value(default);
    }
    match option.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::Text | Takes::Number(..) => arg.value_name(option.value),
        Takes::Texts | Takes::Numbers(..) => arg.value_name(option.value).action(ArgAction::Append),
    }
}
