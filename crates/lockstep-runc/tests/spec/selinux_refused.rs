//! What the domain of containers may never do, whatever else was given up: root of the host, all capabilities that it
//! could have, nothing masked or read-only.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};

use crate::harness::{Bundle, Test, cases, wait_until};

use super::selinux::{FILES, PROCESS, chcon, confined, enforcing, need, own_files};

/// Another container's.
const OTHER: &str = "system_u:system_r:container_t:s0:c17,c43";
const OTHERS_FILES: &str = "system_u:object_r:container_file_t:s0:c17,c43";

cases! {
    files_of_the_host_are_read_and_not_written,
    switches_of_the_kernel_are_not_written,
    a_descriptor_that_is_handed_over_is_written,
    nothing_is_both_opened_and_written,
    containers_are_kept_apart,
}

/// Types of the host's files that the domain reads, so that its programs run.
const READ: [&str; 9] = [
    "etc_t",
    "usr_t",
    "lib_t",
    "bin_t",
    "shell_exec_t",
    "passwd_exec_t",
    "ld_so_t",
    "ld_so_cache_t",
    "locale_t",
];

/// Reads and writes each of the files: 0 where it was let.
fn tries(files: &[&str], text: &str) -> String {
    format!(
        "for f in {}; do cat $f > /dev/null 2>&1; r=$?; (echo {text} >> $f) 2> /dev/null; echo $f $r $?; done",
        files.join(" ")
    )
}

fn expected(files: &[&str], written: u8) -> Vec<String> {
    let line = |file: &&str| format!("{file} 0 {written}");
    files.iter().map(line).collect()
}

fn files_of_the_host_are_read_and_not_written(t: &Test) {
    need(t);
    let paths = READ.map(|name| format!("/{name}"));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let run = |label: Option<&str>| {
        let mut bundle = t.sh(&tries(&paths, "x")).set("/linux/mountLabel", FILES);
        for path in &paths {
            bundle = bundle.file(path, "text\n");
        }
        own_files(t, &bundle);
        for (name, path) in READ.iter().zip(&paths) {
            let file = bundle.rootfs().join(path.trim_start_matches('/'));
            chcon(t, &format!("system_u:object_r:{name}:s0"), &file);
        }
        if let Some(label) = label {
            bundle = bundle.set("/process/selinuxLabel", label);
        }
        bundle.run().ok().lines().join("\n")
    };
    assert_eq!(run(None), expected(&paths, 0).join("\n"), "without a label");
    let written = u8::from(enforcing());
    assert_eq!(run(Some(PROCESS)), expected(&paths, written).join("\n"));
}

/// All of /proc and /sys, to be written, and cgroups.
fn open_kernel<'t>(t: &'t Test, script: &str) -> Bundle<'t> {
    t.sh(script)
        .remove("/linux/readonlyPaths")
        .remove("/linux/maskedPaths")
        .unmount("/sys")
        .unmount("/sys/fs/cgroup")
        .mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev"])
        .namespace("cgroup")
        .mount("/cgroup", "cgroup", "cgroup", &[])
        .capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_SYS_RESOURCE"])
}

fn switches_of_the_kernel_are_not_written(t: &Test) {
    need(t);
    // Each takes what is written and changes nothing by it.
    let script = "w() { (echo $2 > $1) 2> /dev/null; echo $1 $?; }
        w /proc/sysrq-trigger h; w /sys/module/printk/parameters/time Y
        w /proc/sys/vm/dirty_writeback_centisecs 500; w /proc/sys/fs/pipe-max-size 1048576
        w /cgroup/cgroup.procs 0";
    let said = |bundle: Bundle<'_>| -> Vec<bool> {
        let output = bundle.run().ok();
        let lines = output.lines();
        assert_eq!(lines.len(), 5, "{lines:?}");
        lines.iter().map(|line| line.ends_with(" 0")).collect()
    };
    assert_eq!(said(open_kernel(t, script)), [true; 5], "without a label");
    let label = said(confined(t, open_kernel(t, script)));
    assert_eq!(label, [!enforcing(); 5]);
}

fn a_descriptor_that_is_handed_over_is_written(t: &Test) {
    need(t);
    let run = |kind: &str| {
        let bundle = confined(t, t.sh("echo text >&3; (echo opened > /proc/self/fd/3)"));
        let file = t.file(&format!("handed-{kind}"), "");
        chcon(t, &format!("system_u:object_r:{kind}:s0"), &file);
        bundle.write();
        let dir = bundle.dir().display().to_string();
        let args = ["run", "--preserve-fds", "1", "--bundle", &dir, &bundle.id];
        let mut call = t.invocation(&args, &crate::harness::View::Plain);
        let script = format!("exec 3>> {}; exec \"$@\"", file.display());
        let wrapper = ["sh", "-c", &script, "-"].map(str::to_owned);
        call.argv.splice(0..0, wrapper);
        call.start().wait();
        fs::read_to_string(file).expect("own file")
    };
    let log = if enforcing() { "text\n" } else { "opened\n" };
    assert!(run("var_log_t").ends_with(log));
    // What it may open to read it is not handed over either: both together would be opening it to write.
    assert_eq!(run("etc_t").is_empty(), enforcing());
}

