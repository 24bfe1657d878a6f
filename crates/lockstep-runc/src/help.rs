//! Help in runc's layout: NAME, USAGE, DESCRIPTION, COMMANDS, OPTIONS.
//!
//! Scripts look for an option or a verb in this text to learn what a runtime can do, so headings and
//! the form `--name value, -n value` are kept; clap's own help has another form.

use std::fmt::Write;

use crate::cli::{self, Opt, Takes, Verb};

/// Help of the program.
pub(crate) fn program() -> String {
    let mut out = name_and_usage(&cli::PROGRAM, cli::NAME);
    out.push_str("\nCOMMANDS:\n");
    let verbs = cli::VERBS
        .iter()
        .map(|verb| (verb.name.to_owned(), verb.about.to_owned()));
    let help = ("help, h", "print this help or that of a command");
    let help = (help.0.to_owned(), help.1.to_owned());
    columns(&mut out, &verbs.chain([help]).collect::<Vec<_>>());
    out.push_str("\nGLOBAL OPTIONS:\n");
    columns(&mut out, &options(&cli::PROGRAM));
    out
}

/// Help of one verb.
pub(crate) fn verb(verb: &Verb) -> String {
    let mut out = name_and_usage(verb, &format!("{} {}", cli::NAME, verb.name));
    out.push_str("\nOPTIONS:\n");
    columns(&mut out, &options(verb));
    out
}

fn name_and_usage(verb: &Verb, name: &str) -> String {
    let (about, usage) = (verb.about, verb.usage);
    let mut out = format!("NAME:\n   {name} - {about}\n\nUSAGE:\n   {name} {usage}\n");
    if !verb.description.is_empty() {
        out.push_str("\nDESCRIPTION:\n");
        verb.description
            .lines()
            .for_each(|line| wrap(&mut out, line));
    }
    out
}

fn options(verb: &Verb) -> Vec<(String, String)> {
    let shown = verb.options().filter(|option| !option.hidden);
    let rows = shown.map(|option| (spelling(option), explanation(option)));
    let help = ("--help, -h".to_owned(), "print this help".to_owned());
    rows.chain([help]).collect()
}

fn spelling(option: &Opt) -> String {
    let value = match option.takes {
        Takes::Nothing => "",
        _ => " value",
    };
    let mut out = format!("--{}{value}", option.name);
    if let Some(short) = option.short {
        append(&mut out, format_args!(", -{short}{value}"));
    }
    out
}

fn explanation(option: &Opt) -> String {
    let mut out = option.help.to_owned();
    if let Some(default) = option.default {
        append(&mut out, format_args!(" (default: {default})"));
    }
    out
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

fn columns(out: &mut String, rows: &[(String, String)]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        append(out, format_args!("   {left:width$}  {right}\n"));
    }
}

/// Appends `line` indented and broken before column 80; an indented line is an example and stays whole.
fn wrap(out: &mut String, line: &str) {
    const INDENT: &str = "   ";
    if line.starts_with(' ') || line.is_empty() {
        out.push_str(format!("{INDENT}{line}").trim_end());
        out.push('\n');
        return;
    }
    let mut column = 0;
    for word in line.split(' ') {
        if column > 0 && column + 1 + word.len() > 76 {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { INDENT } else { " " });
        out.push_str(word);
        column += word.len() + 1;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_one_that_scripts_read() {
        let text = program();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME:");
        assert_eq!(
            lines[1],
            "   lockstep-runc - Open Container Initiative runtime"
        );
        assert!(lines.contains(&"COMMANDS:") && lines.contains(&"GLOBAL OPTIONS:"));
        assert!(lines.iter().any(|line| line.starts_with("   features  ")));
        let text = verb(cli::find("create").expect("a verb"));
        assert!(text.contains("\n   --bundle value, -b value  "), "{text}");
        assert!(text.contains("\n   --no-pivot  "), "{text}");
        let update = verb(cli::find("update").expect("a verb"));
        assert!(!update.contains("--kernel-memory"), "{update}");
    }

    #[test]
    fn every_verb_and_option_is_explained() {
        for verb in cli::VERBS {
            assert!(!verb.about.is_empty(), "{}", verb.name);
            for (left, right) in options(verb) {
                let explained = !right.is_empty() && !right.ends_with('.');
                assert!(explained, "{} {left}", verb.name);
            }
        }
    }
}
