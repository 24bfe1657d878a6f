//! Development commands: tidy, gen, bench, test groups.
fn main() {}
