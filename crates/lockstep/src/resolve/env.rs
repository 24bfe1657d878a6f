//! The environment: the image's, then the flags', the last one of a name counting.

use std::path::Path;

use super::{Input, Resolved};
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::why::Origin;

/// Where programs are looked for when the image does not say.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of proxies, which programs look for in both cases.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];

pub(super) fn apply(
    input: &Input<'_>,
    vendors: &[String],
    out: &mut Resolved,
) -> Result<(), Failure> {
    let args = input.args;
    let mut env = vec![PATH.to_owned()];
    if out.process().terminal {
        env.push("TERM=xterm".into());
    }
    // As Podman says it, so that programs can tell.
    env.push("container=lockstep".into());
    if !args.flag("unsetenv-all") {
        for entry in &input.image.config.env {
            set(&mut env, entry.clone());
        }
    }
    if args.flag("env-host") {
        for (name, value) in (input.sight.variables)() {
            // The caller's own word to the service manager; --sdnotify says what the container has of it.
            if name != "NOTIFY_SOCKET" {
                set(&mut env, format!("{name}={value}"));
            }
        }
    }
    if args.flag("http-proxy") {
        for name in PROXIES
            .iter()
            .flat_map(|name| [name.to_string(), name.to_ascii_uppercase()])
        {
            if let Some(value) = (input.sight.variable)(&name) {
                set(&mut env, format!("{name}={value}"));
            }
        }
    }
    for entry in vendors {
        let name = entry.split('=').next().unwrap_or_default();
        out.note("process.env", name, Origin::Flag, "--device");
        set(&mut env, entry.clone());
    }
    for entry in given(args, input.sight.read, input.sight.variable)? {
        let name = entry.split('=').next().unwrap_or_default().to_owned();
        out.note("process.env", name, Origin::Flag, "--env, --env-file");
        set(&mut env, entry);
    }
    for name in args.texts("unsetenv")? {
        env.retain(|entry| entry.split('=').next() != Some(name));
    }
    if let Some(hostname) = &out.spec.hostname
        && !env.iter().any(|entry| entry.starts_with("HOSTNAME="))
    {
        env.push(format!("HOSTNAME={hostname}"));
    }
    out.process().env = env;
    Ok(())
}

/// What `--env-file` and `--env` say, in that order.
pub(crate) fn given(
    args: &Arguments,
    read: &dyn Fn(&Path) -> Result<Vec<u8>, Failure>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for file in args.texts("env-file")? {
        let text = read(Path::new(file)).map_err(|failure| failure.of("--env-file "))?;
        let text = String::from_utf8(text)
            .map_err(|_wrong| Failure::new(format!("--env-file {file}: not UTF-8")))?;
        all.extend(entries(&text, variable).map_err(|line| {
            Failure::new(format!(
                "--env-file {file}: line {line} is not NAME or NAME=VALUE"
            ))
        })?);
    }
    for text in args.texts("env")? {
        let name = text.split('=').next().unwrap_or_default();
        if name.is_empty() || text.contains('\0') {
            return Err(super::wrong("env", text, "NAME or NAME=VALUE"));
        }
        all.extend(entry(text, variable));
    }
    Ok(all)
}

/// `NAME=VALUE` as it is; `NAME` alone with the caller's value, if there is one.
fn entry(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    match text.contains('=') {
        true => Some(text.to_owned()),
        false => variable(text).map(|value| format!("{text}={value}")),
    }
}

/// The entries of an environment file; the number of the first line that is none.
fn entries(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, usize> {
    let mut all = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(n + 1);
        }
        all.extend(entry(line, variable));
    }
    Ok(all)
}

/// Sets a variable in the place of an earlier one of its name.
fn set(env: &mut Vec<String>, entry: String) {
    let name = entry.split('=').next().unwrap_or_default();
    match env
        .iter_mut()
        .find(|old| old.split('=').next() == Some(name))
    {
        Some(old) => *old = entry,
        None => env.push(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_files_are_docker_s() {
        let caller = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let text = "# a comment\n\nA=1\n  B= two words \nHOME\nMISSING\n";
        let read = entries(text, &caller);
        assert_eq!(
            read,
            Ok(vec![
                "A=1".into(),
                "B= two words ".into(),
                "HOME=/root".into()
            ])
        );
        assert_eq!(entries("A=1\nno name=x\n", &caller), Err(2));
        assert_eq!(entries("=x\n", &caller), Err(1));
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let mut env = vec!["A=1".to_owned(), "B=2".to_owned()];
        set(&mut env, "A=3".into());
        set(&mut env, "C=".into());
        assert_eq!(env, ["A=3", "B=2", "C="]);
    }
}
