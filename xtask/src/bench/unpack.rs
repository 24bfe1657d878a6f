//! `cargo xtask bench unpack`: `lockstep load` of a Debian image, interleaved with `podman load`.
//!
//! In memory, where only the work counts, and on the disk, where ours lasts when it returns: podman's load is timed
//! there with the syncfs that it leaves to chance, and for information without. Every run begins with an empty store.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::sample::{self, Case, Sample, percentile};
use crate::Failure;

/// The largest part of podman's time that ours may take.
const BAR: f64 = 0.75;
/// Peak memory of a load, in KiB, however large the image.
const MEMORY_KB: u64 = 64 << 10;

/// The image as the two kinds of archive.
struct Archives {
    folder: PathBuf,
}

/// Measures; fails if a bar is missed.
pub(crate) fn run(root: &Path, folder: &Path, rounds: usize, seed: u64) -> Result<(), Failure> {
    let program = crate::release_binary(&crate::target(root), "lockstep");
    let archives = Archives::make(&folder.join("debian"))?;
    let mut good = true;
    for place in ["memory", "disk"] {
        let work = folder.join(format!("unpack-{place}"));
        std::fs::create_dir_all(&work)?;
        if place == "memory" {
            let mut mount = Command::new("mount");
            crate::run::output(
                mount
                    .args(["-t", "tmpfs", "-o", "size=4g", "unpack"])
                    .arg(&work),
            )?;
        }
        let bench = Place {
            name: place,
            work,
            measure: folder.join("measure"),
            program: program.clone(),
        };
        for format in ["oci-archive", "docker-archive"] {
            good &= bench.compare(&archives, format, rounds, seed)?;
        }
    }
    if good {
        Ok(())
    } else {
        Err(Failure::new("a bar of unpacking is missed"))
    }
}

impl Archives {
    /// Makes them once: debootstrap's smallest system, brought into form by podman.
    fn make(folder: &Path) -> Result<Archives, Failure> {
        let archives = Archives {
            folder: folder.to_owned(),
        };
        if archives.path("docker-archive").exists() && archives.path("oci-archive").exists() {
            return Ok(archives);
        }
        std::fs::create_dir_all(folder)?;
        let tree = folder.join("tree");
        let script = "set -e; cd \"$1\"; rm -rf tree; debootstrap --variant=minbase bookworm tree >&2\n\
             tar -C tree --numeric-owner -cf tree.tar .; rm -rf tree\n\
             export CONTAINERS_STORAGE_CONF=$1/storage.conf\n\
             printf '[storage]\\ndriver=\"overlay\"\\nrunroot=\"%s\"\\ngraphroot=\"%s\"\\n' \"$1/r\" \"$1/p\" >storage.conf\n\
             podman import -q tree.tar localhost/debian:bench\n\
             for form in oci-archive docker-archive; do\n\
             podman save -q --format $form -o $form.tar localhost/debian:bench; done\n\
             umount p/overlay || true; rm -rf p r tree.tar";
        println!("making the image in {}", tree.display());
        let mut sh = Command::new("sh");
        sh.args(["-c", script, "sh"])
            .arg(folder)
            .stdin(Stdio::null());
        crate::run::output(&mut sh)?;
        Ok(archives)
    }

    fn path(&self, format: &str) -> PathBuf {
        self.folder.join(format!("{format}.tar"))
    }
}

/// Where the stores are.
struct Place {
    name: &'static str,
    work: PathBuf,
    measure: PathBuf,
    program: PathBuf,
}

