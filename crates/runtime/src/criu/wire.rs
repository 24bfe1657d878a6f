//! Protocol buffers as far as criu's requests and answers go: numbers, text, and messages in messages
//! (the encoding of proto2, wire types 0 and 2).

/// What a field may hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number, a truth value or a name of a list.
    Number(u64),
    /// Text, or a message.
    Bytes(&'a [u8]),
}

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    /// A truth value; what is not there is false.
    pub(super) fn flag(&mut self, field: u32, set: bool) {
        if set {
            self.number(field, 1);
        }
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    pub(super) fn message(&mut self, field: u32, inner: &Writer) {
        self.bytes(field, &inner.0);
    }

    /// The message as it is sent.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Seven bits to a byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// Gives each field of a message to `each`; `None` if this is no message. Numbers of fixed length, which criu's
/// answers have none of, are passed over.
pub(super) fn read(mut bytes: &[u8], each: &mut dyn FnMut(u64, Value<'_>)) -> Option<()> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let length = match tag & 7 {
            0 => {
                each(tag >> 3, Value::Number(varint(&mut bytes)?));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (inner, rest) = bytes.split_at_checked(length)?;
        if tag & 7 == 2 {
            each(tag >> 3, Value::Bytes(inner));
        }
        bytes = rest;
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Option<Vec<(u64, String)>> {
        let mut found = Vec::new();
        read(bytes, &mut |field, value| {
            found.push((field, format!("{value:?}")));
        })?;
        Some(found)
    }

    #[test]
    fn what_is_written_is_read() {
        let (mut inner, mut outer) = (Writer::default(), Writer::default());
        inner.text(1, "pre-resume");
        outer.number(1, 300);
        outer.flag(2, true);
        outer.flag(3, false);
        outer.message(16, &inner);
        // Encoding's own example: 300 is the bytes ac 02.
        assert_eq!(outer.as_bytes()[..6], [0x08, 0xac, 0x02, 0x10, 0x01, 0x82]);
        let found = all(outer.as_bytes()).expect("a message");
        assert_eq!(found[0], (1, "Number(300)".into()));
        assert_eq!(found[1], (2, "Number(1)".into()));
        assert_eq!((found.len(), found[2].0), (3, 16));
    }

    #[test]
    fn the_largest_number_has_ten_bytes_and_an_eleventh_is_none() {
        let mut largest = Writer::default();
        largest.number(1, u64::MAX);
        assert_eq!(largest.as_bytes().len(), 11);
        let found = all(largest.as_bytes()).expect("a message");
        assert_eq!(found, [(1, format!("Number({})", u64::MAX))]);
        assert_eq!(all(&[0x08; 1]), None);
        assert_eq!(all(&[0x80; 12]), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_no_message() {
        assert_eq!(all(&[0x0a, 3, b'a', b'b']), None);
        assert_eq!(
            all(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            None
        );
        // Groups, which proto2 gave up.
        assert_eq!(all(&[0x0b]), None);
        // Fixed lengths are passed over.
        assert_eq!(
            all(&[0x0d, 1, 2, 3, 4, 0x08, 5]),
            Some(vec![(1, "Number(5)".into())])
        );
    }
}
