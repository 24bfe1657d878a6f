//! How the two binaries are linked: with the entry of `kernel::exe::early`, which runs before the C library starts, and with
//! what starts a container side by side. A part of their build scripts.

/// Says so to Cargo. `order` is the directory of `order.ld`.
#[expect(
    clippy::disallowed_methods,
    reason = "Cargo speaks to build scripts through the environment"
)]
pub(crate) fn link(order: &str) {
    println!("cargo::rerun-if-changed={order}/order.ld");
    // Without optimisation the compiler keeps even the addresses of constants in memory, where they are wrong until
    // the C library's start has relocated them. Such a build seals a copy of itself instead.
    if std::env::var("OPT_LEVEL").is_ok_and(|level| level != "0") {
        println!("cargo::rustc-link-arg-bins=-Wl,--entry=lockstep_start");
        let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{directory}/{order}/order.ld");
        if relocates_packed() {
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Whether the C library's start applies relocations in the packed form DT_RELR, which takes a hundredth of the bytes:
/// glibc 2.36 was the first.
#[expect(
    clippy::disallowed_methods,
    reason = "a build script is no container's program"
)]
fn relocates_packed() -> bool {
    // Not there with another C library.
    let header = std::fs::read_to_string("/usr/include/features.h").unwrap_or_default();
    let number = |name: &str| {
        let line = header
            .lines()
            .find_map(|line| line.strip_prefix("#define")?.trim().strip_prefix(name));
        line.and_then(|value| value.trim().parse::<u32>().ok())
    };
    (number("__GLIBC__"), number("__GLIBC_MINOR__")) >= (Some(2), Some(36))
}
