//! The systemd driver: the container's directory belongs to a transient unit.
//!
//! A scope must have a process from its first moment and goes away with its last one, while the limits
//! shall be in force before the container's own process exists. A placeholder, a child of ours that
//! does nothing, holds the scope open until the first real process has joined.

use std::path::Path;
use std::time::{Duration, Instant};

use lockstep_kernel as kernel;
use lockstep_kernel::file::CWD;
use lockstep_kernel::process::{self, Side};
use lockstep_plan::cgroup::systemd::{Machine, Manager, Property, Unit, Value};
use serde::{Deserialize, Serialize};

use super::dbus::{Body, Connection, Failure, Method};
use super::{Error, TEXT_MAX};

/// Socket of the system's manager itself, for root, without a bus between.
const SYSTEM: &str = "/run/systemd/private";
/// Socket of the system's bus.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
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
    /// Whether the unit, a slice, was there before the container, and so is left as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
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
    let mut refusals = Vec::new();
    for socket in &sockets {
        match patiently(|| ask(socket, user)) {
            Ok(manager) => return Ok(manager),
            Err(failure) => refusals.push(format!("{socket}: {failure}")),
        }
    }
    let what = format!(
        "the systemd cgroup driver needs a running systemd ({})",
        refusals.join("; ")
    );
    Err(Error::new(what).hint("use the cgroupfs driver (without --systemd-cgroup)"))
}

fn ask(socket: &str, user: bool) -> Result<Manager, Failure> {
    let mut connection = connect_once(socket)?;
    let version = get(&mut connection, "Version")?;
    let control_group = get(&mut connection, "ControlGroup")?;
    Ok(Manager {
        socket: socket.to_owned(),
        version: leading_number(&version),
        control_group,
        user,
        machine: machine(),
    })
}

/// What of the machine decides how it is told. Without `/proc/devices` that is fewer devices, and the kernel's list is
/// written all the same; without a disk that names its schedulers no weight is in force.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| {
        let text = kernel::file::read(CWD, path, TEXT_MAX).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let disks = kernel::file::list(CWD, "/sys/block").unwrap_or_default();
    let named = disks
        .iter()
        .map(|disk| read(&format!("/sys/block/{disk}/queue/scheduler")));
    // All that the kernel has, of any disk that can have one; without, `none` alone.
    let schedulers = named.into_iter().find(|names| names.contains(' '));
    Machine {
        drivers: read("/proc/devices"),
        bfq: schedulers.is_some_and(|names| names.contains("bfq")),
    }
}

