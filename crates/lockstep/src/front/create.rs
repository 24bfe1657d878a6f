//! From the command line to a container's directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockstep_kernel::durable::Lock;
use lockstep_kernel::{file, random};
use lockstep_oci::runtime::Spec;
use lockstep_runtime::clock;
use lockstep_supervisor::{Job, LogJob};

use super::image::Opened;
use super::{Eyes, Front};
use crate::argv::Arguments;
use crate::asker::Asker;
use crate::container::{Directory, Record, Restart, Store};
use crate::failure::{Doing, Failure};
use crate::modules::Selinux;
use crate::number;
use crate::resolve::{self, Caller, Image, Input, Resolved, Source, default};
use crate::stored::Images;

/// A container that was just made, locked, and its configuration.
pub(crate) struct Created {
    pub(crate) directory: Directory,
    pub(crate) record: Record,
    pub(crate) spec: Spec,
}

/// Makes the container of a command line, without starting it. Nothing is left of one that cannot be made. `replace`
/// removes the one that has its name, when its image is known to be there.
pub(crate) fn create(
    front: &Front,
    args: &Arguments,
    replace: impl FnOnce(&Front, &str) -> Result<(), Failure>,
) -> Result<Created, Failure> {
    let typed = &*super::image::typed(args)?;
    let caller = crate::caller::with(args, front.caller()?.clone())?;
    let store = front.store()?;
    let images = Images::new(&store.at, &caller).with_ids(resolve::image_ids(args, &caller)?);
    // Of a container that is not only made: the helpers work while its image is looked for.
    if args.knows("detach") && crate::users::are_begun(args, &caller)? {
        // Where it is refused, who needs it says so.
        drop(store.at.users.begin(&caller));
    }
    let image = super::open_image(typed, &images)?;
    // Changes of an image's files may be large, and the state is often memory.
    let passing = args.flag("rm") && matches!(image, Opened::Plain(_));
    if let (true, Some(name)) = (args.flag("replace"), args.text("name")?) {
        replace(front, name)?;
    }
    let random = random::bytes::<32>().doing(|| "an id".into())?;
    let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let directory = store.create(&id, passing)?;
    let mut claimed = Claimed::default();
    let made = layers(&images, &image, &directory, &mut claimed).and_then(|layers| {
        let image = image.with_layers(typed, layers);
        fill(front, &directory, args, (&image, &caller), &mut claimed)
    });
    let made = made.and_then(|made| cidfile(args, &id).map(|()| made));
    match made {
        Ok((record, spec)) => Ok(Created {
            directory,
            record,
            spec,
        }),
        Err(failure) => {
            claimed.give_back(store, &directory, (passing, &caller));
            Err(failure)
        }
    }
}

/// The layers of an image of the store, claimed for this container.
fn layers(
    images: &Images<'_>,
    image: &Opened,
    directory: &Directory,
    claimed: &mut Claimed,
) -> Result<Vec<PathBuf>, Failure> {
    let Opened::Stored(image) = image else {
        return Ok(Vec::new());
    };
    claimed.layers = true;
    crate::stored::make_point(directory)?;
    images.claim(image, directory)
}

/// What a container that could not be made has to give back.
#[derive(Default)]
struct Claimed {
    block: Option<u32>,
    name: Option<String>,
    layers: bool,
    /// Volumes that nobody else knows.
    volumes: Vec<String>,
}

impl Claimed {
    /// The first error is the one to report; what cannot be given back now the next command repairs.
    fn give_back(&self, store: &Store, directory: &Directory, (passing, caller): (bool, &Caller)) {
        if self.layers {
            drop(crate::stored::discard(&store.at, directory, caller));
        }
        for volume in &self.volumes {
            drop(store.remove_volume(volume, Some(&directory.id)));
        }
        drop(store.discard(&directory.id, passing, self.block, self.name.as_deref()));
    }
}

