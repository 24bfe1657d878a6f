//! Mounts of the command line: `--volume`, `--mount`, `--tmpfs`.
//!
//! A directory of the host comes in without setuid programs and devices. Root's containers see its files with
//! the owners that they have on the host (an id-mapped mount); a user's container root is the user.

use std::path::Path;

use lockstep_oci::runtime::{Linux, Mount};

use super::idmap::Idmap;
use super::mount;
use crate::failure::Failure;
use crate::number;
use crate::resolve::{Brought, Input, Resolved, Volume, wrong};
use crate::why::Origin;

pub(super) fn mounts(input: &Input<'_>, out: &mut Resolved) -> Result<Vec<Mount>, Failure> {
    let mut all: Vec<Mount> = Vec::new();
    let mut add = |out: &mut Resolved, option: &str, text: &str, mount: Mount| {
        if all
            .iter()
            .any(|other| other.destination == mount.destination)
        {
            return Err(Failure::new(format!(
                "{} is a mount target twice",
                mount.destination
            )));
        }
        out.note("mount", text, Origin::Flag, &format!("--{option}"));
        all.push(mount);
        Ok(())
    };
    for text in input.args.texts("volume")? {
        let mount = volume(input, out, text)?;
        add(out, "volume", text, mount)?;
    }
    for text in input.args.texts("mount")? {
        let mount = long(input, out, text)?;
        add(out, "mount", text, mount)?;
    }
    for text in input.args.texts("tmpfs")? {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        let mount =
            tmpfs(target, options).ok_or_else(|| wrong("tmpfs", text, "TARGET[:OPTIONS]"))?;
        add(out, "tmpfs", text, mount)?;
    }
    Ok(all)
}

fn volume(input: &Input<'_>, out: &mut Resolved, text: &str) -> Result<Mount, Failure> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        [target] => ("", *target, ""),
        _ => return Err(wrong("volume", text, "SOURCE:TARGET[:OPTIONS]")),
    };
    let options: Vec<&str> = options.split(',').filter(|o| !o.is_empty()).collect();
    from_host(input, out, ("volume", text), source, target, &options)
}

/// Docker's long form.
fn long(input: &Input<'_>, out: &mut Resolved, text: &str) -> Result<Mount, Failure> {
    let (mut kind, mut source, mut target, mut options) = ("volume", "", "", Vec::new());
    for field in text.split(',') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let yes = matches!(value, "" | "true" | "1");
        match name {
            "type" => kind = value,
            "source" | "src" => source = value,
            "target" | "dst" | "destination" => target = value,
            "readonly" | "ro" if yes => options.push("ro".to_owned()),
            "readonly" | "ro" => {}
            "bind-propagation" => options.push(value.to_owned()),
            "volume-nocopy" if yes => options.push("nocopy".to_owned()),
            "bind-nonrecursive" if yes => options.push("bind".to_owned()),
            "tmpfs-size" => options.push(format!("size={value}")),
            "tmpfs-mode" => options.push(format!("mode={value}")),
            "idmap" if yes => options.push("idmap".to_owned()),
            "idmap" if matches!(value, "false" | "0") => options.push("noidmap".to_owned()),
            "idmap" => options.push(field.to_owned()),
            "noexec" | "nosuid" | "nodev" | "exec" | "suid" | "dev" if yes => {
                options.push(name.to_owned())
            }
            _ => {
                return Err(Failure::new(format!("--mount {text} is refused: it has no {name:?} here"))
                    .hint("type, source, target, readonly, bind-propagation, bind-nonrecursive, idmap, tmpfs-size, tmpfs-mode"));
            }
        }
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    match kind {
        "bind" if !source.starts_with('/') && !source.starts_with('.') => {
            Err(wrong("mount", text, "a source that is a path"))
        }
        "bind" | "volume" => from_host(input, out, ("mount", text), source, target, &options),
        "tmpfs" => tmpfs(target, &options.join(","))
            .ok_or_else(|| wrong("mount", text, "a target and options of tmpfs")),
        "devpts" => Err(refused(
            "mount",
            text,
            "every container has a /dev/pts of its own already",
        )),
        "image" => Err(refused(
            "mount",
            text,
            "the files of a second image are not mounted yet",
        )),
        "ramfs" => Err(refused(
            "mount",
            text,
            "a ramfs has no limit of its size; tmpfs has",
        )),
        _ => Err(Failure::new(format!(
            "--mount {text} is refused: type {kind:?} is not implemented, bind, volume and tmpfs are"
        ))),
    }
}

