//! `top`: the processes of a container, in the columns that are asked for.

use lockstep_kernel::file;
use lockstep_runtime::ContainerId;

use super::list::columns;
use crate::argv::Arguments;
use crate::container::Status;
use crate::escape;
use crate::failure::Failure;
use crate::front::Front;
use crate::print::print;
use process::{Id, Process, Sight};

mod process;

/// A column: its names, Podman's first and then those of ps(1), its heading, and its value.
type Field = (&'static [&'static str], &'static str, Value);
type Value = fn(&Process, &Sight) -> String;

/// `user`, `pid` and their like are the container's own, those with an `h` the host's.
const FIELDS: &[Field] = &[
    (&["args", "cmd", "command"], "COMMAND", |p, _| p.args()),
    (&["capamb"], "AMBIENT CAPS", |p, _| p.capabilities("CapAmb")),
    (&["capbnd"], "BOUNDING CAPS", |p, _| {
        p.capabilities("CapBnd")
    }),
    (&["capeff"], "EFFECTIVE CAPS", |p, _| {
        p.capabilities("CapEff")
    }),
    (&["capinh"], "INHERITED CAPS", |p, _| {
        p.capabilities("CapInh")
    }),
    (&["capprm"], "PERMITTED CAPS", |p, _| {
        p.capabilities("CapPrm")
    }),
    (&["comm", "ucmd"], "COMMAND", |p, _| {
        p.field("Name").to_owned()
    }),
    (&["etime"], "ELAPSED", Process::etime),
    (&["group", "egroup"], "GROUP", |p, s| {
        p.group(Id::Effective, s)
    }),
    (&["groups", "supgrp"], "GROUPS", Process::groups),
    (&["hgroup"], "HGROUP", Process::hgroup),
    (&["hgroups"], "HGROUPS", Process::hgroups),
    (&["hpid"], "HPID", |p, _| p.hpid.to_string()),
    (&["huser"], "HUSER", Process::huser),
    (&["label"], "LABEL", |p, _| p.label()),
    (&["nice", "ni"], "NI", |p, _| p.nice()),
    (&["pcpu", "%cpu", "c"], "%CPU", Process::pcpu),
    (&["pgid", "pgrp"], "PGID", |p, _| p.innermost("NSpgid")),
    (&["pid"], "PID", |p, _| p.pid()),
    (&["ppid"], "PPID", Process::ppid),
    (&["rgroup"], "RGROUP", |p, s| p.group(Id::Real, s)),
    (&["rss", "rssize"], "RSS", |p, _| p.kib("VmRSS")),
    (&["ruser"], "RUSER", |p, s| p.user(Id::Real, s)),
    (&["seccomp"], "SECCOMP", |p, _| p.seccomp()),
    (&["sid", "sess"], "SID", |p, _| p.innermost("NSsid")),
    (&["state", "s", "stat"], "S", |p, _| p.state()),
    (&["stime", "start"], "STIME", began),
    (&["time", "cputime"], "TIME", |p, _| p.time()),
    (&["tty", "tt", "tname"], "TTY", |p, _| p.tty()),
    (&["user", "euser", "uid"], "USER", |p, s| {
        p.user(Id::Effective, s)
    }),
    (&["vsz", "vsize"], "VSZ", |p, _| p.kib("VmSize")),
];

/// The columns of ps(1) with `-f`, and with `u`.
const FULL: &str = "user,pid,ppid,c,stime,tty,time,cmd";
const OF_USERS: &str = "user,pid,%cpu,vsz,rss,tty,stat,start,time,command";

/// A column as it was asked for, with its heading.
type Column = (String, Value);

pub(super) fn top(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let words = args.words(0)?;
    let wanted = wanted(&words[1..])?;
    let (directory, record) = front.store()?.find(words[0])?;
    let Status::Running(started) = directory.status()? else {
        return Err(Failure::new(format!("container {} does not run", words[0])));
    };
    let id = ContainerId::parse(&record.id)?;
    let pids = front.with_runtime(front.store()?, |runtime| {
        // Without a cgroup of its own the pid namespace says who belongs to it.
        let of_cgroup = runtime.processes(&id);
        Ok(of_cgroup.or_else(|error| of_namespace(started.pid).ok_or(error))?)
    })?;
    // One of them may have ended since.
    let processes: Vec<Process> = pids.into_iter().filter_map(Process::read).collect();
    let sight = Sight::of(started.pid, &processes);
    let text = match wanted {
        None => columns(&ours(&processes)),
        Some(wanted) => table(&wanted, &processes, &sight),
    };
    print(&text)?;
    Ok(0)
}

/// Without a wish: both numbers of each process, those of the host as the host has them.
fn ours(processes: &[Process]) -> Vec<[String; 7]> {
    let heading = ["UID", "PID", "PPID", "HOST PID", "STATE", "CPU", "COMMAND"].map(String::from);
    let line = |it: &Process| {
        let uid = it.field("Uid").split_whitespace().nth(1);
        [
            uid.unwrap_or("?").to_owned(),
            it.pid(),
            it.field("PPid").to_owned(),
            it.hpid.to_string(),
            it.state(),
            format!("{}.{:02}s", it.used() / 100, it.used() % 100),
            escape::text(&it.args()).into_owned(),
        ]
    };
    [heading]
        .into_iter()
        .chain(processes.iter().map(line))
        .collect()
}