/// A block of its own where it is to have one, or a share in that of the container whose user namespace it shares.
fn claim_block(
    store: &Store,
    args: &Arguments,
    (eyes, caller, id): (&Eyes<'_>, &Caller, &str),
    claimed: &mut Claimed,
) -> Result<(), Failure> {
    if resolve::wants_block(args, caller)? {
        claimed.block = Some(store.claim_block(id)?);
    } else if let Some((block, other)) = super::neighbour::block(eyes, args)? {
        claimed.block = Some(block);
        store.share_block(block, (&other, id))?;
    }
    Ok(())
}

/// A level of its own where SELinux confines it, or that of the container whose user namespace it shares.
fn claim_level(
    store: &Store,
    args: &Arguments,
    (eyes, caller): (&Eyes<'_>, &Caller),
    (directory, block): (&Directory, Option<u32>),
) -> Result<Option<String>, Failure> {
    if eyes.selinux()? != Selinux::Ready {
        return Ok(None);
    }
    if let Some(shared) = super::neighbour::level(eyes, args)? {
        return Ok(Some(shared));
    }
    let wanted = resolve::level(block, &directory.id);
    store.claim_level(&directory.path, wanted, caller).map(Some)
}

fn fill(
    front: &Front,
    directory: &Directory,
    args: &Arguments,
    (image, caller): (&Image, &Caller),
    claimed: &mut Claimed,
) -> Result<(Record, Spec), Failure> {
    let store = front.store()?;
    let id = &*directory.id;
    let eyes = Eyes::new(image, front, &store.at);
    claim_block(store, args, (&eyes, caller, id), claimed)?;
    let level = claim_level(store, args, (&eyes, caller), (directory, claimed.block))?;
    let own = (id, claimed.block, level.as_deref());
    let resolved = prepare(front, &eyes, args, (image, caller), own)?;
    let seed = random::bytes::<3>().doing(|| "a name".into())?;
    let name = store.claim_name(args.text("name")?, id, seed)?;
    claimed.name = Some(name.clone());
    let layers = match &image.source {
        Source::Layers(layers) => layers.as_slice(),
        // The files of the host, and those of a directory that is used as it is, are not multiplied.
        Source::Host { .. } | Source::Directory(_) => &[],
    };
    let images = Images::new(&store.at, caller);
    // Until the record says who has them.
    let _held = match resolved.volumes.is_empty() {
        true => None,
        false => Some(store.hold_volumes(Lock::Shared)?),
    };
    let unnamed = resolved.volumes.iter().filter(|volume| volume.anonymous);
    claimed.volumes = unnamed.map(|volume| volume.name.clone()).collect();
    crate::volume::make(store, &images, directory, &resolved.volumes, layers)?;
    crate::volume::give(&images, caller, &resolved.given)?;
    crate::volume::relabel(store, &images, &resolved.relabelled)?;
    for (name, text) in &resolved.files {
        directory.write_for(name, text.as_bytes(), claimed.block)?;
    }
    let place = Place {
        id,
        path: &directory.path,
    };
    let job = job(store, place, args, (image, caller, &resolved))?;
    crate::secret::hand_over(store, directory, &job.secrets)?;
    let record = Record {
        schema: crate::container::RECORD_SCHEMA,
        id: id.to_owned(),
        name,
        created: clock::now_rfc3339(),
        image: image.name.clone(),
        image_id: image.id.clone(),
        command: resolved.command.clone(),
        entrypoint: resolved.entrypoint,
        mounts: resolved.mounts.clone(),
        user: args.text("user")?.unwrap_or(&image.config.user).to_owned(),
        labels: labels(args, image)?,
        layered: resolved.layered,
        auto_remove: args.flag("rm"),
        awaits_start: !args.knows("detach"),
        restart: restart(args)?,
        block: claimed.block,
        health: resolved.health.clone(),
        sdnotify: super::notify::mode(args, resolved.health.is_some())?,
        restarts: 0,
        job,
        settings: resolved.settings,
        warnings: resolved.warnings,
    };
    directory.write_new(&resolved.spec, &record)?;
    Ok((record, resolved.spec))
}

/// A container's id and directory, made or not.
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) path: &'a Path,
}

