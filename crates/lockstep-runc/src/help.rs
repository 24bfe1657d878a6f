//! Help in runc's layout: NAME, USAGE, DESCRIPTION, COMMANDS, OPTIONS.
//!
//! Scripts look for an option or a verb in this text to learn what a runtime can do, so headings and
//! the form `--name value, -n value` are kept; clap's own help has another form.

use clap::{Arg, ArgAction, Command};

use crate::cli;

/// Help of the program.
pub(crate) fn program() -> String {
    let command = cli::globals();
    let mut out = name_and_usage(&command, cli::NAME);
    out.push_str("\nCOMMANDS:\n");
    let mut rows: Vec<(String, String)> = Vec::new();
    for verb in cli::VERBS {
        rows.push((verb.name.to_owned(), about(&(verb.build)())));
    }
    rows.push((
        "help, h".to_owned(),
        "print this help or that of a command".to_owned(),
    ));
    columns(&mut out, &rows);
    out.push_str("\nGLOBAL OPTIONS:\n");
    columns(&mut out, &options(&command));
    out
}

/// Help of one verb.
pub(crate) fn verb(command: &Command) -> String {
    let name = format!("{} {}", cli::NAME, command.get_name());
    let mut out = name_and_usage(command, &name);
    let mut rows = options(command);
    rows.push(("--help, -h".to_owned(), "print this help".to_owned()));
    out.push_str("\nOPTIONS:\n");
    columns(&mut out, &rows);
    out
}

fn name_and_usage(command: &Command, name: &str) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let mut out = format!(
        "NAME:\n   {name} - {}\n\nUSAGE:\n   {usage}\n",
        about(command)
    );
    if let Some(text) = command.get_long_about() {
        out.push_str("\nDESCRIPTION:\n");
        for line in text.to_string().lines() {
            wrap(&mut out, line);
        }
    }
    out
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn options(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_arguments();
    shown
        .filter(|arg| arg.get_long().is_some() && !arg.is_hide_set())
        .map(|arg| (spelling(arg), explanation(arg)))
        .collect()
}

fn spelling(arg: &Arg) -> String {
    let value = if matches!(arg.get_action(), ArgAction::SetTrue) {
        ""
    } else {
        " value"
    };
    let mut out = format!("--{}{value}", arg.get_long().unwrap_or_default());
    if let Some(short) = arg.get_short() {
        out.push_str(&format!(", -{short}{value}"));
    }
    out
}

fn explanation(arg: &Arg) -> String {
    let mut out = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let [default] = arg.get_default_values() {
        out.push_str(&format!(" (default: {})", default.to_string_lossy()));
    }
    out
}

fn columns(out: &mut String, rows: &[(String, String)]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        out.push_str(&format!("   {left:width$}  {right}\n"));
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
        let command = (cli::find("create").expect("a verb").build)();
        let text = verb(&command);
        assert!(text.contains("\n   --bundle value, -b value  "), "{text}");
        assert!(text.contains("\n   --no-pivot  "), "{text}");
        let update = verb(&(cli::find("update").expect("a verb").build)());
        assert!(!update.contains("--kernel-memory"), "{update}");
    }

    #[test]
    fn every_verb_and_option_is_explained() {
        for verb in cli::VERBS {
            let command = (verb.build)();
            assert!(!about(&command).is_empty(), "{}", verb.name);
            for (left, right) in options(&command) {
                assert!(
                    !right.is_empty() && !right.ends_with('.'),
                    "{} {left}",
                    verb.name
                );
            }
        }
    }
}
