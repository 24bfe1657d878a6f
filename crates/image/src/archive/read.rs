//! Reading of archives: old headers, ustar, pax (POSIX.1-2001) and GNU's extensions.
//!
//! Readers of tar disagree at the edges, and an archive that means one thing to a scanner and another to an
//! unpacker hides something. So where Go's archive/tar, which nearly every other tool uses, has an answer, it is
//! the answer here: which types carry data, that pax goes before GNU, that global headers change nothing. What
//! has no agreed meaning is refused.

use super::{BLOCK, Entry, Type, padding};
use crate::error::{Error, Kind, Result, shown};
use crate::limits::{self, Limits};
use crate::pax;
use std::io::{BufRead, Read};

/// Reads entries, and the data of the last one through [`BufRead`].
pub(crate) struct Reader<'a, R> {
    inner: R,
    limits: &'a Limits,
    /// Data of the current entry that nobody has read.
    left: u64,
    /// Zeroes up to the next block.
    padding: u64,
    /// Whether the blocks that end an archive were read.
    complete: bool,
}

/// What stood before the header that it belongs to.
#[derive(Default)]
struct Extensions {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: pax::Records,
}

impl<'a, R: BufRead> Reader<'a, R> {
    pub(crate) fn new(inner: R, limits: &'a Limits) -> Self {
        Reader {
            inner,
            limits,
            left: 0,
            padding: 0,
            complete: false,
        }
    }

