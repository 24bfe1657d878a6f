//! plan

pub mod cgroup;
