//! SELinux with a policy that has no domain for containers, as Debian's is, and the module that gives it one.
//! `cargo xtask vm enforcing` has them.

use std::process::Command;
use std::time::Duration;

use lockstep_profile::selinux::MODULE;

use crate::cases;
use crate::modules::{chcon, enforcing, first_line, knows_containers, need_selinux};
use crate::stage::{Output, Stage, output_within, program};

cases![module_is_printed];

/// What every other test would feel.
pub(crate) const ALONE: &[crate::Case] = &[("without_containers", without_containers)];

fn module_is_printed(t: &Stage) {
    assert_eq!(
        t.call(&["doctor", "--selinux-module"]).text(),
        MODULE.trim_end()
    );
}

/// The module that brings container_t; it is there again in the end.
struct Installed<'t>(&'t Stage);

impl Installed<'_> {
    /// As semodule(8) names it, by its file.
    const NAME: &'static str = "lockstep-container";

    fn semodule(words: &[&str]) -> Output {
        let mut command = Command::new("semodule");
        command.args(words);
        output_within(Duration::from_secs(300), command, b"")
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        if !knows_containers() {
            let file = self.0.dir.join(format!("{}.cil", Self::NAME));
            let written = std::fs::write(&file, MODULE);
            let installed = Self::semodule(&["-i", &file.display().to_string()]);
            println!("container_t was not there: {written:?}, {installed:?}");
        }
    }
}

/// What is told of it, and the way out as it is told.
fn without_containers(t: &Stage) {
    need_selinux(t);
    t.need(enforcing(), "a permissive policy refuses nothing");
    let modules = Installed::semodule(&["-l"]).text();
    let ours = modules.lines().any(|name| name == Installed::NAME);
    t.need(ours, "container_t is another module's");
    let file = t.dir.join("host");
    std::fs::write(&file, "host\n").expect("own directory");
    chcon("system_u:object_r:var_lib_t:s0", &file);
    let bind = format!("-v={}:/host", file.display());
    let run = |options: &[&str]| {
        let options = [&[&*bind], options].concat();
        t.sh(&options, "cat /proc/self/attr/current; echo; cat /host")
    };
    let _installed = Installed(t);
    Installed::semodule(&["-r", Installed::NAME]).text();
    let doctor = t.call(&["doctor"]);
    let line = "lockstep doctor --selinux-module > lockstep-container.cil && semodule -i lockstep-container.cil";
    assert_eq!(doctor.code, 1, "{doctor:?}");
    let told = doctor
        .stdout
        .contains("the loaded policy has no container_t");
    assert!(told && doctor.stdout.contains(line), "{doctor:?}");
    let free = run(&[]);
    let said = "SELinux does not confine this container: the loaded policy has no container_t";
    assert!(free.stderr.contains(said), "{free:?}");
    let own = first_line("/proc/self/attr/current").replace('\0', "");
    assert_eq!(free.text().replace('\0', ""), format!("{own}\nhost"));
    let asked = run(&["--security-opt=label=type:container_t"]).refused(125);
    assert!(asked.contains("policy does not know"), "{asked}");
    // The line as it is printed.
    let path = format!(
        "{}:{}",
        program().parent().expect("a directory").display(),
        std::env::var("PATH").expect("a path")
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(&t.dir)
        .env("PATH", path);
    output_within(Duration::from_secs(300), shell, b"").text();
    let confined = run(&[]);
    assert!(!confined.stderr.contains("SELinux"), "{confined:?}");
    let label = "system_u:system_r:container_t:s0:c";
    assert!(confined.stdout.starts_with(label), "{confined:?}");
    assert!(!confined.stdout.contains("host"), "{confined:?}");
    assert!(
        knows_containers()
            && t.call(&["doctor"])
                .stdout
                .contains("enforcing, with container_t")
    );
}
