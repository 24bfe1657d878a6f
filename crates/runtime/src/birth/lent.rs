//! Network devices of the host in a container that may still come to nothing.

use crate::error::{For, Result};
use lockstep_kernel::network::{self, Setup};
use std::os::fd::{AsFd, OwnedFd};

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