/// What the supervisor is told besides the configuration.
pub(super) fn job(
    store: &Store,
    place: Place<'_>,
    args: &Arguments,
    (image, caller, resolved): (&Image, &Caller, &Resolved),
) -> Result<Job, Failure> {
    let run_time_ms = match args.text("timeout")? {
        Some("0") | None => None,
        Some(text) => Some(
            number::milliseconds(text)
                .ok_or_else(|| Failure::new(format!("--timeout takes seconds, not {text:?}")))?,
        ),
    };
    let interactive = args.flag("interactive");
    let overlay = match &image.source {
        Source::Layers(layers) => Some(crate::stored::overlay_root(place.path, layers)),
        _ => None,
    };
    Ok(Job {
        secrets: crate::secret::chosen(store, &resolved.secrets)?,
        joined: resolved.joined.clone(),
        over: resolved.over.clone(),
        notify_socket: None,
        id: place.id.to_owned(),
        state: store.runtime(),
        bundle: place.path.to_owned(),
        owner: resolved.owner,
        memory_root: resolved.memory_root.clone(),
        overlay,
        idmap_root: resolved.idmap_root,
        init: args.flag("init"),
        network_defaults: resolved.network_defaults.clone(),
        terminal: args.flag("tty"),
        stdin: interactive,
        stdin_once: interactive && !args.flag("detach"),
        attached: false,
        log: log(args)?,
        stream_owner: resolved.stream_owner,
        stop_signal: resolved.stop_signal,
        stop_timeout_ms: resolved.stop_timeout_ms,
        run_time_ms,
        users: false,
        no_cgroups: caller.uid == 0 && !caller.cgroups,
        systemd_cgroup: false,
        runtime_dir: store.at.runtime_dir.clone(),
    })
}

fn log(args: &Arguments) -> Result<Option<LogJob>, Failure> {
    let driver = args.text("log-driver")?.unwrap_or(default::LOG_DRIVER);
    let mut limits = LogJob {
        max_size: 0,
        max_files: 1,
    };
    let of_passing: &[&str] = match args.flag("rm") {
        true => &default::LOG_OF_PASSING,
        false => &[],
    };
    for text in of_passing.iter().copied().chain(args.texts("log-opt")?) {
        let wrong = || {
            Failure::new(format!(
                "--log-opt takes max-size=BYTES or max-file=N, not {text:?}"
            ))
        };
        match text.split_once('=').ok_or_else(wrong)? {
            ("max-size", size) => limits.max_size = number::bytes(size).ok_or_else(wrong)?,
            ("max-file", count) => {
                limits.max_files = count.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
            }
            _ => return Err(wrong()),
        }
    }
    match driver {
        // Docker's names of a log in files; the format is the one.
        "k8s-file" | "json-file" | "local" => Ok(Some(limits)),
        "none" => Ok(None),
        other => Err(Failure::new(format!(
            "--log-driver {other} is refused: k8s-file, which json-file and local are other names of, and none are implemented"
        ))),
    }
}

/// The image's labels, and over them the command line's.
fn labels(args: &Arguments, image: &Image) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels: BTreeMap<String, String> = image.config.labels.iter().cloned().collect();
    let mut add = |text: &str| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        labels.insert(key.to_owned(), value.to_owned());
    };
    for path in args.texts("label-file")? {
        let text = file::read(file::CWD, path, 1 << 20).doing(|| format!("--label-file {path}"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
            .for_each(&mut add);
    }
    args.texts("label")?.into_iter().for_each(&mut add);
    Ok(labels)
}

fn restart(args: &Arguments) -> Result<Restart, Failure> {
    let policy = Restart::parse(args.text("restart")?.unwrap_or(default::RESTART))?;
    if policy != Restart::No && args.flag("rm") {
        return Err(Failure::new("--rm and --restart exclude each other"));
    }
    Ok(policy)
}

fn cidfile(args: &Arguments, id: &str) -> Result<(), Failure> {
    let Some(path) = args.path("cidfile") else {
        return Ok(());
    };
    let made = lockstep_kernel::caller::create_new(&path, id.as_bytes(), 0o644);
    made.doing(|| format!("--cidfile {}", path.display()))
}

/// Resolves a command line; `block` is the container's block of user ids.
pub(super) fn prepare(
    front: &Front,
    eyes: &Eyes<'_>,
    args: &Arguments,
    (image, caller): (&Image, &Caller),
    (id, block, level): (&str, Option<u32>, Option<&str>),
) -> Result<Resolved, Failure> {
    let command = args.words(1)?;
    let resolved = eyes.with(|sight| {
        resolve::resolve(&Input {
            args,
            image,
            command: &command,
            caller,
            id,
            block,
            level,
            sight,
        })
    });
    let mut resolved = resolved.map_err(|failure| front.config.locate(args, failure))?;
    front.config.attribute(args, &mut resolved.settings)?;
    // The runtime does so again, in the words of config.json, which nobody who typed flags has seen.
    match lockstep_oci::runtime::check(&resolved.spec) {
        Ok(_) => Ok(resolved),
        Err(invalid) => {
            let asker = Asker::new(&resolved.spec, &resolved.settings);
            Err(asker.invalid(&invalid.problems))
        }
    }
}
