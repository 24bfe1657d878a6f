//! Landlock rules in a configuration, until the specification has a field for them.
//!
//! They travel as JSON in an annotation, in the form proposed for the specification, so that a later
//! field only changes where they are found. They restrict, so nothing in them is ignored: an unknown
//! field or name is an error, never a rule less.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Unexpected, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::absent::null_as_default;
use crate::json;
use crate::pointer::Pointer;
use crate::runtime::{Invalid, Report};

/// Key of the annotation whose value is the JSON text.
pub const ANNOTATION: &str = "org.lockstep.landlock";

/// A Landlock domain for the container process (landlock(7)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Landlock {
    /// What the domain forbids unless a rule allows it.
    pub ruleset: Ruleset,
    /// The rules.
    #[serde(default, deserialize_with = "null_as_default")]
    pub rules: Rules,
    /// Whether a kernel that lacks a part of it is an error; else that part is left out, visibly.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disable_best_effort: bool,
}

/// What a domain handles (`struct landlock_ruleset_attr`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ruleset {
    /// File system rights.
    #[serde(
        rename = "handledAccessFS",
        default,
        skip_serializing_if = "AccessFs::is_empty"
    )]
    pub handled_access_fs: AccessFs,
    /// Network rights.
    #[serde(default, skip_serializing_if = "AccessNet::is_empty")]
    pub handled_access_net: AccessNet,
    /// What may not reach outside the domain.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scoped: Scope,
}

impl Ruleset {
    /// Names of what is handled and not known to a kernel with this Landlock ABI (landlock(7), "Limitations by ABI"):
    /// what is lost there. Bits without a name are newer than all of them, and stand last as a number.
    #[must_use]
    pub fn beyond(&self, abi: u32) -> Vec<String> {
        let mut lost = Vec::new();
        let known = |since: u32| abi >= since;
        for (right, name) in AccessFs::NAMED {
            let since = match *right {
                AccessFs::REFER => 2,
                AccessFs::TRUNCATE => 3,
                AccessFs::IOCTL_DEV => 5,
                AccessFs::RESOLVE_UNIX => 9,
                _ => 1,
            };
            if self.handled_access_fs.contains(*right) && !known(since) {
                lost.push((*name).to_owned());
            }
        }
        for (right, name) in AccessNet::NAMED {
            let since = match *right {
                AccessNet::BIND_UDP | AccessNet::CONNECT_SEND_UDP => 10,
                _ => 4,
            };
            if self.handled_access_net.contains(*right) && !known(since) {
                lost.push((*name).to_owned());
            }
        }
        for (scope, name) in Scope::NAMED {
            if self.scoped.contains(*scope) && !known(6) {
                lost.push((*name).to_owned());
            }
        }
        let unnamed = [
            self.handled_access_fs.unnamed(),
            self.handled_access_net.unnamed(),
            self.scoped.unnamed(),
        ];
        lost.extend(
            unnamed
                .iter()
                .filter(|&&bits| bits != 0)
                .map(u64::to_string),
        );
        lost
    }
}

/// Exceptions to what a domain handles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Rights on file hierarchies.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub path_beneath: Vec<PathBeneath>,
    /// Rights on TCP ports.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub net_port: Vec<NetPort>,
}

/// Rights below paths (`struct landlock_path_beneath_attr`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathBeneath {
    /// Rights, a part of `handledAccessFS`.
    pub allowed_access: AccessFs,
    /// Absolute paths in the container.
    pub paths: Vec<String>,
}

/// Rights on ports (`struct landlock_net_port_attr`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetPort {
    /// Rights, a part of `handledAccessNet`.
    pub allowed_access: AccessNet,
    /// Ports; 0 in a bind rule stands for the ephemeral range.
    pub ports: Vec<u16>,
}

/// Defines a set of kernel bits that JSON writes as an array of names or numbers.
macro_rules! bits {
    ($(#[$attr:meta])* $name:ident, $prefix:literal { $($short:literal = $constant:ident : $bit:literal),+ $(,)? }) => {
        $(#[$attr])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name(u64);

        impl $name {
            $(
                #[doc = concat!("`", $prefix, stringify!($constant), "`")]
                pub const $constant: Self = Self(1 << $bit);
            )+

            /// Bits with a name, lowest first, each with its short name.
            pub const NAMED: &'static [(Self, &'static str)] = &[$((Self::$constant, $short)),+];

            /// The set of these bits, named or not.
            #[must_use]
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }

            /// The bits as the kernel takes them.
            #[must_use]
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// The bits that have no name here.
            fn unnamed(self) -> u64 {
                Self::NAMED.iter().fold(self.0, |rest, (bits, _)| rest & !bits.0)
            }

            /// Whether no bit is set.
            #[must_use]
            #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
            pub const fn is_empty(&self) -> bool {
                self.0 == 0
            }

            /// Whether all bits of `other` are in this set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits of a name, short (`execute`) or the kernel's (with its prefix, in capitals).
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                let named = |short: &str| {
                    short == name || name.strip_prefix($prefix).is_some_and(|rest| rest == short.to_ascii_uppercase())
                };
                Self::NAMED.iter().find(|(_, short)| named(short)).map(|(bits, _)| *bits)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut array = serializer.serialize_seq(None)?;
                for (_, name) in Self::NAMED.iter().filter(|(bits, _)| self.contains(*bits)) {
                    array.serialize_element(name)?;
                }
                if self.unnamed() != 0 {
                    array.serialize_element(&self.unnamed())?;
                }
                array.end()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let items = Option::<Vec<Item<Self>>>::deserialize(deserializer)?.unwrap_or_default();
                Ok(items.iter().fold(Self(0), |set, item| set | item.0))
            }
        }

        impl Bits for $name {
            const PREFIX: &'static str = $prefix;

            fn named(name: &str) -> Option<Self> {
                Self::from_name(name)
            }

            fn numbered(bits: u64) -> Self {
                Self(bits)
            }
        }
    };
}

