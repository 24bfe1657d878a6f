//! Intel resource director technology: resctrl groups (config-linux.md, "Intel RDT").

use crate::error::{For, Result};
use lockstep_abi::errno::Errno;
use lockstep_kernel::file;

/// Where the kernel's documentation mounts it.
const MOUNT: &str = "/sys/fs/resctrl";

/// Puts process `pid` into a group; one of the container's own when no name is given.
pub(crate) fn join(
    id: &str,
    pid: i32,
    group: &str,
    schemata: &[String],
    monitoring: bool,
    create: bool,
) -> Result<()> {
    let name = if group.is_empty() { id } else { group };
    let path = format!("{MOUNT}/{name}");
    let what = || format!("resctrl group {name:?}");
    if create {
        match file::mkdirat(file::CWD, &path, 0o755) {
            // EEXIST: a group that several containers share by its name.
            Err(e) if e.is(&[Errno::EEXIST.0]) => {}
            other => other.during(what)?,
        }
    }
    for line in schemata {
        file::write(
            file::CWD,
            format!("{path}/schemata"),
            format!("{line}\n").as_bytes(),
        )
        .during(what)?;
    }
    file::write(
        file::CWD,
        format!("{path}/tasks"),
        pid.to_string().as_bytes(),
    )
    .during(what)?;
    if monitoring {
        let group = format!("{path}/mon_groups/{id}");
        file::mkdirat(file::CWD, &group, 0o755).during(what)?;
        file::write(
            file::CWD,
            format!("{group}/tasks"),
            pid.to_string().as_bytes(),
        )
        .during(what)?;
    }
    Ok(())
}

/// Changes the schemata of a running container's group.
pub(crate) fn update(
    id: &str,
    spec: &lockstep_oci::runtime::Spec,
    schemata: &[String],
) -> Result<()> {
    let rdt = spec.linux.as_ref().and_then(|l| l.intel_rdt.as_ref());
    let rdt = rdt.ok_or_else(|| {
        crate::Error::new(
            crate::Kind::WrongState,
            "the container has no resctrl group to update",
        )
    })?;
    let path = format!("{MOUNT}/{}/schemata", rdt.clos_id.as_deref().unwrap_or(id));
    for line in schemata {
        file::write(file::CWD, &path, format!("{line}\n").as_bytes())
            .during(|| format!("resctrl group of {id}"))?;
    }
    Ok(())
}