/// `252.38-1~deb12u1`, and `v252.38` in some builds.
fn leading_number(version: &str) -> u32 {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// How long a systemd that is executed anew (`systemctl daemon-reexec`, an upgrade of it) may take until it listens again.
const RETURN: Duration = Duration::from_secs(30);

/// Does again what a systemd that is being executed anew hung up on; its socket may be missing for a moment then.
fn patiently<T>(mut act: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let end = Instant::now() + RETURN;
    let mut away = false;
    loop {
        match act() {
            Err(failure) if failure.hung_up() || away && failure.no_socket() => away = true,
            result => return result,
        }
        if Instant::now() > end {
            return act();
        }
        std::thread::sleep(PAUSE);
    }
}

fn connect(socket: &str) -> Result<Connection, Failure> {
    patiently(|| connect_once(socket))
}

/// Connects, and on a bus (not at the manager's own socket) asks for the manager's signals.
fn connect_once(socket: &str) -> Result<Connection, Failure> {
    let mut connection = Connection::open(Path::new(socket))?;
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

fn get(connection: &mut Connection, name: &str) -> Result<String, Failure> {
    property(connection, OBJECT, MANAGER, name)
}

/// A property that is a text.
fn property(
    connection: &mut Connection,
    path: &str,
    interface: &str,
    name: &str,
) -> Result<String, Failure> {
    let method = Method {
        destination: SYSTEMD,
        path,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
    };
    let reply = connection.call(method, &Body::default().text(interface).text(name))?;
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

/// How a unit was started.
#[derive(Debug)]
pub(super) enum Started {
    /// A scope, which this holds open.
    Scope(Placeholder),
    /// A slice.
    Slice,
    /// A slice that was there.
    Found,
}

/// Starts the unit of a plan.
pub(super) fn start(unit: &Unit) -> Result<Started, Error> {
    let what = format!("start the unit {}", unit.name);
    let fail = |failure: &Failure| failed(&what, failure).because("/linux/cgroupsPath");
    let mut connection = connect(&unit.socket).map_err(|f| fail(&f))?;
    let mut properties = known(&unit.properties, unit.version);
    if unit.name.ends_with(".slice") {
        return start_slice(&mut connection, unit, &properties).map_err(|f| fail(&f));
    }
    let placeholder = Placeholder::new()?;
    let pid = u32::try_from(placeholder.0.pid).unwrap_or(0);
    properties.push(Property {
        name: "PIDs".into(),
        value: Value::Pids(vec![pid]),
        since: 0,
    });
    let mut result = transient(&mut connection, unit, &properties);
    if let Err(failure) = &result
        && is(failure, "UnitExists")
    {
        // Left behind as failed: its name is free after a reset. One that runs refuses again. One that was just ending
        // is gone by now.
        let body = Body::default().text(&unit.name);
        match connection.call(manager("ResetFailedUnit"), &body) {
            Err(reset) if !is(&reset, "NoSuchUnit") => {}
            _ => result = transient(&mut connection, unit, &properties),
        }
    }
    result
        .map(|()| Started::Scope(placeholder))
        .map_err(|f| fail(&f))
}

/// One that runs is not asked for: a slice that no file describes could be made anew as long as somebody uses it, and
/// would have our limits then.
fn start_slice(
    connection: &mut Connection,
    unit: &Unit,
    properties: &[Property],
) -> Result<Started, Failure> {
    if runs(connection, &unit.name)? {
        return Ok(Started::Found);
    }
    match transient(connection, unit, properties) {
        // A file describes it.
        Err(failure) if is(&failure, "UnitExists") => {
            let body = Body::default().text(&unit.name).text("replace");
            let job = queue(connection, "StartUnit", &body)?;
            done(connection, &job).map(|()| Started::Found)
        }
        other => other.map(|()| Started::Slice),
    }
}

fn runs(connection: &mut Connection, unit: &str) -> Result<bool, Failure> {
    let path = match connection.call(manager("GetUnit"), &Body::default().text(unit)) {
        Err(failure) if is(&failure, "NoSuchUnit") => return Ok(false),
        reply => reply?.text(0).unwrap_or_default(),
    };
    let state = property(connection, &path, UNIT, "ActiveState")?;
    Ok(!["inactive", "failed"].contains(&state.as_str()))
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
    unit: &Unit,
    properties: &[Property],
) -> Result<(), Failure> {
    let body = Body::default()
        .text(&unit.name)
        .text("replace")
        .properties(properties)
        .no_units();
    let ask = |connection: &mut Connection| queue(connection, "StartTransientUnit", &body);
    let job = match ask(connection) {
        // An answer is written at once, so the call was not read.
        Err(failure) if failure.hung_up() => {
            *connection = connect(&unit.socket)?;
            ask(connection)?
        }
        job => job?,
    };
    let result = match done(connection, &job) {
        // Executed anew, systemd goes on with its jobs and does not tell us of their ends.
        Err(failure) if failure.hung_up() => comes_up(unit),
        result => result,
    };
    // From here on the unit is ours, and must not come to life when we are gone.
    result.inspect_err(|_| drop(give_up(unit)))
}

/// Waits until a unit runs whose start was queued.
fn comes_up(unit: &Unit) -> Result<(), Failure> {
    let end = Instant::now() + RETURN;
    while !patiently(|| runs(&mut connect_once(&unit.socket)?, &unit.name))? {
        if Instant::now() > end {
            return Err(Failure::Late(RETURN));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Takes back a start. Its failure is told to nobody: the start's is.
fn give_up(unit: &Unit) -> Result<(), Failure> {
    let mut connection = connect(&unit.socket)?;
    let body = Body::default().text(&unit.name).text("replace");
    queue(&mut connection, "StopUnit", &body)?;
    let body = Body::default().text(&unit.name);
    connection.call(manager("ResetFailedUnit"), &body).map(drop)
}

/// Calls a method that queues a job, which is returned.
fn queue(connection: &mut Connection, member: &str, body: &Body) -> Result<String, Failure> {
    let reply = connection.call(manager(member), body)?;
    Ok(reply.text(0).unwrap_or_default())
}

/// Waits until the job is done.
fn done(connection: &mut Connection, job: &str) -> Result<(), Failure> {
    let result = connection.signal("JobRemoved", |signal| {
        let (path, result) = signal.job()?;
        (path == job).then_some(result)
    })?;
    match result.as_str() {
        "done" => Ok(()),
        _ => Err(Failure::Job(result)),
    }
}

/// Stops the unit and everything in it; one that is gone already is no error.
pub(super) fn stop(unit: &UnitState) -> Result<(), Error> {
    let stopped = patiently(|| stop_once(unit));
    stopped.map_err(|failure| failed(&format!("stop the unit {}", unit.name), &failure))
}

fn stop_once(unit: &UnitState) -> Result<(), Failure> {
    let mut connection = connect_once(&unit.socket)?;
    let body = Body::default().text(&unit.name).text("replace");
    match queue(&mut connection, "StopUnit", &body) {
        Err(failure) if is(&failure, "NoSuchUnit") => {}
        job => done(&mut connection, &job?)?,
    }
    // Without effect but for a unit that failed, and an error where it is gone.
    drop(connection.call(
        manager("ResetFailedUnit"),
        &Body::default().text(&unit.name),
    ));
    Ok(())
}

/// Has the manager move a process into the unit, or into the cgroup `below` it: a user's manager may not do so itself
/// where the process is in a session, but the system's, which it asks, may (systemd 238).
pub(super) fn attach(unit: &UnitState, below: &str, pid: i32) -> Result<(), Error> {
    let fail = |failure: &Failure| {
        let what = format!("move process {pid} into the unit {}", unit.name);
        failed(&what, failure).because("/linux/cgroupsPath")
    };
    let number = u32::try_from(pid).unwrap_or(0);
    let body = Body::default().text(&unit.name).text(below).pids(&[number]);
    let method = manager("AttachProcessesToUnit");
    let moved = patiently(|| connect_once(&unit.socket)?.call(method, &body));
    moved.map(drop).map_err(|f| fail(&f))
}

/// Tells systemd new limits of a running unit, and returns when it has written its files.
pub(super) fn set_properties(unit: &UnitState, properties: &[Property]) -> Result<(), Error> {
    if properties.is_empty() {
        return Ok(());
    }
    let body = Body::default()
        .text(&unit.name)
        .flag(true)
        .properties(&known(properties, unit.version));
    let changed = patiently(|| {
        let mut connection = connect_once(&unit.socket)?;
        connection.call(manager("SetUnitProperties"), &body)?;
        // It answers first and writes then, but before it takes another message: this one.
        get(&mut connection, "Version")
    });
    changed
        .map(drop)
        .map_err(|failure| failed(&format!("change the unit {}", unit.name), &failure))
}

#[cfg(test)]
mod tests {
    use std::io;

    use lockstep_kernel::file::CWD;

    use super::{Failure, UnitState, leading_number, patiently};

    #[test]
    fn who_hung_up_is_called_again_also_where_its_socket_is_missing_for_a_moment() {
        let hung_up = || Failure::Io(io::ErrorKind::ConnectionReset.into());
        let missing = || {
            let call = lockstep_kernel::file::read(CWD, "/no/such/socket", 1);
            Failure::Connect(call.expect_err("ENOENT"))
        };
        let mut failures = vec![missing(), hung_up(), hung_up()];
        let called = patiently(|| failures.pop().map_or(Ok(7), Err));
        assert_eq!(called.ok(), Some(7));
        let mut failures = vec![hung_up(), missing()];
        let called = patiently(|| failures.pop().map_or(Ok(7), Err));
        assert!(called.is_err_and(|failure| failure.no_socket()));
    }

    #[test]
    fn the_state_of_a_version_before_is_read() {
        let text = r#"{"name":"lockstep-c.scope","socket":"/run/systemd/private","version":252}"#;
        let state: UnitState = serde_json::from_str(text).expect("a state");
        assert!(!state.found);
        assert_eq!(serde_json::to_string(&state).expect("JSON"), text);
    }

    #[test]
    fn versions_begin_with_a_number() {
        assert_eq!(leading_number("252.38-1~deb12u1"), 252);
        assert_eq!(leading_number("v256~rc3"), 256);
        assert_eq!(leading_number("260"), 260);
        assert_eq!(leading_number(""), 0);
    }
}
