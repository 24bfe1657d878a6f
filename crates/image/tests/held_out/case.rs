//! What an archive is, and what is right.

use super::stage::layout::Layout;
use std::path::{Path, PathBuf};

/// Where the archive will be unpacked beside.
pub(crate) struct Site {
    /// A directory of the host with `secret` and `dir/file`, which no archive may read or change.
    pub(crate) outside: PathBuf,
}

impl Site {
    /// A name below [`Site::outside`], without the leading slash.
    pub(crate) fn inner(&self, name: &str) -> String {
        let path = self.outside.join(name);
        let path = path.strip_prefix("/").unwrap_or(Path::new(""));
        path.display().to_string()
    }

    /// The same as an absolute path.
    pub(crate) fn absolute(&self, name: &str) -> String {
        format!("/{}", self.inner(name))
    }

    /// The same, climbing from anywhere.
    pub(crate) fn climbing(&self, name: &str) -> String {
        format!("{}{}", "../".repeat(40), self.inner(name))
    }
}

/// An archive of an image.
pub(crate) enum Image {
    /// These layers, uncompressed, upon the base.
    Layers(Vec<Vec<u8>>),
    /// One layer upon the base: its media type's end, and its blob; the digest of what it unpacks to is true if it
    /// can be known.
    Blob(&'static str, Vec<u8>, Vec<u8>),
    /// A layout as it stands, in an archive.
    Layout(Box<Layout>),
    /// An archive as it stands: `oci-archive` or `docker-archive`.
    Archive(&'static str, Vec<u8>),
}

/// What is right.
pub(crate) enum Verdict {
    /// It is refused, with an error that has one of these words in it.
    Refused(&'static [&'static str]),
    /// It is loaded, and the merged tree is so.
    Tree(Vec<Fact>),
    /// The specification lets one refuse it. If it is loaded, the merged tree is so.
    Either(Vec<Fact>),
}

/// A path of the merged tree, and what is there.
pub(crate) type Fact = (&'static str, Is);

pub(crate) enum Is {
    Absent,
    Dir,
    /// With this content.
    File(&'static str),
    Size(u64),
    Link(&'static str),
    Mode(u32),
    Fifo,
    /// A directory with just these names.
    Names(&'static [&'static str]),
    /// Nobody can open it as a device.
    NoDevice,
}

/// An archive and what is right.
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) image: fn(&Site) -> Image,
    pub(crate) verdict: fn() -> Verdict,
}

macro_rules! cases {
    ($($kind:literal $name:literal |$site:pat_param| $image:expr => $verdict:expr;)*) => {
        pub(crate) const CASES: &[Case] = &[$(Case {
            kind: $kind,
            name: $name,
            image: |$site: &Site| $image,
            verdict: || $verdict,
        }),*];
    };
}
pub(crate) use cases;

pub(crate) use Is::*;
pub(crate) use Verdict::*;

/// One layer of these members.
macro_rules! layer {
    ($($entry:expr),* $(,)?) => { Image::Layers(vec![tar(&[$($entry),*])]) };
}
pub(crate) use layer;
