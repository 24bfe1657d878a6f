//! `state` and `list`: containers as JSON or as a table.

use std::io::IsTerminal;

use lockstep_oci::state::State;

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::{self, Front};
use crate::{quote, table};
use lockstep_runtime::Info;

pub(super) fn state(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    let mut info = front.with_runtime(|runtime| runtime.info(&id))?;
    // runc names the owner in the list only.
    info.owner.clear();
    let downgrades = front
        .with_runtime(|runtime| runtime.outcome(&id))?
        .downgrades;
    let shown = Shown {
        state: state_of(&info),
        downgrades,
    };
    let mut text = pretty(&shown, b"  ")?;
    // runc's output ends without a newline, which a person's prompt needs.
    if std::io::stdout().is_terminal() {
        text.push('\n');
    }
    front::print(&text)?;
    Ok(0)
}

/// The specification's state, and what of the configuration this host or user could not do.
#[derive(serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    downgrades: Vec<lockstep_plan::Downgrade>,
}

pub(super) fn list(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let containers = front.with_runtime(|runtime| runtime.list())?;
    if args.flag("quiet") {
        let ids: String = containers
            .iter()
            .map(|info| format!("{}\n", info.id))
            .collect();
        front::print(&ids)?;
        return Ok(0);
    }
    match args.text("format").as_deref() {
        Some("table") => front::print(&table(&containers))?,
        Some("json") => front::print(&json(&containers)?)?,
        _ => return Err(Failure::new("invalid format option")),
    };
    Ok(0)
}

fn table(containers: &[Info]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let mut rows = vec![header];
    rows.extend(containers.iter().map(|info| {
        [
            info.id.clone(),
            info.pid.to_string(),
            info.status.to_string(),
            info.bundle.to_string_lossy().into_owned(),
            info.created.clone(),
            info.owner.clone(),
        ]
    }));
    table::render(&rows)
}

fn json(containers: &[Info]) -> Result<String, Failure> {
    // Go's encoder writes an empty list as null, and so scripts expect it.
    if containers.is_empty() {
        return Ok("null\n".to_owned());
    }
    let states: Vec<State> = containers.iter().map(state_of).collect();
    let text = serde_json::to_string(&states);
    let text = text.map_err(|error| Failure::new(error.to_string()))?;
    Ok(quote::clean_json(&text) + "\n")
}

fn state_of(info: &Info) -> State {
    State {
        oci_version: info.oci_version.clone(),
        id: info.id.clone(),
        pid: Some(info.pid),
        status: info.status.clone(),
        bundle: info.bundle.to_string_lossy().into_owned(),
        rootfs: Some(info.rootfs.to_string_lossy().into_owned()),
        created: Some(info.created.clone()),
        annotations: info.annotations.clone(),
        owner: Some(info.owner.clone()),
    }
}

/// JSON with the given indentation.
pub(super) fn pretty(value: &impl serde::Serialize, indent: &[u8]) -> Result<String, Failure> {
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    let written = value.serialize(&mut serializer);
    written.map_err(|error| Failure::new(error.to_string()))?;
    let text = String::from_utf8(out).map_err(|error| Failure::new(error.to_string()))?;
    Ok(quote::clean_json(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_oci::state::Status;

    fn info() -> Info {
        Info {
            oci_version: "1.0.2-dev".to_owned(),
            id: "c1".to_owned(),
            pid: 7247,
            status: Status::Created,
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-11-26T04:09:09.761280483Z".to_owned(),
            owner: "root".to_owned(),
            annotations: Default::default(),
        }
    }

    #[test]
    fn json_is_runcs_line() {
        assert_eq!(
            json(&[info()]).expect("JSON"),
            "[{\"ociVersion\":\"1.0.2-dev\",\"id\":\"c1\",\"pid\":7247,\"status\":\"created\",\
             \"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\",\
             \"created\":\"2026-11-26T04:09:09.761280483Z\",\"owner\":\"root\"}]\n"
        );
        assert_eq!(json(&[]).expect("JSON"), "null\n");
    }

    #[test]
    fn state_is_indented_by_two() {
        let text = pretty(&state_of(&info()), b"  ").expect("JSON");
        assert!(
            text.starts_with("{\n  \"ociVersion\": \"1.0.2-dev\",\n  \"id\": \"c1\",\n"),
            "{text}"
        );
        assert!(text.ends_with("\n  \"owner\": \"root\"\n}"), "{text}");
    }

    #[test]
    fn the_table_has_runcs_columns() {
        assert_eq!(
            table(&[info()]),
            "ID          PID         STATUS      BUNDLE      CREATED                          OWNER\n\
             c1          7247        created     /b          2026-11-26T04:09:09.761280483Z   root\n"
        );
    }
}
