//! Links the program with the entry of `kernel::exe::early`, which runs before the C library starts: `exec` and
//! `healthcheck` enter a container.

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo speaks to build scripts through the environment"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without optimisation the compiler keeps even the addresses of constants in memory, where they are wrong until
    // the C library's start has relocated them. Such a build seals a copy of itself instead.
    if std::env::var("OPT_LEVEL").is_ok_and(|level| level != "0") {
        println!("cargo::rustc-link-arg-bins=-Wl,--entry=lockstep_start");
    }
}
