//! From a source to the manifests that were asked for: names, platforms, nested indexes.

use crate::error::{Error, Kind, Result, Within};
use crate::limits::Limits;
use crate::reference::Name;
use crate::source::Members;
use crate::stream;
use lockstep_oci::image::{
    self, CONTAINERD_NAME, Descriptor, Digest, INDEX_FILE, Index, LAYOUT_FILE, Platform, REF_NAME,
};

/// Indexes within indexes; nobody writes more than two.
const MAX_NESTING: usize = 4;

/// A manifest that was chosen.
pub(super) struct Selected {
    pub manifest: Descriptor,
    /// Its own bytes.
    pub text: Vec<u8>,
    /// The index that it was chosen from, with its bytes; not the list of a layout.
    pub index: Option<(Digest, Vec<u8>)>,
    /// Names that the source gives it.
    pub names: Vec<Name>,
}

/// The platform of this program: what its containers can execute.
#[must_use]
pub fn platform_of_host() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: None,
    }
}

/// Reads a layout and chooses: all images without a wish, else the ones that `wanted` names.
pub(super) fn select(
    members: &Members,
    wanted: Option<&str>,
    platform: &Platform,
    limits: &Limits,
) -> Result<Vec<Selected>> {
    let layout = members.read(LAYOUT_FILE, limits)?;
    image::parse_layout(&layout).within(|| LAYOUT_FILE.to_owned())?;
    let text = members.read(INDEX_FILE, limits)?;
    let index = image::parse_index(&text)
        .within(|| INDEX_FILE.to_owned())?
        .value;
    let listed: Vec<&Descriptor> = index
        .manifests
        .iter()
        .filter(|found| wanted.is_none_or(|wanted| is_wanted(found, wanted)))
        .filter(|found| found.platform.as_ref().is_none_or(|p| matches(p, platform)))
        .collect();
    if listed.is_empty() {
        return Err(none(&index, wanted, platform));
    }
    let mut selected: Vec<Selected> = Vec::new();
    for descriptor in listed {
        let names = names(descriptor);
        let found = descend(members, descriptor, platform, limits, 0)?;
        // A layout lists an image once for each of its names.
        match selected
            .iter_mut()
            .find(|s| s.manifest.digest == found.manifest.digest)
        {
            Some(same) => same.names.extend(names),
            None => selected.push(Selected { names, ..found }),
        }
    }
    Ok(selected)
}

fn is_wanted(descriptor: &Descriptor, wanted: &str) -> bool {
    if descriptor.digest.to_string() == wanted {
        return true;
    }
    let written = [REF_NAME, CONTAINERD_NAME];
    let mut written = written
        .iter()
        .filter_map(|key| descriptor.annotations.get(key));
    if written.any(|name| name == wanted) {
        return true;
    }
    wanted
        .parse::<Name>()
        .is_ok_and(|wanted| names(descriptor).contains(&wanted))
}

/// The whole names in a descriptor's annotations. A bare tag (`latest`, as the specification suggests) names
/// nothing outside its layout.
fn names(descriptor: &Descriptor) -> Vec<Name> {
    let written = [CONTAINERD_NAME, REF_NAME];
    let written = written
        .iter()
        .filter_map(|key| descriptor.annotations.get(key));
    let whole = written.filter(|name| name.contains(['/', ':']));
    let mut names: Vec<Name> = whole.filter_map(|name| name.parse().ok()).collect();
    names.dedup();
    names
}

fn matches(found: &Platform, wanted: &Platform) -> bool {
    let variant = wanted.variant.is_none() || found.variant == wanted.variant;
    found.os == wanted.os && found.architecture == wanted.architecture && variant
}

fn none(index: &Index, wanted: Option<&str>, platform: &Platform) -> Error {
    let mut there: Vec<String> = index
        .manifests
        .iter()
        .take(20)
        .map(|found| {
            let name = found.annotations.get(REF_NAME);
            let platform = found.platform.as_ref();
            let platform = platform.map(|p| format!(" ({}/{})", p.os, p.architecture));
            let name = name.map_or_else(|| found.digest.to_string(), |name| format!("{name:?}"));
            name + &platform.unwrap_or_default()
        })
        .collect();
    there.dedup();
    let wanted = wanted.map_or_else(String::new, |wanted| format!(" named {wanted:?}"));
    let (os, architecture) = (&platform.os, &platform.architecture);
    let message = format!(
        "{INDEX_FILE}: no image{wanted} for {os}/{architecture}; there are: {}",
        there.join(", ")
    );
    Error::new(Kind::NotFound, message)
}

/// Follows a descriptor to the manifest for the platform.
fn descend(
    members: &Members,
    descriptor: &Descriptor,
    platform: &Platform,
    limits: &Limits,
    depth: usize,
) -> Result<Selected> {
    let text = document(members, descriptor, limits)?;
    let what = || format!("{}", descriptor.digest);
    if !descriptor.media_type.is_index() {
        return Ok(Selected {
            manifest: descriptor.clone(),
            text,
            index: None,
            names: Vec::new(),
        });
    }
    if depth == MAX_NESTING {
        return Err(Error::invalid("indexes in indexes without end").within(what()));
    }
    let index = image::parse_index(&text).within(what)?.value;
    let for_platform = |found: &&Descriptor| {
        let known = found.media_type.is_manifest() || found.media_type.is_index();
        known && found.platform.as_ref().is_none_or(|p| matches(p, platform))
    };
    let Some(found) = index.manifests.iter().find(for_platform) else {
        return Err(none(&index, None, platform));
    };
    let found = descend(members, found, platform, limits, depth + 1)?;
    Ok(Selected {
        index: Some((descriptor.digest.clone(), text)),
        ..found
    })
}

/// A document of a layout, with the digest and length that its descriptor promises.
pub(super) fn document(
    members: &Members,
    descriptor: &Descriptor,
    limits: &Limits,
) -> Result<Vec<u8>> {
    let digest = &descriptor.digest;
    let text = members.read(&member_path(digest), limits)?;
    let what = format!("document {digest}");
    if text.len() as u64 != descriptor.size {
        let message = format!(
            "{what}: {} bytes, promised were {}",
            text.len(),
            descriptor.size
        );
        return Err(Error::new(Kind::Mismatch, message));
    }
    stream::verify(&what, digest, &stream::digest(digest.algorithm(), &text))?;
    Ok(text)
}

/// Where a blob lies in a layout.
pub(super) fn member_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}
