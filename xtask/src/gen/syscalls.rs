//! System call numbers of every architecture, from the kernel headers as the `linux-raw-sys` crate
//! carries them, because they are facts nobody should type.
//!
//! Architectures which that crate lacks come from `numbers/*.txt`: the names and numbers of Linux
//! 6.1's headers, and PA-RISC's `cacheflush` and s390's `memfd_secret`, which are newer. Other newer
//! calls have the same number on all architectures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

type Numbers = BTreeMap<String, u32>;

/// Where an architecture's numbers are read from.
enum Source {
    /// A folder of `linux-raw-sys`.
    Crate(&'static str),
    /// A committed list; the second value is added to the numbers of newer calls.
    List(&'static str, u32),
}

/// Generated name, source. Byte order does not change numbers, so `mipsel` has no table of its own.
const TABLES: [(&str, Source); 18] = [
    ("X86", Source::Crate("x86")),
    ("X86_64", Source::Crate("x86_64")),
    ("X32", Source::Crate("x32")),
    ("ARM", Source::Crate("arm")),
    ("AARCH64", Source::Crate("aarch64")),
    ("MIPS", Source::Crate("mips")),
    ("MIPS64", Source::Crate("mips64")),
    ("MIPS64N32", Source::List("mips64n32", 6000)),
    ("PPC", Source::Crate("powerpc")),
    ("PPC64", Source::Crate("powerpc64")),
    ("S390", Source::List("s390", 0)),
    ("S390X", Source::Crate("s390x")),
    ("PARISC", Source::List("parisc", 0)),
    ("PARISC64", Source::List("parisc64", 0)),
    ("RISCV64", Source::Crate("riscv64")),
    ("LOONGARCH64", Source::Crate("loongarch64")),
    ("M68K", Source::Crate("m68k")),
    ("SH", Source::List("sh", 0)),
];

/// Constants of the headers that begin like a call but are none.
const NOT_CALLS: [&str; 5] = [
    "Linux",
    "OABI_SYSCALL_BASE",
    "SYSCALL_BASE",
    "SYSCALL_MASK",
    "syscalls",
];

/// Private calls of 32-bit ARM (`arch/arm/include/uapi/asm/unistd.h`, base 0x0f0000), which
/// `linux-raw-sys` omits and every filter for ARM must let pass.
const ARM_PRIVATE: [(&str, u32); 6] = [
    ("breakpoint", 0x000f_0001),
    ("cacheflush", 0x000f_0002),
    ("usr26", 0x000f_0003),
    ("usr32", 0x000f_0004),
    ("set_tls", 0x000f_0005),
    ("get_tls", 0x000f_0006),
];

/// The first call that is newer than the headers behind `numbers/*.txt`.
const FIRST_NEWER: u32 = 451;

/// Reads all sources, compares them with this machine's headers and makes the file.
pub(super) fn text(root: &Path) -> Result<String, Failure> {
    let headers = crate_source(root)?;
    let newer: Numbers = from_crate(&headers, "powerpc")?
        .into_iter()
        .filter(|(_, n)| *n >= FIRST_NEWER)
        .collect();
    let mut tables = Vec::new();
    for (name, source) in &TABLES {
        let mut numbers = match source {
            Source::Crate(dir) => from_crate(&headers, dir)?,
            Source::List(file, base) => {
                let mut list = from_list(root, file)?;
                list.extend(newer.iter().map(|(call, n)| (call.clone(), n + base)));
                list
            }
        };
        if *name == "ARM" {
            numbers.extend(ARM_PRIVATE.map(|(call, n)| (call.to_owned(), n)));
        }
        tables.push((*name, numbers));
    }
    compare_with_headers(&tables)?;
    Ok(render(&tables))
}

/// The `src` folder of the `linux-raw-sys` that Cargo.lock names.
fn crate_source(root: &Path) -> Result<PathBuf, Failure> {
    let out = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform=x86_64-unknown-linux-gnu",
        ])
        .current_dir(root)
        .output()
        .map_err(|e| Failure::new(format!("cargo metadata: {e}")))?;
    if !out.status.success() {
        return Err(Failure::new(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        )));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout)
        .map_err(|e| Failure::new(format!("cargo metadata: {e}")))?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "linux-raw-sys")
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(|dir| dir.join("src"))
        .ok_or_else(|| Failure::new("linux-raw-sys is not among the dependencies"))
}

fn from_crate(headers: &Path, dir: &str) -> Result<Numbers, Failure> {
    let path = headers.join(dir).join("general.rs");
    let text = read(&path)?;
    let numbers: Numbers = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub const __NR_")?
                .strip_suffix(';')?
                .split_once(": u32 = ")
        })
        .filter(|(call, _)| !NOT_CALLS.contains(call) && !is_gap(call))
        .filter_map(|(call, number)| Some((call.to_owned(), number.parse().ok()?)))
        .collect();
    if numbers.len() < 300 {
        return Err(Failure::new(format!(
            "{}: {} calls, expected at least 300",
            path.display(),
            numbers.len()
        )));
    }
    Ok(numbers)
}

