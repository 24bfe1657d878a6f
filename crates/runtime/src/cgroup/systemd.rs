//! The systemd driver: the container's directory belongs to a transient unit.
//!
//! A scope must have a process from its first moment and goes away with its last one, while the limits
//! shall be in force before the container's own process exists. A placeholder, a child of ours that
//! does nothing, holds the scope open until the first real process has joined.

use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_kernel::process::{self, Side};
use lockstep_plan::cgroup::systemd::{Manager, Property, Unit, Value};
use serde::{Deserialize, Serialize};

use super::dbus::{Body, Connection, Failure, Method};
use super::{Error, TEXT_MAX};

/// Socket of the system's manager itself, for root, without a bus between.
const SYSTEM: &str = "/run/systemd/private";
/// Socket of the system's bus.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const OBJECT: &str = "/org/freedesktop/systemd1";

/// The unit of a container, for the state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Its name.
    pub name: String,
    /// Socket of its manager.
    pub socket: String,
    /// Version of its manager.
    pub version: u32,
}

/// Finds the manager for the caller: the system's for root, else the user's, whose sockets are in
/// `runtime_dir` (`$XDG_RUNTIME_DIR`).
pub fn find_manager(user: bool, runtime_dir: Option<&str>) -> Result<Manager, Error> {
    let sockets = match (user, runtime_dir) {
        (false, _) => vec![SYSTEM.to_owned(), SYSTEM_BUS.to_owned()],
        (true, Some(dir)) => vec![format!("{dir}/systemd/private"), format!("{dir}/bus")],
        (true, None) => {
            let error = Error::new("the systemd cgroup driver needs a running systemd");
            return Err(error.hint("a user's is found by $XDG_RUNTIME_DIR, which is not set"));
        }
    };
    for socket in &sockets {
        let Ok(mut connection) = connect(socket) else {
            continue;
        };
        let version = get(&mut connection, "Version").map_err(|f| failed("ask systemd", &f))?;
        let group = get(&mut connection, "ControlGroup").map_err(|f| failed("ask systemd", &f))?;
        let drivers = kernel::file::read(CWD, "/proc/devices", TEXT_MAX).unwrap_or_default();
        return Ok(Manager {
            socket: socket.clone(),
            version: leading_number(&version),
            control_group: group,
            user,
            drivers: String::from_utf8_lossy(&drivers).into_owned(),
        });
    }
    let what = format!(
        "the systemd cgroup driver needs a running systemd (no D-Bus socket at {})",
        sockets.join(" or ")
    );
    Err(Error::new(what).hint("use the cgroupfs driver (without --systemd-cgroup)"))
}

/// `252.38-1~deb12u1`, and `v252.38` in some builds.
fn leading_number(version: &str) -> u32 {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// Connects, and on a bus (not at the manager's own socket) asks for the manager's signals.
fn connect(socket: &str) -> Result<Connection, Failure> {
    let stream = kernel::socket::connect_stream(std::path::Path::new(socket))
        .map_err(|call| Failure::Io(std::io::Error::from_raw_os_error(call.errno)))?;
    let mut connection = Connection::open(stream)?;
    if !socket.ends_with("/private") {
        let bus = |member| Method {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member,
        };
        connection.call(bus("Hello"), &Body::default())?;
        let rule = "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
        connection.call(bus("AddMatch"), &Body::default().text(rule))?;
        connection.call(manager("Subscribe"), &Body::default())?;
    }
    Ok(connection)
}

fn manager(member: &str) -> Method<'_> {
    Method {
        destination: SYSTEMD,
        path: OBJECT,
        interface: MANAGER,
        member,
    }
}

fn get(connection: &mut Connection, property: &str) -> Result<String, Failure> {
    let method = Method {
        destination: SYSTEMD,
        path: OBJECT,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
    };
    let reply = connection.call(method, &Body::default().text(MANAGER).text(property))?;
    Ok(reply.variant_text().unwrap_or_default())
}

fn failed(what: &str, failure: &Failure) -> Error {
    Error::new(format!("cannot {what}: {failure}"))
}

fn is(failure: &Failure, name: &str) -> bool {
    matches!(failure, Failure::Refused(n, _) if n.strip_prefix("org.freedesktop.systemd1.") == Some(name))
}

/// A child that holds a scope open; it ends with this value, and with this process.
#[derive(Debug)]
pub(super) struct Placeholder(process::Child);

impl Placeholder {
    fn new() -> Result<Self, Error> {
        let fail = |call| Error::call("cannot start a first process for the unit", call);
        match process::clone(0, None).map_err(fail)? {
            Side::Parent(child) => Ok(Placeholder(child)),
            Side::Child => {
                // If it cannot be tied to us it must not stay: the scope would stay with it.
                if process::die_with_parent(true).is_ok() {
                    loop {
                        std::thread::park();
                    }
                }
                process::exit(1)
            }
        }
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        // ESRCH, ECHILD: it is gone, and that is what is wanted.
        drop(process::kill(self.0.pid, 9));
        drop(process::wait(self.0.pid, false));
    }
}

