//! Arguments as runc takes them, and the words of every mistake.

use super::*;
use crate::cli;
use std::os::unix::ffi::OsStringExt;

fn os(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn parsed(name: &str, args: &[&str]) -> Result<Arguments, Misuse> {
    parse(cli::find(name).expect("a verb"), &os(args), "runc")
}

fn accepted(name: &str, args: &[&str]) -> Arguments {
    let parsed = parsed(name, args).unwrap_or_else(|error| panic!("{args:?}: {error:?}"));
    assert!(!parsed.help(), "{args:?}");
    parsed
}

fn error(name: &str, args: &[&str]) -> String {
    match parsed(name, args) {
        Err(Misuse::Option(text) | Misuse::Count(text)) => text,
        Ok(_) => panic!("accepted {args:?}"),
    }
}

#[test]
fn one_dash_two_dashes_and_equals_are_the_same() {
    for args in [
        &["-bundle", "/b", "id"][..],
        &["--bundle", "/b", "id"],
        &["--bundle=/b", "id"],
        &["-bundle=/b", "id"],
        &["-b", "/b", "id"],
        &["--b=/b", "id"],
        &["id", "--bundle", "/b"],
    ] {
        let found = accepted("create", args);
        assert_eq!(found.text("bundle").as_deref(), Some("/b"), "{args:?}");
        assert_eq!(found.positionals(), ["id"], "{args:?}");
    }
}

#[test]
fn a_value_may_begin_with_a_dash_or_be_empty() {
    let found = accepted("update", &["--memory-swap", "-1", "--cpuset-cpus=", "id"]);
    assert_eq!(found.text("memory-swap").as_deref(), Some("-1"));
    assert_eq!(found.text("cpuset-cpus"), None);
    let found = accepted("update", &["-r", "-", "id"]);
    assert_eq!(found.text("resources").as_deref(), Some("-"));
}

#[test]
fn the_last_value_wins() {
    let found = accepted("create", &["-b", "/a", "--bundle=/b", "id"]);
    assert_eq!(found.text("bundle").as_deref(), Some("/b"));
    let found = accepted("list", &["-q", "-quiet=false"]);
    assert!(!found.flag("quiet"));
    assert!(accepted("list", &["-q=false", "--quiet=T"]).flag("quiet"));
}

#[test]
fn options_of_the_program_in_exec_stay_its_own() {
    let found = accepted(
        "exec",
        &["-t", "-e", "A=1,2", "-e", "B", "id", "ls", "-t", "--", "-h"],
    );
    assert_eq!(found.positionals(), ["id", "ls", "-t", "--", "-h"]);
    let env = found.utf8("env").expect("UTF-8");
    assert_eq!(env, ["A=1,2", "B"]);
    assert!(found.flag("tty"));
}

#[test]
fn double_dash_ends_the_options() {
    let found = accepted("kill", &["--", "-x", "-9"]);
    assert_eq!(found.positionals(), ["-x", "-9"]);
}

#[test]
fn mistakes_are_worded_as_go_words_them() {
    assert_eq!(
        error("create", &["-x", "a"]),
        "flag provided but not defined: -x"
    );
    assert_eq!(
        error("create", &["a", "--bundle"]),
        "flag needs an argument: -bundle"
    );
    assert_eq!(error("create", &["---x"]), "bad flag syntax: ---x");
    assert_eq!(error("create", &["-=x"]), "bad flag syntax: -=x");
    assert_eq!(
        error("list", &["--quiet=maybe"]),
        "invalid boolean value \"maybe\" for -quiet: parse error"
    );
    assert_eq!(
        error("exec", &["-it", "a", "sh"]),
        "flag provided but not defined: -it"
    );
}

#[test]
fn help_is_found_where_options_are() {
    let help = |name, args: &[&str]| parsed(name, args).expect("parsed").help();
    assert!(help("state", &["x", "-h"]));
    assert!(help("state", &["--help"]));
    assert!(help("exec", &["-help", "x"]));
    assert!(!help("exec", &["x", "ls", "--help"]));
}

#[test]
fn what_is_not_utf8_passes_through_where_it_may() {
    let create = cli::find("create").expect("a verb");
    let path = OsString::from_vec(b"/b\xff".to_vec());
    let args = [OsString::from("-b"), path.clone(), "id".into()];
    let found = parse(create, &args, "runc").expect("parsed");
    assert_eq!(found.path("bundle"), Some(PathBuf::from(&path)));
    let exec = cli::find("exec").expect("a verb");
    let args = [OsString::from("-e"), path, "id".into(), "true".into()];
    let found = parse(exec, &args, "runc").expect("parsed");
    let error = found.utf8("env").expect_err("not UTF-8");
    assert_eq!(error, "env is not UTF-8: \"/b\\xFF\"");
}

#[test]
fn arguments_are_counted_in_runcs_words() {
    for (name, args, wanted) in [
        ("create", &["a", "b"][..], "exactly 1"),
        ("create", &[], "exactly 1"),
        ("list", &["x"], "exactly 0"),
        ("kill", &[], "a minimum of 1"),
        ("kill", &["a", "b", "c"], "a maximum of 2"),
        ("exec", &["-t"], "a minimum of 1"),
    ] {
        let said = format!("runc: \"{name}\" requires {wanted} argument(s)");
        match parsed(name, args) {
            Err(Misuse::Count(text)) => assert_eq!(text, said),
            _ => panic!("{name} {args:?} accepted"),
        }
    }
    assert!(parsed("exec", &["a", "b", "c", "d"]).is_ok());
}

#[test]
fn numbers_are_checked_and_named_as_written() {
    assert_eq!(
        error("create", &["--preserve-fds", "x", "a"]),
        "invalid value \"x\" for flag -preserve-fds: parse error"
    );
    assert_eq!(
        error("update", &["--blkio-weight=70000", "a"]),
        "invalid value \"70000\" for flag -blkio-weight: parse error"
    );
    assert_eq!(
        error("exec", &["-g", "1", "-g", "x", "a", "true"]),
        "invalid value \"x\" for flag -g: strconv.ParseInt: parsing \"x\": invalid syntax"
    );
    let found = accepted("exec", &["-g", "1", "--additional-gids=2", "a", "true"]);
    let gids: Vec<u32> = found.numbers("additional-gids");
    assert_eq!(gids, [1, 2]);
}

#[test]
fn the_global_part_ends_at_the_verb() {
    let args = os(&["-root", "/r", "--log-format=json", "--debug", "list", "-q"]);
    let found = parse(&cli::PROGRAM, &args, "runc").expect("parsed");
    assert_eq!(found.positionals(), ["list", "-q"]);
    assert_eq!(found.text("root").as_deref(), Some("/r"));
    assert_eq!(found.text("rootless").as_deref(), Some("auto"));
    assert!(found.flag("debug") && !found.flag("version"));
}

#[test]
fn no_verb_has_an_option_twice() {
    for verb in cli::VERBS.iter().copied().chain([&cli::PROGRAM]) {
        let names: Vec<String> = verb
            .options()
            .flat_map(|option| {
                let short = option.short.map(String::from);
                [Some(option.name.to_owned()), short].into_iter().flatten()
            })
            .chain(["help".to_owned(), "h".to_owned()])
            .collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(names.len(), unique.len(), "{}: {names:?}", verb.name);
    }
}
