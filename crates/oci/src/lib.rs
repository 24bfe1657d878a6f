//! OCI runtime and image types: our own serde structs, parsed and validated, and nothing else.
//!
//! They stand in a room of their own so that every reader of a bundle gets the same answers: maps keep
//! the order of the file, enums stay open until validation names the stranger, every error carries the
//! JSON pointer, and fields nobody knows are reported instead of dropped. This crate is pure: bytes in,
//! values out, no file system, no kernel.

mod absent;
mod locate;
mod open_enum;
mod strict;

pub mod cpu_list;
pub mod features;
pub mod image;
pub mod json;
pub mod landlock;
pub mod ordered_map;
pub mod pointer;
pub mod runtime;
pub mod state;
