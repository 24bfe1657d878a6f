//! The two dialects on one table.

use super::*;
use crate::{flag, refused, value, values};

static RUN: Verb = Verb {
    name: "run",
    aliases: &[],
    usage: "",
    about: "",
    description: "",
    options: &[
        &[
            flag("interactive", "").short('i'),
            flag("tty", "").short('t'),
            flag("rm", ""),
            values("env", "NAME", "").short('e'),
            value("memory", "BYTES", "").short('m'),
            value("host", "NAME", ""),
        ],
        &[
            value("format", "FORM", "").default("table"),
            Opt::new("weight", Takes::Number(-1, 1000), "N", ""),
            refused("all", Takes::Nothing, "no"),
            refused("port", Takes::Text, "no").short('p'),
        ],
    ],
    min: 1,
    max: None,
    options_first: true,
};

/// The same with options anywhere and exactly one word.
static STATE: Verb = Verb {
    max: Some(1),
    options_first: false,
    ..VERB
};

const VERB: Verb = Verb {
    name: "state",
    aliases: &[],
    usage: "",
    about: "",
    description: "",
    options: &[&[flag("hot", "").short('h'), flag("quiet", "").short('q')]],
    min: 1,
    max: Some(2),
    options_first: false,
};

static KILL: Verb = VERB;

fn read(verb: &'static Verb, dialect: Dialect, args: &[&str]) -> Result<Arguments, Mistake> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    parse(verb, &args, dialect)
}

fn docker(args: &[&str]) -> Arguments {
    read(&RUN, Dialect::Docker, args).expect("understood")
}

fn runc(args: &[&str]) -> Arguments {
    read(&RUN, Dialect::Runc, args).expect("understood")
}

#[test]
fn letters_combine_in_dockers_dialect() {
    let args = docker(&[
        "-it",
        "--rm=false",
        "-eA=1",
        "-e",
        "B=2",
        "--env=C",
        "-e=D",
        "-m=5m",
        "image",
        "sh",
        "-c",
    ]);
    assert!(args.flag("interactive") && args.flag("tty"));
    assert!(!args.flag("rm") && args.denied("rm"));
    assert_eq!(args.texts("env"), Ok(vec!["A=1", "B=2", "C", "D"]));
    assert_eq!(args.text("memory"), Ok(Some("5m")));
    assert_eq!(args.words(0), Ok(vec!["image", "sh", "-c"]));
    let args = docker(&["-i=false", "-itm5m", "image"]);
    assert!(args.flag("interactive") && !args.denied("interactive"));
    assert_eq!(args.text("memory"), Ok(Some("5m")));
}

#[test]
fn a_dash_and_letters_are_a_name_in_runcs_dialect() {
    let args = runc(&[
        "-interactive",
        "--t",
        "-e",
        "A=1",
        "--e=B",
        "-memory=5m",
        "id",
    ]);
    assert!(args.flag("interactive") && args.flag("tty"));
    assert_eq!(args.texts("env"), Ok(vec!["A=1", "B"]));
    assert_eq!(args.text("memory"), Ok(Some("5m")));
    let combined = read(&RUN, Dialect::Runc, &["-it", "id"]);
    assert_eq!(
        combined.expect_err("a name"),
        Mistake::Unknown("-it".to_owned())
    );
}

#[test]
fn options_end_at_two_dashes_or_where_another_program_begins() {
    let args = docker(&["--", "--rm", "x"]);
    assert_eq!(args.words(0), Ok(vec!["--rm", "x"]));
    assert!(!args.flag("rm"));
    let args = docker(&["image", "--rm"]);
    assert_eq!(args.words(1), Ok(vec!["--rm"]));
    let args = read(&STATE, Dialect::Runc, &["id", "-q"]).expect("understood");
    assert!(args.flag("quiet"));
    assert_eq!(docker(&["-", "x"]).words(0), Ok(vec!["-", "x"]));
}

