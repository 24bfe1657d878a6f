//! What is about registries and asks for none: how an image is to be had, and for which machine it is.

use lockstep_image::platform_of_host;

use super::{Input, wrong};
use crate::failure::Failure;

pub(super) fn check(input: &Input<'_>) -> Result<(), Failure> {
    let args = input.args;
    match args.text("pull")? {
        // What is missing cannot be fetched either, and is told by its name.
        None | Some("never" | "missing" | "false") => {}
        Some(policy @ ("always" | "newer" | "true")) => {
            return Err(Failure::new(format!(
                "--pull {policy} is refused: pulling from registries is not implemented yet; never and missing are"
            )));
        }
        Some(other) => return Err(wrong("pull", other, "never or missing")),
    }
    if let Some(text) = args.text("platform")? {
        let mut parts = text.split('/');
        let (os, arch) = (parts.next().unwrap_or_default(), parts.next());
        is_of_host(("platform", text), Some(os), arch)?;
        is_variant(("platform", text), parts.next())?;
    }
    for (option, is_os) in [("os", true), ("arch", false)] {
        if let Some(text) = args.text(option)? {
            let (os, arch) = if is_os {
                (Some(text), None)
            } else {
                (None, Some(text))
            };
            is_of_host((option, text), os, arch)?;
        }
    }
    match args.text("variant")? {
        Some(text) => is_variant(("variant", text), Some(text)),
        None => Ok(()),
    }
}

/// Programs of another machine are not executed here.
fn is_of_host(
    (option, text): (&str, &str),
    os: Option<&str>,
    arch: Option<&str>,
) -> Result<(), Failure> {
    let here = platform_of_host();
    // uname(2) has names of its own.
    let arch = arch.map(|arch| match arch.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    });
    let other = os.is_some_and(|os| !os.eq_ignore_ascii_case(&here.os))
        || arch.is_some_and(|arch| arch != here.architecture);
    match other {
        true => Err(Failure::new(format!(
            "--{option} {text} is refused: programs of this host's {}/{} alone are executed",
            here.os, here.architecture
        ))),
        false => Ok(()),
    }
}

/// The first of each machine is what every one of them executes.
fn is_variant((option, text): (&str, &str), variant: Option<&str>) -> Result<(), Failure> {
    let first = match &*platform_of_host().architecture {
        "arm64" => "v8",
        _ => "v1",
    };
    match variant {
        None | Some("") => Ok(()),
        Some(variant) if variant == first => Ok(()),
        Some(_) => Err(Failure::new(format!(
            "--{option} {text} is refused: images are chosen for {first} of this machine, which all of them execute"
        ))),
    }
}
