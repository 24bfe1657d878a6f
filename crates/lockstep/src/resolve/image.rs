//! What a container is made from: its root file system, and what the image says about its program.

use std::path::PathBuf;

use lockstep_oci::image::Healthcheck;

/// An image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// As it was named.
    pub(crate) name: String,
    /// Digest of its configuration, of an image of the store.
    pub(crate) id: Option<String>,
    pub(crate) source: Source,
    pub(crate) config: Config,
}

/// Where the root file system comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Programs of the host: these directories of it, read-only, and these links (link, target).
    Host {
        directories: Vec<String>,
        links: Vec<(String, String)>,
    },
    /// A directory, used as it is.
    Directory(PathBuf),
    /// Layers of the store, uppermost first.
    Layers(Vec<PathBuf>),
}

/// The image's wishes (OCI image specification, config).
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) user: String,
    pub(crate) env: Vec<String>,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) cmd: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) stop_signal: String,
    pub(crate) labels: Vec<(String, String)>,
    /// Paths that the image wants volumes at.
    pub(crate) volumes: Vec<String>,
    pub(crate) health: Option<Healthcheck>,
}

/// The host's directories that hold programs and what they need. Everything else of the host, its users' data
/// above all, is absent from the container and not merely hidden.
pub(crate) const HOST_DIRECTORIES: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/libo32",
    "/libilp32",
    "/etc",
    "/opt",
];
