//! Stub.
pub(crate) fn play(_session: &crate::session::Session) {}
