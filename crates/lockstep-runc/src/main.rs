//! lockstep-runc
fn main() {}
