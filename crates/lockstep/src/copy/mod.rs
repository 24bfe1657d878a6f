//! `cp`: two processes and a stream of tar between them, one of which or both are in a container.
//!
//! ```text
//! CONTAINER:PATH --pack, in the container--> pipe --place, confined to DEST--> DEST
//! SRC --pack, confined to SRC--> pipe --place, in the container--> CONTAINER:PATH
//! ```
//!
//! This process reads no byte but the two answers. Where somebody watches how far it is, it hands the stream from one
//! pipe to the next, unseen too.

mod visit;
mod worker;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use lockstep_image::transfer::{CUT_OFF, Ownership, Stream, Summary};
use lockstep_kernel::{console, file, landlock, signal, socket};

use crate::failure::{Doing, Failure};
use crate::print::{Meter, part};
pub(crate) use visit::Visit;
use worker::{Task, Whose, Worker};

/// One of the two places.
pub(crate) enum Place<'a> {
    /// Standard input or output, as an archive.
    Stream,
    /// A file of the caller's, by its absolute path.
    Caller(PathBuf),
    Container(Visit<'a>, PathBuf),
}

/// What the command line asks for besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    pub(crate) archive: bool,
    pub(crate) follow: bool,
    pub(crate) overwrite: bool,
}

/// Copies; what was done and what was left out.
pub(crate) fn copy(
    from: &Place<'_>,
    to: &Place<'_>,
    wishes: Wishes,
    meter: &Meter,
) -> Result<Summary, Failure> {
    let [stdin, stdout, _] = console::standard_streams();
    match (from, to) {
        (Place::Stream, to) => making(from, to, Stream::Archive, wishes, stdin)?.finish(),
        (from, Place::Stream) => reading(from, wishes, stdout)?.finish().map_err(|failure| {
            match failure.message == CUT_OFF {
                true => Failure::new("standard output was closed by its reader"),
                false => failure,
            }
        }),
        (from, to) => {
            let (read, write) = socket::pipe().doing(|| "a pipe".into())?;
            let reader = reading(from, wishes, write.as_fd())?;
            drop(write);
            let maker = match meter.is_seen() {
                true => {
                    let (next, fill) = socket::pipe().doing(|| "a pipe".into())?;
                    let maker = making(from, to, Stream::Copy, wishes, next.as_fd());
                    drop(next);
                    hand_on(&read, &fill, meter);
                    maker
                }
                false => making(from, to, Stream::Copy, wishes, read.as_fd()),
            };
            // So that the one ends when the other does.
            drop(read);
            let (made, read) = (maker.and_then(Worker::finish), reader.finish());
            match (made, read) {
                (Ok(made), Ok(read)) => Ok(Summary {
                    left: made.left.and(read.left),
                    ..made
                }),
                // The one that ended first knows why; the other only that nothing came, or that nobody read.
                (Err(made), Err(read)) if read.message == CUT_OFF => Err(made),
                (Err(made), Err(mut read)) => {
                    read.message = match made.message.strip_suffix(CUT_OFF) {
                        Some(before) => format!("{before}{}", read.message),
                        None => read.message,
                    };
                    Err(read)
                }
                (Err(failure), _) | (Ok(_), Err(failure)) => Err(failure),
            }
        }
    }
}

/// Until either side has ended, which says itself why.
fn hand_on(from: &OwnedFd, to: &OwnedFd, meter: &Meter) {
    const PIECE: usize = 1 << 20;
    let mut done = 0;
    // After both sides were started, who end by it. EPIPE: the maker has seen the archive's end, or has failed.
    signal::ignore_pipe();
    while let Ok(n @ 1..) = file::splice(from, to, PIECE) {
        done += n as u64;
        meter.show(|| format!("copied: {}", part(done, 0)));
    }
}

/// What this kernel lacks of what holds the processes of such a copy, for its caller to know.
pub(crate) fn lost(from: &Place<'_>, to: &Place<'_>) -> Option<String> {
    let is_side = |place: &Place<'_>| !matches!(place, Place::Stream);
    worker::lost(landlock::abi(), is_side(from), is_side(to))
}

fn reading(from: &Place<'_>, wishes: Wishes, to: BorrowedFd<'_>) -> Result<Worker, Failure> {
    let (whose, path) = side(from)?;
    let task = Task::Read {
        follow: wishes.follow,
    };
    Worker::start(whose, path, task, to)
}

fn making(
    from: &Place<'_>,
    to: &Place<'_>,
    stream: Stream,
    wishes: Wishes,
    bytes: BorrowedFd<'_>,
) -> Result<Worker, Failure> {
    let (whose, path) = side(to)?;
    let task = Task::Make {
        stream,
        owners: match wishes.archive {
            true => Ownership::Kept,
            // An archive says whose its files are, and is believed inside of a container.
            false if stream == Stream::Archive => Ownership::Kept,
            false => Ownership::Maker,
        },
        // A program that runs as its owner was meant for the users of where it was, and gets another owner here: the
        // caller gives a container what runs as its root, another container does not.
        privileges: wishes.archive
            || matches!(whose, Whose::Container(_)) && !matches!(from, Place::Container(..)),
        overwrite: wishes.overwrite,
    };
    Worker::start(whose, path, task, bytes)
}

fn side<'a>(place: &'a Place<'a>) -> Result<(Whose<'a>, PathBuf), Failure> {
    match place {
        Place::Stream => Err(Failure::new("one side has to be a file")),
        Place::Caller(path) => Ok((Whose::Caller, path.clone())),
        Place::Container(visit, path) => Ok((Whose::Container(visit), path.clone())),
    }
}
