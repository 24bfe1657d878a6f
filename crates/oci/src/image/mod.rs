//! Image documents: index, manifest, configuration, layout (image-spec 1.1), and Docker's forms of them.
//!
//! An image comes from strangers, so a document is bounded, its enums stay open, and a text that could be
//! read as two kinds of document is refused. Digests are checked by whoever reads the bytes.

mod config;
mod descriptor;
mod digest;
mod layout;
mod manifest;
#[cfg(test)]
mod tests;

pub use config::{Empty, Execution, Healthcheck, History, ImageConfig, RootFs, parse_config};
pub use descriptor::{Compression, Descriptor, MediaType, Platform};
pub use digest::{Algorithm, Digest};
pub use layout::{
    CONTAINERD_NAME, DOCKER_FILE, DockerImage, INDEX_FILE, LAYOUT_FILE, Layout, REF_NAME,
    parse_docker, parse_layout,
};
pub use manifest::{Index, MAX_DESCRIPTORS, Manifest, parse_index, parse_manifest};

pub use crate::json::{Document as Parsed, Error};

/// Result of reading a document.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of meaning at a known place.
fn place(pointer: &str, reason: &str, value: &str) -> Error {
    Error {
        pointer: pointer.to_owned(),
        value: (!value.is_empty()).then(|| crate::json::shorten(format!("{value:?}"))),
        reason: reason.to_owned(),
        line: 0,
        column: 0,
    }
}
