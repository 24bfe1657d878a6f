//! What the verbs do, one file per group as on the command line.

mod cp;
mod exec;
mod health;
mod image;
mod inspect;
mod life;
mod list;
mod log;
mod make;
mod question;
mod reap;
mod secret;
mod top;
mod update;
mod usage;
mod volume;

use crate::argv::Arguments;
use crate::cli;
use crate::failure::Failure;
use crate::front::Front;
use crate::print::print;

/// Carries out a verb of the table; the exit code.
pub(crate) fn run(front: &Front, name: &str, args: &Arguments) -> Result<u8, Failure> {
    match name {
        "run" => make::run(front, args),
        "create" => make::create(front, args),
        "start" => make::start(front, args),
        "attach" => make::attach(front, args),
        "exec" => exec::exec(front, args),
        "cp" => cp::cp(front, args),
        "stop" => life::stop(front, args),
        "kill" => life::kill(front, args),
        "restart" => life::restart(front, args),
        "pause" => life::pause(front, args, true),
        "unpause" => life::pause(front, args, false),
        "wait" => life::wait(front, args),
        "rename" => life::rename(front, args),
        "healthcheck-run" => health::run(front, args),
        "rm" => reap::rm(front, args),
        "container-prune" => reap::prune(front, args),
        "ps" => list::ps(front, args),
        "logs" => log::logs(front, args),
        "inspect" => inspect::inspect(front, args, None),
        "container-inspect" => inspect::inspect(front, args, Some(inspect::Kind::Container)),
        "image-inspect" => inspect::inspect(front, args, Some(inspect::Kind::Image)),
        "top" => top::top(front, args),
        "stats" => usage::stats(front, args),
        "port" => port(front, args),
        "update" => update::update(front, args),
        "load" => image::load(front, args),
        "images" => image::images(front, args),
        "rmi" => image::rmi(front, args),
        "tag" => image::tag(front, args),
        "save" => image::save(front, args),
        "history" => image::history(front, args),
        "prune" => image::prune(front, args),
        "volume-create" => volume::create(front, args),
        "volume-ls" => volume::ls(front, args),
        "volume-inspect" => inspect::inspect(front, args, Some(inspect::Kind::Volume)),
        "volume-rm" => volume::rm(front, args),
        "volume-prune" => volume::prune(front, args),
        "volume-exists" => volume::exists(front, args),
        "secret-create" => secret::create(front, args),
        "secret-ls" => secret::ls(front, args),
        "secret-inspect" => inspect::inspect(front, args, Some(inspect::Kind::Secret)),
        "secret-rm" => secret::rm(front, args),
        "secret-exists" => secret::exists(front, args),
        "plan" => question::plan(front, args),
        "doctor" => crate::doctor::doctor(front, args),
        "version" => version(),
        other => Err(Failure::new(format!(
            "{} {other} is in the table but not in the program",
            cli::NAME
        ))),
    }
}

pub(crate) fn version() -> Result<u8, Failure> {
    print(&format!(
        "{} version {}\n",
        cli::NAME,
        env!("CARGO_PKG_VERSION")
    ))?;
    Ok(0)
}

/// No container has published ports yet, which is an answer and no error.
fn port(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    for typed in args.words(0)? {
        front.store()?.find(typed)?;
    }
    Ok(0)
}

/// Does something to each container that was named and prints it as it was typed; the first failure's code, when
/// all were tried.
fn each(
    args: &Arguments,
    action: impl FnMut(&str) -> Result<bool, Failure>,
) -> Result<u8, Failure> {
    each_of(named(args)?, action)
}

/// The containers that were named: one at least.
fn named(args: &Arguments) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = args.words(0)?.into_iter().map(str::to_owned).collect();
    match names.is_empty() {
        true => Err(Failure::new("no container was named").hint("name one, or add --all")),
        false => Ok(names),
    }
}

/// As [`each`], for names that are known otherwise.
fn each_of(
    names: Vec<String>,
    mut action: impl FnMut(&str) -> Result<bool, Failure>,
) -> Result<u8, Failure> {
    let mut first: Option<Failure> = None;
    for typed in names {
        match action(&typed) {
            Ok(true) => print(&format!("{typed}\n"))?,
            Ok(false) => {}
            Err(failure) => {
                if let Some(earlier) = first.replace(failure) {
                    crate::print::note(&earlier.to_string());
                }
            }
        }
    }
    match first {
        None => Ok(0),
        Some(failure) => Err(failure),
    }
}

/// What a verb prints as JSON: indented, and with nothing that a terminal acts on.
fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|e| Failure::new(format!("JSON: {e}")))? + "\n";
    Ok(crate::escape::json(&text).into_owned())
}
