//! How much an image may ask for: each bound has a name, and the error says it.
//!
//! The defaults are far above the largest images that people use, and far below what fills a machine with one
//! small download.

use crate::error::{Error, Kind, Result};

/// Bounds on what is read and unpacked. Every field is a maximum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries of one layer's archive.
    pub entries: u64,
    /// Bytes of one layer, uncompressed.
    pub layer_bytes: u64,
    /// Bytes of one file, holes included: a sparse file costs nothing until somebody copies it.
    pub file_bytes: u64,
    /// Bytes behind the end of a layer's archive, which is where padding may be and nothing else.
    pub tail_bytes: u64,
    /// Uncompressed bytes for each compressed one, once a layer has more than 64 MiB uncompressed.
    pub compression_ratio: u64,
    /// Components of a path.
    pub depth: usize,
    /// Bytes of a path or of a link's target; PATH_MAX of Linux.
    pub path_bytes: usize,
    /// Bytes of one component; NAME_MAX of Linux.
    pub name_bytes: usize,
    /// Bytes of an extension header (pax, GNU long name, sparse map).
    pub header_bytes: u64,
    /// Extended attributes of one entry.
    pub xattrs: usize,
    /// Bytes of one extended attribute's value; XATTR_SIZE_MAX of Linux.
    pub xattr_bytes: usize,
    /// Pieces of a sparse file.
    pub sparse_pieces: usize,
    /// Bytes of an index, a manifest or a configuration.
    pub document_bytes: u64,
    /// Members of an archive that holds images.
    pub archive_members: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 1 << 20,
            layer_bytes: 64 << 30,
            file_bytes: 64 << 30,
            tail_bytes: 16 << 20,
            compression_ratio: 400,
            depth: 255,
            path_bytes: 4096,
            name_bytes: 255,
            header_bytes: 1 << 20,
            xattrs: 128,
            xattr_bytes: 64 << 10,
            sparse_pieces: 64 << 10,
            document_bytes: 8 << 20,
            archive_members: 64 << 10,
        }
    }
}

impl Limits {
    /// For files that somebody copies on purpose: what a disk can hold is no danger, what memory can hold is.
    pub(crate) fn of_copies() -> Limits {
        Limits {
            entries: u64::MAX,
            // Offsets of Linux are signed.
            file_bytes: i64::MAX as u64,
            header_bytes: 64 << 20,
            sparse_pieces: 1 << 20,
            ..Limits::default()
        }
    }
}

/// Uncompressed bytes below which the ratio does not count.
pub(crate) const RATIO_FROM: u64 = 64 << 20;

/// Refuses more than a limit, by its name.
pub(crate) fn check(name: &str, found: u64, limit: u64) -> Result<()> {
    if found <= limit {
        return Ok(());
    }
    Err(exceeded(name, found, limit))
}

/// The error of a limit.
pub(crate) fn exceeded(name: &str, found: u64, limit: u64) -> Error {
    Error::new(
        Kind::Limit,
        format!("{found} exceeds the limit of {limit} ({name})"),
    )
}
