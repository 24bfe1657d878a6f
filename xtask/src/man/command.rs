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

/// Verbs behind `PROGRAM GROUP`: each group's short names, and the verbs that they are.
pub(super) type Groups = [(&'static str, &'static [(&'static str, &'static str)])];

/// A program as it is typed: verbs of a group behind the group's name, and nothing that is refused. `operands`: with a
/// place for containers.
pub(super) fn typed(
    program: &'static Verb,
    verbs: &[&'static Verb],
    (groups, operands): (&Groups, bool),
    help: Option<char>,
) -> Command {
    let offered = |known: &'static Verb, name: &'static str| {
        let command = Command::new(name)
            .about(known.about)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args(
                known
                    .options()
                    .filter(|one| one.refused.is_none())
                    .map(option),
            )
            .arg(asks(help));
        match operands && on_containers(known) {
            true => command.arg(Arg::new(CONTAINER).num_args(0..)),
            false => command,
        }
    };
    let of_group = |known: &Verb| {
        let mut names = groups.iter().map(|(group, _)| group);
        names.any(|group| {
            known
                .name
                .strip_prefix(group)
                .is_some_and(|rest| rest.starts_with('-'))
        })
    };
    let alone = verbs.iter().filter(|known| !of_group(known));
    let alone = alone.map(|known| offered(known, known.name).visible_aliases(known.aliases));
    let grouped = groups.iter().map(|(group, names)| {
        let members = names.iter().filter_map(|(short, full)| {
            let known = verbs.iter().find(|known| known.name == *full)?;
            Some(offered(known, short))
        });
        Command::new(*group)
            .about(format!("verbs about {group}s"))
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .subcommands(members)
    });
    offered(program, program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(alone.chain(grouped))
}

/// What completions call the names of containers.
pub(super) const CONTAINER: &str = "CONTAINER";

/// Whether a verb's words are names of containers.
pub(super) fn on_containers(verb: &Verb) -> bool {
    verb.usage.contains(CONTAINER)
}

fn asks(help: Option<char>) -> Arg {
    let asks = Arg::new("help")
        .long("help")
        .help("print this help")
        .action(ArgAction::SetTrue);
    match help {
        Some(letter) => asks.short(letter),
        None => asks,
    }
}

fn verb(verb: &'static Verb, path: &str, help: Option<char>) -> Command {
    let mut command = Command::new(verb.name)
        .about(verb.about)
        .visible_aliases(verb.aliases)
        .override_usage(format!("{path} {}", verb.usage).trim_end().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(verb.options().map(option))
        .arg(asks(help));
    if !verb.description.is_empty() {
        command = command.long_about(verb.description);
    }
    command
}

/// The page of one that is refused says so.
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
