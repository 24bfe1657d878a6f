//! Executes plans; owns the processes and the state directory.

pub mod cgroup;
pub mod default_spec;
