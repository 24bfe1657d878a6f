//! QEMU: a machine of a kind, and the command line by which it runs one job.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::image;
use super::job::{Job, SILENCE};
use super::kernel::{self, Built};
use super::kind::{KINDS, Kind};
use super::stream::Stream;
use super::verdict::{self, Ending, Limits, Outputs};
use crate::Failure;
use crate::run::output;

/// Until the guest must have said that it is up, by the host's clock: fifty times what it takes on an idle machine.
const BOOT: Duration = Duration::from_secs(600);
/// How the guest's clock goes: four nanoseconds with each instruction, and as the host's while both processors wait. By
/// the host's alone a guest is twenty times slower than what it runs on, and hundreds of times where others want the
/// processors: whatever waits only so long, in tests and in what they test, would then give up for that alone. Less than
/// four would make a program that does something *for a second* too long to wait for.
const CLOCK: &str = "shift=2,sleep=on";
/// A processor without what only costs emulation: strings byte by byte (erms), a fifth level of page tables, and checks
/// and registers that nothing here is about. And without cmpxchg16b, behind which QEMU 7.2 leaves flags that crash the
/// kernel where an interrupt comes before they are written again, as it does by this clock.
const PROCESSOR: &str = "max,-cx16,-erms,-la57,-smap,-smep,-avx,-avx2";
/// From the job's last line until QEMU must have ended.
const GOODBYE: Duration = Duration::from_secs(60);

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

    /// Runs a job. A machine that does not work is started once more.
    pub(crate) fn run(&self, job: &Job) -> Result<Ending, Failure> {
        let first = self.attempt(job)?;
        let Some((what, console)) = first.worth_another() else {
            return Ok(first);
        };
        println!("vm {}: {what}; once more\n{console}", self.kind.name);
        super::record_skip(&format!("first try of vm {}", self.kind.name), &what)?;
        self.attempt(job)
    }

    fn attempt(&self, job: &Job) -> Result<Ending, Failure> {
        let disk = job.folder.with_extension("img");
        pack(&job.folder, &disk)?;
        let (answer, console) = (
            job.folder.with_extension("answer"),
            job.folder.with_extension("console"),
        );
        let outputs = Outputs {
            answer: &answer,
            console: &console,
        };
        let limits = Limits {
            boot: BOOT,
            job: job.limit,
            silence: SILENCE,
            goodbye: GOODBYE,
        };
        let stream = Stream::of(self.kind.name, &job.mark);
        let qemu = self.command(&disk, &answer, &console);
        verdict::run(qemu, stream, &outputs, &limits)
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
        qemu.args(["-accel", "tcg,thread=single"]);
        if self.kind.kernel.is_some_and(|kernel| kernel.own_clock) {
            qemu.args(["-icount", CLOCK]);
        }
        qemu.args(["-M", "q35", "-cpu", PROCESSOR, "-m", "1536"]);
        qemu.args(["-smp", "2"]);
        // Two nodes of memory, and both processors at the first: were they apart, their clocks would be. Nothing is moved
        // between them by itself (numa_balancing).
        for (node, size, processors) in [(0, "1280M", ",cpus=0-1"), (1, "256M", "")] {
            qemu.arg("-object");
            qemu.arg(format!("memory-backend-ram,id=m{node},size={size}"));
            qemu.arg("-numa");
            qemu.arg(format!("node,nodeid={node},memdev=m{node}{processors}"));
        }
        qemu.arg("-kernel").arg(self.kernel.image());
        qemu.arg("-initrd").arg(self.kernel.initramfs());
        // An emulator that waits for a processor is slow to tick, which the kernel would take for a broken timer. A kernel
        // that went wrong ends, and warnings of it are seen. Programs are where they always are (norandmaps): what is translated
        // is kept by its address, and a program elsewhere would be translated anew with each start, which was two thirds of
        // all that the emulator did.
        qemu.arg("-append").arg(format!(
            "console=ttyS0 quiet loglevel=5 oops=panic panic=-1 mitigations=off norandmaps no_timer_check numa_balancing=disable audit=1 audit_backlog_limit=8192 {}",
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
