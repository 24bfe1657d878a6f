//! The two ways to the terminal: data and remarks.

use lockstep_abi::errno::Errno;
use lockstep_kernel::{console, file};

use crate::failure::{Doing, Failure};

/// Writes data to standard output. A reader that has gone (EPIPE) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let [_, stdout, _] = console::standard_streams();
    // Unbuffered, so that a full disk is an error and not a success with half an answer.
    match file::write_fd(stdout, text.as_bytes()) {
        Err(error) if error.is(&[Errno::EPIPE.0]) => Ok(()),
        other => other.doing(|| "standard output".into()),
    }
}

/// Writes a remark for people to standard error.
pub(crate) fn note(text: &str) {
    let [_, _, stderr] = console::standard_streams();
    // There is no further place to complain to.
    drop(file::write_fd(stderr, format!("{text}\n").as_bytes()));
}
