//! Network devices of the host in a container that may still come to nothing.

use crate::error::{For, Result};
use crate::state::{Directory, SCHEMA, Versioned};
use lockstep_kernel::file;
use lockstep_kernel::network::{self, Address, Setup};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Of a container that waits for `start`, which is another process.
const FILE: &str = "lent.json";

/// Devices that were moved into a container. A virtual one would end with the container's namespace.
#[derive(Debug, Default)]
pub(crate) struct Lent(Vec<Device>);

#[derive(Debug)]
struct Device {
    /// Its name on the host.
    host: String,
    /// Its name in the container.
    name: String,
    /// The container's network namespace.
    namespace: OwnedFd,
    /// How it was set up on the host.
    was: Setup,
}

/// lent.json.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    /// [`SCHEMA`].
    schema: u32,
    devices: Vec<StoredDevice>,
}

#[derive(Serialize, Deserialize)]
struct StoredDevice {
    host: String,
    name: String,
    up: bool,
    addresses: Vec<StoredAddress>,
}

#[derive(Serialize, Deserialize)]
struct StoredAddress {
    family: u8,
    prefix: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Versioned for Stored {
    fn schema(&self) -> u32 {
        self.schema
    }
}

/// The network namespace of a process.
pub(super) fn network_of(proc: BorrowedFd<'_>, pid: i32) -> lockstep_kernel::Result<OwnedFd> {
    file::openat(proc, format!("{pid}/ns/net"), file::OFlags::RDONLY, 0)
}

impl Lent {
    /// Moves a device into a network namespace.
    pub(super) fn lend(&mut self, host: &str, name: &str, namespace: OwnedFd) -> Result<()> {
        let what = || format!("moving network device {host:?} into the container as {name:?}");
        let was = network::setup_of(host).during(what)?;
        let moved = network::move_device(host, name, namespace.as_fd(), &was).during(what);
        // Also when it failed: the kernel moves a device first and renames it then.
        self.0.push(Device {
            host: host.into(),
            name: name.into(),
            namespace,
            was,
        });
        moved
    }

    /// Writes down what has to be given back if the container is not started.
    pub(crate) fn keep(&self, directory: &Directory) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let address = |address: &Address| StoredAddress {
            family: address.family,
            prefix: address.prefix,
            attributes: address.attributes.clone(),
        };
        let device = |device: &Device| StoredDevice {
            host: device.host.clone(),
            name: device.name.clone(),
            up: device.was.up,
            addresses: device.was.addresses.iter().map(address).collect(),
        };
        let stored = Stored {
            schema: SCHEMA,
            devices: self.0.iter().map(device).collect(),
        };
        directory.write(FILE, &stored)
    }

    /// What [`Lent::keep`] has written of a container whose first process is `pid`.
    pub(crate) fn kept(directory: &Directory, proc: BorrowedFd<'_>, pid: i32) -> Result<Lent> {
        let stored: Option<Stored> = directory.read(FILE)?;
        let devices = stored.map(|stored| stored.devices).unwrap_or_default();
        let address = |address: StoredAddress| Address {
            family: address.family,
            prefix: address.prefix,
            attributes: address.attributes,
        };
        let device = |device: StoredDevice| {
            Ok(Device {
                host: device.host,
                name: device.name,
                namespace: network_of(proc, pid)
                    .during(|| "network namespace of the container".into())?,
                was: Setup {
                    up: device.up,
                    addresses: device.addresses.into_iter().map(address).collect(),
                },
            })
        };
        devices
            .into_iter()
            .map(device)
            .collect::<Result<_>>()
            .map(Lent)
    }

    /// Moves all back that are there: for a container that could not be made. The error that ended it is the one to
    /// report, so what fails here is not told.
    pub(crate) fn give_back(&self) {
        for device in &self.0 {
            let back = |name: &str| {
                network::return_device(&device.host, name, device.namespace.as_fd(), &device.was)
            };
            // Not yet renamed; a device of a template has no known name.
            drop(back(&device.name).or_else(|_| back(&device.host)));
        }
    }
}