/// Starts the unit of a plan; the placeholder is none where the unit is a slice.
pub(super) fn start(unit: &Unit) -> Result<Option<Placeholder>, Error> {
    let what = format!("start the unit {}", unit.name);
    let fail = |failure: &Failure| failed(&what, failure).because("/linux/cgroupsPath");
    let mut connection = connect(&unit.socket).map_err(|f| fail(&f))?;
    let mut properties = known(&unit.properties, unit.version);
    let is_slice = unit.name.ends_with(".slice");
    let placeholder = if is_slice {
        None
    } else {
        Some(Placeholder::new()?)
    };
    if let Some(Placeholder(child)) = &placeholder {
        let pid = u32::try_from(child.pid).unwrap_or(0);
        properties.push(Property {
            name: "PIDs".into(),
            value: Value::Pids(vec![pid]),
            since: 0,
        });
    }
    match transient(&mut connection, &unit.name, &properties) {
        // A slice may be shared, and be there.
        Err(failure) if is_slice && is(&failure, "UnitExists") => Ok(None),
        Err(failure) if is(&failure, "UnitExists") => {
            // Left behind as failed: its name is free after a reset. One that runs refuses again.
            let body = Body::default().text(&unit.name);
            match connection.call(manager("ResetFailedUnit"), &body) {
                Ok(_) => {
                    transient(&mut connection, &unit.name, &properties).map_err(|f| fail(&f))?
                }
                Err(_) => return Err(fail(&failure)),
            }
            Ok(placeholder)
        }
        other => other.map(|()| placeholder).map_err(|f| fail(&f)),
    }
}

/// An unknown property would be refused, and the limit is written to its file in any case.
fn known(properties: &[Property], version: u32) -> Vec<Property> {
    properties
        .iter()
        .filter(|p| p.since <= version)
        .cloned()
        .collect()
}

fn transient(
    connection: &mut Connection,
    name: &str,
    properties: &[Property],
) -> Result<(), Failure> {
    let body = Body::default()
        .text(name)
        .text("replace")
        .properties(properties)
        .no_units();
    job(connection, "StartTransientUnit", &body)
}

/// Calls a method that queues a job, and waits until the job is done.
fn job(connection: &mut Connection, member: &str, body: &Body) -> Result<(), Failure> {
    let reply = connection.call(manager(member), body)?;
    let job = reply.text(0).unwrap_or_default();
    let result = connection.signal("JobRemoved", |signal| {
        let (path, result) = signal.job()?;
        (path == job).then_some(result)
    })?;
    match result.as_str() {
        "done" => Ok(()),
        _ => Err(Failure::Refused(
            format!("job of {member}"),
            format!("its result is {result}"),
        )),
    }
}

/// Stops the unit and everything in it; one that is gone already is no error.
pub(super) fn stop(unit: &UnitState) -> Result<(), Error> {
    let fail = |failure: &Failure| failed(&format!("stop the unit {}", unit.name), failure);
    let mut connection = connect(&unit.socket).map_err(|f| fail(&f))?;
    let body = Body::default().text(&unit.name).text("replace");
    match job(&mut connection, "StopUnit", &body) {
        Err(failure) if is(&failure, "NoSuchUnit") => {}
        other => other.map_err(|f| fail(&f))?,
    }
    // Without effect but for a unit that failed, and an error where it is gone.
    drop(connection.call(
        manager("ResetFailedUnit"),
        &Body::default().text(&unit.name),
    ));
    Ok(())
}

/// Tells systemd new limits of a running unit.
pub(super) fn set_properties(unit: &UnitState, properties: &[Property]) -> Result<(), Error> {
    let fail = |failure: &Failure| failed(&format!("change the unit {}", unit.name), failure);
    let mut connection = connect(&unit.socket).map_err(|f| fail(&f))?;
    let body = Body::default()
        .text(&unit.name)
        .flag(true)
        .properties(&known(properties, unit.version));
    connection
        .call(manager("SetUnitProperties"), &body)
        .map(drop)
        .map_err(|f| fail(&f))
}

#[cfg(test)]
mod tests {
    use super::leading_number;

    #[test]
    fn versions_begin_with_a_number() {
        assert_eq!(leading_number("252.38-1~deb12u1"), 252);
        assert_eq!(leading_number("v256~rc3"), 256);
        assert_eq!(leading_number("260"), 260);
        assert_eq!(leading_number(""), 0);
    }
}
