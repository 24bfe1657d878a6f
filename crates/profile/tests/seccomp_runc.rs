//! The same profile given to runc: the filter that it puts on a live container answers as ours.
//!
//! runc's reading is the one that engines rely on, so it is taken from a container and not from its
//! documentation: the kernel hands the loaded program back, and it is run in our interpreter. Needs root.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;
mod kernel;
mod libseccomp;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lockstep_abi::arch::Arch;
use lockstep_abi::bpf::Insn;
use lockstep_abi::capability::CapSet;
use lockstep_abi::syscall;
use lockstep_oci::runtime::{Seccomp, SeccompAction, SeccompArch};
use lockstep_profile::seccomp::interpret::{Call, interpret};
use lockstep_profile::seccomp::{Verdict, compile, default_profile};
use serde_json::{Value, json};

#[test]
fn filters_answer_as_runcs() {
    let Some(runc) = Runc::find("filters_answer_as_runcs") else {
        return;
    };
    let mut total = 0;
    for (name, mut profile) in profiles() {
        runc.forget_newer_names(&mut profile);
        let theirs = runc
            .filter(&profile)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = compile(&profile, Arch::X86_64).unwrap().insns;
        let (mut answers, mut explained) = (0, 0);
        for call in corpus::calls(&profile, 100) {
            let (ours, theirs) = (
                interpret(&ours, &call).unwrap(),
                interpret(&theirs, &call).unwrap(),
            );
            answers += 1;
            if ours != theirs {
                explained += 1;
                assert!(
                    is_explained(&profile, &call, ours, theirs),
                    "{name}: ours {ours}, runc's {theirs}: {call:x?}"
                );
            }
        }
        println!(
            "{name}: {answers} answers, {explained} of them decided otherwise, {} instructions, runc's {}",
            ours.len(),
            theirs.len()
        );
        total += answers - explained;
    }
    assert!(total > 50_000, "only {total} answers were compared");
}

#[test]
fn calls_in_containers_end_as_the_rules_say() {
    let name = "calls_in_containers_end_as_the_rules_say";
    let Some(runc) = Runc::find(name) else { return };
    let Some(mut profile) = corpus::docker_like() else {
        return corpus::skip(name, "podman's profile is missing");
    };
    runc.forget_newer_names(&mut profile);
    let ours = compile(&profile, Arch::X86_64).unwrap().insns;
    let calls = kernel::stopped(&profile, &ours, 0);
    assert!(calls.len() > 1000, "only {} calls were made", calls.len());
    let input = "inherited\n".to_owned() + &kernel::calls_text(&calls);
    for program in runtimes(name) {
        let seen = kernel::seen(&runc.run(&program, &profile, &input));
        assert_eq!(seen.len(), calls.len(), "{program}");
        for ((call, expected), seen) in calls.iter().zip(&seen) {
            assert_eq!(seen, expected, "{program}: {call:x?}");
        }
    }
}

/// runc, and our own runtime, which is another package's: the test's runner names it.
fn runtimes(test: &str) -> Vec<String> {
    let own = std::env::var("LOCKSTEP_TEST_RUNTIME").ok();
    match own.filter(|path| Path::new(path).is_file()) {
        Some(own) => vec!["runc".to_owned(), own],
        None => {
            let name = format!("{test} (lockstep-runc)");
            corpus::skip(&name, "LOCKSTEP_TEST_RUNTIME names no runtime");
            vec!["runc".to_owned()]
        }
    }
}

/// Profiles under which a container lives long enough to be looked at.
fn profiles() -> Vec<(String, Seccomp)> {
    let mut profiles = vec![];
    for (name, granted) in [
        ("none", CapSet::from_bits(0)),
        ("all", CapSet::from_bits(u64::MAX)),
    ] {
        let mut profile = default_profile(Arch::X86_64, granted);
        // runc's own init needs keyctl.
        let keyctl = json!({"names": ["keyctl"], "action": "SCMP_ACT_ALLOW"});
        profile
            .syscalls
            .insert(0, serde_json::from_value(keyctl).unwrap());
        profiles.push((format!("default, {name} of the capabilities"), profile));
    }
    let Some(docker_like) = corpus::docker_like() else {
        return profiles;
    };
    let variants: [(&str, SeccompAction, &[SeccompArch]); 8] = [
        (
            "three interfaces",
            SeccompAction::Errno,
            &[SeccompArch::X86_64, SeccompArch::X86, SeccompArch::X32],
        ),
        (
            "two interfaces",
            SeccompAction::Errno,
            &[SeccompArch::X86_64, SeccompArch::X86],
        ),
        (
            "x32 beside",
            SeccompAction::Errno,
            &[SeccompArch::X86_64, SeccompArch::X32],
        ),
        ("native by default", SeccompAction::Errno, &[]),
        ("foreign only", SeccompAction::Errno, &[SeccompArch::X86]),
        (
            "killing",
            SeccompAction::KillProcess,
            &[SeccompArch::X86_64, SeccompArch::X86],
        ),
        (
            "logging",
            SeccompAction::Log,
            &[SeccompArch::X86_64, SeccompArch::X32],
        ),
        ("tracing", SeccompAction::Trace, &[SeccompArch::X86_64]),
    ];
    for (name, action, architectures) in variants {
        let mut profile = docker_like.clone();
        profile.default_errno_ret = None;
        profile.default_action = action;
        profile.architectures = architectures.to_vec();
        profiles.push((format!("docker-like, {name}"), profile));
    }
    for (name, profile) in corpus::nasty() {
        let lets_live = matches!(
            profile.default_action,
            SeccompAction::Allow | SeccompAction::Log
        );
        if lets_live && ["empty, allow", "one call, many alternatives"].contains(&name) {
            profiles.push((name.to_owned(), profile));
        }
    }
    profiles
}