/// Every type that a file can have here: those of the policy's table of paths, those that the kernel's own file systems
/// show, and the container's.
fn types_of_files(t: &Test) -> BTreeSet<String> {
    let folder = "/etc/selinux/default/contexts/files";
    let table = fs::read_to_string(format!("{folder}/file_contexts"));
    t.need(table.is_ok(), "no table of the policy's types of files");
    let script =
        "find /proc /sys /dev /run -maxdepth 4 ! -path '/proc/[0-9]*' -printf '%Z\n' | sort -u";
    let seen = t.host("sh", &["-c", &format!("{script} 2> /dev/null")]);
    let table = table.unwrap_or_default();
    let labels = table.lines().chain(seen.lines()).chain([FILES]);
    labels
        .filter_map(|line| line.split_whitespace().last()?.split(':').nth(2))
        .map(str::to_owned)
        .collect()
}

/// What the loaded policy allows, categories and all, as bits of [`bit`].
fn allowed(target: &str, class: &str) -> u32 {
    let number = fs::read_to_string(format!("/sys/fs/selinux/class/{class}/index"));
    let number = number.expect("a class of the policy");
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .open("/sys/fs/selinux/access")
        .expect("root asks");
    let asked = format!("{PROCESS} {target} {}", number.trim());
    file.write_all(asked.as_bytes()).expect(&asked);
    let mut answer = String::new();
    file.read_to_string(&mut answer).expect("an answer");
    let first = answer.split(' ').next().expect("allowed, decided, ...");
    u32::from_str_radix(first, 16).expect("bits")
}

fn bit(class: &str, permission: &str) -> u32 {
    let path = format!("/sys/fs/selinux/class/{class}/perms/{permission}");
    let number = fs::read_to_string(&path).expect(&path);
    1 << (number.trim().parse::<u32>().expect("1 to 32") - 1)
}

fn nothing_is_both_opened_and_written(t: &Test) {
    need(t);
    let changing = |class: &str, permissions: &[&str], types: &BTreeSet<String>| -> Vec<String> {
        let any = permissions.iter().fold(0, |all, one| all | bit(class, one));
        let open = bit(class, "open");
        let may = |name: &&String| {
            let given = allowed(&format!("system_u:object_r:{name}:s0"), class);
            given & open != 0 && given & any != 0
        };
        types.iter().filter(may).cloned().collect()
    };
    let types = types_of_files(t);
    assert!(types.len() > 500, "{types:?}");
    let write = ["write", "append", "setattr", "relabelto", "relabelfrom"];
    assert_eq!(changing("file", &write, &types), ["container_file_t"]);
    assert_eq!(
        changing("blk_file", &["read", "write"], &types),
        ["container_file_t"]
    );
    let names = ["write", "add_name", "remove_name", "setattr", "create"];
    assert_eq!(changing("dir", &names, &types), ["container_file_t"]);
    let devices = [
        "container_file_t",
        "devtty_t",
        "null_device_t",
        "ptmx_t",
        "random_device_t",
        "urandom_device_t",
        "zero_device_t",
    ];
    assert_eq!(changing("chr_file", &["read", "write"], &types), devices);
    // Another container's are refused by the categories.
    for class in ["file", "dir", "chr_file"] {
        let open = allowed(OTHERS_FILES, class) & bit(class, "open");
        assert_eq!(open, 0, "{class}");
    }
}

/// A container in the host's namespaces, where nothing but the label keeps it from others.
fn beside<'t>(t: &'t Test, script: &str) -> Bundle<'t> {
    t.sh(script)
        .with_probe()
        .without_namespace("pid")
        .without_namespace("ipc")
        .without_namespace("network")
        .capabilities(&[
            "CAP_KILL",
            "CAP_SYS_PTRACE",
            "CAP_DAC_OVERRIDE",
            "CAP_IPC_OWNER",
        ])
}

fn containers_are_kept_apart(t: &Test) {
    need(t);
    let shared = t.subdir("shared");
    let for_all = || chcon(t, "system_u:object_r:container_file_t:s0", &shared);
    for_all();
    // shmget(2) of a segment that outlives its maker, and a socket where both may look.
    let make = "/probe syscall 29 0 4096 0x3b6; /probe agent /shared/socket /log errno:1";
    let first = confined(t, beside(t, make).bind(&shared, "/shared", &[])).started();
    assert!(wait_until(|| shared.join("socket").exists()));
    for_all();
    let said = first.stdout();
    let memory = said.lines().find_map(|line| line.strip_prefix("syscall="));
    let memory = memory.expect("the id of a segment").to_owned();
    let pid = first.pid();
    // kill(2), ptrace(2) seizing, process_vm_readv(2), shmat(2), and what /proc tells.
    let script = format!(
        "a() {{ \"$@\" > /tmp/said 2>&1 && ! grep -q '=-' /tmp/said; echo $?; }}
         a kill -CONT {pid}; a /probe syscall 101 0x4206 {pid} 0 0; a cat /proc/{pid}/environ
         a ls /proc/{pid}/root/; a /probe syscall 30 {memory} 0 0x1000; a /probe connect /shared/socket"
    );
    let second = |process: &str, mount: &str| {
        let bundle = beside(t, &script).bind(&shared, "/shared", &[]);
        own_files(t, &bundle);
        chcon(t, mount, &bundle.rootfs());
        let bundle = bundle
            .set("/process/selinuxLabel", process)
            .set("/linux/mountLabel", mount);
        bundle.run().ok().lines().join(" ")
    };
    assert_eq!(
        second(PROCESS, FILES),
        "0 0 0 0 0 0",
        "the same container's"
    );
    let refused = ["0 0 0 0 0 0", "1 1 1 1 1 1"][usize::from(enforcing())];
    assert_eq!(second(OTHER, OTHERS_FILES), refused);
    t.host("ipcrm", &["-m", &memory]);
    first.call("delete", &["--force"]).ok();
}
