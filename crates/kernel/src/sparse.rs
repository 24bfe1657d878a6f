//! Files with holes: where their data lie, and copies that have the same holes.
//!
//! A file of many GiB may have none of them on the disk, so who copies one asks for its pieces first: lseek(2) with
//! SEEK_DATA and SEEK_HOLE (Linux 3.1). A file system that cannot tell says that all is data.

use crate::call::{self, Result, Told};
use crate::file::{self, retry};
use rustix::fs::{self, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};

/// Copies a whole file to an empty one, holes as holes; by sendfile(2).
pub fn copy(from: impl AsFd, to: impl AsFd) -> Result<()> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let size = u64::try_from(file::fstat(from)?.st_size).unwrap_or(0);
    let mut at = 0;
    while let Some((start, end)) = next(from, at, size)? {
        seek(to, SeekFrom::Start(start))?;
        at = start;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 20);
            let sent = retry(|| fs::sendfile(to, from, Some(&mut at), most))
                .told(|| format!("sendfile({}, {})", call::fd(to), call::fd(from)))?;
            if sent == 0 {
                return file::truncate(to, size); // it has become shorter
            }
        }
    }
    file::truncate(to, size)
}

/// Offset and length of the pieces of the first `size` bytes that have data, at most `limit` of them: a file with more is
/// `EFBIG`. The file's offset is at its start afterwards.
pub fn pieces(file: impl AsFd, size: u64, limit: usize) -> Result<Vec<(u64, u64)>> {
    let file = file.as_fd();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = next(file, at, size)? {
        if found.len() == limit {
            return Err(call::Error {
                call: format!("lseek({}, SEEK_DATA) past {limit} pieces", call::fd(file)),
                errno: libc::EFBIG,
            });
        }
        found.push((start, end - start));
        at = end;
    }
    seek(file, SeekFrom::Start(0))?;
    Ok(found)
}

/// Start and end of the first data from `at` on, before `size`.
fn next(file: BorrowedFd<'_>, at: u64, size: u64) -> Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(at)) {
        // Nothing but a hole is left.
        Err(e) if e.is(&[libc::ENXIO]) => return Ok(None),
        other => other?,
    };
    if start >= size {
        return Ok(None);
    }
    let end = match seek(file, SeekFrom::Hole(start)) {
        // It has become shorter than that.
        Err(e) if e.is(&[libc::ENXIO]) => return Ok(None),
        other => other?.min(size),
    };
    Ok((end > start).then_some((start, end)))
}

fn seek(file: BorrowedFd<'_>, to: SeekFrom) -> Result<u64> {
    fs::seek(file, to).told(|| {
        let to = match to {
            SeekFrom::Data(at) => format!("{at}, SEEK_DATA"),
            SeekFrom::Hole(at) => format!("{at}, SEEK_HOLE"),
            other => format!("{other:?}"),
        };
        format!("lseek({}, {to})", call::fd(file))
    })
}
