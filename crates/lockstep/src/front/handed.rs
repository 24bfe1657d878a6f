//! Descriptors that the caller has opened for the program: `--preserve-fds N`, `--preserve-fd NUMBER`.
//!
//! Looked at before anything else is opened: a number that the caller did not use could be one of our own by then, and
//! a directory of the host in a container is a way out of it (CVE-2024-21626).

use std::os::fd::{AsFd, OwnedFd};

use lockstep_kernel::{caller, file, process};

use crate::argv::Arguments;
use crate::failure::{Doing, Failure};

/// The first number behind the standard streams.
const FIRST: i32 = 3;
/// Most descriptors.
const MOST: usize = 64;

/// For each number from 3 on whether it is to be handed over.
fn wanted(args: &Arguments) -> Result<Vec<bool>, Failure> {
    let many = || Failure::new(format!("more than {MOST} descriptors are not handed over"));
    let first = args.number::<usize>("preserve-fds")?.unwrap_or(0);
    if first > MOST {
        return Err(many());
    }
    let mut wanted = vec![true; first];
    for number in args
        .texts("preserve-fd")?
        .iter()
        .flat_map(|text| text.split(','))
    {
        let index = number
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(3));
        let index = index.ok_or_else(|| {
            Failure::new(format!(
                "--preserve-fd takes numbers from {FIRST} on, not {number:?}"
            ))
        })?;
        if index >= MOST {
            return Err(many());
        }
        wanted.resize(wanted.len().max(index + 1), false);
        wanted[index] = true;
    }
    for (number, _) in (FIRST..).zip(&wanted).filter(|(_, wanted)| **wanted) {
        if !caller::is_open(number) {
            return Err(Failure::new(format!(
                "descriptor {number} is to be handed over and is not open"
            )));
        }
    }
    Ok(wanted)
}

/// Takes them over, for a process that is started. What was not asked for in between is /dev/null.
pub(crate) fn claim(args: &Arguments) -> Result<Vec<OwnedFd>, Failure> {
    let wanted = wanted(args)?;
    let mut all = Vec::new();
    for (number, wanted) in (FIRST..).zip(&wanted) {
        all.push(match wanted {
            true => caller::take(number).doing(|| format!("descriptor {number}"))?,
            false => null()?,
        });
    }
    Ok(all)
}

/// How many this process is to keep for the program that it becomes.
pub(crate) fn count(args: &Arguments) -> Result<u32, Failure> {
    let wanted = wanted(args)?;
    for (number, _) in (FIRST..).zip(&wanted).filter(|(_, wanted)| !**wanted) {
        process::dup_onto(null()?.as_fd(), number).doing(|| format!("descriptor {number}"))?;
    }
    Ok(u32::try_from(wanted.len()).unwrap_or(0))
}

fn null() -> Result<OwnedFd, Failure> {
    file::openat(file::CWD, "/dev/null", file::OFlags::RDWR, 0).doing(|| "/dev/null".into())
}
