//! QEMU: starts a machine for one job, watches its two outputs, and tells how it ended.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::image;
use super::job::Job;
use super::kernel::{self, Built};
use super::kind::{KINDS, Kind};
use super::stream::{Ran, Stream};
use crate::Failure;
use crate::run::output;

/// Until the guest must have said that it is up: twenty times what it takes on an idle machine.
const BOOT: Duration = Duration::from_secs(240);
/// From the job's last line until QEMU must have ended.
const GOODBYE: Duration = Duration::from_secs(60);

/// How a run ended.
pub(crate) enum Ending {
    /// The job ended; `failed` is what did not pass.
    Done {
        seconds: u64,
        failed: Vec<String>,
        ran: Vec<Ran>,
    },
    /// The machine stopped answering within a test.
    Hang { at: String, console: String },
    /// The guest's kernel gave up.
    Panic { at: String, console: String },
    /// The job never began: nothing is said about the tests.
    Infrastructure { reason: String, console: String },
}

/// A machine of one kind.
pub(crate) struct Machine {
    kind: &'static Kind,
    kernel: Built,
    image: PathBuf,
}

impl Machine {
    /// Makes what the kind needs. The image has the modules of every kernel, so that there is one.
    pub(crate) fn prepare(kind: &'static Kind, target: &Path) -> Result<Machine, Failure> {
        let mut all = Vec::new();
        let mut own = None;
        for kernel in KINDS.iter().filter_map(|kind| kind.kernel) {
            if all.iter().any(|(known, _)| *known == kernel) {
                continue;
            }
            all.push((kernel, kernel::build(kernel, target)?));
        }
        let (names, built): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let image = image::build(target, &built)?;
        for (name, built) in names.into_iter().zip(built) {
            if Some(name) == kind.kernel {
                own = Some(built);
            }
        }
        let kernel = own.ok_or_else(|| Failure::new(format!("{} has no kernel", kind.name)))?;
        Ok(Machine {
            kind,
            kernel,
            image,
        })
    }

    /// Runs a job. A machine that does not come up is started once more, and so is one whose kernel panicked: a test
    /// that makes it panic does so again.
    pub(crate) fn run(&self, job: &Job) -> Result<Ending, Failure> {
        let (what, console) = match self.attempt(job)? {
            Ending::Infrastructure { reason, console } => (reason, console),
            Ending::Panic { at, console } => (format!("the kernel panicked at {at}"), console),
            ending => return Ok(ending),
        };
        println!("vm {}: {what}; once more\n{console}", self.kind.name);
        super::stream::record_skip(&format!("first try of vm {}", self.kind.name), &what)?;
        self.attempt(job)
    }

    fn attempt(&self, job: &Job) -> Result<Ending, Failure> {
        let disk = job.folder.with_extension("img");
        pack(&job.folder, &disk)?;
        let answer = job.folder.with_extension("answer");
        let console = job.folder.with_extension("console");
        for file in [&answer, &console] {
            File::create(file)?;
        }
        let began = Instant::now();
        let mut qemu = self.command(&disk, &answer, &console).spawn()?;
        let mut stream = Stream::of(self.kind.name);
        let watched = watch(&mut qemu, &answer, job, &mut stream);
        // Whatever happened, no emulator stays.
        let killed = qemu.kill();
        qemu.wait()?;
        killed?;
        let hung = watched?;
        let text = String::from_utf8_lossy(&std::fs::read(&console)?).into_owned();
        let at = stream
            .running
            .clone()
            .unwrap_or_else(|| "no test".to_owned());
        // What a test said that did not end is of use; the guest's kernel comes after it.
        let console = format!(
            "{}{}",
            tail(stream.unfinished(), "test"),
            tail(&text, "console")
        );
        Ok(if text.contains("Kernel panic") && stream.done.is_none() {
            Ending::Panic { at, console }
        } else if !stream.up {
            let reason = hung.unwrap_or_else(|| "the guest ended before the job began".to_owned());
            Ending::Infrastructure { reason, console }
        } else if stream.done.is_none() {
            Ending::Hang { at, console }
        } else if stream.ran.is_empty() {
            let reason = "the job ran no test".to_owned();
            Ending::Infrastructure { reason, console }
        } else {
            Ending::Done {
                seconds: began.elapsed().as_secs(),
                failed: stream.failed(),
                ran: stream.ran,
            }
        })
    }