/// runc 1.1 knows no newer calls on interfaces that are not listed, not even on the native one; later
/// versions do, and so do we. Behind multiplexers libseccomp forgets conditions.
fn is_explained(profile: &Seccomp, call: &Call, ours: Verdict, theirs: Verdict) -> bool {
    let Some(arch) = Arch::from_audit_arch(call.audit_arch, call.number) else {
        return false;
    };
    let listed = profile
        .architectures
        .iter()
        .any(|name| name.as_str() == arch.scmp_name());
    if ours == Verdict::ENOSYS && !listed {
        return true;
    }
    let multiplexer = matches!(syscall::name(arch, call.number), Some("socketcall" | "ipc"));
    let stricter = ours.action().cast_signed() <= theirs.action().cast_signed();
    multiplexer && (call.arguments[0] > 0xffff || stricter)
}

struct Runc {
    bundle: PathBuf,
    dump: PathBuf,
    exporter: PathBuf,
}

impl Runc {
    fn find(test: &str) -> Option<Self> {
        let skip = |reason: &str| {
            corpus::skip(test, reason);
            None
        };
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        if !status.lines().any(|line| line.starts_with("Uid:\t0\t0")) {
            return skip("not root");
        }
        if Command::new("runc")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            return skip("runc is missing");
        }
        let (Some(probe), Some(dump), Some(exporter)) = (
            kernel::program("probe"),
            kernel::program("dump"),
            libseccomp::exporter(),
        ) else {
            return skip("gcc or libseccomp-dev is missing");
        };
        let bundle = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{test}-{}", std::process::id()));
        for folder in ["proc", "dev", "sys"] {
            std::fs::create_dir_all(bundle.join("rootfs").join(folder)).unwrap();
        }
        std::fs::copy(&probe, bundle.join("rootfs/probe")).unwrap();
        Some(Self {
            bundle,
            dump,
            exporter,
        })
    }

    /// What runc's libseccomp does not know has no meaning there.
    fn forget_newer_names(&self, profile: &mut Seccomp) {
        if let Some(exported) = libseccomp::export(&self.exporter, profile) {
            for rule in &mut profile.syscalls {
                rule.names.retain(|name| !exported.unknown.contains(name));
            }
        }
    }

    fn write_config(&self, profile: &Seccomp) {
        let mount = |kind: &str, to: &str| json!({"destination": to, "type": kind, "source": kind});
        let capabilities: Value = json!([]);
        let config = json!({
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [mount("proc", "/proc"), mount("tmpfs", "/dev")],
            "process": {"args": ["/probe"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "noNewPrivileges": true,
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities}},
            "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
                {"type": "network"}], "seccomp": profile},
        });
        std::fs::write(self.bundle.join("config.json"), config.to_string()).unwrap();
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        // Its own mount namespace: runc makes its mounts in the one it is started in.
        command.args([
            "-k",
            "5",
            "60",
            "unshare",
            "-m",
            "--propagation",
            "private",
            program,
            "--root",
        ]);
        command.arg(self.bundle.join("state")).args(arguments);
        command
    }

    /// The filter that runc puts on a container.
    fn filter(&self, profile: &Seccomp) -> Result<Vec<Insn>, String> {
        // Waits for the rest of its input, and so lives until the input ends.
        self.write_config(profile);
        let id = format!("lockstep-seccomp-{}", std::process::id());
        let bundle = self.bundle.to_str().unwrap();
        let pid_file = self.bundle.join("pid");
        drop(std::fs::remove_file(&pid_file));
        let mut child = self
            .command(
                "runc",
                &[
                    "run",
                    "--bundle",
                    bundle,
                    "--pid-file",
                    pid_file.to_str().unwrap(),
                    &id,
                ],
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let dumped = self.dump_when_filtered(&pid_file);
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        drop(
            self.command("runc", &["delete", "--force", &id])
                .stderr(Stdio::null())
                .status(),
        );
        dumped.ok_or(errors)
    }

    fn dump_when_filtered(&self, pid_file: &Path) -> Option<Vec<Insn>> {
        for _ in 0..600 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let Ok(pid) = std::fs::read_to_string(pid_file) else {
                continue;
            };
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            if comm.trim() != "probe" {
                continue;
            }
            let output = Command::new(&self.dump).arg(&pid).output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
            let insn = |raw: &[u8]| {
                Insn::jump(
                    u16::from_le_bytes([raw[0], raw[1]]),
                    word(&raw[4..]),
                    raw[2],
                    raw[3],
                )
            };
            return Some(output.stdout.chunks(8).map(insn).collect());
        }
        None
    }

    fn run(&self, program: &str, profile: &Seccomp, input: &str) -> std::process::Output {
        self.write_config(profile);
        let id = format!("lockstep-seccomp-run-{}", std::process::id());
        let bundle = self.bundle.to_str().unwrap();
        let mut command = self.command(program, &["run", "--bundle", bundle, &id]);
        kernel::feed(&mut command, input)
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.bundle));
    }
}