#[test]
fn what_was_not_given_has_its_default() {
    assert_eq!(docker(&["image"]).text("format"), Ok(Some("table")));
    assert_eq!(docker(&["--format=", "image"]).text("format"), Ok(Some("")));
    assert_eq!(docker(&["image"]).text("memory"), Ok(None));
    assert!(!docker(&["image"]).flag("quiet"), "of another verb");
}

#[test]
fn a_value_may_begin_with_a_dash_and_the_last_counts() {
    let args = docker(&["-m", "-1", "--memory", "-2", "--weight", "-1", "image"]);
    assert_eq!(args.text("memory"), Ok(Some("-2")));
    assert_eq!(args.number("weight"), Ok(Some(-1)));
}

#[test]
fn help_is_asked_for_unless_an_option_has_its_letter() {
    for dialect in [Dialect::Docker, Dialect::Runc] {
        for arg in ["-h", "--help", "--help=true"] {
            assert!(read(&RUN, dialect, &[arg]).expect("help").help, "{arg}");
        }
        let args = read(&STATE, dialect, &["-h", "id"]).expect("understood");
        assert!(args.flag("hot") && !args.help);
        let args = read(&RUN, dialect, &["--help=false", "id"]).expect("understood");
        assert!(!args.help);
    }
}

#[test]
fn mistakes_are_told_apart() {
    let mistake = |args: &[&str]| read(&RUN, Dialect::Docker, args).expect_err("a mistake");
    let own = str::to_owned;
    assert_eq!(mistake(&["---rm"]), Mistake::Nameless("---rm".into()));
    assert_eq!(mistake(&["--=x"]), Mistake::Nameless("--=x".into()));
    assert_eq!(mistake(&["--no"]), Mistake::Unknown(own("--no")));
    assert_eq!(mistake(&["-ix"]), Mistake::Unknown(own("-x")));
    // Two dashes are before names alone.
    assert_eq!(mistake(&["--i", "x"]), Mistake::Unknown(own("--i")));
    assert_eq!(mistake(&["-im"]), Mistake::NoValue(own("-m"), "BYTES"));
    assert_eq!(
        mistake(&["-i=maybe"]),
        Mistake::NotBoolean(own("-i"), "maybe".into())
    );
    for wrong in ["x", "1001", "", "1_0", " 1"] {
        let told = mistake(&["--weight", wrong, "x"]);
        let takes = Takes::Number(-1, 1000);
        assert_eq!(
            told,
            Mistake::NotNumber(own("--weight"), wrong.into(), takes)
        );
    }
}

#[test]
fn what_is_refused_is_refused_unless_it_is_taken_back() {
    let mistake = |args: &[&str]| read(&RUN, Dialect::Docker, args).expect_err("refused");
    assert_eq!(mistake(&["-p"]), Mistake::Refused("-p".to_owned(), "no"));
    assert_eq!(
        mistake(&["--all", "x"]),
        Mistake::Refused("--all".to_owned(), "no")
    );
    assert!(docker(&["--all=false", "x"]).denied("all"));
}

#[test]
fn positional_arguments_are_counted() {
    let mistake = |verb, args: &[&str]| read(verb, Dialect::Runc, args).expect_err("a count");
    assert_eq!(mistake(&RUN, &[]), Mistake::Count(Wanted::AtLeast(1), 0));
    assert_eq!(
        mistake(&STATE, &["a", "b"]),
        Mistake::Count(Wanted::Exactly(1), 2)
    );
    assert_eq!(
        mistake(&KILL, &["a", "b", "c"]),
        Mistake::Count(Wanted::AtMost(2), 3)
    );
}

#[test]
fn what_is_not_utf8_is_a_path_but_no_text() {
    let path = OsStr::from_bytes(b"/b\xff");
    let args = parse(
        &RUN,
        &["-m".into(), path.into(), "x".into()],
        Dialect::Docker,
    );
    let args = args.expect("understood");
    assert_eq!(args.path("memory").as_deref(), Some(path.as_ref()));
    assert_eq!(
        args.text("memory"),
        Err("memory is not UTF-8: \"/b\\xFF\"".to_owned())
    );
}