    /// Whether the archive has said that nothing follows. One that was cut off between two entries has not.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = size(&header)?;
            match header.entry_type().as_byte() {
                b'L' => extensions.long_name = Some(terminated(self.extension(size)?)),
                b'K' => extensions.long_link = Some(terminated(self.extension(size)?)),
                b'x' => {
                    let text = self.extension(size)?;
                    extensions.pax = pax::parse(&text, self.limits)?;
                }
                b'g' => drop(self.extension(size)?),
                _ => return self.entry(&header, extensions).map(Some),
            }
        }
    }

    /// The stream below.
    pub(crate) fn stream(&self) -> &R {
        &self.inner
    }

    /// Hands the unread data of the entry, padding included, to somebody who goes past it another way.
    pub(crate) fn take_left(&mut self) -> (u64, &mut R) {
        let left = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        (left, &mut self.inner)
    }

    /// Reads what stands behind the archive.
    pub(crate) fn drain(mut self) -> Result<()> {
        self.skip()?;
        std::io::copy(&mut self.inner, &mut std::io::sink())?;
        Ok(())
    }

    fn skip(&mut self) -> Result<()> {
        let mut rest = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        while rest > 0 {
            let n = self
                .inner
                .fill_buf()?
                .len()
                .min(usize::try_from(rest).unwrap_or(usize::MAX));
            if n == 0 {
                return Err(truncated());
            }
            self.inner.consume(n);
            rest -= n as u64;
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0u8; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(truncated()),
                n => filled += n,
            }
        }
        Ok(Some(block))
    }

    /// The next header; `None` for the two blocks of zeroes, or the end of the stream.
    fn header(&mut self) -> Result<Option<tar::Header>> {
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if block == [0; BLOCK] {
            return match self.block()? {
                None => Ok(None),
                Some(block) if block == [0; BLOCK] => {
                    self.complete = true;
                    Ok(None)
                }
                Some(_) => Err(Error::invalid("tar: one block of zeroes between entries")),
            };
        }
        let header = tar::Header::from_byte_slice(&block).clone();
        // The sum takes its own field for blanks.
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let found = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
        match header.cksum() {
            Ok(said) if said == found => Ok(Some(header)),
            _ => Err(Error::invalid("tar: wrong checksum of a header")),
        }
    }

    /// Data of an extension header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        limits::check("header_bytes", size, self.limits.header_bytes)?;
        let mut data = vec![0; usize::try_from(size).unwrap_or(0)];
        self.inner
            .read_exact(&mut data)
            .map_err(|e| cut_short(e.into()))?;
        self.padding = padding(size);
        Ok(data)
    }

    fn entry(&mut self, header: &tar::Header, extensions: Extensions) -> Result<Entry> {
        let Extensions {
            long_name,
            long_link,
            pax,
        } = extensions;
        let kind = kind(header)?;
        let stored = match pax.size {
            Some(size) => size,
            None => size(header)?,
        };
        let path = pax
            .path
            .or(long_name)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let of_header = || header.link_name_bytes().map(std::borrow::Cow::into_owned);
        let link = pax
            .link
            .or(long_link)
            .or_else(of_header)
            .unwrap_or_default();
        let mut entry = Entry {
            path,
            kind,
            mode: number("mode", header.mode())? & 0o7777,
            uid: pax.uid.map_or_else(|| number("uid", header.uid()), Ok)?,
            gid: pax.gid.map_or_else(|| number("gid", header.gid()), Ok)?,
            modified: pax.modified.map_or_else(|| modified(header), Ok)?,
            link,
            size: stored,
            device: device(header, kind)?,
            xattrs: pax.xattrs,
            sparse: None,
        };
        if kind != Type::File {
            // Only files carry data, whatever the field says.
            entry.size = 0;
            return Ok(entry);
        }
        (self.left, self.padding) = (stored, padding(stored));
        if header.entry_type().is_gnu_sparse() {
            self.old_sparse(header, &mut entry)?;
        } else if let Some(sparse) = pax.sparse {
            self.pax_sparse(sparse, &mut entry)?;
        }
        limits::check("file_bytes", entry.size, self.limits.file_bytes)?;
        Ok(entry)
    }

    /// GNU's oldest form: pieces in the header, and in blocks that follow it.
    fn old_sparse(&mut self, header: &tar::Header, entry: &mut Entry) -> Result<()> {
        let Some(gnu) = header.as_gnu() else {
            return Err(Error::invalid("tar: a sparse file without GNU's magic"));
        };
        let mut pieces = Vec::new();
        let mut add = |sparse: &tar::GnuSparseHeader| -> Result<()> {
            if !sparse.is_empty() {
                let offset = number("sparse offset", sparse.offset())?;
                pieces.push((offset, number("sparse length", sparse.length())?));
            }
            Ok(())
        };
        gnu.sparse.iter().try_for_each(&mut add)?;
        let mut more = gnu.is_extended();
        let mut blocks = 0;
        while more {
            blocks += 1;
            limits::check(
                "sparse_pieces",
                blocks * 21,
                self.limits.sparse_pieces as u64,
            )?;
            let block = self.block()?.ok_or_else(truncated)?;
            let mut extended = tar::GnuExtSparseHeader::new();
            extended.as_mut_bytes().copy_from_slice(&block);
            extended.sparse().iter().try_for_each(&mut add)?;
            more = extended.is_extended();
        }
        entry.size = number("real size", gnu.real_size())?;
        self.accept(pieces, entry)
    }

    /// The forms in pax records; the newest has its pieces in front of the data.
    fn pax_sparse(&mut self, sparse: pax::Sparse, entry: &mut Entry) -> Result<()> {
        let pieces = match sparse.pieces {
            Some(pieces) => pieces,
            None => self.leading_map()?,
        };
        if let Some(name) = sparse.name {
            entry.path = name;
        }
        entry.size = sparse.size.unwrap_or(entry.size);
        self.accept(pieces, entry)
    }

    /// Decimal numbers, one a line, padded to a block: how many pieces, then offset and length of each.
    fn leading_map(&mut self) -> Result<Vec<(u64, u64)>> {
        let broken = || Error::invalid("tar: the map of a sparse file is malformed");
        let mut text = Vec::new();
        let mut numbers: Vec<u64> = Vec::new();
        let (mut wanted, mut used) = (1, 0);
        while numbers.len() < wanted {
            if self.left < BLOCK as u64 {
                return Err(broken());
            }
            text.extend(self.block()?.ok_or_else(truncated)?);
            self.left -= BLOCK as u64;
            limits::check("header_bytes", text.len() as u64, self.limits.header_bytes)?;
            while let Some(end) = text[used..].iter().position(|b| *b == b'\n') {
                if numbers.len() == wanted {
                    break;
                }
                let number = pax::decimal(&text[used..used + end]).ok_or_else(broken)?;
                used += end + 1;
                if numbers.is_empty() {
                    limits::check("sparse_pieces", number, self.limits.sparse_pieces as u64)?;
                    wanted = 1 + 2 * usize::try_from(number).unwrap_or(usize::MAX / 4);
                }
                numbers.push(number);
            }
        }
        Ok(numbers[1..]
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect())
    }

    /// Pieces have to ascend, not overlap, lie in the file, and have as much data as is there.
    fn accept(&self, mut pieces: Vec<(u64, u64)>, entry: &mut Entry) -> Result<()> {
        limits::check(
            "sparse_pieces",
            pieces.len() as u64,
            self.limits.sparse_pieces as u64,
        )?;
        let broken = |why: &str| Error::invalid(format!("tar: a sparse file {why}"));
        let (mut end, mut data) = (0u64, 0u64);
        for (offset, length) in &pieces {
            if *offset < end {
                return Err(broken("has pieces that overlap"));
            }
            end = offset
                .checked_add(*length)
                .ok_or_else(|| broken("ends past all numbers"))?;
            data += length;
        }
        if end > entry.size {
            return Err(broken("has pieces past its end"));
        }
        if data != self.left {
            return Err(broken("has more or less data than pieces"));
        }
        pieces.retain(|(_, length)| *length > 0);
        entry.sparse = Some(pieces);
        Ok(())
    }
}

