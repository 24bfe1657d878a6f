//! One attack against the shipped build, against a slowed one, and against one without the protection.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::harness::{Container, Host, Test, build};

/// Name of the cfg and of the directory with the build made under it.
const VARIANT: &str = "lockstep_weak";
/// The variable by which that build learns what to do without.
const VARIABLE: &str = "LOCKSTEP_WEAK";

/// What an attack is aimed at.
pub(crate) struct Attack {
    /// The protection without which the attack succeeds.
    pub(crate) weak: &'static str,
    /// A pause that makes the attack's window wide, with and without the protection; or nothing.
    pub(crate) slow: &'static str,
    /// The attack: whether the attacker won.
    pub(crate) body: fn(&Test) -> bool,
}

/// Makes an attack: it must fail, and succeed without the protection.
pub(crate) fn make(test: &Test, attack: &Attack) {
    assert!(!(attack.body)(test), "the attack succeeds");
    let Some(variant) = variant() else {
        test.skip("no build without protections: cargo xtask variant lockstep_weak");
    };
    if !attack.slow.is_empty() {
        arm(test, &variant, attack.slow);
        assert!(
            !(attack.body)(test),
            "the attack succeeds when there is time"
        );
    }
    let list = format!("{},{}", attack.weak, attack.slow);
    arm(test, &variant, list.trim_end_matches(','));
    let won = (attack.body)(test);
    test.disarm();
    assert!(
        won,
        "the attack fails without {:?} too, so it proves nothing",
        attack.weak
    );
}

/// From here on the test calls the build for attacks, told this.
pub(crate) fn arm_variant(test: &Test, list: &str) {
    match variant() {
        Some(variant) => arm(test, &variant, list),
        None => test.skip("no build without protections: cargo xtask variant lockstep_weak"),
    }
}

fn arm(test: &Test, variant: &Path, list: &str) {
    test.arm(variant, vec![(VARIABLE.to_owned(), list.to_owned())]);
}

fn variant() -> Option<PathBuf> {
    let folder = std::env::var_os("LOCKSTEP_TEST_VARIANTS").map_or_else(
        || {
            // TARGET/TRIPLE/debug/lockstep-runc
            let binary = Path::new(env!("CARGO_BIN_EXE_lockstep-runc"));
            let target = binary.ancestors().nth(3).expect("a target directory");
            target.join("variants")
        },
        PathBuf::from,
    );
    let path = folder.join(VARIANT).join("lockstep-runc");
    path.is_file().then_some(path)
}

/// The compiled attacker; skips the test where there is no C compiler.
pub(crate) fn attacker(test: &Test) -> &'static Path {
    static ATTACKER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match ATTACKER.get_or_init(|| build("attacker", include_str!("attacker.c"), &["-static"])) {
        Ok(path) => path,
        Err(reason) => test.skip(reason),
    }
}

/// Puts a copy of the attacker into a root file system at /attacker.
pub(crate) fn implant(test: &Test, rootfs: &Path) {
    let target = rootfs.join("attacker");
    // A copy: what is overwritten must not be what other tests use.
    std::fs::copy(attacker(test), target).expect("the root file system is writable");
}

/// Waits until the container's output has the line, or five seconds.
pub(crate) fn says(container: &Container<'_>, line: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if container.stdout().lines().any(|one| one.starts_with(line)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A process that exchanges two names for ever: somebody who shares the volume.
pub(crate) struct Swapper(Child);

impl Swapper {
    pub(crate) fn start(test: &Test, one: &Path, other: &Path) -> Self {
        let child = Command::new(attacker(test))
            .arg("swap")
            .args([one, other])
            .stdin(Stdio::null())
            .spawn()
            .expect("the attacker can be started");
        Swapper(child)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        // Killed just now: the wait ends at once.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The runtime under attack, copied so that it may be overwritten.
pub(crate) fn victim(test: &Test) -> PathBuf {
    let (program, env) = test
        .armed()
        .unwrap_or((Host::get().runtime.clone(), Vec::new()));
    let number = test
        .subdir("victim")
        .read_dir()
        .map_or(0, |all| all.count());
    let copy = test.dir.join(format!("victim/{number}-lockstep-runc"));
    // By another process: a descriptor for writing in this one is inherited by whatever another test starts at
    // that moment, and makes the copy busy (ETXTBSY) until that executes its program.
    test.host(
        "cp",
        &[&program.display().to_string(), &copy.display().to_string()],
    );
    test.arm(&copy, env);
    copy
}
