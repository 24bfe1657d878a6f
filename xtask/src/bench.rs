//! `cargo xtask bench`: speed, memory, system calls and endurance against crun, runc and a floor.
//!
//! Everything runs in a private mount namespace with a tmpfs for bundles and state, so that the
//! disk is not measured and nothing is left behind. Ratios within one interleaved run are the
//! figures; absolute times belong to one machine and one hour.

mod bundle;
mod engines;
mod gate;
mod layout;
mod load;
mod order;
mod people;
mod rootless;
mod sample;
mod seccomp;
mod speed;
mod unpack;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bundle::Bundles;
use clap::{Args, Subcommand};
use layout::Layout;

use crate::Failure;

/// Flags of `bench`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Cgroup layout; v1 is where all peers run
    #[arg(long, global = true)]
    cgroup: Option<Layout>,
    /// Another program to be measured in the place of lockstep-runc
    #[arg(long, global = true)]
    runtime: Option<PathBuf>,
    /// Seed of the order; the time if absent
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Where an outer call has put the programs; set by that call alone
    #[arg(long, global = true, hide = true)]
    inside: Option<PathBuf>,
}

#[derive(Subcommand, Clone)]
enum What {
    /// Time of run, run with Podman's default seccomp profile, exec and create+start+delete (the default)
    Speed {
        /// Rounds; each has every case once
        #[arg(long, default_value_t = 100)]
        rounds: usize,
    },
    /// System calls of `run` in every cgroup layout
    Syscalls,
    /// What CI holds: system calls and page faults of lockstep-runc, size and linkage of its binary
    Gate,
    /// Peak memory of `run`
    Memory,
    /// Start containers with a memory limit of 1 MiB
    Memlimit,
    /// Time of `lockstep run`, as root and as an ordinary user, against crun on a bare bundle, podman and docker; memory of
    /// an idle supervisor; `ps` of 200 containers against reading their state files
    People {
        /// Rounds; each has every case once
        #[arg(long, default_value_t = 100)]
        rounds: usize,
    },
    /// Write the linker script that puts what starts a container side by side
    Order,
    /// Run `true` many times under load
    Storm { runs: usize },
    /// Time and memory of loading a Debian image, beside `podman load`
    Unpack {
        /// Runs of each case
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
}

/// A program with runc's command line.
#[derive(Clone)]
pub(crate) struct Runtime {
    name: String,
    program: PathBuf,
    state: PathBuf,
}

impl Runtime {
    fn words(&self, args: &[&str]) -> Vec<String> {
        let (program, state) = (self.program.to_string_lossy(), self.state.to_string_lossy());
        let mut words = sample::owned(&[&program, "--root", &state]);
        words.extend(sample::owned(args));
        words
    }
}

/// What a benchmark has at hand inside its namespace.
pub(crate) struct Bench {
    layout: Layout,
    folder: PathBuf,
    bundles: Bundles,
    measure: PathBuf,
    floor: PathBuf,
    runtimes: Vec<Runtime>,
}

impl Bench {
    fn ours(&self) -> Result<Runtime, Failure> {
        let ours = self
            .runtimes
            .iter()
            .find(|runtime| runtime.name == "lockstep-runc");
        ours.cloned()
            .ok_or(Failure::new("lockstep-runc is not built"))
    }
}

/// Runs a benchmark: outside prepares and enters the namespace, inside measures.
pub(crate) fn run(root: &Path, options: Options) -> Result<(), Failure> {
    match &options.inside {
        None => outside(root, &options),
        Some(folder) => inside(root, &options, folder),
    }
}

fn outside(root: &Path, options: &Options) -> Result<(), Failure> {
    if !crate::testing::is_root() {
        return Err(Failure::new(
            "the benchmark needs root: it compares whole containers",
        ));
    }
    let unpacks = matches!(options.what, Some(What::Unpack { .. }));
    if options.runtime.is_none() && !unpacks {
        crate::build_release(root, "lockstep-runc")?;
    }
    let folder = crate::target(root).join("bench");
    std::fs::create_dir_all(&folder)?;
    for name in ["floor", "measure", "payload", "steps"] {
        compile(root, &folder, name)?;
    }
    let what = options.what.clone().unwrap_or(What::Speed { rounds: 100 });
    if matches!(what, What::People { .. } | What::Unpack { .. }) {
        crate::build_release(root, "lockstep")?;
    }
    if matches!(what, What::Order) {
        order::build(root)?;
    }
    let all = matches!(what, What::Syscalls | What::Gate) && options.cgroup.is_none();
    let layouts = if all {
        Layout::ALL.to_vec()
    } else {
        vec![options.cgroup.unwrap_or(Layout::V1)]
    };
    let mut results = Vec::new();
    for layout in layouts {
        if !layout.is_possible() {
            println!("this machine cannot show cgroup {}", layout.name());
            continue;
        }
        let good = enter(&folder, layout)?;
        results.push((
            format!("{} on {}", describe(&what, layout), layout.name()),
            good,
        ));
    }
    if matches!(what, What::Gate) {
        let ours = options
            .runtime
            .clone()
            .unwrap_or(crate::release_binary(&crate::target(root), "lockstep-runc"));
        results.extend(gate::binary(&ours)?);
        return gate::report(&results);
    }
    let good = !results.is_empty() && results.iter().all(|(_, good)| *good);
    if good { Ok(()) } else { Err(Failure::silent()) }
}

fn describe(what: &What, layout: Layout) -> String {
    match what {
        What::Gate => format!(
            "at most {} system calls and {} page faults of run",
            gate::ceiling(layout),
            gate::FAULTS
        ),
        _ => "benchmark".to_owned(),
    }
}

/// Executes this program again with the same arguments in a private mount namespace.
fn enter(folder: &Path, layout: Layout) -> Result<bool, Failure> {
    let script = format!(
        "set -e\nfolder=$1; shift\n{}mount -t tmpfs -o mode=755 bench \"$folder/work\"\n\
         exec \"$@\" --cgroup {} --inside \"$folder\"\n",
        layout.script(),
        layout.name()
    );
    std::fs::create_dir_all(folder.join("work"))?;
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    // Repeated below, where clap would refuse the second one.
    if let Some(at) = args.iter().position(|arg| arg == "--cgroup") {
        args.drain(at..(at + 2).min(args.len()));
    }
    args.retain(|arg| !arg.starts_with("--cgroup="));
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &script,
        "sh",
    ]);
    command.arg(folder).arg(own_path()?).args(args);
    Ok(command.stdin(Stdio::null()).status()?.success())
}

