//! The test groups: `cargo xtask test` runs a seeded sample of each, `cargo xtask full` all.
//!
//! One command for CI and for people. It prepares the machine itself, gives each group a time
//! limit, and ends with a table of what ran, what did not and why: a skip that nobody sees is
//! a test that nobody has.
//!
//! Tests see `LOCKSTEP_TEST_SAMPLE=<percent>,<seed>` in a sample, with 100 where a group has all of its cases run,
//! and `LOCKSTEP_SKIPS=<file>`, to which one that cannot run appends `name<TAB>reason` before it
//! returns. `LOCKSTEP_TEST_RUNTIME` names the release binary; below `LOCKSTEP_TEST_VARIANTS`
//! are the builds under each `--cfg lockstep_*` that the sources ask for, `<cfg>/lockstep-runc`.

pub(crate) mod counts;
mod execute;
mod fuzz;
mod groups;
pub(crate) mod packages;
mod report;
pub(crate) mod variants;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::Failure;

use counts::Counts;
use groups::{GROUPS, Group, Targets};
use report::Row;

/// The sample ends within this, whatever hangs: CI gives up at 30 minutes and shows no table.
const SAMPLE_LIMIT: Duration = Duration::from_secs(27 * 60);

/// What a run was asked for.
pub(crate) struct Options {
    pub(crate) seed: Option<u64>,
    pub(crate) groups: Vec<String>,
    pub(crate) full: bool,
}

/// Where a run happens.
pub(crate) struct Context {
    pub(crate) root: PathBuf,
    target: PathBuf,
    seed: u64,
    /// What the commit decides, and not the seed: which of the virtual machines have their turn.
    turn: u64,
    full: bool,
    started: Instant,
    /// Names of the cfgs under which the tests want another build.
    pub(crate) variants: std::collections::BTreeSet<String>,
}

impl Context {
    /// Whether a program is there.
    pub(crate) fn has(&self, program: &str) -> bool {
        has_program(program)
    }

    /// A group's own limit, or what is left of the whole run.
    fn limit(&self, group: &Group) -> Duration {
        let own = group.limit(self.full);
        let left = SAMPLE_LIMIT.saturating_sub(self.started.elapsed());
        if self.full { own } else { own.min(left) }
    }

    fn release_binary(&self) -> PathBuf {
        crate::release_binary(&self.target, "lockstep-runc")
    }
}

/// Whether `program` is in one of the directories where Debian and Cargo put programs.
pub(crate) fn has_program(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let fixed = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(fixed)
        .any(|folder| folder.join(program).is_file())
}

/// Whether this process is root, from the kernel's own answer.
pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or("");
    uids.split_whitespace().nth(1) == Some("0")
}

/// Runs the groups and prints the table.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let context = context(root, options)?;
    let chosen = choose(options)?;
    let logs = context.target.join("test-logs");
    // Logs of an earlier run would be read as if they were of this one.
    if logs.exists() {
        std::fs::remove_dir_all(&logs)?;
    }
    std::fs::create_dir_all(&logs)?;
    let kind = if context.full { "full run" } else { "sample" };
    println!(
        "{kind}, seed {} (repeat with --seed {0}), logs in {}",
        context.seed,
        logs.display()
    );
    let mut rows = Vec::new();
    if chosen.iter().any(|group| group.root) {
        rows.push(prepare(&context, &logs)?);
    }
    if !context.full {
        let kinds = crate::vm::kinds(context.turn).join(" ");
        println!("virtual machines of this commit: {kinds} (repeat with cargo xtask vm {kinds})");
    }
    let targets = Targets::of_workspace(&context)?;
    for group in chosen {
        let mut row = run_group(group, &context, &targets, &logs)?;
        report::print_row(&row);
        if row.counts.failed > 0 && group.root && !context.full {
            row = second_try(&row, group, &context, &targets, &logs)?;
            report::print_row(&row);
        }
        rows.push(row);
    }
    report::print_table(&rows);
    let failed: u64 = rows.iter().map(|row| row.counts.failed).sum();
    if failed > 0 {
        return Err(Failure::silent());
    }
    Ok(())
}

fn context(root: &Path, options: &Options) -> Result<Context, Failure> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seed = options.seed.unwrap_or(now.as_secs());
    Ok(Context {
        root: root.to_path_buf(),
        target: crate::target(root),
        seed,
        turn: commit(root).unwrap_or(seed),
        full: options.full,
        started: Instant::now(),
        variants: variants::discover(root)?,
    })
}

/// A number that a commit has; none where git knows of no commit here.
fn commit(root: &Path) -> Option<u64> {
    let mut ask = Command::new("git");
    ask.args(["rev-parse", "HEAD"]).current_dir(root);
    let hash = crate::run::output(&mut ask).ok()?;
    u64::from_str_radix(hash.get(..8)?, 16).ok()
}

