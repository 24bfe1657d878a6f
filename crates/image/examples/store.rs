//! The store by hand: `store DIR load SOURCE`, `list`, `save NAME FORMAT FILE`, `layers NAME`, `remove NAME`, `prune`.
//!
//! What the kill walk of the store kills: the crate with nothing around it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program: it reads its arguments and prints"
)]

use lockstep_image::{Error, Format, Load, Name, Owners, Reference, Store, platform_of_host};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Error> {
    let (owners, words) = match words {
        ["--squash", rest @ ..] => (Owners::Squashed, rest),
        rest => (Owners::Kept, rest),
    };
    let [directory, words @ ..] = words else {
        eprintln!("usage: store [--squash] DIR VERB...");
        return Ok(());
    };
    let store = Store::open(Path::new(directory))?;
    match words {
        ["load", source] => {
            let Reference::Source(source) = source.parse::<Reference>()? else {
                eprintln!("{source} is no source");
                return Ok(());
            };
            let how = Load {
                owners: &owners,
                platform: &platform_of_host(),
                only_one: false,
                progress: None,
            };
            for image in store.load(&source, &how)? {
                println!("{} {}", image.digest(), image.names.join(" "));
            }
        }
        ["list"] => {
            for image in store.images()? {
                println!(
                    "{} {} {}",
                    image.id(),
                    image.blob_bytes(),
                    image.names.join(" ")
                );
            }
        }
        ["save", name, format, file] => {
            let format = match *format {
                "docker-archive" => Format::DockerArchive,
                _ => Format::OciArchive,
            };
            let image = store.resolve(&name.parse::<Name>()?)?;
            store.save(&[image], format, std::fs::File::create(file)?)?;
        }
        ["layers", name] => {
            let image = store.resolve(&name.parse::<Name>()?)?;
            for layer in store.layers(&image, &owners)? {
                println!("{:?}", layer.unpacked);
            }
        }
        ["tag", name, new] => {
            let image = store.resolve(&name.parse::<Name>()?)?;
            store.tag(&image, &new.parse()?)?;
        }
        ["remove", name] => println!("{:?}", store.remove(&name.parse()?, false)?),
        ["prune"] => println!("{:?}", store.prune(true)?),
        _ => eprintln!("unknown verb: {words:?}"),
    }
    Ok(())
}