/// The path of this program, also after Cargo has replaced the file.
fn own_path() -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?;
    let text = path.to_string_lossy();
    Ok(PathBuf::from(
        text.strip_suffix(" (deleted)").unwrap_or(&text),
    ))
}

fn compile(root: &Path, folder: &Path, name: &str) -> Result<(), Failure> {
    let source = root.join("xtask/bench").join(format!("{name}.c"));
    let mut gcc = Command::new("gcc");
    gcc.args(["-static", "-O2", "-Wall", "-Wextra", "-o"])
        .arg(folder.join(name))
        .arg(source);
    if name == "payload" {
        gcc.args(["-nostdlib", "-fno-stack-protector"]);
    }
    crate::run::output(&mut gcc).map(|_| ())
}

fn inside(root: &Path, options: &Options, folder: &Path) -> Result<(), Failure> {
    let seed = options.seed.unwrap_or(u64::from(std::process::id()));
    if let Some(What::Unpack { rounds }) = options.what {
        return unpack::run(root, folder, rounds, seed);
    }
    let work = folder.join("work");
    let runtimes = runtimes(root, options, &work);
    let first = runtimes
        .iter()
        .find(|runtime| runtime.name == "runc")
        .or(runtimes.first());
    let spec_by = first
        .map(|runtime| runtime.program.clone())
        .unwrap_or_default();
    let bundles = Bundles::new(&work, &folder.join("payload"), &spec_by)?;
    let bench = Bench {
        layout: options.cgroup.unwrap_or(Layout::V1),
        bundles,
        measure: folder.join("measure"),
        floor: folder.join("floor"),
        folder: work,
        runtimes,
    };
    match options.what.clone().unwrap_or(What::Speed { rounds: 100 }) {
        What::Speed { rounds } => speed::run(&bench, rounds, seed),
        What::Syscalls => verdict(gate::syscalls(&bench, &bench.runtimes)?),
        What::Gate => {
            let calls = gate::syscalls(&bench, &[bench.ours()?])?;
            verdict(gate::faults(&bench)? && calls)
        }
        What::Memory => load::memory(&bench),
        What::Memlimit => load::memory_limit(&bench),
        What::People { rounds } => people::run(&bench, root, rounds, seed),
        What::Order => order::run(&bench, root, &folder.join("steps")),
        What::Storm { runs } => load::storm(&bench, runs),
        What::Unpack { .. } => Ok(()), // above: it needs no bundle
    }
}

fn verdict(good: bool) -> Result<(), Failure> {
    let missed = "more system calls or page faults than the gate allows, or none counted";
    if good {
        Ok(())
    } else {
        Err(Failure::new(missed))
    }
}

/// Ours and the peers that are installed, each with a state directory of its own.
fn runtimes(root: &Path, options: &Options, work: &Path) -> Vec<Runtime> {
    let ours = options
        .runtime
        .clone()
        .unwrap_or(crate::release_binary(&crate::target(root), "lockstep-runc"));
    let peers = [("crun", "/usr/bin/crun"), ("runc", "/usr/sbin/runc")];
    let named = |name: &str, program: PathBuf| Runtime {
        name: name.to_owned(),
        program,
        state: work.join(format!("state-{name}")),
    };
    let mut found = vec![named("lockstep-runc", ours)];
    for (name, program) in peers {
        if Path::new(program).exists() {
            found.push(named(name, PathBuf::from(program)));
        }
    }
    found
}

/// Runs one command that must succeed.
fn status(words: &[String]) -> Result<(), Failure> {
    let [program, args @ ..] = words else {
        return Ok(());
    };
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{}: {status}", words.join(" "))))
    }
}