    fn command(&self, disk: &Path, answer: &Path, console: &Path) -> Command {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ]);
        // KVM is used nowhere: what runs where it is missing should run the same where it is not. One thread for both
        // processors: with two, one sometimes executes what the other is just patching (static keys), and the guest's
        // kernel ends with an int3 or an invalid opcode.
        qemu.args(["-accel", "tcg,thread=single", "-M", "q35", "-cpu", "max"]);
        qemu.args(["-m", "1536", "-smp", "2"]);
        qemu.arg("-kernel").arg(self.kernel.image());
        qemu.arg("-initrd").arg(self.kernel.initramfs());
        // An emulator that waits for a processor is slow to tick, which the kernel would take for a broken timer.
        qemu.arg("-append").arg(format!(
            "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off no_timer_check audit=1 audit_backlog_limit=8192 {}",
            self.kind.words
        ));
        let root = format!(
            "file={},format=raw,if=none,id=r,snapshot=on",
            self.image.display()
        );
        let job = format!(
            "file={},format=raw,if=none,id=j,readonly=on",
            disk.display()
        );
        for (drive, id) in [(root, "r"), (job, "j")] {
            qemu.args(["-drive", &drive]);
            qemu.args(["-device", &format!("virtio-blk-pci,drive={id}")]);
        }
        qemu.args(["-device", "virtio-serial-pci", "-chardev"]);
        qemu.arg(format!("file,id=o,path={}", answer.display()));
        qemu.args(["-device", "virtserialport,chardev=o,name=answer", "-serial"]);
        qemu.arg(format!("file:{}", console.display()));
        qemu.stdin(Stdio::null());
        qemu
    }
}

/// Makes the folder a file system, which needs neither root nor a mount.
fn pack(folder: &Path, disk: &Path) -> Result<(), Failure> {
    let kib = output(
        Command::new("du")
            .args(["-sk", "--apparent-size"])
            .arg(folder),
    )?;
    let kib: u64 = kib
        .split_whitespace()
        .next()
        .and_then(|k| k.parse().ok())
        .unwrap_or(0);
    if disk.exists() {
        std::fs::remove_file(disk)?;
    }
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-O", "^has_journal", "-d"])
        .arg(folder);
    output(make.arg(disk).arg(format!("{}k", kib + kib / 8 + 4096)))?;
    Ok(())
}

/// Reads the answer until the machine ends; why it was given up, if it was.
fn watch(
    qemu: &mut Child,
    answer: &Path,
    job: &Job,
    stream: &mut Stream,
) -> Result<Option<String>, Failure> {
    let mut file = File::open(answer)?;
    let mut bytes = Vec::new();
    let mut deadline = Instant::now() + BOOT;
    let (mut up, mut done) = (false, false);
    loop {
        let ended = qemu.try_wait()?.is_some();
        bytes.clear();
        file.read_to_end(&mut bytes)?;
        stream.read(&bytes)?;
        if ended {
            return Ok(None);
        }
        if stream.up && !up {
            up = true;
            deadline = Instant::now() + job.limit;
        }
        if stream.done.is_some() && !done {
            done = true;
            deadline = Instant::now() + GOODBYE;
        }
        if Instant::now() > deadline {
            let what = if up {
                "the job's limit passed"
            } else {
                "the guest did not come up"
            };
            return Ok(Some(what.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The last lines of an output.
fn tail(text: &str, what: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(30);
    lines[from..]
        .iter()
        .map(|line| format!("  {what}: {line}\n"))
        .collect()
}
