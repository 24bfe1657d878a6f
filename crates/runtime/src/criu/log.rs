//! criu's own log, where the reason of a failure stands.

use crate::error::Error;
use lockstep_kernel::file;
use std::path::Path;

/// The largest log that is read, in bytes.
const LIMIT: usize = 64 << 20;
/// How many of its lines are shown: the first says why, the last what came of it.
const LINES: usize = 10;

/// Shows the log's last lines with an error and gives the first one to `error`, with the log's path.
pub(super) fn quote(path: &Path, mut error: Error, warn: &dyn Fn(&str)) -> Error {
    let Ok(text) = file::read(file::CWD, path, LIMIT) else {
        return error;
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = errors(&text);
    if let Some(first) = lines.first() {
        warn(&format!("--- Quoting {:?}", path.display().to_string()));
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            warn(line);
        }
        warn("---");
        error.message = format!("{}: {first}", error.message.trim_end());
    }
    error.hint(format!("log file: {}", path.display()))
}

/// The lines that tell of an error, without the time in front: `(00.012345) Error (criu/mount.c:1): words`.
fn errors(text: &str) -> Vec<&str> {
    let told = text.lines().filter(|line| line.contains("Error"));
    told.map(|line| line.find("Error").map_or(line, |at| &line[at..]))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_is_left_out() {
        let text = "(00.01) Dumping\n(00.02) Error (criu/mount.c:9): no map\n(00.03) Error (x.c:1): failed\n";
        let expected = ["Error (criu/mount.c:9): no map", "Error (x.c:1): failed"];
        assert_eq!(super::errors(text), expected);
    }
}
