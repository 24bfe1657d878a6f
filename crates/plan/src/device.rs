//! Device files: those of config.json, the default ones of the specification, and the links below /dev.

use crate::mount::Context;
use crate::step::{Device, DeviceKind, HostPath, Op, Plan, RootPath};
use crate::{Error, Result};
use lockstep_oci::runtime::{self as oci, DeviceType, Spec};
use std::path::Path;

/// Default devices that every container has (config-linux.md, "Default Devices"): path, major, minor.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// Links that programs expect in /dev, as target and link.
const LINKS: [(&str, &str); 5] = [
    ("pts/ptmx", "/dev/ptmx"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// A link that is made only where the kernel has its target.
const CORE: (&str, &str) = ("/proc/kcore", "/dev/core");

/// Plans all device files and links; nothing when the host's /dev is bound into the container.
pub(crate) fn plan(plan: &mut Plan, spec: &Spec, context: &Context<'_>) -> Result<()> {
    let bound = spec.mounts.iter().any(|m| {
        Path::new(&m.destination) == Path::new("/dev")
            && (m.kind.as_deref() == Some("bind")
                || m.options.iter().any(|o| o == "bind" || o == "rbind"))
    });
    let terminal = spec.process.as_ref().filter(|p| p.terminal);
    if bound {
        if let Some(process) = terminal {
            crate::process::console(plan, process, true);
        }
        return Ok(());
    }
    let devices = spec
        .linux
        .as_ref()
        .map(|l| l.devices.as_slice())
        .unwrap_or_default();
    // A device file that a user namespace could make would open nothing: the kernel refuses mknod(2) there.
    let bind = context.namespaces.enters_user() || context.host.user_namespace;
    for (path, major, minor) in DEFAULT {
        if devices
            .iter()
            .any(|d| Path::new(&d.path) == Path::new(path))
        {
            continue;
        }
        let device = Device {
            path: RootPath::new(path),
            kind: DeviceKind::Char,
            major,
            minor,
            mode: 0o666,
            uid: 0,
            gid: 0,
        };
        push(plan, "<default device>".into(), device, path, bind);
    }
    for (n, device) in devices.iter().enumerate() {
        let planned = convert(n, device)?;
        let bind = bind && planned.kind != DeviceKind::Fifo;
        push(
            plan,
            format!("/linux/devices/{n}"),
            planned,
            &device.path,
            bind,
        );
    }
    let core = context.host.kcore.then_some(CORE);
    for (target, link) in LINKS.into_iter().chain(core) {
        plan.init(
            "<default device>",
            Op::Symlink {
                target: target.into(),
                link: RootPath::new(link),
            },
        );
    }
    if let Some(process) = terminal {
        crate::process::console(plan, process, true);
    }
    Ok(())
}

fn push(plan: &mut Plan, because: String, device: Device, host: &str, bind: bool) {
    let op = if bind {
        Op::BindDevice {
            source: HostPath::new(Path::new("/"), host),
            device,
        }
    } else {
        Op::MakeDevice(device)
    };
    plan.init(because, op);
}

fn convert(n: usize, device: &oci::Device) -> Result<Device> {
    let kind = match &device.kind {
        DeviceType::Char | DeviceType::Unbuffered => DeviceKind::Char,
        DeviceType::Block => DeviceKind::Block,
        DeviceType::Fifo => DeviceKind::Fifo,
        DeviceType::Unknown(other) => {
            return Err(Error::new(
                format!("/linux/devices/{n}/type"),
                other,
                "not a device type",
            ));
        }
    };
    let number = |name: &str, value: Option<i64>| match value {
        _ if kind == DeviceKind::Fifo => Ok(0),
        Some(value) => u32::try_from(value).map_err(|_range| {
            Error::new(
                format!("/linux/devices/{n}/{name}"),
                value,
                "not a device number",
            )
        }),
        None => Err(Error::new(
            format!("/linux/devices/{n}/{name}"),
            "",
            "a device needs it",
        )),
    };
    Ok(Device {
        path: RootPath::new(&device.path),
        kind,
        major: number("major", device.major)?,
        minor: number("minor", device.minor)?,
        mode: device.file_mode.unwrap_or(0o666) & 0o7777,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
    })
}
