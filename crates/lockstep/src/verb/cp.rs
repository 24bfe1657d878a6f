//! `cp`: files between a container and its caller, or another container.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockstep_image::transfer::Left;
use lockstep_kernel::{console, exe, file, signal};

use crate::argv::Arguments;
use crate::copy::{self, Place, Visit, Wishes};
use crate::failure::{Doing, Failure};
use crate::front::{Front, whole_environment};
use crate::number;
use crate::print::{Meter, note};

/// A side as it was typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed<'a> {
    Stream,
    Caller(&'a Path),
    Container(&'a str, &'a Path),
}

pub(super) fn cp(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let [from, to] = args.positionals.as_slice() else {
        return Err(Failure::new("cp takes a source and a destination"));
    };
    let (from, to) = (typed(from)?, typed(to)?);
    check(&from, &to)?;
    let wishes = Wishes {
        archive: args.flag("archive"),
        follow: args.flag("follow-link"),
        overwrite: args.flag("overwrite"),
    };
    // A process of this program is going to enter the container, so it must not run from the host's file (CVE-2019-5736).
    exe::seal(&front.args, whole_environment()).doing(|| "sealing this program".into())?;
    signal::default_ignored().doing(|| "resetting signals".into())?;
    let (from, to) = (place(front, &from)?, place(front, &to)?);
    if let Some(lost) = copy::lost(&from, &to) {
        note(&lost);
    }
    let meter = Meter::new(args.flag("quiet"));
    let done = copy::copy(&from, &to, wishes, &meter)?;
    drop(meter);
    report(&done.left);
    let [_, _, stderr] = console::standard_streams();
    if !args.flag("quiet") && console::size(stderr).is_some() {
        note(&format!(
            "copied {} entries, {}",
            done.entries,
            number::human(done.bytes)
        ));
    }
    Ok(0)
}

/// `-`, `CONTAINER:PATH`, or a path of the caller's: what begins with `/` or `.` is one, colon or not, as in Docker.
fn typed(word: &OsStr) -> Result<Typed<'_>, Failure> {
    let bytes = word.as_bytes();
    if bytes == b"-" {
        return Ok(Typed::Stream);
    }
    let colon = bytes.iter().position(|byte| *byte == b':');
    match colon.filter(|_| !bytes.starts_with(b"/") && !bytes.starts_with(b".")) {
        _ if bytes.is_empty() => Err(Failure::new("a path is empty")),
        None => Ok(Typed::Caller(Path::new(word))),
        Some(colon) => {
            let (name, path) = (&bytes[..colon], OsStr::from_bytes(&bytes[colon + 1..]));
            let name = std::str::from_utf8(name).unwrap_or_default();
            if name.is_empty() || path.is_empty() {
                let message =
                    format!("{word:?} has to name a container and a path: CONTAINER:PATH");
                return Err(Failure::new(message));
            }
            Ok(Typed::Container(name, Path::new(path)))
        }
    }
}

fn check(from: &Typed<'_>, to: &Typed<'_>) -> Result<(), Failure> {
    let inside = |side: &Typed<'_>| matches!(side, Typed::Container(..));
    if !inside(from) && !inside(to) {
        return Err(
            Failure::new("one of source and destination has to be CONTAINER:PATH")
                .hint("a file with a colon in its name is written ./NAME"),
        );
    }
    if let (Typed::Container(one, _), Typed::Container(other, _)) = (from, to)
        && one == other
    {
        return Err(Failure::new("source and destination are one container")
            .hint("exec with cp copies inside of it"));
    }
    let [_, stdout, _] = console::standard_streams();
    if *to == Typed::Stream && console::size(stdout).is_some() {
        return Err(
            Failure::new("standard output is a terminal, which an archive could drive")
                .hint("redirect it, or pipe it into tar"),
        );
    }
    Ok(())
}

fn place<'a>(front: &'a Front, side: &Typed<'_>) -> Result<Place<'a>, Failure> {
    Ok(match side {
        Typed::Stream => Place::Stream,
        Typed::Caller(path) => Place::Caller(absolute(path)?),
        Typed::Container(name, path) => Place::Container(Visit::to(front, name)?, (*path).into()),
    })
}

/// A path from the root, as it was typed: a slash or a dot at its end means something here.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_absolute() {
        return Ok(path.into());
    }
    let here = file::canonicalize(".").doing(|| "the working directory".into())?;
    let mut whole = OsString::from(here);
    whole.push("/");
    whole.push(path);
    Ok(whole.into())
}

/// Says what the copy is without.
fn report(left: &Left) {
    let parts = [
        (left.devices, "device nodes"),
        (left.sockets, "sockets"),
        (
            left.pseudo,
            "directories that the kernel makes up (/proc, /sys), of which nothing was read",
        ),
        (
            left.owners,
            "owners, which only root of the host or a map of ids can give",
        ),
        (left.xattrs, "extended attributes"),
    ];
    for (count, what) in parts {
        if count > 0 {
            note(&format!("note: the copy is without {count} {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_means_a_container_unless_the_path_says_otherwise() {
        let read = |word: &'static str| typed(OsStr::new(word)).expect("a side");
        assert_eq!(read("-"), Typed::Stream);
        assert_eq!(read("c:/a:b"), Typed::Container("c", Path::new("/a:b")));
        for own in ["f", "./a:b", "/a:b", "../c:d", "."] {
            assert_eq!(read(own), Typed::Caller(Path::new(own)));
        }
        for wrong in ["", ":/a", "c:"] {
            typed(OsStr::new(wrong)).expect_err(wrong);
        }
    }
}
