//! Tables that `cargo xtask gen` writes and `cargo xtask gen --check` compares; apart from the
//! code that reads them, so that a reviewer can skip them.

#[rustfmt::skip]
pub(crate) mod syscalls;
