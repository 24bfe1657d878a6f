//! Values and messages of D-Bus in bytes: little-endian, without descriptors.

use lockstep_plan::cgroup::systemd::{Property, Value};

// Message types and header fields.
const CALL: u8 = 1;
pub(super) const REPLY: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// Values in wire form, with their signature.
#[derive(Debug, Default)]
pub(in crate::cgroup) struct Body {
    bytes: Vec<u8>,
    signature: String,
}

impl Body {
    fn pad(&mut self, to: usize) {
        while !self.bytes.len().is_multiple_of(to) {
            self.bytes.push(0);
        }
    }

    fn raw_number(&mut self, n: u32) {
        self.pad(4);
        self.bytes.extend(n.to_le_bytes());
    }

    fn raw_text(&mut self, text: &str) {
        self.raw_number(length(text.len()));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn raw_signature(&mut self, text: &str) {
        self.bytes.push(text.len() as u8);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// An array whose elements start at a multiple of `align`: its length does not count the padding
    /// before the first.
    fn raw_array(&mut self, align: usize, fill: impl FnOnce(&mut Self)) {
        self.raw_number(0);
        let at = self.bytes.len() - 4;
        self.pad(align);
        let start = self.bytes.len();
        fill(self);
        let size = length(self.bytes.len() - start);
        self.bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }

    /// `s`
    pub(in crate::cgroup) fn text(mut self, text: &str) -> Self {
        self.signature.push('s');
        self.raw_text(text);
        self
    }

    /// `b`
    pub(in crate::cgroup) fn flag(mut self, flag: bool) -> Self {
        self.signature.push('b');
        self.raw_number(flag.into());
        self
    }

    /// `au`
    pub(in crate::cgroup) fn pids(mut self, pids: &[u32]) -> Self {
        self.signature.push_str("au");
        self.raw_array(4, |body| pids.iter().for_each(|&pid| body.raw_number(pid)));
        self
    }

    /// `a(sv)`
    pub(in crate::cgroup) fn properties(mut self, properties: &[Property]) -> Self {
        self.signature.push_str("a(sv)");
        self.raw_array(8, |body| {
            for property in properties {
                body.pad(8);
                body.raw_text(&property.name);
                body.variant(&property.value);
            }
        });
        self
    }

    /// `a(sa(sv))` without an element: auxiliary units, of which there are none.
    pub(in crate::cgroup) fn no_units(mut self) -> Self {
        self.signature.push_str("a(sa(sv))");
        self.raw_array(8, |_| {});
        self
    }

    fn variant(&mut self, value: &Value) {
        match value {
            Value::Bool(flag) => {
                self.raw_signature("b");
                self.raw_number((*flag).into());
            }
            Value::Number(n) => {
                self.raw_signature("t");
                self.pad(8);
                self.bytes.extend(n.to_le_bytes());
            }
            Value::Signed64(n) => {
                self.raw_signature("x");
                self.pad(8);
                self.bytes.extend(n.to_le_bytes());
            }
            Value::Unsigned32(n) => {
                self.raw_signature("u");
                self.raw_number(*n);
            }
            Value::Signed32(n) => {
                self.raw_signature("i");
                self.raw_number(n.cast_unsigned());
            }
            Value::Text(text) => {
                self.raw_signature("s");
                self.raw_text(text);
            }
            Value::Texts(all) => {
                self.raw_signature("as");
                self.raw_array(4, |body| all.iter().for_each(|text| body.raw_text(text)));
            }
            Value::Pids(all) => {
                self.raw_signature("au");
                self.raw_array(4, |body| all.iter().for_each(|&pid| body.raw_number(pid)));
            }
            Value::Bytes(all) => {
                self.raw_signature("ay");
                self.raw_array(1, |body| body.bytes.extend(all));
            }
            Value::Devices(all) => {
                self.raw_signature("a(st)");
                self.raw_array(8, |body| {
                    for (path, n) in all {
                        body.pad(8);
                        body.raw_text(path);
                        body.pad(8);
                        body.bytes.extend(n.to_le_bytes());
                    }
                });
            }
            Value::Pairs(all) => {
                self.raw_signature("a(ss)");
                self.raw_array(8, |body| {
                    for (first, second) in all {
                        body.pad(8);
                        body.raw_text(first);
                        body.raw_text(second);
                    }
                });
            }
        }
    }
}

/// What we send is far below 4 GiB.
fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// An address of a call.
#[derive(Debug, Clone, Copy)]
pub(in crate::cgroup) struct Method<'a> {
    pub(in crate::cgroup) destination: &'a str,
    pub(in crate::cgroup) path: &'a str,
    pub(in crate::cgroup) interface: &'a str,
    pub(in crate::cgroup) member: &'a str,
}

/// A message that came in.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) reply_to: u32,
    pub(super) member: String,
    pub(super) error: String,
    pub(super) body: Vec<u8>,
}

/// A message of a kind from its header fields, of that length and padded to a multiple of 8, and its body.
pub(super) fn read_message(kind: u8, fields: usize, mut rest: Vec<u8>) -> Option<Message> {
    let body = rest.split_off(fields.next_multiple_of(8));
    let mut message = Message {
        kind,
        body,
        ..Message::default()
    };
    read_fields(&rest[..fields], &mut message)?;
    Some(message)
}

