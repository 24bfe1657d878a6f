//! References: the word on the command line that says which image is meant, and by which way to get it.
//!
//! `host:`, `rootfs:DIR`, `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`; anything else
//! is a name in the store, in the grammar of Docker's references.

use crate::error::{Error, Kind, Result, shown};
use lockstep_oci::image::Digest;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which image, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Programs of the host, without an image.
    Host,
    /// A directory as it is.
    Rootfs(PathBuf),
    /// An image outside the store.
    Source(Source),
    /// A name or a short id in the store.
    Name(Name),
}

/// How images lie in a directory or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A directory with the layout of the image specification.
    Oci,
    /// The same in a tar archive.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
    /// A tar archive of either kind, which its members tell.
    Archive,
}

impl Transport {
    /// The word before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Oci => "oci",
            Transport::OciArchive => "oci-archive",
            Transport::DockerArchive => "docker-archive",
            Transport::Archive => "archive",
        }
    }
}

/// An image in a directory or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How it lies there.
    pub transport: Transport,
    /// The directory or file; `-` is for the binary to open.
    pub path: PathBuf,
    /// Which of several images: a name, a tag, or a digest; the only one if absent.
    pub image: Option<String>,
}

/// A name in the store: `[registry/]repository[:tag][@digest]`, or a short id that is read as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
    /// What was written, when it could also be the beginning of an id.
    id: Option<String>,
}

/// The registry of names that say none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag of names that say neither tag nor digest.
const DEFAULT_TAG: &str = "latest";
/// Longest name and tag (distribution's reference grammar).
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

impl FromStr for Reference {
    type Err = Error;

    /// # Errors
    ///
    /// [`Kind::Invalid`], or [`Kind::Unsupported`] for a transport that exists elsewhere.
    fn from_str(text: &str) -> Result<Reference> {
        let Some((word, rest)) = text.split_once(':') else {
            return Ok(Reference::Name(text.parse()?));
        };
        let source = |transport| Source::parse(transport, rest).map(Reference::Source);
        match word {
            "host" if rest.is_empty() => Ok(Reference::Host),
            "host" => Err(Error::invalid(format!(
                "image {}: nothing stands after `host:`",
                shown(text.as_bytes())
            ))),
            "rootfs" if rest.is_empty() => Err(Error::invalid("image \"rootfs:\": no directory")),
            "rootfs" => Ok(Reference::Rootfs(rest.into())),
            "oci" => source(Transport::Oci),
            "oci-archive" => source(Transport::OciArchive),
            "docker-archive" => source(Transport::DockerArchive),
            "docker" => match rest.strip_prefix("//") {
                Some(name) => Ok(Reference::Name(name.parse()?)),
                None => Ok(Reference::Name(text.parse()?)),
            },
            "containers-storage" | "docker-daemon" | "dir" | "ostree" | "sif" => {
                let message = format!("image {}: transport {word}", shown(text.as_bytes()));
                Err(Error::new(Kind::Unsupported, message)
                    .hint("copy it to oci:DIR or oci-archive:FILE, for example with `skopeo copy`"))
            }
            _ => Ok(Reference::Name(text.parse()?)),
        }
    }
}

impl Source {
    /// `PATH[:IMAGE]`: the path ends at the first colon.
    fn parse(transport: Transport, rest: &str) -> Result<Source> {
        let (path, image) = match rest.split_once(':') {
            Some((path, image)) => (path, Some(image.to_owned())),
            None => (rest, None),
        };
        if path.is_empty() || image.as_deref() == Some("") {
            let text = format!("{}:{rest}", transport.as_str());
            let what = if path.is_empty() { "path" } else { "reference" };
            let message = format!("image {}: empty {what}", shown(text.as_bytes()));
            return Err(Error::invalid(message));
        }
        Ok(Source {
            transport,
            path: path.into(),
            image,
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.as_str(), self.path.display())?;
        match &self.image {
            Some(image) => write!(f, ":{image}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Name> {
        let broken =
            |reason: &str| Error::invalid(format!("image {}: {reason}", shown(text.as_bytes())));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|e: String| broken(&e))?)),
            None => (text, None),
        };
        // A colon before a slash belongs to the registry's port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(broken("the tag is not 1 to 128 of [A-Za-z0-9_.-]"));
        }
        let (registry, repository) = match path.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest.to_owned()),
            Some(_) => (DEFAULT_REGISTRY, path.to_owned()),
            None => (DEFAULT_REGISTRY, format!("library/{path}")),
        };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(broken("the name is longer than 255 characters"));
        }
        if !repository.split('/').all(is_component) {
            return Err(broken(
                "the repository is not of [a-z0-9], separated by `.`, `_`, `__`, `-` or `/`",
            ));
        }
        let hex = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let could_be_id = (1..=64).contains(&text.len()) && hex(text);
        Ok(Name {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
            id: could_be_id.then(|| text.to_owned()),
        })
    }
}

