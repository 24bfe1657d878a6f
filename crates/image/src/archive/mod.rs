//! Tar archives as a sequence of entries.

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;

/// Unit of an archive, in bytes.
const BLOCK: usize = 512;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    File,
    HardLink,
    Symlink,
    Char,
    Block,
    Fifo,
    Directory,
}

/// One entry, without its data.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// As written: neither cleaned nor judged.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Type,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, u32),
    /// Target of a link.
    pub(crate) link: Vec<u8>,
    /// Bytes that the file has, holes included.
    pub(crate) size: u64,
    /// Major and minor number.
    pub(crate) device: (u32, u32),
    /// Names and values of extended attributes.
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
    /// Offset and length of the pieces that have data, ascending; `None` for a file without holes.
    pub(crate) sparse: Option<Vec<(u64, u64)>>,
}

/// Zeroes behind so many bytes, up to the next block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
