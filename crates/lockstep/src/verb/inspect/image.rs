//! What is known of an image.

use lockstep_image::Image;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::front::Front;

pub(super) fn find(front: &Front, typed: &str) -> Result<Value, Failure> {
    let found = crate::verb::image::with(front, |images| {
        let found = crate::verb::image::find(images, typed)?;
        // Found by a name it has that name alone; here all of them are shown.
        let whole = images.open()?.image(found.digest())?;
        Ok(whole.unwrap_or(found))
    })?;
    Ok(describe(&found))
}

/// What the image does not say is empty here and not absent, so that a template can ask for it.
fn describe(image: &Image) -> Value {
    let (config, execution) = (&image.config, &image.config.config);
    let repositories = image.names.iter().filter_map(|name| name.rsplit_once(':'));
    let mut digests: Vec<String> = repositories
        .map(|(repository, _)| format!("{repository}@{}", image.digest()))
        .collect();
    digests.dedup();
    let layers: Vec<String> = image.diff_ids().map(ToString::to_string).collect();
    let steps: Vec<_> = image
        .history()
        .into_iter()
        .rev()
        .map(|(step, _)| step)
        .collect();
    json!({
        "Id": image.id().to_string(),
        "Digest": image.digest().to_string(),
        "RepoTags": image.names,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": steps.last().and_then(|step| step.comment.clone()).unwrap_or_default(),
        "Created": config.created.clone().unwrap_or_default(),
        "Author": config.author.clone().unwrap_or_default(),
        "Architecture": config.architecture,
        "Os": config.os,
        "Variant": config.variant.clone().unwrap_or_default(),
        "Size": image.blob_bytes(),
        "Config": {
            "User": execution.user.clone().unwrap_or_default(),
            "Env": execution.env,
            "Entrypoint": execution.entrypoint,
            "Cmd": execution.cmd,
            "WorkingDir": execution.working_dir.clone().unwrap_or_default(),
            "Labels": execution.labels,
            "Volumes": execution.volumes,
            "ExposedPorts": execution.exposed_ports,
            "StopSignal": execution.stop_signal.clone().unwrap_or_default(),
            "Healthcheck": execution.healthcheck,
            "Shell": execution.shell,
        },
        "Labels": execution.labels,
        "User": execution.user.clone().unwrap_or_default(),
        "History": steps,
        "RootFS": {"Type": "layers", "Layers": layers},
        "GraphDriver": {"Name": "overlay", "Data": {}},
    })
}
