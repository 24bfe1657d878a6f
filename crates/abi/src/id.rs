//! Numbers of users and groups.

/// The number that is no user and no group: setresuid(2), setresgid(2) and chown(2) take it for "leave as it is",
/// so that an id taken from outside which is this number would keep root where a user was asked for.
pub const NO_ID: u32 = u32::MAX;

/// The last number that is a user or a group.
pub const LAST_ID: u32 = NO_ID - 1;
