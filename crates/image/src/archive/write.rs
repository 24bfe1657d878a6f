//! Writing of archives: ustar headers, and pax records for what does not fit into one.
//!
//! A file with holes is written in GNU's form 1.0, which GNU tar, libarchive, Go and Python read: a file of many GiB that
//! has none of them on the disk is a small archive.

use super::{BLOCK, Entry, Type, padding};
use crate::error::{Error, Result};
use crate::pax;
use std::io::Write;

/// Most that fits into eleven and into seven octal digits.
const ELEVEN: u64 = 0o777_7777_7777;
const SEVEN: u64 = 0o777_7777;

/// Writes entries, each followed by its data through [`Write`].
pub(crate) struct Writer<W> {
    inner: W,
    /// Data of the current entry that has to come.
    left: u64,
    padding: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(inner: W) -> Self {
        Writer {
            inner,
            left: 0,
            padding: 0,
        }
    }

    /// Begins an entry. Of a sparse file the data of its pieces follows, of another its `size` bytes.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.finish()?;
        let mut records = Vec::new();
        let mut path = entry.path.clone();
        if entry.kind == Type::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let map = entry.sparse.as_deref().map(map);
        let size = match (&map, entry.sparse.as_deref()) {
            (Some(map), Some(pieces)) => {
                pax::add(&mut records, "GNU.sparse.major", b"1");
                pax::add(&mut records, "GNU.sparse.minor", b"0");
                pax::add(&mut records, "GNU.sparse.name", &path);
                let real = entry.size.to_string();
                pax::add(&mut records, "GNU.sparse.realsize", real.as_bytes());
                path = b"GNUSparseFile.0/".iter().chain(&path).copied().collect();
                map.len() as u64 + pieces.iter().map(|piece| piece.1).sum::<u64>()
            }
            _ => entry.size,
        };
        let mut header = tar::Header::new_ustar();
        fill(&mut header, entry, (&path, size), &mut records)?;
        if !records.is_empty() {
            self.records(&records)?;
        }
        self.inner.write_all(header.as_bytes())?;
        (self.left, self.padding) = (size, padding(size));
        match map {
            Some(map) => Ok(self.write_all(&map)?),
            None => Ok(()),
        }
    }

    fn records(&mut self, records: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        set(&mut header.as_old_mut().name, b"pax");
        header.set_mode(0o644);
        header.set_size(records.len() as u64);
        header.set_cksum();
        self.inner.write_all(header.as_bytes())?;
        self.inner.write_all(records)?;
        self.zeroes(padding(records.len() as u64))
    }

    /// Ends the entry.
    fn finish(&mut self) -> Result<()> {
        if self.left > 0 {
            let message = format!("tar: {} bytes of an entry are missing", self.left);
            return Err(Error::invalid(message));
        }
        let padding = std::mem::take(&mut self.padding);
        self.zeroes(padding)
    }

    fn zeroes(&mut self, count: u64) -> Result<()> {
        let count = usize::try_from(count).unwrap_or(BLOCK).min(BLOCK);
        Ok(self.inner.write_all(&[0; BLOCK][..count])?)
    }

    /// Says that nothing follows.
    pub(crate) fn end(mut self) -> Result<()> {
        self.finish()?;
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner.flush()?)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let n = self.inner.write(&bytes[..bytes.len().min(most)])?;
        self.left -= n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// The pieces of a sparse file as they stand in front of its data: their number, then offset and length of each, one a
/// line, padded to a block.
fn map(pieces: &[(u64, u64)]) -> Vec<u8> {
    let mut text = format!("{}\n", pieces.len()).into_bytes();
    for (offset, length) in pieces {
        text.extend(format!("{offset}\n{length}\n").bytes());
    }
    let padded = text.len().next_multiple_of(BLOCK);
    text.resize(padded, 0);
    text
}

