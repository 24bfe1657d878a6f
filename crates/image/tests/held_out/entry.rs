//! Members of a tar archive, byte by byte: what no honest program would write must be possible.

/// A member. `size` is what its header says, and else that of its data.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) size: Option<[u8; 12]>,
    pub(crate) ids: [[u8; 8]; 2],
    pub(crate) mtime: [u8; 12],
    pub(crate) device: [[u8; 8]; 2],
    pub(crate) pax: Vec<(String, Vec<u8>)>,
    /// These bytes in the place of all that.
    pub(crate) raw: Option<Vec<u8>>,
}

fn octal<const N: usize>(number: u64) -> [u8; N] {
    let text = format!("{number:0width$o}\0", width = N - 1);
    text.as_bytes().try_into().expect("it fits its field")
}

/// A number in base 256, which is how GNU tar writes large and negative ones.
pub(crate) fn base256<const N: usize>(number: i64) -> [u8; N] {
    let mut field = [if number < 0 { 0xff } else { 0 }; N];
    field[N - 8..].copy_from_slice(&number.to_be_bytes());
    field[0] |= 0x80;
    field
}

impl Entry {
    pub(crate) fn new(kind: u8, name: impl AsRef<[u8]>) -> Entry {
        Entry {
            name: name.as_ref().to_vec(),
            kind,
            link: Vec::new(),
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            data: Vec::new(),
            size: None,
            ids: [octal(0); 2],
            mtime: octal(1_000_000_000),
            device: [octal(0); 2],
            pax: Vec::new(),
            raw: None,
        }
    }

    pub(crate) fn mode(mut self, mode: u32) -> Entry {
        self.mode = mode;
        self
    }

    pub(crate) fn data(mut self, data: impl AsRef<[u8]>) -> Entry {
        self.data = data.as_ref().to_vec();
        self
    }

    pub(crate) fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Entry {
        self.pax.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn size(mut self, field: [u8; 12]) -> Entry {
        self.size = Some(field);
        self
    }

    pub(crate) fn header(&self) -> [u8; 512] {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, &octal::<8>(u64::from(self.mode)));
        put(108, &self.ids[0]);
        put(116, &self.ids[1]);
        put(124, &self.size.unwrap_or(octal(self.data.len() as u64)));
        put(136, &self.mtime);
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, b"ustar\x0000");
        put(329, &self.device[0]);
        put(337, &self.device[1]);
        seal(&mut block);
        block
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut records = Vec::new();
        if self.name.len() > 100 {
            records.push(("path".to_owned(), self.name.clone()));
        }
        if self.link.len() > 100 {
            records.push(("linkpath".to_owned(), self.link.clone()));
        }
        records.extend(self.pax.iter().cloned());
        let mut out = Vec::new();
        if !records.is_empty() {
            let text: Vec<u8> = records
                .iter()
                .flat_map(|(key, value)| record(key, value))
                .collect();
            out.extend(Entry::new(b'x', "pax").data(text).bytes());
        }
        out.extend(self.header());
        out.extend(&self.data);
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }
}

/// Writes a header's checksum.
pub(crate) fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A record of pax(1), whose length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut out = format!("{length} {key}=").into_bytes();
    out.extend(value);
    out.push(b'\n');
    out
}

pub(crate) fn file(name: impl AsRef<[u8]>, data: &str) -> Entry {
    Entry::new(b'0', name).data(data)
}

pub(crate) fn dir(name: impl AsRef<[u8]>) -> Entry {
    Entry::new(b'5', name)
}

pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    let mut entry = Entry::new(b'2', name).mode(0o777);
    entry.link = target.as_ref().to_vec();
    entry
}

pub(crate) fn hard(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    let mut entry = Entry::new(b'1', name);
    entry.link = target.as_ref().to_vec();
    entry
}

pub(crate) fn node(kind: u8, name: &str, major: u64, minor: u64) -> Entry {
    let mut entry = Entry::new(kind, name);
    entry.device = [octal(major), octal(minor)];
    entry
}

/// An archive with its end.
pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut out: Vec<u8> = entries.iter().flat_map(Entry::bytes).collect();
    out.extend([0; 1024]);
    out
}
