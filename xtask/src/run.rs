//! Child processes: output as text, and a time limit for whole process groups.

use std::process::{Command, Stdio};

use crate::Failure;

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let shown = shown(command);
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("{shown}: {error}")))?;
    if !out.status.success() {
        let stderr = String::from_utf8_lossy(&out.stderr);
        return Err(Failure::new(format!(
            "{shown}: {}\n{}",
            out.status,
            stderr.trim_end()
        )));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The command as it would be typed, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
