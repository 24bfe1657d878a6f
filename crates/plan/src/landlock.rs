//! Landlock: the domain of our annotation, in the form proposed for the specification, as kernel numbers.

use crate::step::{LandlockDomain, RootPath};
use crate::{Error, Result};
use lockstep_oci::landlock::{ANNOTATION, parse};
use lockstep_oci::runtime::Spec;

/// The domain that the configuration's annotation asks for.
pub fn domain(spec: &Spec) -> Result<Option<LandlockDomain>> {
    let Some(text) = spec.annotations.get(ANNOTATION) else {
        return Ok(None);
    };
    let pointer = format!("/annotations/{ANNOTATION}");
    let asked = parse(text).map_err(|e| Error::new(&pointer, text, e.to_string()))?;
    let no_new_privs = spec.process.as_ref().is_some_and(|p| p.no_new_privileges);
    if !no_new_privs {
        return Err(Error::new(
            pointer,
            "",
            "a Landlock domain needs process.noNewPrivileges",
        ));
    }
    let mut domain = LandlockDomain {
        handled_fs: asked.ruleset.handled_access_fs.bits(),
        handled_net: asked.ruleset.handled_access_net.bits(),
        scoped: asked.ruleset.scoped.bits(),
        best_effort: !asked.disable_best_effort,
        ..LandlockDomain::default()
    };
    for rule in &asked.rules.path_beneath {
        let access = rule.allowed_access.bits();
        domain
            .paths
            .extend(rule.paths.iter().map(|path| (RootPath::new(path), access)));
    }
    for rule in &asked.rules.net_port {
        domain.ports.extend(
            rule.ports
                .iter()
                .map(|port| (*port, rule.allowed_access.bits())),
        );
    }
    Ok(Some(domain))
}