fn tmpfs(target: &str, options: &str) -> Option<Mount> {
    if !is_target(target) {
        return None;
    }
    let mut all = vec!["nosuid", "nodev"];
    let mut size = String::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", text)) => size = format!("size={}", number::bytes(text)?),
            Some(("mode" | "uid" | "gid" | "nr_inodes", _)) => all.push(option),
            None if matches!(option, "ro" | "rw" | "noexec" | "noatime") => all.push(option),
            None if matches!(option, "exec" | "suid" | "dev") => {
                all.retain(|o| o.strip_prefix("no") != Some(option))
            }
            None if matches!(option, "nosuid" | "nodev" | "tmpcopyup" | "notmpcopyup") => {
                if option == "tmpcopyup" {
                    all.push(option);
                }
            }
            _ => return None,
        }
    }
    if !options.contains("mode=") {
        all.push("mode=1777");
    }
    if !size.is_empty() {
        all.push(&size);
    }
    Some(mount(target, "tmpfs", "tmpfs", &all))
}

/// Whether a path can be a mount point: absolute, and not the root itself.
fn is_target(path: &str) -> bool {
    let plain = Path::new(path).components().skip(1);
    path.starts_with('/')
        && plain.clone().count() > 0
        && plain
            .clone()
            .all(|c| matches!(c, std::path::Component::Normal(_)))
}

pub(super) fn from_host(
    input: &Input<'_>,
    out: &mut Resolved,
    (option, text): (&str, &str),
    source: &str,
    target: &str,
    options: &[&str],
) -> Result<Mount, Failure> {
    if !is_target(target) {
        return Err(wrong(option, text, "an absolute target that is not /"));
    }
    let by_path = source.starts_with('/') || source.starts_with('.') || source.starts_with('~');
    let made_up;
    let source = match source {
        "" => {
            made_up = anonymous(input, out);
            &made_up
        }
        source => source,
    };
    if !by_path {
        out.volumes.push(Volume {
            name: source.to_owned(),
            target: target.to_owned(),
            filled: !options.contains(&"nocopy"),
            anonymous: source == anonymous(input, out),
        });
    }
    let name = source;
    let source = source_of(input, (option, text), source, by_path)?;
    if by_path {
        let what = format!("--{option} {text}");
        super::own::keep_out(input, out, &what, (Path::new(&source), target))?;
    }
    out.mounts.push(Brought {
        volume: (!by_path).then(|| name.to_owned()),
        source: source.clone(),
        target: target.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    });
    let (all, idmap) = options_of(input, (option, text), options, out.linux())?;
    let kept = (Path::new(&source), target);
    if let Some(mount) =
        super::disk::apply(input, out, (option, text, options), kept, (&all, &idmap))?
    {
        return Ok(mount);
    }
    let mut options: Vec<&str> = all.iter().map(String::as_str).collect();
    if by_path {
        // It has none now. What was looked at for Lockstep's own is what is mounted, at every start.
        options.push("src-nosymlinks");
    }
    let mut mount = mount(target, "bind", &source, &options);
    idmap.apply(&mut mount, out.linux());
    Ok(mount)
}

/// The name of a volume to which nobody gave one: the container's id, which nobody else has, with the volume's number in
/// the place of the first digits.
fn anonymous(input: &Input<'_>, out: &Resolved) -> String {
    const DIGITS: usize = 4;
    let id: String = input.id.chars().skip(DIGITS).collect();
    format!("{:04x}{id}", out.volumes.len())
}

/// What other containers were given (`--volumes-from NAME[:OPTIONS]`), but where something else is `taken` for the target.
pub(super) fn from_others(
    input: &Input<'_>,
    out: &mut Resolved,
    taken: &mut Vec<String>,
) -> Result<Vec<Mount>, Failure> {
    let mut all = Vec::new();
    for text in input.args.texts("volumes-from")? {
        let (name, more) = text.split_once(':').unwrap_or((text, ""));
        let known = |option: &str| matches!(option, "" | "ro" | "rw" | "z" | "Z");
        if !more.split(',').all(known) {
            return Err(wrong("volumes-from", text, "CONTAINER[:ro|rw]"));
        }
        for given in (input.sight.mounts_of)(name)? {
            if taken.contains(&given.target) {
                continue;
            }
            // Owners and labels are as that container wanted them, and it may be running. `O` stays: what it sees is not
            // changed here either.
            let own = |option: &&str| !matches!(*option, "U" | "z" | "Z");
            let options = given.options.iter().map(String::as_str);
            let mut options: Vec<&str> = options.filter(own).collect();
            options.extend(more.split(',').filter(|option| !option.is_empty()));
            let source = given.volume.as_ref().unwrap_or(&given.source);
            let about = ("volumes-from", text);
            all.push(from_host(
                input,
                out,
                about,
                source,
                &given.target,
                &options,
            )?);
            taken.push(given.target);
        }
        out.note("volumes", text, Origin::Flag, "--volumes-from");
    }
    Ok(all)
}

