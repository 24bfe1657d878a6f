//! Sysctls: those of the command line, and one of a network namespace that is the container's own.
//!
//! Privileged ports protect the services of a host, of which there are none in such a namespace; so a user other than
//! root may listen on port 80 there, which images count on since Docker 20.10.

use lockstep_oci::runtime::NamespaceType;

use super::{Input, Resolved, pair};
use crate::failure::Failure;
use crate::why::Origin;

/// The first port that needs no capability (ip-sysctl, Linux 4.11).
const PORTS: &str = "net.ipv4.ip_unprivileged_port_start";

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    for text in input.args.texts("sysctl")? {
        let (key, value) = pair("sysctl", text)?;
        out.linux().sysctl.insert(key, value.into());
        out.note("sysctl", text, Origin::Flag, "--sysctl");
    }
    let linux = out.linux();
    let own_network = linux
        .namespaces
        .iter()
        .any(|namespace| namespace.kind == NamespaceType::Network && namespace.path.is_none());
    // sysctl(8) takes both separators.
    let given = |name: &str| name.replace('/', ".") == PORTS;
    if own_network && !linux.sysctl.keys().any(given) {
        out.note("sysctl", format!("{PORTS}=0"), Origin::Default, "--sysctl");
        out.network_defaults.push((PORTS.into(), "0".into()));
    }
    Ok(())
}
