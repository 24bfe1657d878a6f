//! System call filters: from the rules of config.json to a program that the kernel runs, and back to a verdict.
//!
//! The way is `lower`, `classes` and `interface` (names to numbers, runc's reading of the specification) to
//! [`filter`] (the rules per interface of the kernel), `line` and `decision` (the shapes of a fast program), then
//! `assemble`. [`interpret`] and [`semantics`] answer what a program and what the rules say about one
//! call; they share nothing with the way there, so that they can be compared.

mod assemble;
mod classes;
mod compile;
mod decision;
mod default;
pub mod filter;
mod interface;
pub mod interpret;
mod line;
mod lower;
mod multiplexer;
pub mod own;
pub mod semantics;
mod verdict;

pub use compile::{Counts, MAX_INSTRUCTIONS, Program, compile, compile_with_counts};
pub use default::default_profile;
pub use lower::lower;
pub use verdict::Verdict;
