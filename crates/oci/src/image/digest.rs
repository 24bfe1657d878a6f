//! Digests: what names a blob, an image and a layer (image-spec descriptor.md, "Digests").
//!
//! A type of its own, because a digest becomes a file name: what is not exactly an algorithm and its
//! hexadecimal digits never gets that far.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The registered algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`, which everybody writes.
    Sha256,
    /// `sha512`.
    Sha512,
}

impl Algorithm {
    /// As written before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the digest in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// `sha256:` or `sha512:` and the lower-case hexadecimal digits of that length.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// The digest of these bytes.
    ///
    /// # Panics
    ///
    /// `bytes` has not the algorithm's length.
    #[must_use]
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Self {
        assert_eq!(bytes.len(), algorithm.bytes(), "length of a digest");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            algorithm,
            hex: hex.into(),
        }
    }

    /// How it was computed.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits alone: safe as a file name.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let broken = |reason: &str| format!("digest {}: {reason}", shown(text));
        let (name, hex) = text.split_once(':').ok_or_else(|| broken("no algorithm"))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(broken("the algorithm is neither sha256 nor sha512")),
        };
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != 2 * algorithm.bytes() || !hex.bytes().all(digit) {
            let digits = 2 * algorithm.bytes();
            return Err(broken(&format!(
                "not {digits} lower-case hexadecimal digits"
            )));
        }
        Ok(Self {
            algorithm,
            hex: hex.into(),
        })
    }
}

/// The text as it can stand in an error: quoted, and not longer than a digest could be.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(140).collect();
    format!("{cut:?}")
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
