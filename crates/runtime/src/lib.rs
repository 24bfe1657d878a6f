//! Executes plans; owns the processes and the state directory.

pub mod default_spec;
