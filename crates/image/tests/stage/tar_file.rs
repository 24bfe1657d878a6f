//! Writes archives byte by byte, also those that no honest tool would write.

#![allow(dead_code, reason = "each test program uses another part of it")]

/// Unit of an archive.
const BLOCK: usize = 512;

/// An archive that is being written.
#[derive(Default, Clone)]
pub(crate) struct Tar(Vec<u8>);

/// Fields of a header; everything else is zero.
pub(crate) struct Header<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: u8,
    pub(crate) link: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) size: u64,
    pub(crate) device: (u32, u32),
    pub(crate) modified: u64,
}

impl Default for Header<'_> {
    fn default() -> Self {
        Header {
            name: b"f",
            kind: b'0',
            link: b"",
            mode: 0o644,
            owner: (0, 0),
            size: 0,
            device: (0, 0),
            modified: 1_000_000_000,
        }
    }
}

impl Header<'_> {
    /// The block, with its checksum.
    pub(crate) fn block(&self) -> [u8; BLOCK] {
        let mut block = [0u8; BLOCK];
        let name = &self.name[..self.name.len().min(100)];
        block[..name.len()].copy_from_slice(name);
        octal(&mut block[100..108], u64::from(self.mode));
        octal(&mut block[108..116], self.owner.0);
        octal(&mut block[116..124], self.owner.1);
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], self.modified);
        block[156] = self.kind;
        let link = &self.link[..self.link.len().min(100)];
        block[157..157 + link.len()].copy_from_slice(link);
        block[257..263].copy_from_slice(b"ustar\0");
        block[263..265].copy_from_slice(b"00");
        octal(&mut block[329..337], self.device.0.into());
        octal(&mut block[337..345], self.device.1.into());
        seal(&mut block);
        block
    }
}

/// A number in a field: octal, or base 256 where that has no room.
fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}");
    if text.len() <= digits {
        field[..digits].copy_from_slice(text.as_bytes());
    } else {
        let at = field.len() - 8;
        field[at..].copy_from_slice(&value.to_be_bytes());
        field[0] |= 0x80;
    }
}

/// Writes the checksum anew.
pub(crate) fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    block[154] = 0;
}

impl Tar {
    pub(crate) fn new() -> Tar {
        Tar::default()
    }

    /// A header and data, padded to a block; the header's size is not looked at.
    pub(crate) fn entry(mut self, header: &Header<'_>, data: &[u8]) -> Tar {
        self.0.extend(header.block());
        self.raw(data)
    }

    /// Bytes, padded to a block.
    pub(crate) fn raw(mut self, data: &[u8]) -> Tar {
        self.0.extend(data);
        let padded = self.0.len().next_multiple_of(BLOCK);
        self.0.resize(padded, 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &str) -> Tar {
        let header = Header {
            name: name.as_bytes(),
            size: data.len() as u64,
            ..Header::default()
        };
        self.entry(&header, data.as_bytes())
    }

    pub(crate) fn dir(self, name: &str) -> Tar {
        self.dir_of(name, 0o755, (0, 0))
    }

    pub(crate) fn dir_of(self, name: &str, mode: u32, owner: (u64, u64)) -> Tar {
        let header = Header {
            name: name.as_bytes(),
            kind: b'5',
            mode,
            owner,
            ..Header::default()
        };
        self.entry(&header, b"")
    }

    pub(crate) fn link(self, kind: u8, name: &str, target: &str) -> Tar {
        let header = Header {
            name: name.as_bytes(),
            kind,
            link: target.as_bytes(),
            ..Header::default()
        };
        self.entry(&header, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Tar {
        self.link(b'2', name, target)
    }

    pub(crate) fn hard(self, name: &str, target: &str) -> Tar {
        self.link(b'1', name, target)
    }

    pub(crate) fn node(self, kind: u8, name: &str, device: (u32, u32)) -> Tar {
        let header = Header {
            name: name.as_bytes(),
            kind,
            device,
            ..Header::default()
        };
        self.entry(&header, b"")
    }

    /// Records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        let mut text = Vec::new();
        for (key, value) in records {
            // The length counts itself.
            let rest = key.len() + value.len() + 3;
            let digits = (rest + rest.to_string().len()).to_string().len();
            text.extend(format!("{} {key}=", rest + digits).into_bytes());
            text.extend(*value);
            text.push(b'\n');
        }
        self.extension(b'x', &text)
    }

    /// An extension header of any type.
    pub(crate) fn extension(self, kind: u8, data: &[u8]) -> Tar {
        let header = Header {
            name: b"extension",
            kind,
            size: data.len() as u64,
            ..Header::default()
        };
        self.entry(&header, data)
    }

    /// The archive with its end.
    pub(crate) fn end(self) -> Vec<u8> {
        let mut bytes = self.0;
        bytes.extend([0; 2 * BLOCK]);
        bytes
    }

    /// The archive without its end.
    pub(crate) fn cut(self) -> Vec<u8> {
        self.0
    }
}
