//! Links the runtime.

mod link;

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo speaks to build scripts through the environment"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=link.rs");
    println!("cargo::rerun-if-changed=unwind.ld");
    link::link(".");
    let said = |name: &str| std::env::var(name).unwrap_or_default();
    if said("PROFILE") == "release" {
        println!(
            "cargo::rustc-link-arg-bins=-T{}/unwind.ld",
            said("CARGO_MANIFEST_DIR")
        );
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
