//! `ociVersion`: semantic versioning, and which versions we speak.
//!
//! Version 1 of the specification only ever adds, so every 1.x is accepted, newer ones too.

use super::Report;
use crate::pointer::Pointer;

pub(super) fn check(report: &mut Report, root: &Pointer<'_>, version: &str) {
    let at = root.key("ociVersion");
    match major(version) {
        Some("1") => {}
        Some(major) => report.refuse(
            &at,
            version,
            format!("major version {major} is not supported, only 1"),
        ),
        None => report.refuse(&at, version, "is not a semantic version such as 1.2.0"),
    }
}

/// The major number of a semantic version (semver.org 2.0.0).
fn major(version: &str) -> Option<&str> {
    let (version, build) = split(version, '+');
    let (core, pre) = split(version, '-');
    let numbers: Vec<&str> = core.split('.').collect();
    let good = numbers.len() == 3
        && numbers.iter().all(|number| is_number(number))
        && build.is_none_or(|build| build.split('.').all(is_identifier))
        && pre.is_none_or(|pre| {
            pre.split('.')
                .all(|part| is_identifier(part) && !has_leading_zero(part))
        });
    good.then(|| numbers[0])
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && !has_leading_zero(text)
}

fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn semantic_versions() {
        for version in [
            "1.0.0",
            "1.0.2-dev",
            "1.1.0+dev",
            "1.0.0-rc5-dev",
            "1.2.1-rc.1+build.007",
            "1.99.12",
        ] {
            assert_eq!(major(version), Some("1"), "{version}");
        }
        assert_eq!(major("2.0.0"), Some("2"));
        for version in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "01.0.0",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0-a..b",
            "v1.0.0",
            "1.0.0+",
            "1.-1.0",
        ] {
            assert_eq!(major(version), None, "{version}");
        }
    }
}