/// The volumes that the image wants, where nothing else is `taken` for the target.
pub(super) fn of_image(
    input: &Input<'_>,
    out: &mut Resolved,
    taken: &[String],
) -> Result<Vec<Mount>, Failure> {
    let mode = input.args.text("image-volume")?.unwrap_or("anonymous");
    let mut all = Vec::new();
    for target in &input.image.config.volumes {
        let target = target.trim_end_matches('/');
        if taken
            .iter()
            .any(|other| other.trim_end_matches('/') == target)
        {
            continue;
        }
        let image = || format!("the image's volume {target}");
        // What the kernel brings there is masked, and an image is not asked whether it should be.
        if ["/proc", "/sys", "/dev"]
            .iter()
            .any(|kernel| Path::new(target).starts_with(kernel))
        {
            return Err(Failure::new(format!(
                "{} is refused: the kernel's files are there",
                image()
            ))
            .hint("--image-volume ignore"));
        }
        let made = match mode {
            "anonymous" | "bind" => from_host(input, out, ("volume", target), "", target, &[])?,
            "tmpfs" => tmpfs(target, "tmpcopyup")
                .ok_or_else(|| Failure::new(format!("{} is no mount target", image())))?,
            "ignore" => continue,
            other => return Err(wrong("image-volume", other, "anonymous, tmpfs or ignore")),
        };
        out.note("mount", image(), Origin::Image, "--image-volume");
        all.push(made);
    }
    Ok(all)
}

/// The path on the host: of a directory or file, or of a named volume.
fn source_of(
    input: &Input<'_>,
    (option, text): (&str, &str),
    source: &str,
    by_path: bool,
) -> Result<String, Failure> {
    Ok(match by_path {
        true => {
            let path = Path::new(source);
            if (input.sight.look)(path)?.is_none() {
                return Err(
                    Failure::new(format!("--{option} {text}: {source} does not exist"))
                        .hint(format!("mkdir -p {}", crate::escape::shell(source))),
                );
            }
            (input.sight.absolute)(path)?
        }
        false => {
            crate::container::check_name(source)
                .map_err(|_no_name| wrong(option, text, "a path or the name of a volume"))?;
            (input.sight.volumes)()
                .join(source)
                .to_string_lossy()
                .into_owned()
        }
    })
}

/// Mount options in the specification's words, and how the mount is id-mapped.
fn options_of(
    input: &Input<'_>,
    (option, text): (&str, &str),
    options: &[&str],
    linux: &Linux,
) -> Result<(Vec<String>, Idmap), Failure> {
    // The recursive forms: what is mounted below the source is held to the same.
    let mut all: Vec<String> = ["rbind", "rnosuid", "rnodev", "rprivate"]
        .map(String::from)
        .to_vec();
    let may_map = input.block.is_some() && input.caller.mounts();
    let mut idmap = match may_map {
        true => Idmap::Same,
        false => Idmap::None,
    };
    for name in options {
        match *name {
            "ro" | "readonly" => all.push("rro".into()),
            "rw" | "rbind" | "copy" | "nocopy" | "nosuid" | "nodev" => {}
            "cached" | "consistent" | "delegated" => {}
            "bind" => all[0] = "bind".into(),
            "noexec" => all.push("rnoexec".into()),
            "exec" => all.retain(|o| o != "rnoexec"),
            "suid" | "dev" => all.retain(|o| o.strip_prefix("rno") != Some(name)),
            "idmap" if may_map => idmap = Idmap::Same,
            "idmap" => {
                return Err(refused(option, text, NEEDS_ROOT));
            }
            "noidmap" => idmap = Idmap::None,
            other if other.starts_with("idmap=") => {
                if !(input.caller.maps_any_id() && input.caller.mounts()) {
                    return Err(refused(option, text, NEEDS_ROOT));
                }
                if let Some(other) = options.iter().find(|other| matches!(**other, "U" | "O")) {
                    let why = format!("a map of the mount's own and {other} exclude each other");
                    return Err(refused(option, text, &why));
                }
                idmap = Idmap::parse(&other["idmap=".len()..], linux)
                    .map_err(|why| Failure::new(format!("--{option} {text}: {why}")))?;
            }
            "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => {
                all.retain(|o| o != "rprivate");
                all.push((*name).into());
            }
            // What they ask for is done in `disk`.
            "U" | "O" | "z" | "Z" => {}
            other => {
                return Err(Failure::new(format!(
                    "--{option} {text}: there is no option {other:?}"
                )));
            }
        }
    }
    Ok((all, idmap))
}

const NEEDS_ROOT: &str = "an id-mapped mount needs root; a user's container root is the user";

pub(super) fn refused(option: &str, text: &str, why: &str) -> Failure {
    Failure::new(format!("--{option} {text} is refused: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_absolute_and_plain() {
        assert!(is_target("/data") && is_target("/a/b"));
        for wrong in ["", "/", "data", "/a/../b", "//"] {
            assert!(!is_target(wrong), "{wrong}");
        }
    }

    #[test]
    fn options_of_tmpfs_are_known_or_refused() {
        let made = tmpfs("/x", "size=1m,noexec,mode=700").expect("a mount");
        assert_eq!(
            made.options,
            ["nosuid", "nodev", "noexec", "mode=700", "size=1048576"]
        );
        let made = tmpfs("/x", "exec,dev").expect("a mount");
        assert_eq!(made.options, ["nosuid", "mode=1777"]);
        assert!(tmpfs("/x", "huge=always").is_none());
        assert!(tmpfs("x", "").is_none());
    }
}
