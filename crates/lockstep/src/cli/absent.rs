//! Options of `run` and `create` that Docker or Podman have and that are refused, with the reason.

use super::{Opt, Takes, refused};

const NO_NETWORK: &str =
    "networks with addresses and ports are not implemented yet; --network none or host is";
const NO_REGISTRY: &str = "pulling from registries is not implemented yet";

/// What people type and what cannot be honoured yet.
pub(super) const REFUSED: &[Opt] = &[
    refused("publish", Takes::Texts, NO_NETWORK).short('p'),
    refused("publish-all", Takes::Nothing, NO_NETWORK).short('P'),
    refused("expose", Takes::Texts, NO_NETWORK),
    refused("ip", Takes::Text, NO_NETWORK),
    refused("ip6", Takes::Text, NO_NETWORK),
    refused("mac-address", Takes::Text, NO_NETWORK),
    refused("network-alias", Takes::Texts, NO_NETWORK),
    refused("link", Takes::Texts, NO_NETWORK),
    refused("link-local-ip", Takes::Texts, NO_NETWORK),
    refused("dns", Takes::Texts, NO_NETWORK),
    refused("dns-option", Takes::Texts, NO_NETWORK),
    refused("dns-opt", Takes::Texts, NO_NETWORK),
    refused("dns-search", Takes::Texts, NO_NETWORK),
    refused("authfile", Takes::Text, NO_REGISTRY),
    refused("tls-verify", Takes::Text, NO_REGISTRY),
    refused(
        "disable-content-trust",
        Takes::Nothing,
        "signatures are not implemented yet",
    ),
    refused(
        "isolation",
        Takes::Text,
        "only containers of Windows have isolation modes",
    ),
    refused(
        "runtime",
        Takes::Text,
        "Lockstep makes its containers itself; lockstep-runc serves other engines",
    ),
    refused(
        "storage-opt",
        Takes::Texts,
        "the root file system has no size limit of its own yet",
    ),
    refused("volume-driver", Takes::Text, "volumes have no drivers"),
    refused(
        "init-path",
        Takes::Text,
        "--init is this program's own, sealed in memory; no file of the host is executed in a container for it",
    ),
    refused(
        "systemd",
        Takes::Text,
        "systemd inside a container is not set up yet",
    ),
    refused(
        "subuidname",
        Takes::Text,
        "the subordinate ids are those of the caller",
    ),
    refused(
        "subgidname",
        Takes::Text,
        "the subordinate ids are those of the caller",
    ),
    refused(
        "hostuser",
        Takes::Texts,
        "users of the host are not added to the image's /etc/passwd yet",
    ),
    refused(
        "passwd",
        Takes::Nothing,
        "/etc/passwd of the image is left alone",
    ),
    refused(
        "passwd-entry",
        Takes::Text,
        "/etc/passwd of the image is left alone",
    ),
    refused(
        "group-entry",
        Takes::Text,
        "/etc/group of the image is left alone",
    ),
    refused(
        "hosts-file",
        Takes::Text,
        "/etc/hosts is made from --add-host",
    ),
    refused(
        "seccomp-policy",
        Takes::Text,
        "a profile in an image's annotation is not obeyed yet",
    ),
    refused(
        "pod",
        Takes::Text,
        "pods are for engines of Kubernetes, which use lockstep-runc",
    ),
    refused(
        "requires",
        Takes::Text,
        "containers do not wait for others yet",
    ),
    refused(
        "rdt-class",
        Takes::Text,
        "resctrl groups are not offered here yet",
    ),
    refused(
        "personality",
        Takes::Text,
        "personalities are not offered here yet",
    ),
    refused(
        "chrootdirs",
        Takes::Text,
        "there are no further root directories",
    ),
    refused(
        "kernel-memory",
        Takes::Text,
        "the kernel no longer limits it (Linux 5.4)",
    ),
    refused(
        "cpu-rt-runtime",
        Takes::Text,
        "real-time shares are not offered here yet",
    ),
    refused(
        "cpu-rt-period",
        Takes::Text,
        "real-time shares are not offered here yet",
    ),
];
