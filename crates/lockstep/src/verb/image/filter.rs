//! Which images are listed: by name on the command line, by `--filter`.

use lockstep_image::{Image, Name};

use super::age_of;
use crate::argv::Arguments;
use crate::failure::Failure;
use crate::stored::Images;
use crate::verb::list::{Criteria, Filters, instant, labelled, yes};

const KEYS: [&str; 10] = [
    "reference",
    "dangling",
    "label",
    "label!",
    "before",
    "since",
    "after",
    "until",
    "id",
    "digest",
];

/// Those of all images that the arguments ask for, each with the names that it was asked for by.
pub(super) fn chosen(images: &Images<'_>, args: &Arguments) -> Result<Vec<Image>, Failure> {
    let texts = args.texts("filter")?;
    let filters = Filters::parse(&texts, &KEYS)?;
    let mut all = images.open()?.images()?;
    for image in &mut all {
        if let Some(typed) = args.words(0)?.first() {
            image.names.retain(|name| is_named(name, typed));
        }
        let references: Vec<&str> = texts
            .iter()
            .filter_map(|text| text.strip_prefix("reference="))
            .collect();
        if !references.is_empty() {
            image
                .names
                .retain(|name| references.iter().any(|pattern| refers(pattern, name)));
        }
    }
    let by_name = !args.words(0)?.is_empty() || filters.have(&["reference"]);
    all.retain(|image| !by_name || !image.names.is_empty());
    let criteria = criteria(images, &filters)?;
    all.retain(|image| criteria.pass(image));
    Ok(all)
}

fn criteria<'a>(
    images: &Images<'_>,
    filters: &Filters<'a>,
) -> Result<Criteria<'a, Image>, Failure> {
    let of = |typed: &str| -> Result<u64, Failure> { Ok(age_of(&super::find(images, typed)?)) };
    let has = |image: &Image, value: &str| {
        let labels = &image.config.config.labels;
        labelled(value, |key| labels.get(key))
    };
    filters.mean::<Image>(|key, value| {
        Ok(match key {
            // The names have been chosen by it.
            "reference" => Box::new(|_| true),
            "dangling" => {
                let wanted = yes(key, value)?;
                Box::new(move |image| image.names.is_empty() == wanted)
            }
            "label" => Box::new(move |image| has(image, value)),
            "label!" => Box::new(move |image| !has(image, value)),
            "before" => {
                let other = of(value)?;
                Box::new(move |image| age_of(image) < other)
            }
            "since" | "after" => {
                let other = of(value)?;
                Box::new(move |image| age_of(image) > other)
            }
            "until" => {
                let until = instant("--filter until", value)?;
                Box::new(move |image| age_of(image) < until)
            }
            "id" => {
                let digits = value.trim_start_matches("sha256:");
                Box::new(move |image| image.id().hex().starts_with(digits))
            }
            _ => Box::new(move |image| image.digest().to_string().starts_with(value)),
        })
    })
}

/// Whether a name was typed with its tag, or is one of a repository that was.
fn is_named(name: &str, typed: &str) -> bool {
    let forms = forms(name);
    let whole = forms.iter().any(|form| form == typed);
    let (repository, tag) = name.rsplit_once(':').unwrap_or((name, ""));
    let other = typed
        .rsplit_once(':')
        .is_some_and(|(_, after)| !after.contains('/') && after != tag);
    whole || (!other && self::forms(repository).iter().any(|form| form == typed))
}

/// A name in the ways in which people write it.
fn forms(name: &str) -> Vec<String> {
    let mut forms = vec![name.to_owned()];
    for registry in ["docker.io/library/", "docker.io/", "localhost/"] {
        forms.extend(name.strip_prefix(registry).map(str::to_owned));
    }
    forms
}

/// Whether a pattern fits a name, with or without its tag and its registry.
fn refers(pattern: &str, name: &str) -> bool {
    let repository = name
        .rsplit_once(':')
        .map_or(name, |(repository, _)| repository);
    let typed = pattern.parse::<Name>().ok().and_then(|name| name.tagged());
    let forms = forms(name).into_iter().chain(self::forms(repository));
    typed.as_deref() == Some(name) || forms.into_iter().any(|form| glob(pattern, &form))
}

/// `*` and `?` do not fit a slash, as in Go's path.Match.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // For each beginning of the text whether the pattern so far fits it.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match wanted {
                '*' => fits[at] || (at > 0 && next[at - 1] && text[at - 1] != '/'),
                '?' => at > 0 && fits[at - 1] && text[at - 1] != '/',
                _ => at > 0 && fits[at - 1] && text[at - 1] == wanted,
            };
        }
        fits = next;
    }
    fits[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_as_people_write_them() {
        let name = "docker.io/library/hands-app:1";
        for pattern in [
            "*hands-app*",
            "hands-app",
            "hands-app:1",
            "hands-*:?",
            "docker.io/library/*",
            "h*",
        ] {
            assert!(refers(pattern, name), "{pattern}");
        }
        for pattern in ["hands", "*/hands", "hands-app:2", "docker.io/*", "?"] {
            assert!(!refers(pattern, name), "{pattern}");
        }
        assert!(
            glob(&"*a".repeat(60), &"a".repeat(200)) && !glob(&"*a".repeat(60), &"b".repeat(200))
        );
    }

    #[test]
    fn a_typed_name_is_a_repository_or_one_image() {
        let name = "localhost:5000/box:1";
        assert!(is_named(name, "localhost:5000/box") && is_named(name, "localhost:5000/box:1"));
        assert!(!is_named(name, "localhost:5000/box:2") && !is_named(name, "box"));
        assert!(
            is_named("docker.io/library/box:1", "box")
                && !is_named("docker.io/library/box:1", "box:2")
        );
    }
}
