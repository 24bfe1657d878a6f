//! Man pages and shell completions, written from the command lines' own tables.
//!
//! The tables are included by path, since a binary has no library: pages cannot name an option that the
//! program does not have. The results are committed, so that a package needs no Rust to build them.

mod command;
mod complete;

#[path = "../../crates/lockstep/src/cli/mod.rs"]
#[allow(dead_code, reason = "parsing needs more of it than documentation")]
mod lockstep;

#[path = "../../crates/lockstep-runc/src/cli/mod.rs"]
#[allow(dead_code, reason = "parsing needs more of it than documentation")]
mod lockstep_runc;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use crate::Failure;

const MAN: &str = "docs/man";
const COMPLETIONS: &str = "docs/completions";

/// Writes the pages, or with `check` fails if one differs from what is committed.
pub(crate) fn run(root: &Path, check: bool) -> Result<(), Failure> {
    let mut files = BTreeMap::new();
    for command in programs() {
        pages(&mut files, command())?;
    }
    for (program, shell, text) in complete::all() {
        let name = match shell {
            Shell::Zsh => format!("_{program}"),
            shell => format!("{program}.{shell}"),
        };
        files.insert(format!("{COMPLETIONS}/{name}"), text.into_bytes());
    }
    let (name, text) = configuration();
    files.insert(name, text.into_bytes());
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

/// Makes a program's command line.
type Generate = fn() -> Command;

/// The programs as clap's generators take them.
fn programs() -> [Generate; 2] {
    [
        || command::program(&lockstep::PROGRAM, lockstep::VERBS, None),
        || command::program(&lockstep_runc::PROGRAM, lockstep_runc::VERBS, Some('h')),
    ]
}

fn pages(files: &mut BTreeMap<String, Vec<u8>>, mut command: Command) -> Result<(), Failure> {
    command.build();
    for page in std::iter::once(&command).chain(command.get_subcommands()) {
        let name = page.get_display_name().unwrap_or(page.get_name());
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone()).render(&mut text)?;
        files.insert(format!("{MAN}/{name}.1"), text);
    }
    Ok(())
}

/// The page of the people's tool's configuration files.
fn configuration() -> (String, String) {
    use lockstep::config as keys;
    let plain = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("{}-config", lockstep::NAME);
    let mut text = format!(
        ".TH {name} 5 \"\" \"{0} {version}\"\n.SH NAME\n{1} \\- configuration files of {0}\n.SH DESCRIPTION\n",
        lockstep::NAME,
        plain(&name)
    );
    for paragraph in keys::ABOUT {
        text.push_str(&format!("{}\n.PP\n", plain(paragraph)));
    }
    let settings = |title: String, options: Vec<&lockstep::Opt>| {
        let items = options.iter().map(|option| {
            let value = match option.takes {
                lockstep::Takes::Nothing => "true|false".to_owned(),
                lockstep::Takes::Texts => format!("[\"{}\", ...]", option.value),
                _ => format!("\"{}\"", option.value),
            };
            format!(
                ".TP\n\\fB{}\\fR = {}\n{}\n",
                plain(option.name),
                plain(&value),
                plain(option.help)
            )
        });
        format!(".SH {title}\n{}", items.collect::<String>())
    };
    let of = |verb: &'static lockstep::Verb, names: &[&str]| {
        verb.options()
            .filter(|option| names.contains(&option.name))
            .collect()
    };
    let places = of(&lockstep::PROGRAM, keys::PLACES);
    text.push_str(&settings("SETTINGS OF THE PROGRAM".into(), places));
    let run = lockstep::VERBS.iter().find(|verb| verb.name == "run");
    let defaults = run.map_or_else(Vec::new, |run| of(run, keys::DEFAULTS));
    text.push_str(&settings(
        format!("[{}]: DEFAULTS OF RUN AND CREATE", keys::RUN),
        defaults,
    ));
    (format!("{MAN}/{name}.5"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_with_its_options() {
        let mut files = BTreeMap::new();
        for command in programs() {
            pages(&mut files, command()).unwrap_or_else(|error| panic!("{error}"));
        }
        let verbs = lockstep::VERBS.len() + lockstep_runc::VERBS.len();
        assert_eq!(files.len(), verbs + 2);
        for (page, option) in [
            ("lockstep-runc-exec", "\\-\\-ignore\\-paused"),
            ("lockstep-run", "\\-\\-cap\\-drop"),
        ] {
            let text = files.get(&format!("docs/man/{page}.1")).expect("a page");
            let text = String::from_utf8_lossy(text);
            assert!(text.contains(option), "{text}");
        }
    }
}
