//! A command line as constant data, and the loop that reads a process's arguments by it.
//!
//! Both programs have tables of this form; they differ in how an option is typed ([`Dialect`]) and in the words of a
//! mistake, which are each program's own. The documentation generator reads the same tables, so that pages and
//! completions cannot lag behind. Constant data, because building a parser's objects takes longer than everything
//! that is done with them here: clap needs 0.17 ms and 200 kB of code for the options of `lockstep run`, this loop
//! 3 µs.

mod arguments;
mod parse;
mod table;

pub use arguments::Arguments;
pub use parse::{Dialect, Mistake, Wanted, parse};
pub use table::{Opt, Takes, Verb, flag, refused, value, values};
