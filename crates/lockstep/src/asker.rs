//! Who asked for a field of the configuration that was made of a command line: an error or a warning names what a person
//! wrote, for the configuration is nobody's but ours, and of a container that could not be made it is gone.

use lockstep_oci::runtime::{Problem, Spec};

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::why::{Origin, Setting};

/// Fields whose settings do not have their names, with the options that are behind them; the first that fits counts.
#[rustfmt::skip]
const OPTIONS: &[(&str, &[&str])] = &[
    ("/annotations", &["annotation"]),
    ("/domainname", &["domainname"]),
    ("/linux/cgroupsPath", &["cgroup-parent"]),
    ("/linux/devices", &["device", "gpus"]),
    ("/linux/gidMappings", &["gidmap", "uidmap", "userns"]),
    ("/linux/resources/blockIO/throttleReadBpsDevice", &["device-read-bps"]),
    ("/linux/resources/blockIO/throttleReadIOPSDevice", &["device-read-iops"]),
    ("/linux/resources/blockIO/throttleWriteBpsDevice", &["device-write-bps"]),
    ("/linux/resources/blockIO/throttleWriteIOPSDevice", &["device-write-iops"]),
    ("/linux/resources/blockIO/weightDevice", &["blkio-weight-device"]),
    ("/linux/resources/blockIO", &["blkio-weight"]),
    ("/linux/resources/cpu/cpus", &["cpuset-cpus"]),
    ("/linux/resources/cpu/mems", &["cpuset-mems"]),
    ("/linux/resources/cpu/period", &["cpu-period", "cpus"]),
    ("/linux/resources/cpu/quota", &["cpu-quota", "cpus"]),
    ("/linux/resources/cpu/shares", &["cpu-shares"]),
    ("/linux/resources/cpu", &["cpus", "cpu-quota", "cpu-period", "cpu-shares", "cpuset-cpus", "cpuset-mems"]),
    ("/linux/resources/devices", &["device-cgroup-rule", "device", "gpus"]),
    ("/linux/resources/memory/disableOOMKiller", &["oom-kill-disable"]),
    ("/linux/resources/memory/reservation", &["memory-reservation"]),
    ("/linux/resources/memory/swap", &["memory-swap"]),
    ("/linux/resources/memory/swappiness", &["memory-swappiness"]),
    ("/linux/resources/memory", &["memory", "memory-swap", "memory-reservation", "memory-swappiness"]),
    ("/linux/resources/pids", &["pids-limit"]),
    ("/linux/resources/unified", &["cgroup-conf"]),
    ("/linux/sysctl", &["sysctl"]),
    ("/linux/uidMappings", &["uidmap", "userns"]),
    ("/mounts", &["volume", "mount", "tmpfs", "volumes-from", "secret"]),
    ("/process/consoleSize", &["tty"]),
    ("/process/cwd", &["workdir"]),
    ("/process/env", &["env", "env-file"]),
    ("/process/oomScoreAdj", &["oom-score-adj"]),
    ("/process/rlimits", &["ulimit", "pids-limit"]),
    ("/process/terminal", &["tty"]),
    ("/process/user/additionalGids", &["group-add", "user"]),
    ("/process/user/umask", &["umask"]),
    ("/process/user", &["user"]),
];

/// Options of which each value is about something of its own: which value it was, the field has to say.
const MANY: [&str; 9] = [
    "annotation",
    "device",
    "mount",
    "secret",
    "sysctl",
    "tmpfs",
    "ulimit",
    "volume",
    "volumes-from",
];

/// Who can have asked for a field.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// What the container was made of.
    spec: &'a Spec,
    settings: &'a [Setting],
    /// The command line of a verb that changes what has been made, and in which part of the configuration its fields are.
    verb: Option<(&'a Arguments, &'static str)>,
}

