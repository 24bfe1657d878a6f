//! What strangers write, as functions of bytes without a file system: for the fuzz targets, and their smoke test.

use crate::archive::{Entry, Reader, Type};
use crate::limits::Limits;
use crate::reference::Reference;
use crate::stream::{Bounded, Decoder, buffered};
use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

/// Reads bytes as a layer, compressed or not: every entry with its data.
///
/// # Panics
///
/// An entry is beyond the limits, or has not the data that it promises.
pub fn layer(bytes: &[u8]) {
    let limits = Limits {
        layer_bytes: 16 << 20,
        ..Limits::default()
    };
    let Ok(decoder) = Decoder::new(bytes) else {
        return;
    };
    let compressed = Rc::new(Cell::new(bytes.len() as u64));
    let stream = buffered(Bounded::new(decoder, compressed, &limits));
    let mut reader = Reader::new(stream, &limits);
    while let Ok(Some(entry)) = reader.next() {
        check(&entry, &limits);
        let mut data = Vec::new();
        let read = (&mut reader).take(1 << 20).read_to_end(&mut data);
        let holes = entry.sparse.as_ref();
        let promised = holes.map_or(entry.size, |pieces| pieces.iter().map(|p| p.1).sum());
        if read.is_ok() && promised < 1 << 20 {
            assert_eq!(data.len() as u64, promised, "{entry:?}");
        }
    }
}

fn check(entry: &Entry, limits: &Limits) {
    assert!(entry.size <= limits.file_bytes, "{entry:?}");
    assert!(entry.kind == Type::File || entry.size == 0, "{entry:?}");
    assert!(entry.mode <= 0o7777, "{entry:?}");
    assert!(entry.xattrs.len() <= limits.xattrs, "{entry:?}");
    assert!(entry.path.len() as u64 <= limits.header_bytes, "{entry:?}");
    let mut end = 0;
    for (offset, length) in entry.sparse.iter().flatten() {
        assert!(*offset >= end && *length > 0, "{entry:?}");
        end = offset + length;
    }
    assert!(end <= entry.size, "{entry:?}");
}

/// Reads bytes as a reference. What is a name is the same name when it is read again.
///
/// # Panics
///
/// It is another one.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(Reference::Name(name)) = text.parse() {
        let again = name.to_string().parse::<Reference>();
        let Ok(Reference::Name(again)) = again else {
            panic!("{name} is no name");
        };
        assert_eq!(again.to_string(), name.to_string());
        assert_eq!(again.tagged(), name.tagged());
        let familiar: Result<Reference, _> = name.familiar().parse();
        assert!(familiar.is_ok(), "{}", name.familiar());
    }
}
