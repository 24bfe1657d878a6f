//! Compiles the container's init, a program of its own without the standard library, for `init.rs` to hold.

use std::path::Path;
use std::process::Command;

fn main() {
    const SOURCE: &str = "src/init/program.rs";
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCE}");
    let of = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("Cargo sets {name}"));
    let program = Path::new(&of("OUT_DIR")).join("init");
    let mut rustc = Command::new(of("RUSTC"));
    rustc
        .args(["--crate-name", "lockstep_init", "--crate-type", "bin"])
        .args(["--edition", "2024", "--target", &of("TARGET")])
        .args([
            "-C",
            "opt-level=s",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
        ])
        .args([
            "-C",
            "relocation-model=static",
            "-C",
            "target-feature=+crt-static",
        ])
        .args(["-C", "force-unwind-tables=no", "-D", "warnings"]);
    // One page of instructions and read-only data, nothing to relocate, nothing that differs between two builds.
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,noseparate-code",
        "-Wl,-z,norelro",
        "-Wl,--no-eh-frame-hdr",
    ] {
        rustc.arg("-C").arg(format!("link-arg={argument}"));
    }
    let status = rustc.arg("-o").arg(&program).arg(SOURCE).status();
    let compiled = status.is_ok_and(|status| status.success());
    assert!(compiled, "{SOURCE} could not be compiled");
}
