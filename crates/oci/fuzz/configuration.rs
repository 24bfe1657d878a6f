//! The whole way of a configuration: read, write, read again, validate as a whole and in its parts.
//!
//! It stands beside the round trip of one document because only configurations are validated.

use lockstep_oci::runtime::{Spec, validate, validate_process, validate_resources};

use crate::round_trip::document;

/// Reads a text as a configuration and validates it, as a whole and in the parts that `exec` and
/// `update` read alone.
///
/// # Panics
///
/// Validation changes the configuration, or refuses it without saying why.
pub(crate) fn check(text: &[u8]) {
    let Some(spec) = document::<Spec>(text) else {
        return;
    };
    if let Some(process) = &spec.process {
        drop(validate_process(process));
    }
    if let Some(resources) = spec
        .linux
        .as_ref()
        .and_then(|linux| linux.resources.as_ref())
    {
        drop(validate_resources(resources));
    }
    match validate(spec.clone()) {
        Ok(valid) => assert_eq!(valid.into_inner(), spec),
        Err(invalid) => assert!(
            invalid
                .problems
                .iter()
                .all(|problem| !problem.reason.is_empty()),
            "{invalid:?}"
        ),
    }
}
