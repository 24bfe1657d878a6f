//! The one process beside each container: owns its terminal or log, its exit status, and its life.
//!
//! It is an execution of the same program from a file that cannot be written, with one thread. It makes the
//! container through `runtime`, gives up every right that it has before the program begins, and ends with the
//! container; when it is killed the kernel kills the container's first process, and with it the container.

mod client;
mod confine;
mod job;
mod life;
mod log;
mod protocol;
mod streams;

pub use client::{Connection, connect, connect_if_there, start};
pub use job::{
    Exit, Job, Joined, LIFE, LOG, LogJob, OVER, Over, SCHEMA, SECRET_BYTES, SECRETS, SOCKET,
    Secret, SecretPlace, Started, read_life,
};
pub use life::run;
pub use log::{Line, LogFiles, Stream};
pub use protocol::{Reply, Request};
