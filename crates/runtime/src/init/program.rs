//! The last stretch: working directory, program, Landlock, filter, execve.

use super::Init;
use crate::error::{Error, For, Kind, Result};
use crate::message;
use lockstep_abi::errno::Errno;
use lockstep_abi::inode::{S_IFDIR, S_IFMT};
use lockstep_kernel::landlock::{self, Domain, Enforced};
use lockstep_kernel::root::is_root;
use lockstep_kernel::{file, process, seccomp};
use lockstep_oci::landlock::{AccessFs, AccessNet, Ruleset, Scope};
use lockstep_plan::step::{HandOver, LandlockDomain};
use lockstep_plan::{Downgrade, Op, RootPath, Slot};
use std::os::fd::AsFd;
use std::path::Path;

/// Name of our own init in the list of processes.
const INIT: &str = "lockstep-init";
/// Most bytes of a passwd file: one of 20,000 users.
const PASSWD_LIMIT: usize = 1 << 20;

impl Init<'_> {
    /// Resolved below the root descriptor: a directory outside cannot be named, not even through
    /// /proc/self/fd (CVE-2024-21626). A missing one is made.
    pub(super) fn change_directory(&mut self, path: &RootPath) -> Result<()> {
        let what = || {
            let path = path.as_path();
            format!("chdir to cwd ({path:?}) set in config.json failed")
        };
        #[cfg(lockstep_weak)]
        if lockstep_kernel::weak::is("plain-cwd") {
            let directory = file::open_dir(file::CWD, path.as_path()).during(what)?;
            return process::fchdir(directory.as_fd()).during(what);
        }
        if is_root(path.as_path()) {
            return process::fchdir(self.root()?.as_fd()).during(what);
        }
        let directory = self
            .root()?
            .make_directories(path.as_path(), 0o755)
            .during(what)?;
        process::fchdir(directory.as_fd()).during(what)
    }

    /// The user's home as the image knows it, else `/`. Read as the user: a file that is refused says nothing.
    pub(super) fn find_home(&mut self, uid: u32) -> Result<()> {
        let passwd = self
            .root()?
            .read_if_regular(Path::new("etc/passwd"), PASSWD_LIMIT);
        let text = passwd.ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        self.home = Some(home_of(uid, &text).into());
        Ok(())
    }

    /// Finds the program as execvp(3) would, as the user and with the capabilities that it will have.
    pub(super) fn find_program(&mut self, program: &str, path: &str) -> Result<()> {
        if program.contains('/') {
            runnable(program).map_err(|e| program_error(program, &e))?;
            self.program = Some(program.into());
            return Ok(());
        }
        let mut refused = None;
        for directory in path.split(':') {
            let directory = if directory.is_empty() { "." } else { directory };
            let candidate = format!("{directory}/{program}");
            match runnable(&candidate) {
                Ok(()) => {
                    self.program = Some(candidate);
                    return Ok(());
                }
                Err(e) if e.is(&[Errno::EACCES.0]) => refused = Some(e),
                // Not here, or no file: the next directory may have it.
                Err(e) if e.is(&ELSEWHERE) => {}
                Err(e) => return Err(program_error(program, &e)),
            }
        }
        match refused {
            Some(e) => Err(program_error(program, &e)),
            None => Err(Error::new(
                Kind::Program,
                format!("exec: {program:?}: executable file not found in $PATH"),
            )),
        }
    }

    pub(super) fn landlock(&mut self, wanted: &LandlockDomain) -> Result<()> {
        let mut domain = Domain {
            handled_fs: wanted.handled_fs,
            handled_net: wanted.handled_net,
            scoped: wanted.scoped,
            ports: wanted.ports.clone(),
            best_effort: wanted.best_effort,
            ..Domain::default()
        };
        for (path, access) in &wanted.paths {
            let what = || format!("Landlock path {}", path.as_path().display());
            domain
                .paths
                .push((self.root()?.locate(path.as_path()).during(what)?, *access));
        }
        let enforced =
            landlock::restrict(domain).during(|| format!("Landlock domain{}", unknown(wanted)))?;
        if enforced != Enforced::Fully {
            let extent = match enforced {
                Enforced::Not => "not",
                _ => "partly",
            };
            let lost = match landlock::abi() {
                0 => "not enforced: this kernel has no Landlock".to_owned(),
                abi => format!(
                    "{extent} enforced: Landlock ABI {abi} of this kernel is{}",
                    unknown(wanted)
                ),
            };
            self.outcome.downgrades.push(Downgrade {
                because: "/annotations/org.lockstep.landlock".into(),
                lost,
                call: "landlock_restrict_self()".into(),
            });
        }
        Ok(())
    }

    /// After this, execve closes everything but the standard streams and what is handed over.
    pub(super) fn close_descriptors(&mut self, keep: u32) -> Result<()> {
        process::umask(self.umask);
        #[cfg(lockstep_weak)]
        if lockstep_kernel::weak::is("leak") {
            for number in 3..64 {
                // ENOENT: most numbers are not open. Not sockets: `start` waits for the end of one.
                let found = file::stat(file::CWD, format!("/proc/self/fd/{number}"), true);
                if found.is_ok_and(|found| found.st_mode & S_IFMT == S_IFDIR) {
                    process::keep_on_exec(number).during(|| "descriptors".into())?;
                }
            }
            return Ok(());
        }
        process::close_on_exec_from(3 + keep).during(|| "descriptors".into())?;
        for number in 3..3 + keep {
            // EBADF: the caller promised more descriptors than there are.
            match process::keep_on_exec(number as i32) {
                Err(e) if e.is(&[Errno::EBADF.0]) => {}
                other => other.during(|| "handed-over descriptors".into())?,
            }
        }
        Ok(())
    }

    pub(super) fn load_filter(&mut self, op: &Op) -> Result<()> {
        let Op::Seccomp {
            filter,
            flags,
            listener,
        } = op
        else {
            return Err(super::not_of_init());
        };
        let (flags, listener) = (*flags, *listener);
        let what = || "loading the seccomp filter".to_string();
        match listener {
            None => seccomp::load(filter, flags).map(drop).during(what),
            Some(HandOver::Sent) => {
                let listener = seccomp::load(filter, flags | seccomp::NEW_LISTENER).during(what)?;
                let Some(listener) = listener else {
                    return Ok(());
                };
                message::send_listener(self.peer.as_fd(), listener.as_fd())
                    .during(|| "handing over the listener".into())?;
                // Not closed here: that would be another call under the filter.
                file::leave_open(listener);
                Ok(())
            }
            Some(HandOver::Beside) => {
                let message = message::LISTENER_MESSAGE;
                seccomp::load_beside(filter, flags, self.peer.as_fd(), message).during(what)
            }
        }
    }

    pub(super) fn execute(
        &mut self,
        args: &[String],
        env: &[String],
        init: Option<Slot>,
    ) -> Result<()> {
        let program = self.program.as_deref().unwrap_or_default();
        let home = self.home.as_ref().map(|home| format!("HOME={home}"));
        let set = env.iter().map(String::as_str);
        let set = set.filter(|entry| home.is_none() || !entry.starts_with("HOME="));
        let env = set.chain(home.as_deref());
        let own = init.map(|_| [INIT, program]).into_iter().flatten();
        let all = own.chain(args.iter().map(String::as_str));
        let image =
            process::Image::new(program, all, env).during(|| format!("program {program:?}"))?;
        #[cfg(lockstep_weak)]
        lockstep_kernel::weak::pause("slow-exec");
        let failure = match init.and_then(|slot| self.slots.get(&slot)) {
            Some(init) => image.exec_fd(init.as_fd()),
            None => image.exec(),
        };
        let error = program_error(args.first().map_or("", String::as_str), &failure);
        Err(match self.refusing_module(failure.errno) {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    /// What a security module had to do with it, where one was to change the program's confinement.
    fn refusing_module(&self, errno: i32) -> Option<String> {
        if ![Errno::EPERM.0, Errno::EACCES.0].contains(&errno) {
            return None;
        }
        let ops = || self.plan.steps.iter().map(|step| &step.op);
        let sealed = errno == Errno::EPERM.0 && ops().any(|op| matches!(op, Op::NoNewPrivs));
        ops().find_map(|op| match op {
            Op::SelinuxOnExec { label } if sealed => Some(format!(
                "with no_new_privs SELinux needs the permission process2 {{ nnp_transition }} from the caller's \
                 domain to that of {label}"
            )),
            Op::SelinuxOnExec { label } => Some(format!(
                "SELinux may not let the caller's domain enter that of {label}, or not by this file (process \
                 transition, file entrypoint)"
            )),
            Op::ApparmorOnExec { profile, .. } if sealed => Some(format!(
                "with no_new_privs a program that is confined already may only be confined further: {profile:?} \
                 allows more than the caller's profile, \"&{profile}\" would be stacked upon it"
            )),
            Op::ApparmorOnExec { profile, .. } => {
                Some(format!("AppArmor's profile {profile:?} may not let this file be executed"))
            }
            _ => None,
        })
    }
}

/// The home of a user in a passwd(5) file of the image, `/` where it has none.
pub(crate) fn home_of(uid: u32, passwd: &str) -> &str {
    let home = passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next()?.parse() == Ok(uid)).then(|| fields.nth(2))?
    });
    home.filter(|home| !home.is_empty()).unwrap_or("/")
}

