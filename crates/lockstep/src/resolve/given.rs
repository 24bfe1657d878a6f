//! What was given and nobody has noted, and what stands where nothing was given: `--why` leaves nothing out.
//!
//! Last of all, and by the command line itself: an option that is new is in `--why` without being told to be.

use super::{Input, Resolved, default};
use crate::failure::Failure;
use crate::why::Origin;

/// Options of the command rather than of the container.
const OF_THE_COMMAND: [&str; 3] = ["why", "json", "host"];

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    let args = input.args;
    let noted = |option: &str| {
        let mut all = out.settings.iter();
        all.any(|setting| setting.origin == Origin::Flag && setting.is_changed_by(option))
    };
    let left = args
        .given()
        .filter(|(option, _)| !OF_THE_COMMAND.contains(option) && !noted(option));
    for (option, value) in left.collect::<Vec<_>>() {
        let value = match value.is_empty() {
            true => "true".into(),
            false => value.to_string_lossy(),
        };
        out.note(option, value, Origin::Flag, &format!("--{option}"));
    }
    for (option, value) in default::ALL {
        if args.knows(option) && args.value(option).is_none() && !is_known(out, option) {
            out.note(option, value, Origin::Default, &format!("--{option}"));
        }
    }
    if args.flag("rm") && args.texts("log-opt")?.is_empty() {
        let value = format!("{} with --rm", default::LOG_OF_PASSING.join(", "));
        out.note("log-opt", value, Origin::Default, "--log-opt");
    }
    if args.value("cgroup-parent").is_none() && input.caller.is_root_with_cgroups() {
        let parent = super::limit::PARENT;
        out.note("cgroup-parent", parent, Origin::Default, "--cgroup-parent");
    }
    Ok(())
}

/// Whether any setting is about it.
fn is_known(out: &Resolved, option: &str) -> bool {
    let mut all = out.settings.iter();
    all.any(|setting| setting.is_changed_by(option))
}