/// The first component is a registry if it could not be a repository: with a dot or a port, or `localhost`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    let shaped = host == "localhost" || host.contains('.') || port.is_some();
    let number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    shaped && !host.is_empty() && host.chars().all(label) && port.is_none_or(number)
}

fn is_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = text;
    loop {
        let word = rest.trim_start_matches(plain);
        if word.len() == rest.len() {
            return false; // a separator at the start, or two in a row
        }
        if word.is_empty() {
            return true;
        }
        let dashes = word.len() - word.trim_start_matches('-').len();
        let separator = match word.as_bytes() {
            [b'_', b'_', ..] => 2,
            [b'_' | b'.', ..] => 1,
            _ => dashes,
        };
        if separator == 0 {
            return false;
        }
        rest = &word[separator..];
    }
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || ".-".contains(c))
}

impl Name {
    /// `registry/repository`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The tag; `latest` where neither tag nor digest was written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some(DEFAULT_TAG),
            (None, Some(_)) => None,
        }
    }

    /// The digest, if one was written.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The digits, when what was written could be the beginning of an image's id.
    #[must_use]
    pub fn short_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// `registry/repository:tag`, the key of a tag in the store; `None` for a name with a digest alone.
    #[must_use]
    pub fn tagged(&self) -> Option<String> {
        self.tag().map(|tag| format!("{}:{tag}", self.repository()))
    }

    /// As people write it: without the default registry.
    #[must_use]
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }
}

impl fmt::Display for Name {
    /// The whole name, with default registry and tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository())?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_told_from_names() {
        let parse = |text: &str| text.parse::<Reference>().expect(text);
        assert_eq!(parse("host:"), Reference::Host);
        assert_eq!(parse("rootfs:/a:b"), Reference::Rootfs("/a:b".into()));
        let Reference::Source(source) = parse("oci:dir:img:1") else {
            panic!("a source");
        };
        assert_eq!(
            (source.path, source.image),
            ("dir".into(), Some("img:1".into()))
        );
        for name in [
            "debian",
            "debian:12",
            "docker://debian",
            "docker:dind",
            "ghcr.io/a/b:c",
        ] {
            assert!(matches!(parse(name), Reference::Name(_)), "{name}");
        }
        for wrong in [
            "host:x",
            "rootfs:",
            "oci:",
            "oci-archive:f:",
            "dir:x",
            "A",
            "a//b",
            "a:",
            "",
        ] {
            wrong.parse::<Reference>().expect_err(wrong);
        }
    }

    #[test]
    fn names_are_completed() {
        let name = |text: &str| text.parse::<Name>().expect(text);
        assert_eq!(
            name("debian").to_string(),
            "docker.io/library/debian:latest"
        );
        assert_eq!(name("a/b:1").to_string(), "docker.io/a/b:1");
        assert_eq!(name("localhost/b").to_string(), "localhost/b:latest");
        assert_eq!(name("h:5000/a__b/c-d.e").repository(), "h:5000/a__b/c-d.e");
        assert_eq!(name("debian").familiar(), "debian:latest");
        assert_eq!(name("abc123").short_id(), Some("abc123"));
        assert_eq!(name("xyz").short_id(), None);
        for wrong in [
            "a..b",
            "-a",
            "a-",
            "a___b",
            "a/",
            "/a",
            "..",
            "a:b:c",
            "a@sha256:1",
            "a\n",
        ] {
            wrong.parse::<Name>().expect_err(wrong);
        }
    }
}