/// Reads a message and its body in every way that there is, for the fuzz target.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_all(bytes: &[u8]) {
    let Some((&[kind, fields], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let fields = usize::from(fields);
    if fields.next_multiple_of(8) > rest.len() {
        return;
    }
    if let Some(message) = read_message(kind, fields, rest.to_vec()) {
        let reply = Reply(message.body);
        drop((reply.text(0), reply.variant_text(), reply.job()));
    }
}

pub(super) fn encode(serial: u32, method: Method<'_>, body: &Body) -> Vec<u8> {
    let mut header = Body::default();
    header.bytes.extend([b'l', CALL, 0, 1]);
    header.raw_number(length(body.bytes.len()));
    header.raw_number(serial);
    header.raw_array(8, |header| {
        for (code, kind, text) in [
            (PATH, "o", method.path),
            (INTERFACE, "s", method.interface),
            (MEMBER, "s", method.member),
            (DESTINATION, "s", method.destination),
        ] {
            header.pad(8);
            header.bytes.push(code);
            header.raw_signature(kind);
            header.raw_text(text);
        }
        if !body.signature.is_empty() {
            header.pad(8);
            header.bytes.push(SIGNATURE);
            header.raw_signature("g");
            header.raw_signature(&body.signature);
        }
    });
    header.pad(8);
    header.bytes.extend(&body.bytes);
    header.bytes
}

pub(super) fn read_number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// A string or object path at `at` (aligned): its text and where it ends.
fn read_text(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let at = at.next_multiple_of(4);
    let size = read_number(bytes, at)? as usize;
    let text = bytes.get(at + 4..(at + 4).checked_add(size)?)?;
    Some((
        String::from_utf8_lossy(text).into_owned(),
        at + 4 + size + 1,
    ))
}

/// Fields of the header: code, signature of one letter, value.
fn read_fields(bytes: &[u8], message: &mut Message) -> Option<()> {
    let mut at = 0;
    while at < bytes.len() {
        at = at.next_multiple_of(8);
        let code = *bytes.get(at)?;
        let kind = *bytes.get(at + 2)?;
        at += 4;
        match kind {
            b's' | b'o' => {
                let (text, end) = read_text(bytes, at)?;
                at = end;
                match code {
                    MEMBER => message.member = text,
                    ERROR_NAME => message.error = text,
                    _ => {}
                }
            }
            b'u' => {
                let number = read_number(bytes, at.next_multiple_of(4))?;
                if code == REPLY_SERIAL {
                    message.reply_to = number;
                }
                at = at.next_multiple_of(4) + 4;
            }
            b'g' => at += *bytes.get(at)? as usize + 2,
            _ => return None,
        }
    }
    Some(())
}

/// The body of an answer or a signal.
#[derive(Debug)]
pub(in crate::cgroup) struct Reply(pub(super) Vec<u8>);

impl Reply {
    /// The string or object path that starts at `at`.
    pub(in crate::cgroup) fn text(&self, at: usize) -> Option<String> {
        read_text(&self.0, at).map(|(text, _)| text)
    }

    /// The body as a variant that holds a string.
    pub(in crate::cgroup) fn variant_text(&self) -> Option<String> {
        // Length, letter and NUL of its signature come first.
        (self.0.get(..3)? == [1, b's', 0]).then(|| self.text(3))?
    }

    /// The body as number, path, string, string: the arguments of JobRemoved.
    pub(in crate::cgroup) fn job(&self) -> Option<(String, String)> {
        let (path, end) = read_text(&self.0, 4)?;
        let (_, end) = read_text(&self.0, end)?;
        let (result, _) = read_text(&self.0, end)?;
        Some((path, result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_bytes() {
        let body = Body::default().text("u").flag(true).properties(&[
            Property {
                name: "N".into(),
                value: Value::Number(1),
                since: 0,
            },
            Property {
                name: "P".into(),
                value: Value::Pids(vec![7]),
                since: 0,
            },
            Property {
                name: "D".into(),
                value: Value::Devices(vec![("/".into(), 3)]),
                since: 0,
            },
        ]);
        assert_eq!(body.signature, "sba(sv)");
        let expected = [
            1, 0, 0, 0, b'u', 0, 0, 0, // "u"
            1, 0, 0, 0, // true
            88, 0, 0, 0, // bytes of the array
            1, 0, 0, 0, b'N', 0, 1, b't', 0, 0, 0, 0, 0, 0, 0, 0, // N: variant of t
            1, 0, 0, 0, 0, 0, 0, 0, // 1
            1, 0, 0, 0, b'P', 0, 2, b'a', b'u', 0, 0, 0, // P: variant of au
            4, 0, 0, 0, 7, 0, 0, 0, // one element
            0, 0, 0, 0, 1, 0, 0, 0, b'D', 0, 5, b'a', b'(', b's', b't', b')', 0, 0, 0,
            0, // D: variant of a(st)
            16, 0, 0, 0, 0, 0, 0, 0, // its bytes
            1, 0, 0, 0, b'/', 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, // one element
        ];
        assert_eq!(body.bytes, expected);
    }

    #[test]
    fn what_is_cut_short_is_not_read() {
        let method = Method {
            destination: "d",
            path: "/p",
            interface: "i.i",
            member: "M",
        };
        let message = encode(3, method, &Body::default().text("x"));
        let fields = read_number(&message, 12).unwrap() as usize;
        let mut read = Message::default();
        read_fields(&message[16..16 + fields], &mut read).unwrap();
        assert_eq!(read.member, "M");
        for end in 17..16 + fields {
            // Neither panics nor loops.
            let mut read = Message::default();
            std::hint::black_box(read_fields(&message[16..end], &mut read));
        }
        assert_eq!(Reply(vec![255, 255, 255, 255]).text(0), None);
        assert_eq!(Reply(Vec::new()).job(), None);
    }
}