/// Errors after which execvp(3) goes on to the next directory.
const ELSEWHERE: [i32; 6] = [
    Errno::ENOENT.0,
    Errno::ENOTDIR.0,
    Errno::EISDIR.0,
    Errno::ENODEV.0,
    Errno::ESTALE.0,
    Errno::ETIMEDOUT.0,
];

/// Whether this user may execute the file: a regular one, with the permission.
fn runnable(path: &str) -> lockstep_kernel::Result<()> {
    let found = file::stat(file::CWD, path, true)?;
    if found.st_mode & S_IFMT == S_IFDIR {
        return Err(lockstep_kernel::Error {
            call: format!("execve({path:?})"),
            errno: Errno::EISDIR.0,
        });
    }
    file::may_execute(file::CWD, path)
}

/// The wording that engines turn into exit codes 126 and 127.
fn program_error(program: &str, call: &lockstep_kernel::Error) -> Error {
    let mut error = Error::call(format!("exec: {program:?}"), call);
    error.kind = Kind::Program;
    let text = Errno(call.errno).description().to_lowercase();
    error.message = match call.errno {
        n if n == Errno::ENOENT.0 => {
            format!("exec: {program:?}: stat {program}: no such file or directory")
        }
        n if n == Errno::EISDIR.0 => format!("exec: {program:?}: is a directory"),
        _ => format!("exec: {program:?}: {text}"),
    };
    error.reason = None;
    error
}

/// " without NAME, ...": what of a domain this kernel's Landlock does not know. Empty if it knows all.
fn unknown(wanted: &LandlockDomain) -> String {
    let ruleset = Ruleset {
        handled_access_fs: AccessFs::from_bits(wanted.handled_fs),
        handled_access_net: AccessNet::from_bits(wanted.handled_net),
        scoped: Scope::from_bits(wanted.scoped),
    };
    let abi = u32::try_from(landlock::abi()).unwrap_or(0);
    let names = ruleset.beyond(abi);
    if abi == 0 || names.is_empty() {
        return String::new();
    }
    format!(" without {}", names.join(", "))
}