impl<'a> Asker<'a> {
    /// Whoever made the container.
    pub(crate) fn new(spec: &'a Spec, settings: &'a [Setting]) -> Asker<'a> {
        Asker {
            spec,
            settings,
            verb: None,
        }
    }

    /// Or else who typed this command line, about fields below `part`.
    pub(crate) fn or(self, args: &'a Arguments, part: &'static str) -> Asker<'a> {
        Asker {
            verb: Some((args, part)),
            ..self
        }
    }

    /// An error about a field, told by who asked for the field.
    pub(crate) fn name(self, mut failure: Failure) -> Failure {
        if let Some(asker) = failure.asked.as_deref().and_then(|field| self.of(field)) {
            failure.asked = Some(asker);
        }
        failure
    }

    /// The same of a step that was not done, as the runtime tells it: `FIELD: what (call)`.
    pub(crate) fn lost(self, text: &str) -> String {
        let named = || {
            let (field, rest) = text.split_once(": ")?;
            // Of all limits, the one that the text begins with.
            let kind = rest.split(' ').next()?;
            let limits = self
                .spec
                .process
                .iter()
                .flat_map(|process| &process.rlimits);
            let limit = limits
                .into_iter()
                .position(|limit| limit.kind.as_str() == kind);
            let asker = match limit.filter(|_| field.ends_with("/rlimits")) {
                Some(n) => self.of(&format!("{field}/{n}")),
                None => self.of(field),
            };
            Some(format!("{}: {rest}", asker?))
        };
        named().unwrap_or_else(|| text.to_owned())
    }

    /// The error of a configuration that is not valid.
    pub(crate) fn invalid(self, problems: &[Problem]) -> Failure {
        let told = problems.iter().map(|problem| {
            let Some(asker) = self.of(&problem.pointer) else {
                return problem.to_string();
            };
            // A file of the user's has fields of its own.
            match problem.pointer.strip_prefix("/linux/seccomp") {
                Some(field) if !field.is_empty() => {
                    let value = problem.value.as_deref().unwrap_or("nothing");
                    format!("{asker}: {field} = {value}: {}", problem.reason)
                }
                _ => format!("{asker}: {}", plain(&problem.reason)),
            }
        });
        let mut told: Vec<String> = told.collect();
        // A user and the same user's groups.
        told.dedup();
        Failure::new(told.join("; "))
    }

    /// Who asked for a field, in the words that would change it; `None` where nobody is known.
    fn of(self, field: &str) -> Option<String> {
        let Some((args, part)) = self.verb else {
            return of(field, self.spec, self.settings);
        };
        if !field.starts_with('/') {
            return None;
        }
        let field = match ["/linux/", "/process/"]
            .iter()
            .any(|top| field.starts_with(top))
        {
            true => field.to_owned(),
            false => format!("{part}{field}"),
        };
        if field.starts_with("/process/args") {
            return Some("the command".into());
        }
        let options = OPTIONS.iter().find(|(place, _)| is_below(&field, place));
        let mut options = options.iter().flat_map(|(_, options)| options.iter());
        let given = options.find_map(|option| args.given().find(|(given, _)| given == option));
        match given {
            Some((option, value)) if value.is_empty() => Some(format!("--{option}")),
            Some((option, value)) => Some(format!("--{option} {}", value.to_string_lossy())),
            None => Some(format!(
                "the container's {}",
                of(&field, self.spec, self.settings)?
            )),
        }
    }
}

fn is_below(field: &str, place: &str) -> bool {
    let rest = field.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A reason without the names of other fields.
fn plain(reason: &str) -> String {
    let ids = "the ids of the container (--userns, --uidmap, --gidmap)";
    ["/linux/uidMappings", "/linux/gidMappings"]
        .iter()
        .fold(reason.to_owned(), |text, field| text.replace(field, ids))
}

/// Who asked for a field, in the words that would change it; `None` where no setting is about it.
fn of(field: &str, spec: &Spec, settings: &[Setting]) -> Option<String> {
    let below = |place: &str| is_below(field, place);
    if let Some((_, options)) = OPTIONS.iter().find(|(place, _)| below(place)) {
        let key = key(field, spec);
        let found = options.iter().find_map(|option| {
            let mut all = settings.iter().rev();
            let about = |setting: &&Setting| {
                let fits = |key: &String| !MANY.contains(option) || setting.value.contains(&**key);
                setting.is_changed_by(option) && key.as_ref().is_none_or(fits)
            };
            all.find(about)
        });
        if let Some(setting) = found {
            return Some(words(setting));
        }
    }
    let of_name = |setting: &&Setting| below(&format!("/{}", setting.name.replace('.', "/")));
    let found = settings
        .iter()
        .filter(of_name)
        .max_by_key(|setting| setting.name.len());
    match found {
        Some(setting) => Some(words(setting)),
        None => Some(format!("the mount at {}", key(field, spec)?)).filter(|_| below("/mounts")),
    }
}

/// What the element of a list or map that a field is in is about.
fn key(field: &str, spec: &Spec) -> Option<String> {
    let at = |list: &str| -> Option<usize> {
        let rest = field.strip_prefix(list)?;
        rest.split('/').next()?.parse().ok()
    };
    if let Some(mount) = at("/mounts/") {
        return Some(spec.mounts.get(mount)?.destination.clone());
    }
    if let Some(device) = at("/linux/devices/") {
        return Some(spec.linux.as_ref()?.devices.get(device)?.path.clone());
    }
    if let Some(limit) = at("/process/rlimits/") {
        let kind = &spec.process.as_ref()?.rlimits.get(limit)?.kind;
        let name = kind.as_str().trim_start_matches("RLIMIT_");
        return Some(name.to_ascii_lowercase());
    }
    let maps = ["/linux/sysctl/", "/annotations/"];
    let name = maps.iter().find_map(|map| field.strip_prefix(map))?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// A setting as whoever asked for it wrote it.
fn words(setting: &Setting) -> String {
    let Setting {
        name,
        value,
        origin,
        change,
        place,
    } = setting;
    match origin {
        Origin::Flag => typed(change, value),
        Origin::Config => format!("{place}: {}", typed(change, value).trim_start_matches("--")),
        Origin::Image => format!("the image ({name}: {value}); {change} changes it"),
        Origin::Default | Origin::Host if change.is_empty() => {
            format!("the default ({name}: {value})")
        }
        Origin::Default | Origin::Host if value.contains(' ') => format!("the default of {change}"),
        Origin::Default | Origin::Host => format!("the default of {change} ({value})"),
    }
}

/// `--option value`, where one option alone is behind a setting.
fn typed(change: &str, value: &str) -> String {
    match change.split_once(' ') {
        // `--security-opt seccomp=FILE|unconfined`.
        Some(("--security-opt", rest)) => {
            let name = rest.split('=').next().unwrap_or_default();
            format!("--security-opt {name}={value}")
        }
        Some(_) => change.to_owned(),
        None if value == "true" => change.to_owned(),
        None => format!("{change} {value}"),
    }
}

#[cfg(test)]
mod tests;