/// MIPS names its unused numbers: `unused109`, `reserved221`.
fn is_gap(name: &str) -> bool {
    let number = name
        .strip_prefix("unused")
        .or(name.strip_prefix("reserved"));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

fn from_list(root: &Path, file: &str) -> Result<Numbers, Failure> {
    let path = root
        .join("xtask/src/gen/numbers")
        .join(format!("{file}.txt"));
    read(&path)?
        .lines()
        .map(|line| {
            let (call, number) = line.split_once(' ')?;
            Some((call.to_owned(), number.parse().ok()?))
        })
        .collect::<Option<Numbers>>()
        .ok_or_else(|| Failure::new(format!("{}: a line is not \"name number\"", path.display())))
}

/// A second source: the headers of the host, where they are installed. Calls newer than they are
/// cannot be compared.
fn compare_with_headers(tables: &[(&str, Numbers)]) -> Result<(), Failure> {
    for (name, header) in [
        ("X86", "unistd_32.h"),
        ("X86_64", "unistd_64.h"),
        ("X32", "unistd_x32.h"),
    ] {
        let path = Path::new("/usr/include/x86_64-linux-gnu/asm").join(header);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let numbers = &tables
            .iter()
            .find(|(n, _)| *n == name)
            .expect("all three are in TABLES")
            .1;
        for line in text.lines() {
            let Some((call, number)) = line
                .strip_prefix("#define __NR_")
                .and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let number = number.trim_matches(['(', ')']);
            let expected = match number.strip_prefix("__X32_SYSCALL_BIT + ") {
                Some(low) => low.parse::<u32>().ok().map(|low| low | 0x4000_0000),
                None => number.parse().ok(),
            };
            if expected.is_some() && numbers.get(call).copied() != expected {
                let ours = numbers.get(call);
                return Err(Failure::new(format!(
                    "{}: {call} is {number}, the table has {ours:?}",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

fn render(tables: &[(&str, Numbers)]) -> String {
    let names: Vec<&str> = tables
        .iter()
        .flat_map(|(_, t)| t.keys())
        .map(String::as_str)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut text = String::from(
        "//! System call names and numbers, @generated by `cargo xtask gen`: do not edit.\n\
         //!\n\
         //! One text with all names, and per architecture two arrays: number by name index, and name\n\
         //! indexes in the order of their numbers. No pointers, so nothing is relocated at start.\n\n\
         use crate::syscall::Numbers;\n\n",
    );
    let count = names.len();
    writeln!(
        text,
        "/// How many names there are.\npub(crate) const COUNT: usize = {count};\n"
    )
    .expect("a String");
    text.push_str(
        "/// All names, sorted, without separators.\npub(crate) static NAMES: &str = \"\\\n",
    );
    for chunk in names.chunks(6) {
        writeln!(text, "    {}\\", chunk.concat()).expect("a String");
    }
    text.push_str("\";\n\n");
    let mut offsets = vec![0];
    for name in &names {
        offsets.push(offsets.last().expect("never empty") + name.len());
    }
    text.push_str("/// Where each name begins in `NAMES`, and the end of the last.\n");
    write_array(
        &mut text,
        "pub(crate) static OFFSETS: [u16; COUNT + 1] = [",
        &offsets,
        "];\n",
    );
    for (table, numbers) in tables {
        let by_name: Vec<String> = names
            .iter()
            .map(|name| {
                numbers
                    .get(*name)
                    .map_or_else(|| "NONE".to_owned(), u32::to_string)
            })
            .collect();
        // An alias (ARM's sync_file_range2) follows what is the name of its number.
        let indexes = names.iter().enumerate();
        let mut by_number: Vec<(u32, usize)> = indexes
            .filter_map(|(index, name)| Some((*numbers.get(*name)?, index)))
            .collect();
        by_number.sort_unstable();
        let by_number: Vec<usize> = by_number.into_iter().map(|(_, index)| index).collect();
        writeln!(text, "\npub(crate) static {table}: Numbers = Numbers {{").expect("a String");
        write_array(&mut text, "    by_name: &[", &by_name, "],");
        write_array(&mut text, "    by_number: &[", &by_number, "],");
        text.push_str("};\n");
    }
    text.push_str("\nconst NONE: u32 = u32::MAX;\n");
    text
}

fn write_array(text: &mut String, open: &str, items: &[impl ToString], close: &str) {
    writeln!(text, "{open}").expect("a String");
    for chunk in items.chunks(16) {
        let line = chunk
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        writeln!(text, "        {line},").expect("a String");
    }
    writeln!(text, "    {close}").expect("a String");
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}
