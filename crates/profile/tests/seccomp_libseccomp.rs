//! The same profile given to libseccomp in runc's way: its answers and ours are alike.
//!
//! libseccomp is what engines' profiles were written against, so where the specification is silent its
//! behaviour is the meaning. What may differ is listed in `explained`, and nothing else is.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;
mod kernel;
mod libseccomp;

use std::path::Path;

use lockstep_abi::arch::Arch;
use lockstep_abi::syscall;
use lockstep_oci::runtime::Seccomp;
use lockstep_profile::seccomp::interpret::{Call, interpret};
use lockstep_profile::seccomp::{Verdict, compile};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[test]
fn answers_are_libseccomps() {
    let Some(exporter) = libseccomp::exporter() else {
        return corpus::skip(
            "answers_are_libseccomps",
            "gcc or libseccomp-dev is missing",
        );
    };
    let mut total = Compared::default();
    for (name, profile) in corpus::profiles("answers_are_libseccomps") {
        match compare(&exporter, &profile, 300) {
            Ok(Some(compared)) => {
                println!("{name}: {compared:?}");
                total.add(&compared);
            }
            Ok(None) => println!("{name}: libseccomp refuses it"),
            Err(difference) => panic!("{name}: {difference}"),
        }
    }
    assert!(total.equal > 100_000, "{total:?}");
}

#[test]
fn answers_are_libseccomps_for_random_profiles() {
    let name = "answers_are_libseccomps_for_random_profiles";
    let Some(exporter) = libseccomp::exporter() else {
        return corpus::skip(name, "gcc or libseccomp-dev is missing");
    };
    let (mut total, mut compared) = (Compared::default(), 0);
    let cases = cases();
    for profile in random(cases).map(corpus::random::each_call_once) {
        match compare(&exporter, &profile, 100) {
            Ok(Some(answers)) => {
                compared += 1;
                total.add(&answers);
            }
            Ok(None) => {}
            Err(difference) => panic!("{difference}\n{}", serde_json::to_string(&profile).unwrap()),
        }
    }
    println!("{compared} of {cases} profiles: {total:?}");
    assert!(
        compared > cases * 9 / 10,
        "{compared} of {cases} profiles were compared"
    );
}

/// Where several rules of one call overlap, libseccomp has no order to speak of: its tree merges
/// comparisons that share a half, and drops what is then in the way. We promise an order, which is its
/// own in most cases; this keeps it so.
#[test]
fn overlapping_rules_are_mostly_ordered_as_by_libseccomp() {
    let name = "overlapping_rules_are_mostly_ordered_as_by_libseccomp";
    let Some(exporter) = libseccomp::exporter() else {
        return corpus::skip(name, "gcc or libseccomp-dev is missing");
    };
    let (mut alike, mut refused, mut different) = (0, 0, 0);
    for profile in random(cases()) {
        match compare(&exporter, &profile, 100) {
            Ok(Some(_)) => alike += 1,
            Ok(None) => refused += 1,
            Err(_) => different += 1,
        }
    }
    println!("{alike} alike, {different} different, {refused} refused by libseccomp");
    assert!(
        different * 20 < alike,
        "{different} different, {alike} alike"
    );
}

fn cases() -> u32 {
    let cases = std::env::var("PROPTEST_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

fn random(cases: u32) -> impl Iterator<Item = Seccomp> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let profiles = corpus::random::profiles(6);
    (0..cases).map(move |_| profiles.new_tree(&mut runner).unwrap().current())
}

#[derive(Debug, Default)]
struct Compared {
    equal: usize,
    /// Decided otherwise, see `explained`.
    explained: usize,
    /// libseccomp's program contradicts its own account, which is ours.
    miscompiled: usize,
}

impl Compared {
    fn add(&mut self, other: &Self) {
        self.equal += other.equal;
        self.explained += other.explained;
        self.miscompiled += other.miscompiled;
    }
}

/// Compares all answers. `Err` describes the first difference that is not explained.
fn compare(exporter: &Path, profile: &Seccomp, limit: usize) -> Result<Option<Compared>, String> {
    let Some(exported) = libseccomp::export(exporter, profile) else {
        return Ok(None);
    };
    let mut profile = profile.clone();
    for rule in &mut profile.syscalls {
        // Newer than the library, so runc skips them.
        rule.names.retain(|name| !exported.unknown.contains(name));
    }
    let ours = compile(&profile, Arch::X86_64).map_err(|error| error.to_string())?;
    let mut compared = Compared::default();
    for call in corpus::calls(&profile, limit) {
        let theirs =
            interpret(&exported.program, &call).map_err(|fault| format!("libseccomp: {fault}"))?;
        let ours = interpret(&ours.insns, &call).map_err(|fault| fault.to_string())?;
        if ours == theirs {
            compared.equal += 1;
        } else if explained(&profile, &call, ours, theirs) {
            compared.explained += 1;
        } else if exported.account.verdict(&call) == Some(ours) {
            compared.miscompiled += 1;
        } else {
            return Err(format!("ours {ours}, libseccomp's {theirs}: {call:x?}"));
        }
    }
    Ok(Some(compared))
}

/// Differences that are decisions: runc's own stub for newer calls, which is not in libseccomp, and
/// calls behind a multiplexer, where libseccomp drops conditions and compares bits that the kernel ignores.
fn explained(profile: &Seccomp, call: &Call, ours: Verdict, theirs: Verdict) -> bool {
    let Some(arch) = Arch::from_audit_arch(call.audit_arch, call.number) else {
        return false;
    };
    let names = || profile.syscalls.iter().flat_map(|rule| rule.names.iter());
    let numbers = names().filter_map(|name| syscall::number(arch, name));
    let newest = numbers
        .filter(|number| arch != Arch::Arm || *number < 0xf_0000)
        .max();
    let beyond = newest.is_some_and(|newest| call.number > newest);
    if ours == Verdict::ENOSYS && beyond {
        return true;
    }
    let multiplexer = matches!(syscall::name(arch, call.number), Some("socketcall" | "ipc"));
    let conditional = profile.syscalls.iter().any(|rule| {
        let behind = |name: &str| name != "socketcall" && name != "ipc";
        !rule.args.is_empty() && rule.names.iter().any(behind)
    });
    let dirty = call.arguments[0] > 0xffff;
    let stricter = ours.action().cast_signed() <= theirs.action().cast_signed();
    multiplexer && (dirty || conditional && stricter)
}
