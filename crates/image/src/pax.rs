//! Extended headers of pax: records `LENGTH KEY=VALUE\n`, of which the value may be any bytes.
//!
//! Read here and not by the library, which splits at line ends: a capability or an ACL may contain one.

use crate::error::{Error, Result, shown};
use crate::limits::{self, Limits};

/// What the records of one entry say.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) modified: Option<(i64, u32)>,
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
    pub(crate) sparse: Option<Sparse>,
}

/// A sparse file in one of GNU's three forms.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    /// The name, where `path` holds a made-up one.
    pub(crate) name: Option<Vec<u8>>,
    /// Bytes with holes.
    pub(crate) size: Option<u64>,
    /// The pieces; `None` when they lie in front of the data (form 1.0).
    pub(crate) pieces: Option<Vec<(u64, u64)>>,
}

/// Reads the records of one extended header.
pub(crate) fn parse(mut text: &[u8], limits: &Limits) -> Result<Records> {
    let mut records = Records::default();
    while !text.is_empty() {
        let (key, value, rest) = record(text).ok_or_else(|| {
            let start = shown(&text[..text.len().min(40)]);
            Error::invalid(format!("pax: malformed record {start}"))
        })?;
        text = rest;
        records.add(key, value, limits)?;
    }
    if let Some(sparse) = &records.sparse
        && sparse
            .pieces
            .as_ref()
            .is_some_and(|pieces| pieces.iter().any(|p| p.1 == u64::MAX))
    {
        return Err(Error::invalid("pax: a sparse piece without a length"));
    }
    Ok(records)
}

/// Key, value and what follows.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = text.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&text[..blank])?).ok()?;
    if length <= blank + 1 || length > text.len() {
        return None;
    }
    let (record, rest) = text.split_at(length);
    let body = record[blank + 1..].strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], rest))
}

/// A number without sign, blanks or anything else.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Records {
    fn add(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<()> {
        let broken = || {
            let (key, value) = (shown(key), shown(value));
            Error::invalid(format!("pax: record {key} has the value {value}"))
        };
        // An empty value takes the record back (POSIX.1-2001 pax, "extended header keyword precedence").
        let number = || match value {
            [] => Ok(None),
            _ => decimal(value).map(Some).ok_or_else(broken),
        };
        match key {
            b"path" => self.path = name(value).ok_or_else(broken)?,
            b"linkpath" => self.link = name(value).ok_or_else(broken)?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" if value.is_empty() => self.modified = None,
            b"mtime" => self.modified = Some(time(value).ok_or_else(broken)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattr(name, value, limits)?;
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    let sparse = self.sparse.get_or_insert_default();
                    sparse.add(key, value, limits)?.ok_or_else(broken)?;
                }
            }
        }
        Ok(())
    }

    fn xattr(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> Result<()> {
        limits::check("xattrs", self.xattrs.len() as u64 + 1, limits.xattrs as u64)?;
        limits::check("xattr_bytes", value.len() as u64, limits.xattr_bytes as u64)?;
        match std::str::from_utf8(name) {
            Ok(text) if !text.is_empty() && text.len() <= 255 && !text.contains('\0') => {
                self.xattrs.push((text.to_owned(), value.to_vec()));
                Ok(())
            }
            _ => {
                let name = shown(name);
                Err(Error::invalid(format!(
                    "pax: extended attribute named {name}"
                )))
            }
        }
    }
}

impl Sparse {
    /// `None` for a value that is no number.
    fn add(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<Option<()>> {
        let pieces = self.pieces.as_ref().map_or(0, Vec::len) as u64;
        limits::check("sparse_pieces", pieces, limits.sparse_pieces as u64)?;
        Ok(self.set(key, value))
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"name" => self.name = name(value)?,
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            // Form 0.0: a record for each number.
            b"offset" => {
                let pieces = self.pieces.get_or_insert_default();
                pieces.push((decimal(value)?, u64::MAX));
            }
            b"numbytes" => {
                let last = self
                    .pieces
                    .as_mut()?
                    .last_mut()
                    .filter(|p| p.1 == u64::MAX)?;
                last.1 = decimal(value)?;
            }
            // Form 0.1: all numbers in one.
            b"map" => {
                let numbers: Option<Vec<u64>> = value.split(|b| *b == b',').map(decimal).collect();
                let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0)?;
                let pairs = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1]));
                self.pieces = Some(pairs.collect());
            }
            _ => {}
        }
        Some(())
    }
}

/// A path, or none for an empty value; `None` if there is a NUL in it, where readers would disagree.
fn name(value: &[u8]) -> Option<Option<Vec<u8>>> {
    if value.contains(&0) {
        return None;
    }
    Some((!value.is_empty()).then(|| value.to_vec()))
}

/// Seconds with up to nine digits of fraction; more digits are cut.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &b""[..]),
    };
    let (negative, digits) = match whole {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let seconds = i64::try_from(decimal(digits)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanoseconds = 0u32;
    for at in 0..9 {
        nanoseconds = nanoseconds * 10 + fraction.get(at).map_or(0, |b| u32::from(b - b'0'));
    }
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

/// Adds a record; its length counts its own digits.
pub(crate) fn add(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let digits = |n: usize| n.to_string().len();
    let mut length = rest + digits(rest);
    if digits(length) > digits(rest) {
        length = rest + digits(length);
    }
    records.extend(format!("{length} {key}=").bytes());
    records.extend(value);
    records.push(b'\n');
}

/// A time as a record's value.
pub(crate) fn time_text((seconds, nanoseconds): (i64, u32)) -> String {
    match (seconds < 0, nanoseconds) {
        (_, 0) => seconds.to_string(),
        (false, _) => format!("{seconds}.{nanoseconds:09}"),
        // The fraction counts away from zero.
        (true, _) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<Records> {
        parse(text, &Limits::default())
    }

    #[test]
    fn records_may_hold_any_bytes() {
        let records = parsed(b"30 SCHILY.xattr.user.a=x\ny=\0z\n12 path=a/b\n").expect("records");
        assert_eq!(
            records.xattrs,
            [("user.a".to_owned(), b"x\ny=\0z".to_vec())]
        );
        assert_eq!(records.path.as_deref(), Some(&b"a/b"[..]));
    }

    #[test]
    fn malformed_records_are_refused() {
        for wrong in [
            &b"5 a=b\n"[..],
            b"99 a=b\n",
            b"x a=b\n",
            b"6 a=bc",
            b"-6 a=b\n",
            b"6 abcd",
            b"0 \n",
            b"12 path=a\0b\n",
            b"11 size=-1\n",
            b"11 mtime=x\n",
        ] {
            parsed(wrong).expect_err(&String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn a_record_s_length_counts_itself() {
        for length in [0, 1, 80, 88, 89, 90, 91, 980, 986, 987, 988, 9990] {
            let mut records = Vec::new();
            add(&mut records, "path", &b"x".repeat(length.max(1)));
            add(&mut records, "uid", b"7");
            let found = parsed(&records).expect("records");
            assert_eq!(found.path.map(|path| path.len()), Some(length.max(1)));
            assert_eq!(found.uid, Some(7));
        }
        for at in [(5, 0), (5, 40), (-1, 0), (-1, 999_999_999), (-7, 1), (0, 3)] {
            assert_eq!(time(time_text(at).as_bytes()), Some(at), "{at:?}");
        }
    }

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"1.1234567899"), Some((1, 123_456_789)));
        assert_eq!(time(b"1.x"), None);
    }
}
