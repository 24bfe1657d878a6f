//! Images of the store: come in, are listed, named, written out, and go.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use lockstep_image::{Format, Image, Kind, Name, Removed, Source, Transport};
use lockstep_kernel::file;
use serde::Serialize;

mod filter;
mod history;

pub(super) use history::history;

use super::list::{seconds, shown, since};
use crate::argv::Arguments;
use crate::failure::{Doing, Failure, NO_CONTAINER};
use crate::front::Front;
use crate::number;
use crate::print::{Meter, part, print};
use crate::stored::Images;

/// Calls `action` with this user's images.
pub(super) fn with<T>(
    front: &Front,
    action: impl FnOnce(&Images<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let caller = crate::caller::probe()?;
    let at = front.locations()?;
    // So that Lockstep's own directory is made with its owner checked.
    front.store()?;
    action(&Images::new(&at, &caller))
}

pub(super) fn load(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let words = args.words(0)?;
    let meter = Meter::new(args.flag("quiet"));
    let images = with(front, |images| match words.first() {
        Some(typed) => match typed.parse()? {
            lockstep_image::Reference::Source(source) => images.load(&source, false, &meter),
            _ => Err(Failure::new(format!("{typed} is no archive and no layout"))
                .hint("load oci:DIR, oci-archive:FILE or docker-archive:FILE")),
        },
        None => load_archive(images, args.path("input"), &meter),
    })?;
    drop(meter);
    if !args.flag("quiet") {
        for image in &images {
            // Docker's words, which scripts read.
            let line = match image.names.first() {
                Some(name) => format!("Loaded image: {name}\n"),
                None => format!("Loaded image ID: {}\n", image.id()),
            };
            print(&line)?;
        }
    }
    Ok(0)
}

/// An archive of either kind.
fn load_archive(
    images: &Images<'_>,
    path: Option<PathBuf>,
    meter: &Meter,
) -> Result<Vec<Image>, Failure> {
    let path = match path {
        Some(path) => {
            let path = crate::front::absolute(&path)?;
            if file::open_dir(file::CWD, &path).is_ok() {
                let shown = path.display().to_string();
                let text = format!("--input {shown} is a directory, not an archive");
                let oci = format!("lockstep load oci:{}", crate::escape::shell(&shown));
                return Err(Failure::new(text).hint(oci));
            }
            path
        }
        None => PathBuf::from(STDIN),
    };
    // Opened once: standard input may be a pipe.
    let source = Source {
        transport: Transport::Archive,
        path,
        image: None,
    };
    images.load(&source, false, meter).map_err(|mut failure| {
        let named = format!("archive:{STDIN}");
        failure.message = failure.message.replace(&named, "standard input");
        failure
    })
}

const STDIN: &str = "/proc/self/fd/0";

/// One name of an image, under the names that Docker's templates use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    repository: String,
    tag: String,
    #[serde(rename = "ID")]
    id: String,
    digest: String,
    created_since: String,
    created_at: String,
    size: String,
}

pub(super) fn images(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let images = with(front, |images| filter::chosen(images, args))?;
    let whole = args.flag("no-trunc");
    let mut rows: Vec<Row> = images.iter().flat_map(|image| rows(image, whole)).collect();
    // An image with several names is one.
    if args.flag("quiet") {
        rows.dedup_by(|a, b| a.id == b.id);
    }
    let text = match args.flag("digests") {
        true => {
            let heading = ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"];
            let cells = |row: &Row| {
                let [repository, tag, id, created, size] = cells(row);
                [repository, tag, row.digest.clone(), id, created, size]
            };
            shown(args, &rows, (heading, 3), cells)?
        }
        false => {
            let heading = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
            shown(args, &rows, (heading, 2), cells)?
        }
    };
    print(&text)?;
    Ok(0)
}

fn rows(image: &Image, whole: bool) -> Vec<Row> {
    const SHORT: usize = 12;
    let digits = image.id().to_string();
    let id = match whole {
        true => digits,
        false => digits
            .split_once(':')
            .map_or(&*digits, |(_, d)| d)
            .chars()
            .take(SHORT)
            .collect(),
    };
    let nameless = ["<none>:<none>".to_owned()];
    let names = if image.names.is_empty() {
        &nameless[..]
    } else {
        &image.names[..]
    };
    let row = |name: &String| {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        Row {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            id: id.clone(),
            digest: image.digest().to_string(),
            created_since: format!("{} ago", since(age_of(image))),
            created_at: image.config.created.clone().unwrap_or_default(),
            size: number::human(image.blob_bytes()),
        }
    };
    names.iter().map(row).collect()
}

