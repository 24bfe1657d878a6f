//! Links the program as `lockstep-runc`: `exec` and `healthcheck` enter a container, and a start is the same library's work.

#[path = "../lockstep-runc/link.rs"]
mod link;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../lockstep-runc/link.rs");
    link::link("../lockstep-runc");
}