/// Columns of any number, each as wide as its widest value; the last one ends where it ends.
fn table(wanted: &[Column], processes: &[Process], sight: &Sight) -> String {
    let heading = wanted.iter().map(|(heading, _)| heading.clone()).collect();
    let mut lines: Vec<Vec<String>> = vec![heading];
    for process in processes {
        let values = wanted.iter().map(|(_, value)| value(process, sight));
        // Names and arguments are the container's.
        lines.push(values.map(|it| escape::text(&it).into_owned()).collect());
    }
    let width = |n: usize| {
        let widths = lines.iter().map(|line| line[n].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..wanted.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths);
        let cells: Vec<String> = padded
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What stands behind the container: names of fields, or arguments as Docker passes them to ps(1).
fn wanted(words: &[&str]) -> Result<Option<Vec<Column>>, Failure> {
    let Some(first) = words.first() else {
        return Ok(None);
    };
    if !first.starts_with('-') && *first != "aux" {
        return words.iter().try_fold(Vec::new(), listed).map(Some);
    }
    let (mut lists, mut form) = (Vec::new(), None);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let letters = word.strip_prefix('-').unwrap_or(word);
        let (letters, list) = match letters.split_once('o') {
            Some((letters, "")) => (letters, rest.next().copied()),
            Some((letters, list)) => (letters, Some(list)),
            None => (letters, None),
        };
        for letter in letters.chars() {
            match letter {
                // All processes of the container are shown in any case, and as wide as they are.
                'e' | 'A' | 'a' | 'x' | 'w' => {}
                'f' => form = Some(FULL),
                'u' => form = Some(OF_USERS),
                _ => {
                    return Err(Failure::new(format!(
                        "{word:?} is refused: of ps(1) there are -e, -f, -o FIELDS and aux"
                    )));
                }
            }
        }
        lists.extend(list);
        if list.is_none() && word.ends_with('o') {
            return Err(Failure::new("-o takes fields, as pid,args"));
        }
    }
    if lists.is_empty() {
        lists.push(form.unwrap_or("pid,tty,time,comm"));
    }
    lists.iter().try_fold(Vec::new(), listed).map(Some)
}

/// Adds the fields of a list to columns; `FIELD=HEADING` is one with another heading.
fn listed(mut columns: Vec<Column>, list: &&str) -> Result<Vec<Column>, Failure> {
    for word in list.split([',', ' ']).filter(|word| !word.is_empty()) {
        let (name, heading) = match word.split_once('=') {
            Some((name, heading)) => (name, Some(heading)),
            None => (word, None),
        };
        let found = FIELDS.iter().find(|(names, ..)| names.contains(&name));
        let Some((_, own, value)) = found else {
            let known: Vec<&str> = FIELDS.iter().map(|(names, ..)| names[0]).collect();
            return Err(Failure::new(format!("top has no field {name:?}"))
                .hint(format!("fields are {}", known.join(" "))));
        };
        columns.push((heading.unwrap_or(own).to_owned(), *value));
    }
    Ok(columns)
}

/// When it began, hours and minutes of UTC.
fn began(process: &Process, sight: &Sight) -> String {
    let now = lockstep_runtime::clock::now_rfc3339();
    let now = super::list::seconds(&now).unwrap_or(0);
    let at = now.saturating_sub(process.age(sight)) % 86_400;
    format!("{:02}:{:02}", at / 3600, at / 60 % 60)
}

/// Processes of the host that are in the pid namespace of this one; none where that is the host's, in which all are.
fn of_namespace(first: i32) -> Option<Vec<i32>> {
    let of = |pid: &str| file::readlink(file::CWD, format!("/proc/{pid}/ns/pid")).ok();
    let namespace = |pid: i32| of(&pid.to_string());
    let wanted = namespace(first).filter(|wanted| of("self").as_ref() != Some(wanted))?;
    let names = file::list(file::CWD, "/proc").unwrap_or_default();
    let mut pids: Vec<i32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    pids.retain(|pid| namespace(*pid).as_ref() == Some(&wanted));
    pids.sort_unstable();
    Some(pids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(words: &[&str]) -> String {
        let columns = wanted(words).expect("columns").unwrap_or_default();
        let all: Vec<String> = columns.into_iter().map(|(heading, _)| heading).collect();
        all.join(" ")
    }

    #[test]
    fn both_engines_forms_are_read() {
        assert_eq!(headings(&[]), "");
        assert_eq!(headings(&["pid", "huser,args"]), "PID HUSER COMMAND");
        assert_eq!(
            headings(&["-ef"]),
            "USER PID PPID %CPU STIME TTY TIME COMMAND"
        );
        assert_eq!(headings(&["-eo", "pid,comm"]), "PID COMMAND");
        assert_eq!(headings(&["-o", "pid=ID", "-oppid"]), "ID PPID");
        assert!(headings(&["aux"]).starts_with("USER PID %CPU VSZ RSS"));
        for wrong in [
            &["-Z"][..],
            &["-o"],
            &["pid", "nothing"],
            &["-o", "nothing"],
        ] {
            assert!(wanted(wrong).is_err(), "{wrong:?}");
        }
    }
}