impl Place {
    /// One format: a table line for each case, and the verdict.
    fn compare(
        &self,
        archives: &Archives,
        format: &str,
        rounds: usize,
        seed: u64,
    ) -> Result<bool, Failure> {
        let conf = self.work.join("storage.conf");
        let (run, graph) = (self.work.join("r"), self.work.join("p"));
        let text = format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = {:?}\ngraphroot = {:?}\n",
            run, graph
        );
        std::fs::write(&conf, text)?;
        let archive = archives.path(format);
        let (archive, work) = (archive.to_string_lossy(), self.work.to_string_lossy());
        let conf = format!("CONTAINERS_STORAGE_CONF={}", conf.display());
        let podman = [
            "/usr/bin/env",
            &conf,
            "podman",
            "load",
            "-q",
            "-i",
            &archive,
        ]
        .map(str::to_owned);
        let program = self.program.to_string_lossy();
        let (store, state) = (format!("{work}/st"), format!("{work}/state"));
        let source = format!("{format}:{archive}");
        let ours = [
            &program,
            "--root",
            &store,
            "--runroot",
            &state,
            "load",
            "-q",
            &source,
        ];
        let ours = Case::one("ours", &ours);
        let plain = Case {
            name: "podman".to_owned(),
            commands: vec![podman.to_vec()],
        };
        let mut synced = plain.clone();
        synced.name = "podman+sync".to_owned();
        synced
            .commands
            .push(sample::owned(&["/usr/bin/sync", "-f", &work]));
        let cases = [ours, plain, synced];
        let mut samples = vec![Vec::new(); cases.len()];
        for round in 0..rounds {
            for n in 0..cases.len() {
                // Another order in each round.
                let n = (n + round + seed as usize) % cases.len();
                samples[n].push(self.once(&cases[n])?);
            }
        }
        let names = cases.iter().map(|case| case.name.as_str());
        self.report(format, &names.zip(samples).collect::<Vec<_>>())
    }

    /// One run upon nothing, with nothing else to be written.
    fn once(&self, case: &Case) -> Result<Sample, Failure> {
        let script = "cd \"$1\"; umount p/overlay 2>/dev/null; rm -rf p r st state; sync";
        let mut clear = Command::new("sh");
        clear.args(["-c", script, "sh"]).arg(&self.work);
        crate::run::output(&mut clear)?;
        let case = std::slice::from_ref(case);
        let samples = sample::interleave(&self.measure, case, 1, 1, 300_000)?;
        let sample = samples.into_values().flatten().next();
        let sample = sample.ok_or(Failure::new("nothing was measured"))?;
        if sample.status == "0" {
            Ok(sample)
        } else {
            let errors = sample::errors(&self.measure);
            Err(Failure::new(format!("{}: {errors}", case[0].name)))
        }
    }

    fn report(&self, format: &str, samples: &[(&str, Vec<Sample>)]) -> Result<bool, Failure> {
        let seconds = |us: u64| us as f64 / 1e6;
        println!("{format} in {}:", self.name);
        for (name, of_case) in samples {
            let wall = percentile(of_case, 50, |s| s.wall_us);
            let least = percentile(of_case, 0, |s| s.wall_us);
            let cpu = percentile(of_case, 50, |s| s.cpu_us);
            let memory = percentile(of_case, 100, |s| s.rss_kb);
            println!(
                "  {name:<12} {:>7.2} s (min {:.2}) {:>7.2} s CPU {memory:>8} KB",
                seconds(wall),
                seconds(least),
                seconds(cpu)
            );
        }
        let median = |name: &str| {
            let found = samples.iter().find(|(of, _)| *of == name);
            found.map_or(0, |(_, of_case)| percentile(of_case, 50, |s| s.wall_us))
        };
        let peer = if self.name == "disk" {
            "podman+sync"
        } else {
            "podman"
        };
        let ratio = median("ours") as f64 / median(peer).max(1) as f64;
        let memory = percentile(&samples[0].1, 100, |s| s.rss_kb);
        let good = ratio <= BAR && memory <= MEMORY_KB;
        let word = if good { "pass" } else { "FAIL" };
        println!(
            "  ours / {peer}: {ratio:.2} x, at most {BAR}; {memory} KB, at most {MEMORY_KB}: {word}"
        );
        Ok(good)
    }
}
