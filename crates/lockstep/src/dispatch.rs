//! From the arguments to a verb.

use std::ffi::{OsStr, OsString};

use crate::failure::Failure;
use crate::front::Front;
use crate::print::{note, print};
use crate::{argv, cli, help, verb};

/// Does what the arguments say, reports what goes wrong, and returns the exit code.
pub(crate) fn run(args: &[OsString]) -> u8 {
    match dispatch(args) {
        Ok(code) => code,
        Err(failure) => {
            note(&failure.to_string());
            failure.code
        }
    }
}

fn dispatch(args: &[OsString]) -> Result<u8, Failure> {
    let global = argv::parse(&cli::PROGRAM, args.get(1..).unwrap_or_default())?;
    if global.flag("version") {
        return verb::version();
    }
    let words = global.positionals.as_slice();
    let Some((name, rest)) = words.split_first().filter(|_| !global.help) else {
        print(&help::program())?;
        return Ok(0);
    };
    if name == "help" {
        return help::topic(rest.first().map(OsString::as_os_str));
    }
    let (known, rest) = find(name, rest)?;
    let mut parsed = argv::parse(known, rest)?;
    if parsed.help {
        print(&help::verb(known))?;
        return Ok(0);
    }
    let front = Front::new(&global, args)?;
    let words = front.config.words(known);
    if !words.is_empty() {
        parsed = argv::parse(known, &[&words, rest].concat())?;
    }
    verb::run(&front, known.name, &parsed)
}

/// The verb that the words begin with, and its arguments. `docker container run` and `docker run` are the same, and
/// so are `image load` and `load`; but a group has its own verbs alone: `container prune` touches no image.
fn find<'a>(
    name: &OsStr,
    rest: &'a [OsString],
) -> Result<(&'static cli::Verb, &'a [OsString]), Failure> {
    let group = cli::GROUPS.iter().find(|(group, _)| name == *group);
    let (Some((group, members)), Some((second, others))) = (group, rest.split_first()) else {
        let known = name.to_str().and_then(cli::find).map(|verb| (verb, rest));
        return known.ok_or_else(|| Failure::new(argv::unknown_verb(&name.to_string_lossy())));
    };
    let member = members.iter().find(|(short, _)| second == short);
    match member.and_then(|(_, verb)| cli::find(verb)) {
        Some(verb) => Ok((verb, others)),
        None => Err(Failure::new(argv::unknown_member(
            group,
            &second.to_string_lossy(),
        ))),
    }
}
