//! Generated tables: which program writes which file.
//!
//! Tables are committed, so that a build needs neither network nor kernel headers; `--check`
//! keeps them equal to what their generator writes.

mod differences;
mod kinds;
mod syscalls;

use std::path::Path;

use crate::Failure;

/// A table's path below the root and the function that makes its text.
type Table = (&'static str, fn(&Path) -> Result<String, Failure>);

const TABLES: &[Table] = &[
    ("crates/abi/src/generated/syscalls.rs", syscalls::text),
    ("docs/differences.md", differences::text),
    ("docs/virtual-machine.md", kinds::text),
];

/// Writes every table, or with `check` fails if one differs.
pub(crate) fn run(root: &Path, check: bool) -> Result<(), Failure> {
    for (path, generate) in TABLES {
        let text = generate(root)?;
        let file = root.join(path);
        if !check {
            std::fs::write(&file, text)?;
        } else if std::fs::read_to_string(&file).unwrap_or_default() != text {
            return Err(Failure::new(format!(
                "{path} is out of date: run `cargo xtask gen`"
            )));
        }
    }
    println!("gen: {} tables", TABLES.len());
    Ok(())
}
