//! The end of `docs/virtual-machine.md`: what of the whole set passes in which kind, and what does not run there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Failure;
use crate::vm::{KINDS, Known, WHOLE, in_order};

const PAGE: &str = "docs/virtual-machine.md";
/// What stands below this line is generated.
const MARK: &str = "<!-- From here: `cargo xtask gen`, of what `cargo xtask vm KIND --whole --record` wrote. -->\n";

pub(super) fn text(root: &Path) -> Result<String, Failure> {
    let page = std::fs::read_to_string(root.join(PAGE))?;
    let Some((own, _)) = page.split_once(MARK) else {
        return Err(Failure::new(format!(
            "{PAGE} has no line \"{}\"",
            MARK.trim_end()
        )));
    };
    let known = Known::read(root)?;
    Ok(format!(
        "{own}{MARK}\n{}\n{}",
        results(&known),
        reasons(&known)
    ))
}

/// Suites by kinds.
fn results(known: &Known) -> String {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let mut text = format!("| passed, skipped | {} |\n", kinds.join(" | "));
    text.push_str(&format!("|---{}|\n", "|---".repeat(kinds.len())));
    for suite in WHOLE {
        text.push_str(&format!("| `{}` {} ", suite.package, suite.target));
        for kind in &kinds {
            let run = known
                .runs
                .get(&(suite.target.to_owned(), (*kind).to_owned()));
            let cell = run.map_or("-".to_owned(), |[passed, skipped, _]| {
                format!("{passed}, {skipped}")
            });
            text.push_str(&format!("| {cell} "));
        }
        text.push_str("|\n");
    }
    text
}

/// Names of tests by suite and module.
type Places<'a> = BTreeMap<String, BTreeSet<&'a str>>;

/// Reasons, the kinds that have them, and their tests.
fn reasons(known: &Known) -> String {
    let mut rows: BTreeMap<(&str, Vec<&str>), Places<'_>> = BTreeMap::new();
    for ((suite, test, reason), kinds) in &known.skips {
        let (module, name) = test
            .rsplit_once("::")
            .map_or(("", test.as_str()), |(module, name)| (module, name));
        let place = format!("{suite} {module}").trim_end().to_owned();
        let tests = rows.entry((reason, in_order(kinds))).or_default();
        tests.entry(place).or_default().insert(name);
    }
    let mut text =
        String::from("| what does not run there, and why | kinds | tests |\n|---|---|---|\n");
    for ((reason, kinds), places) in rows {
        let places = places.into_iter().map(|(place, names)| {
            let names: Vec<&str> = names.into_iter().collect();
            format!("{place}: {}", names.join(", "))
        });
        let places: Vec<String> = places.collect();
        let reason = reason.replace('|', "\\|");
        text.push_str(&format!(
            "| {reason} | {} | {} |\n",
            kinds.join(" "),
            places.join("; ")
        ));
    }
    text
}