bits! {
    /// File system rights; the first 13 came with ABI 1 (Linux 5.13).
    AccessFs, "LANDLOCK_ACCESS_FS_" {
        "execute" = EXECUTE: 0,
        "write_file" = WRITE_FILE: 1,
        "read_file" = READ_FILE: 2,
        "read_dir" = READ_DIR: 3,
        "remove_dir" = REMOVE_DIR: 4,
        "remove_file" = REMOVE_FILE: 5,
        "make_char" = MAKE_CHAR: 6,
        "make_dir" = MAKE_DIR: 7,
        "make_reg" = MAKE_REG: 8,
        "make_sock" = MAKE_SOCK: 9,
        "make_fifo" = MAKE_FIFO: 10,
        "make_block" = MAKE_BLOCK: 11,
        "make_sym" = MAKE_SYM: 12,
        "refer" = REFER: 13,
        "truncate" = TRUNCATE: 14,
        "ioctl_dev" = IOCTL_DEV: 15,
        "resolve_unix" = RESOLVE_UNIX: 16,
    }
}

bits! {
    /// Network rights; those of TCP came with ABI 4 (Linux 6.7), those of UDP with ABI 10 (Linux 7.2).
    AccessNet, "LANDLOCK_ACCESS_NET_" {
        "bind_tcp" = BIND_TCP: 0,
        "connect_tcp" = CONNECT_TCP: 1,
        "bind_udp" = BIND_UDP: 2,
        "connect_send_udp" = CONNECT_SEND_UDP: 3,
    }
}

bits! {
    /// Scopes; ABI 6 (Linux 6.12).
    Scope, "LANDLOCK_SCOPE_" {
        "abstract_unix_socket" = ABSTRACT_UNIX_SOCKET: 0,
        "signal" = SIGNAL: 1,
    }
}

/// What the three sets have in common for reading.
trait Bits: Sized {
    const PREFIX: &'static str;

    fn named(name: &str) -> Option<Self>;

    fn numbered(bits: u64) -> Self;
}

/// One element of an array. It judges the name itself, so that the error stands at the element.
struct Item<T>(T);

impl<'de, T: Bits> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNumber<T>(PhantomData<T>);

        impl<T: Bits> Visitor<'_> for NameOrNumber<T> {
            type Value = Item<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a name such as {}... or a number", T::PREFIX)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Item(T::numbered(number)))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                T::named(name)
                    .map(Item)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
            }
        }

        deserializer.deserialize_any(NameOrNumber(PhantomData))
    }
}

/// Why an annotation is no Landlock domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It is not JSON of this form.
    Json(json::Error),
    /// It has fields that nobody knows, and what they would forbid would not be forbidden.
    UnknownFields(Vec<String>),
    /// It contradicts itself.
    Invalid(Invalid),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::UnknownFields(pointers) => write!(f, "unknown field {}", pointers.join(", ")),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Reads and validates the value of the annotation.
///
/// # Errors
///
/// It is not JSON of this form, has unknown fields or names, handles nothing, or a rule allows what is
/// not handled, allows nothing, or has no absolute path or no port.
pub fn parse(text: &str) -> Result<Landlock, Error> {
    let document: json::Document<Landlock> = json::parse(text.as_bytes()).map_err(Error::Json)?;
    if !document.unknown.is_empty() {
        return Err(Error::UnknownFields(document.unknown));
    }
    let mut report = Report::default();
    check(&mut report, &document.value);
    report.finish().map_err(Error::Invalid)?;
    Ok(document.value)
}

fn check(report: &mut Report, landlock: &Landlock) {
    let root = Pointer::Root;
    let handled = &landlock.ruleset;
    if handled.handled_access_fs.is_empty()
        && handled.handled_access_net.is_empty()
        && handled.scoped.is_empty()
    {
        report.refuse(
            &root.key("ruleset"),
            handled,
            "handles nothing, so it would restrict nothing",
        );
    }
    let rules = root.key("rules");
    let at = rules.key("pathBeneath");
    for (nth, rule) in landlock.rules.path_beneath.iter().enumerate() {
        let at = at.index(nth);
        let access = rule.allowed_access;
        if access.is_empty() || !handled.handled_access_fs.contains(access) {
            report.refuse(
                &at.key("allowedAccess"),
                &access,
                "must be a part of /ruleset/handledAccessFS, and not empty",
            );
        }
        if rule.paths.is_empty() {
            report.refuse(&at.key("paths"), &rule.paths, "needs at least one path");
        }
        for (nth, path) in rule.paths.iter().enumerate() {
            report.absolute_path(&at.key("paths").index(nth), path);
        }
    }
    let at = rules.key("netPort");
    for (nth, rule) in landlock.rules.net_port.iter().enumerate() {
        let at = at.index(nth);
        let access = rule.allowed_access;
        if access.is_empty() || !handled.handled_access_net.contains(access) {
            report.refuse(
                &at.key("allowedAccess"),
                &access,
                "must be a part of /ruleset/handledAccessNet, and not empty",
            );
        }
        if rule.ports.is_empty() {
            report.refuse(&at.key("ports"), &rule.ports, "needs at least one port");
        }
    }
}

#[cfg(test)]
mod tests;