/// When it was built, in seconds since 1970; one that does not say when is as old as its place in the store.
fn age_of(image: &Image) -> u64 {
    let built = image.config.created.as_deref().and_then(seconds);
    built.unwrap_or_else(|| image.loaded())
}

fn cells(row: &Row) -> [String; 5] {
    [
        &row.repository,
        &row.tag,
        &row.id,
        &row.created_since,
        &row.size,
    ]
    .map(String::clone)
}

/// The image of a name in the store; its absence has a code of its own.
pub(super) fn find(images: &Images<'_>, typed: &str) -> Result<Image, Failure> {
    let name: Name = typed.parse()?;
    images.open()?.resolve(&name).map_err(|error| {
        let absent = error.kind == Kind::NotFound;
        let failure = Failure::from(error);
        if absent {
            failure.code(NO_CONTAINER)
        } else {
            failure
        }
    })
}

pub(super) fn rmi(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    with(front, |images| {
        super::each(args, |typed| {
            find(images, typed)?;
            let removed = images.inside(|store, _| {
                let removed = store.remove(&typed.parse()?, args.flag("force"))?;
                Ok(words(&removed))
            })?;
            print(
                &removed
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>(),
            )?;
            Ok(false)
        })
    })
}

/// What became of an image and its names, a line each.
fn words(removed: &Removed) -> Vec<String> {
    let names = removed
        .untagged
        .iter()
        .map(|name| format!("Untagged: {name}"));
    let image = removed
        .deleted
        .iter()
        .map(|digest| format!("Deleted: {digest}"));
    names.chain(image).collect()
}

pub(super) fn tag(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let words = args.words(0)?;
    with(front, |images| {
        let image = find(images, words[0])?;
        let store = images.open()?;
        for name in &words[1..] {
            store.tag(&image, &name.parse()?)?;
        }
        Ok(0)
    })
}

pub(super) fn save(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let format = match args.text("format")?.unwrap_or("docker-archive") {
        "docker-archive" => Format::DockerArchive,
        "oci-archive" => Format::OciArchive,
        other => {
            return Err(Failure::new(format!(
                "--format {other} is refused: oci-archive and docker-archive are written"
            )));
        }
    };
    with(front, |images| {
        let found: Result<Vec<Image>, Failure> = args
            .words(0)?
            .iter()
            .map(|typed| find(images, typed))
            .collect();
        let found = found?;
        let out = match args.path("output") {
            Some(path) => {
                let flags = file::OFlags::WRONLY | file::OFlags::CREATE | file::OFlags::TRUNC;
                file::openat(file::CWD, &path, flags, 0o644).doing(|| path.display().to_string())?
            }
            None => {
                let [_, stdout, _] = lockstep_kernel::console::standard_streams();
                if lockstep_kernel::console::size(stdout).is_some() {
                    return Err(Failure::new("an archive is nothing for a terminal")
                        .hint("lockstep save -o FILE ..."));
                }
                file::duplicate(stdout).doing(|| "standard output".into())?
            }
        };
        let out = Counted {
            out: File::from(out),
            done: 0,
            total: found.iter().map(Image::blob_bytes).sum(),
            meter: Meter::new(args.flag("quiet")),
        };
        images.open()?.save(&found, format, out)?;
        Ok(0)
    })
}

/// What is written, with how far it is.
struct Counted {
    out: File,
    done: u64,
    total: u64,
    meter: Meter,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.done += n as u64;
        let (done, total) = (self.done, self.total);
        self.meter
            .show(|| format!("written: {}", part(done, total)));
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

pub(super) fn prune(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    // A container that is only waiting to be swept has a claim still.
    front.swept()?;
    let lines = with(front, |images| {
        images.inside(|store, _| {
            let pruned = store.prune(args.flag("all"))?;
            let mut lines: Vec<String> = pruned.images.iter().flat_map(words).collect();
            lines.push(format!("{} reclaimed", number::human(pruned.bytes)));
            Ok(lines)
        })
    })?;
    print(
        &lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )?;
    Ok(0)
}