impl<R: BufRead> BufRead for Reader<'_, R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let buffer = self.inner.fill_buf()?;
        if buffer.is_empty() {
            return Err(truncated().into());
        }
        let n = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        Ok(&buffer[..n])
    }

    fn consume(&mut self, n: usize) {
        self.left -= n as u64;
        self.inner.consume(n);
    }
}

impl<R: BufRead> Read for Reader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut there = self.fill_buf()?;
        let n = there.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

fn truncated() -> Error {
    Error::invalid("tar: the archive ends in the middle of an entry")
}

/// The end of the stream in our words; what else went wrong below keeps its own.
fn cut_short(error: Error) -> Error {
    if error.kind == Kind::Invalid && error.message.contains("failed to fill") {
        return truncated();
    }
    error
}

fn number<T>(field: &str, value: std::io::Result<T>) -> Result<T> {
    value.map_err(|_words_of_the_library| {
        Error::invalid(format!("tar: the field `{field}` of a header is no number"))
    })
}

/// The library takes a negative number in base 256 (its second bit is the sign) for a large one.
fn size(header: &tar::Header) -> Result<u64> {
    if header.as_old().size[0] & 0xc0 == 0xc0 {
        return Err(Error::invalid(
            "tar: the field `size` of a header is negative",
        ));
    }
    number("size", header.entry_size())
}

fn modified(header: &tar::Header) -> Result<(i64, u32)> {
    let seconds = number("mtime", header.mtime())?;
    // GNU writes times before 1970 as negative base-256 numbers, which come as the largest ones.
    Ok((seconds as i64, 0))
}

fn device(header: &tar::Header, kind: Type) -> Result<(u32, u32)> {
    if !matches!(kind, Type::Char | Type::Block) {
        return Ok((0, 0));
    }
    let major = number("devmajor", header.device_major())?.unwrap_or(0);
    Ok((
        major,
        number("devminor", header.device_minor())?.unwrap_or(0),
    ))
}

fn kind(header: &tar::Header) -> Result<Type> {
    Ok(match header.entry_type().as_byte() {
        // The oldest archives have no type for directories.
        0 if header.path_bytes().ends_with(b"/") => Type::Directory,
        0 | b'0' | b'7' | b'S' => Type::File,
        b'1' => Type::HardLink,
        b'2' => Type::Symlink,
        b'3' => Type::Char,
        b'4' => Type::Block,
        b'5' => Type::Directory,
        b'6' => Type::Fifo,
        other => {
            let path = shown(&header.path_bytes());
            let kind = char::from(other);
            let message = format!("tar: entry {path} is of unknown type {kind:?}");
            return Err(Error::new(Kind::Unsupported, message));
        }
    })
}

/// Up to the first NUL, as GNU tar writes long names.
fn terminated(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}