fn choose(options: &Options) -> Result<Vec<&'static Group>, Failure> {
    for name in &options.groups {
        if !GROUPS.iter().any(|group| group.name == name) {
            let names: Vec<_> = GROUPS.iter().map(|group| group.name).collect();
            return Err(Failure::new(format!(
                "no group {name}: there are {}",
                names.join(", ")
            )));
        }
    }
    let named = |group: &&Group| options.groups.iter().any(|name| name == group.name);
    let by_default =
        |group: &&Group| options.groups.is_empty() && (options.full || !group.full_only);
    Ok(GROUPS
        .iter()
        .filter(|group| named(group) || by_default(group))
        .collect())
}

/// Installs packages and builds the release binaries once for all groups.
fn prepare(context: &Context, logs: &Path) -> Result<Row, Failure> {
    let started = Instant::now();
    let mut skips = Vec::new();
    if let Err(failure) = packages::install(packages::FOR_TESTS) {
        println!("packages: {failure}");
        skips.push(("packages".to_owned(), failure.to_string()));
    }
    // Each alone: Cargo unites the features of what is built together.
    let builds = ["lockstep-runc", "lockstep"].map(|name| {
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "-p", name]);
        build.current_dir(&context.root);
        build
    });
    let log = logs.join("prepare.log");
    let mut counts = execute::execute(builds.into(), &log, Duration::from_secs(1800))?;
    counts.skipped += skips.len() as u64;
    let row = Row {
        name: "prepare",
        counts,
        took: started.elapsed(),
        skips,
        log,
    };
    report::print_row(&row);
    Ok(row)
}

/// Tests of live containers share the machine with whatever else runs on it, and a sample decides over a whole
/// submission; so a failed group runs once more. What failed at first stays printed, is listed in the closing
/// table, and its log is kept. A full run, from which figures come, has no second try.
fn second_try(
    first: &Row,
    group: &'static Group,
    context: &Context,
    targets: &Targets,
    logs: &Path,
) -> Result<Row, Failure> {
    let kept = logs.join(format!("{}.first.log", group.name));
    std::fs::rename(&first.log, &kept)?;
    let mut row = run_group(group, context, targets, logs)?;
    row.took += first.took;
    let failed = first.counts.failed;
    let reason = format!("{failed} failed at the first try, see {}", kept.display());
    row.skips.push((group.name.to_owned(), reason));
    Ok(row)
}

fn run_group(
    group: &'static Group,
    context: &Context,
    targets: &Targets,
    logs: &Path,
) -> Result<Row, Failure> {
    let started = Instant::now();
    let log = logs.join(format!("{}.log", group.name));
    let skip_file = logs.join(format!("{}.skips", group.name));
    std::fs::write(&skip_file, "")?;
    let mut commands = group.commands(context, targets);
    let counts = match obstacle(group, context, &commands) {
        Some(reason) => {
            std::fs::write(&skip_file, format!("all of {}\t{reason}\n", group.name))?;
            Counts::default()
        }
        None => {
            println!("{} ...", group.name);
            for command in &mut commands {
                environment(command, group, context, &skip_file);
            }
            execute::execute(commands, &log, context.limit(group))?
        }
    };
    let skips = report::read_skips(&std::fs::read_to_string(&skip_file)?);
    let mut row = Row {
        name: group.name,
        counts,
        took: started.elapsed(),
        skips,
        log,
    };
    let output = String::from_utf8_lossy(&std::fs::read(&row.log).unwrap_or_default()).into_owned();
    let names: Vec<&str> = row.skips.iter().map(|(name, _)| name.as_str()).collect();
    row.counts.take_skips(&output, &names);
    Ok(row)
}

/// Why nothing of a group can run here.
fn obstacle(group: &Group, context: &Context, commands: &[Command]) -> Option<String> {
    if group.root && !is_root() {
        return Some("not root".to_owned());
    }
    if let Some(program) = group.needs.iter().find(|program| !context.has(program)) {
        return Some(format!("{program} is not installed"));
    }
    if let Some(tool) = group.tool.filter(|tool| !context.has(tool))
        && let Err(failure) = packages::install_tool(tool)
    {
        return Some(format!("{tool} is not installed: {failure}"));
    }
    if let Some(reason) = (group.hindrance)() {
        return Some(reason);
    }
    commands
        .is_empty()
        .then(|| "no test target of this name in the tree".to_owned())
}

fn environment(command: &mut Command, group: &Group, context: &Context, skips: &Path) {
    command.current_dir(&context.root);
    command
        .env("LOCKSTEP_SKIPS", skips)
        .env("LOCKSTEP_TEST_RUNTIME", context.release_binary());
    command.env("LOCKSTEP_TEST_VARIANTS", variants::folder(&context.target));
    if group.released {
        let program = crate::release_binary(&context.target, "lockstep");
        command.env("LOCKSTEP_TEST_PROGRAM", program);
    }
    // A snapshot that differs is a failure, never a new snapshot.
    command
        .env("INSTA_UPDATE", "no")
        .env("CARGO_TERM_COLOR", "never");
    command.env_remove("LOCKSTEP_TEST_SAMPLE");
    if context.full {
        command.env("PROPTEST_CASES", "5000");
    } else {
        command.env("PROPTEST_RNG_SEED", context.seed.to_string());
    }
    if !context.full {
        command.env(
            "LOCKSTEP_TEST_SAMPLE",
            format!("{},{}", group.sample, context.seed),
        );
    }
}
