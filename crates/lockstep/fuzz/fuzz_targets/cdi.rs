//! Whatever a vendor's description says, it is an error or edits whose paths are absolute and lead nowhere else.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/resolve/cdi/spec.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod spec;

fuzz_target!(|text: &[u8]| {
    let Ok(spec) = spec::parse(text) else {
        return;
    };
    let edits = spec.devices.iter().map(|device| &device.container_edits);
    for edits in edits.chain([&spec.container_edits]) {
        let mounts = edits.mounts.iter().map(|mount| &mount.container_path);
        for path in mounts.chain(edits.device_nodes.iter().map(|node| &node.path)) {
            assert!(path.starts_with('/') && path.split('/').all(|part| part != ".."));
        }
    }
});
