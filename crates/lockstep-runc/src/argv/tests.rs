//! Arguments as runc takes them, and the words of every mistake.

use super::*;
use crate::cli;

fn os(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn parsed(name: &str, args: &[&str]) -> Result<Parsed, Misuse> {
    let spec = cli::find(name).expect("a verb");
    verb(spec, &mut (spec.build)(), &os(args), "runc")
}

fn matches(name: &str, args: &[&str]) -> ArgMatches {
    match parsed(name, args) {
        Ok(Parsed::Matches(matches)) => matches,
        Ok(Parsed::Help) => panic!("help"),
        Err(error) => panic!("{error:?}"),
    }
}

fn error(name: &str, args: &[&str]) -> String {
    match parsed(name, args) {
        Err(Misuse::Option(text) | Misuse::Count(text)) => text,
        Ok(_) => panic!("accepted {args:?}"),
    }
}

fn value<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    let value = matches.get_one::<OsString>(name).expect(name);
    value.to_str().expect("UTF-8")
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
        let matches = matches("create", args);
        assert_eq!(value(&matches, "bundle"), "/b", "{args:?}");
        assert_eq!(value(&matches, "container-id"), "id", "{args:?}");
    }
}

#[test]
fn a_value_may_begin_with_a_dash_or_be_empty() {
    let found = matches("update", &["--memory-swap", "-1", "--cpuset-cpus=", "id"]);
    assert_eq!(value(&found, "memory-swap"), "-1");
    assert_eq!(value(&found, "cpuset-cpus"), "");
    let found = matches("update", &["-r", "-", "id"]);
    assert_eq!(value(&found, "resources"), "-");
}

#[test]
fn the_last_value_wins() {
    let found = matches("create", &["-b", "/a", "--bundle=/b", "id"]);
    assert_eq!(value(&found, "bundle"), "/b");
    let found = matches("list", &["-q", "-quiet=false"]);
    assert!(!found.get_flag("quiet"));
    assert!(matches("list", &["-q=false", "--quiet=T"]).get_flag("quiet"));
}

#[test]
fn options_of_the_program_in_exec_stay_its_own() {
    let found = matches(
        "exec",
        &["-t", "-e", "A=1,2", "-e", "B", "id", "ls", "-t", "--", "-h"],
    );
    let command = found.get_many::<OsString>("command").expect("command");
    assert_eq!(
        command.cloned().collect::<Vec<_>>(),
        os(&["ls", "-t", "--", "-h"])
    );
    let env = found.get_many::<OsString>("env").expect("env");
    assert_eq!(env.cloned().collect::<Vec<_>>(), os(&["A=1,2", "B"]));
    assert!(found.get_flag("tty"));
}

#[test]
fn double_dash_ends_the_options() {
    let found = matches("kill", &["--", "-x", "-9"]);
    assert_eq!(value(&found, "container-id"), "-x");
    assert_eq!(value(&found, "signal"), "-9");
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
    assert!(matches!(parsed("state", &["x", "-h"]), Ok(Parsed::Help)));
    assert!(matches!(parsed("exec", &["--help", "x"]), Ok(Parsed::Help)));
    assert!(matches!(
        parsed("exec", &["x", "ls", "--help"]),
        Ok(Parsed::Matches(_))
    ));
}

#[test]
fn paths_that_are_not_utf8_pass_through() {
    let spec = cli::find("create").expect("a verb");
    let path = OsString::from_vec(b"/b\xff".to_vec());
    let args = [OsString::from("-b"), path.clone(), "id".into()];
    match verb(spec, &mut (spec.build)(), &args, "runc") {
        Ok(Parsed::Matches(found)) => assert_eq!(found.get_one::<OsString>("bundle"), Some(&path)),
        _ => panic!("refused"),
    }
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
    let found = matches("exec", &["-g", "1", "--additional-gids=2", "a", "true"]);
    let gids: Vec<u32> = found
        .get_many("additional-gids")
        .expect("gids")
        .copied()
        .collect();
    assert_eq!(gids, [1, 2]);
}

#[test]
fn the_global_part_ends_at_the_verb() {
    let args = os(&["-root", "/r", "--log-format=json", "--debug", "list", "-q"]);
    let global = global(&mut cli::globals(), &args).expect("parsed");
    assert_eq!(global.rest, os(&["list", "-q"]));
    match global.parsed {
        Parsed::Matches(found) => {
            assert_eq!(value(&found, "root"), "/r");
            assert_eq!(value(&found, "criu"), "criu");
            assert!(found.get_flag("debug"));
        }
        Parsed::Help => panic!("help"),
    }
}

#[test]
fn clap_accepts_the_whole_definition() {
    cli::command().debug_assert();
}