/// The header, and among the records what it has no room for.
fn fill(
    header: &mut tar::Header,
    entry: &Entry,
    (path, size): (&[u8], u64),
    records: &mut Vec<u8>,
) -> Result<()> {
    header.set_entry_type(tar::EntryType::new(type_flag(entry.kind)));
    header.set_mode(entry.mode);
    if !set(&mut header.as_old_mut().name, path) && entry.sparse.is_none() {
        pax::add(records, "path", path);
    }
    if !set(&mut header.as_old_mut().linkname, &entry.link) {
        pax::add(records, "linkpath", &entry.link);
    }
    let mut number = |key: &str, value: u64, most: u64| {
        if value > most {
            pax::add(records, key, value.to_string().as_bytes());
        }
        value.min(most)
    };
    header.set_size(number("size", size, ELEVEN));
    header.set_uid(number("uid", entry.uid, SEVEN));
    header.set_gid(number("gid", entry.gid, SEVEN));
    let (seconds, nanoseconds) = entry.modified;
    let plain = u64::try_from(seconds).ok().filter(|s| *s <= ELEVEN);
    header.set_mtime(plain.unwrap_or(0));
    if plain.is_none() || nanoseconds > 0 {
        pax::add(records, "mtime", pax::time_text(entry.modified).as_bytes());
    }
    if matches!(entry.kind, Type::Char | Type::Block) {
        let set = header
            .set_device_major(entry.device.0)
            .and_then(|()| header.set_device_minor(entry.device.1));
        set.map_err(|e| Error::invalid(format!("tar: device numbers: {e}")))?;
    }
    for (name, value) in &entry.xattrs {
        pax::add(records, &format!("SCHILY.xattr.{name}"), value);
    }
    header.set_cksum();
    Ok(())
}

fn type_flag(kind: Type) -> u8 {
    match kind {
        Type::File => b'0',
        Type::HardLink => b'1',
        Type::Symlink => b'2',
        Type::Char => b'3',
        Type::Block => b'4',
        Type::Directory => b'5',
        Type::Fifo => b'6',
    }
}

/// Puts bytes into a field; whether all of them fit.
fn set(field: &mut [u8], bytes: &[u8]) -> bool {
    let fits = bytes.len().min(field.len());
    field[..fits].copy_from_slice(&bytes[..fits]);
    fits == bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Reader;
    use crate::limits::Limits;
    use std::io::Read;

    fn entry(path: &[u8], kind: Type) -> Entry {
        Entry {
            path: path.to_vec(),
            kind,
            mode: 0o4751,
            uid: 1000,
            gid: 70_000_000,
            modified: (1_700_000_000, 5),
            link: Vec::new(),
            size: 0,
            device: (0, 0),
            xattrs: Vec::new(),
            sparse: None,
        }
    }

    /// Through a writer and a reader: the entries, each with its data.
    fn again(entries: &[(Entry, &[u8])]) -> Vec<(Entry, Vec<u8>)> {
        let mut archive = Vec::new();
        let mut writer = Writer::new(&mut archive);
        for (entry, data) in entries {
            writer.entry(entry).expect("an entry");
            writer.write_all(data).expect("data");
        }
        writer.end().expect("the end");
        let limits = Limits::default();
        let mut reader = Reader::new(&archive[..], &limits);
        let mut found = Vec::new();
        while let Some(entry) = reader.next().expect("an entry") {
            let mut data = Vec::new();
            reader.read_to_end(&mut data).expect("data");
            found.push((entry, data));
        }
        assert!(reader.is_complete());
        found
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let long = [b"d/".repeat(90), b"\xff\n".to_vec()].concat();
        let file = Entry {
            size: 3,
            xattrs: vec![("user.a".into(), b"x\ny=\0".to_vec())],
            ..entry(&long, Type::File)
        };
        let old = Entry {
            modified: (-2, 250_000_000),
            link: b"t/".repeat(70),
            ..entry(b"l", Type::Symlink)
        };
        let device = Entry {
            device: (8, 1),
            ..entry(b"sda1", Type::Block)
        };
        let all = [(file, &b"abc"[..]), (old, b""), (device, b"")];
        for ((found, data), (given, bytes)) in again(&all).into_iter().zip(all) {
            assert_eq!(format!("{found:?}"), format!("{given:?}"));
            assert_eq!(data, bytes);
        }
        let (found, _) = again(&[(entry(b"d", Type::Directory), b"")]).remove(0);
        assert_eq!(found.path, b"d/");
    }

    #[test]
    fn holes_stay_holes() {
        let sparse = Entry {
            size: 1 << 35,
            sparse: Some(vec![(4096, 3), (1 << 34, 2)]),
            ..entry(&b"n".repeat(120), Type::File)
        };
        let (found, data) = again(&[(sparse.clone(), b"abcde")]).remove(0);
        assert_eq!(format!("{found:?}"), format!("{sparse:?}"));
        assert_eq!(data, b"abcde");
    }

    #[test]
    fn an_entry_without_its_data_is_no_archive() {
        let mut writer = Writer::new(Vec::new());
        let file = Entry {
            size: 5,
            ..entry(b"f", Type::File)
        };
        writer.entry(&file).expect("an entry");
        writer.write_all(b"abc").expect("data");
        writer.end().expect_err("two bytes are missing");
    }
}
