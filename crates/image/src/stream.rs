//! Streams between a file and an archive: digested, counted, bounded and decompressed, in constant memory.
//!
//! Everything is checked while it passes, so no byte of an image is read twice.

use crate::error::{Error, Kind, Result, shown};
use crate::limits::{Limits, RATIO_FROM, exceeded};
use lockstep_oci::image::{Algorithm, Compression, Digest};
use sha2::{Digest as _, Sha256, Sha512};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;

/// Bytes that are read from a file or a decoder at once.
pub(crate) const BUFFER: usize = 256 << 10;

/// A running digest of either algorithm.
#[derive(Clone)]
pub(crate) enum Digester {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Digester {
    pub(crate) fn new(algorithm: Algorithm) -> Digester {
        match algorithm {
            Algorithm::Sha256 => Digester::Sha256(Sha256::new()),
            Algorithm::Sha512 => Digester::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Digester::Sha256(hash) => hash.update(bytes),
            Digester::Sha512(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Digester::Sha256(hash) => Digest::from_bytes(Algorithm::Sha256, &hash.finalize()),
            Digester::Sha512(hash) => Digest::from_bytes(Algorithm::Sha512, &hash.finalize()),
        }
    }
}

/// The digest of bytes at hand.
pub(crate) fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut digester = Digester::new(algorithm);
    digester.update(bytes);
    digester.finish()
}

/// Refuses bytes that are not those that were promised.
pub(crate) fn verify(what: &str, promised: &Digest, found: &Digest) -> Result<()> {
    if promised == found {
        return Ok(());
    }
    let message = format!("{what}: digest is {found}, promised was {promised}");
    Err(Error::new(Kind::Mismatch, message))
}

/// A reader that digests and counts what passes, and may copy it.
pub(crate) struct Digesting<R, W> {
    inner: R,
    copy: Option<W>,
    digester: Digester,
    count: Rc<Cell<u64>>,
}

impl<R: Read, W: Write> Digesting<R, W> {
    pub(crate) fn new(inner: R, algorithm: Algorithm, copy: Option<W>) -> Digesting<R, W> {
        Digesting {
            inner,
            copy,
            digester: Digester::new(algorithm),
            count: Rc::new(Cell::new(0)),
        }
    }

    /// How many bytes have passed, also while something else owns the reader.
    pub(crate) fn counter(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.count)
    }

    /// Reads what is left, so that the digest is that of all.
    pub(crate) fn drain(&mut self) -> Result<()> {
        io::copy(self, &mut io::sink())?;
        Ok(())
    }

    /// The same behind the end of an archive, where there is nothing to read.
    pub(crate) fn drain_tail(&mut self, most: u64) -> Result<()> {
        let found = io::copy(&mut self.by_ref().take(most + 1), &mut io::sink())?;
        crate::limits::check("tail_bytes", found, most)
    }

    /// Digest and length of what has passed, and the reader.
    pub(crate) fn finish(self) -> (Digest, u64, R) {
        (self.digester.finish(), self.count.get(), self.inner)
    }
}

impl<R: Read, W: Write> Read for Digesting<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.digester.update(&buffer[..n]);
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..n])?;
        }
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

/// A reader that refuses to give more than a layer may have.
pub(crate) struct Bounded<R> {
    inner: R,
    given: u64,
    compressed: Rc<Cell<u64>>,
    limits: Limits,
}

impl<R: Read> Bounded<R> {
    /// `compressed` counts what the decoder has read.
    pub(crate) fn new(inner: R, compressed: Rc<Cell<u64>>, limits: &Limits) -> Bounded<R> {
        Bounded {
            inner,
            given: 0,
            compressed,
            limits: limits.clone(),
        }
    }

    /// The reader below.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    fn check(&self) -> Result<()> {
        let limits = &self.limits;
        if self.given > limits.layer_bytes {
            return Err(exceeded("layer_bytes", self.given, limits.layer_bytes));
        }
        let ratio = self.given / self.compressed.get().max(1);
        if self.given > RATIO_FROM && ratio > limits.compression_ratio {
            return Err(exceeded(
                "compression_ratio",
                ratio,
                limits.compression_ratio,
            ));
        }
        Ok(())
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.given += n as u64;
        self.check()?;
        Ok(n)
    }
}

/// How a stream is compressed, by its first bytes: tools disagree about what they declare, and the digest
/// binds the bytes in any case.
pub(crate) fn compression(stream: &mut impl BufRead) -> Result<Compression> {
    let head = stream.fill_buf()?;
    match head {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Compression::Zstd),
        // A skippable frame of zstd, with which zstd:chunked and pzstd may begin.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        [b'B', b'Z', b'h', ..] => Err(unsupported("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(unsupported("xz")),
        _ => Ok(Compression::None),
    }
}

fn unsupported(name: &str) -> Error {
    let message = format!("the layer is compressed with {name}; known are gzip and zstd");
    Error::new(Kind::Unsupported, message)
}

/// A stream decompressed, whatever it is.
pub(crate) enum Decoder<R: BufRead> {
    Plain(R),
    Gzip(Box<flate2::bufread::MultiGzDecoder<R>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, R>>),
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn new(mut stream: R) -> Result<Decoder<R>> {
        Ok(match compression(&mut stream)? {
            Compression::None => Decoder::Plain(stream),
            Compression::Gzip => {
                Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(stream)))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
                // 128 MiB, the most that a stream may make its reader allocate (zstd's own default).
                decoder.window_log_max(27)?;
                Decoder::Zstd(Box::new(decoder))
            }
        })
    }

    /// The compressed stream, with what the decoder has left of it.
    pub(crate) fn into_inner(self) -> R {
        match self {
            Decoder::Plain(stream) => stream,
            Decoder::Gzip(decoder) => decoder.into_inner(),
            Decoder::Zstd(decoder) => decoder.finish(),
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (name, read) = match self {
            Decoder::Plain(stream) => return stream.read(buffer),
            Decoder::Gzip(decoder) => ("gzip", decoder.read(buffer)),
            Decoder::Zstd(decoder) => ("zstd", decoder.read(buffer)),
        };
        read.map_err(|error| {
            // What came from below, ours or the kernel's, keeps its words.
            if error.raw_os_error().is_some() || error.get_ref().is_some_and(|e| e.is::<Error>()) {
                return error;
            }
            Error::invalid(format!("{name}: {}", shown(error.to_string().as_bytes()))).into()
        })
    }
}

/// A buffer of the size that everything here uses.
pub(crate) fn buffered<R: Read>(inner: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER, inner)
}
