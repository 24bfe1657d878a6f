//! `linux.netDevices`: a veth of a network namespace that only the test uses is moved into the
//! container.

use serde_json::{Value, json};

use crate::harness::{Bundle, Test, View, cases, wait_until};

cases! {
    device_is_moved: "runc 1.1.5 has no netDevices",
    addresses_are_kept: "runc 1.1.5 has no netDevices",
    device_is_set_up: "runc 1.1.5 has no netDevices",
    device_is_renamed: "runc 1.1.5 has no netDevices",
    name_template: "runc 1.1.5 has no netDevices",
    conflicting_name_refused: "runc 1.1.5 has no netDevices",
    missing_device_refused: "runc 1.1.5 has no netDevices",
    without_network_namespace_refused: "runc 1.1.5 has no netDevices",
    several_devices: "runc 1.1.5 has no netDevices",
    into_a_joined_namespace: "runc 1.1.5 has no netDevices",
    mtu_and_hardware_address_are_kept: "runc 1.1.5 has no netDevices",
    a_refused_container_gives_the_device_back: "runc 1.1.5 has no netDevices",
    a_refused_start_gives_the_device_back: "runc 1.1.5 has no netDevices",
    too_long_name_refused: "runc 1.1.5 has no netDevices",
}

/// A network namespace that plays the host's: the runtime is started in it.
struct Net<'t> {
    test: &'t Test,
    pid: u32,
}

impl<'t> Net<'t> {
    fn new(test: &'t Test) -> Self {
        test.need(
            crate::harness::Host::get().has_program("ip"),
            "no ip(8) (iproute2)",
        );
        let pid = test.companion("unshare", &["-n", "sleep", "1000"]);
        let ready = || {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
        };
        assert!(wait_until(ready));
        Self { test, pid }
    }

    fn ip(&self, command: &str) -> String {
        let pid = self.pid.to_string();
        let mut args = vec!["-t", &pid, "-n", "ip"];
        args.extend(command.split_whitespace());
        self.test.host("nsenter", &args)
    }

    /// A veth `name` with its peer `name`p.
    fn veth(&self, name: &str) {
        self.ip(&format!("link add {name} type veth peer name {name}p"));
        self.ip(&format!("link set {name}p up"));
    }

    /// Requires that a device is still there once the namespaces of a refused container are gone, which
    /// takes the kernel a moment.
    #[track_caller]
    fn keeps(&self, name: &str) {
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(
            self.ip("-o link").contains(&format!(": {name}@")),
            "{name} is lost"
        );
    }

    fn is_up(&self, name: &str) -> bool {
        // Not "state UP": that is the carrier's.
        let text = self.ip(&format!("-o link show dev {name}"));
        text.contains(",UP")
    }

    fn bundle(&self, script: &str, devices: Value) -> Bundle<'t> {
        let enter = format!("set -- nsenter -t {} -n \"$@\"", self.pid);
        self.test
            .sh(script)
            .set("/linux/netDevices", devices)
            .view(View::Script(enter))
    }
}

fn device_is_moved(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    let output = net
        .bundle("ls /sys/class/net", json!({"ve0": {}}))
        .run()
        .ok();
    let mut names = output.lines();
    names.sort_unstable();
    assert_eq!(names, ["lo", "ve0"]);
    // A virtual device ends with the namespace that it was moved to, and its peer with it.
    assert!(
        wait_until(|| !net.ip("-o link").contains("ve0")),
        "{}",
        net.ip("-o link")
    );
}

fn addresses_are_kept(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.ip("addr add 10.99.1.2/24 dev ve0");
    net.ip("addr add 10.99.2.2/16 dev ve0");
    net.ip("-6 addr add fd00:99::2/64 dev ve0 nodad");
    let output = net
        .bundle("ip addr show dev ve0", json!({"ve0": {}}))
        .run()
        .ok();
    for address in ["10.99.1.2/24", "10.99.2.2/16", "fd00:99::2/64"] {
        assert!(
            output.stdout.contains(address),
            "{address}: {}",
            output.stdout
        );
    }
}

fn device_is_set_up(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    let output = net
        .bundle(
            "cat /sys/class/net/ve0/flags /sys/class/net/ve0/operstate",
            json!({"ve0": {}}),
        )
        .run()
        .ok();
    let flags = output.lines()[0].trim_start_matches("0x");
    let flags = u32::from_str_radix(flags, 16).expect("hexadecimal");
    assert_eq!(flags & 1, 1, "IFF_UP is not set: {}", output.stdout);
}

fn device_is_renamed(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.ip("addr add 10.99.1.2/24 dev ve0");
    let devices = json!({"ve0": {"name": "eth0"}});
    let output = net
        .bundle("ls /sys/class/net; ip addr show dev eth0", devices)
        .run()
        .ok();
    assert!(output.stdout.contains("eth0") && output.stdout.contains("10.99.1.2/24"));
    assert!(!output.lines().contains(&"ve0"));
}

fn name_template(t: &Test) {
    let net = Net::new(t);
    net.veth("va0");
    net.veth("vb0");
    let devices = json!({"va0": {"name": "net%d"}, "vb0": {"name": "net%d"}});
    let output = net.bundle("ls /sys/class/net", devices).run().ok();
    let mut names = output.lines();
    names.sort_unstable();
    assert_eq!(names, ["lo", "net0", "net1"]);
}

fn conflicting_name_refused(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.bundle("true", json!({"ve0": {"name": "lo"}}))
        .run()
        .fails_with(&["/linux/netDevices/ve0", "lo"]);
    net.keeps("ve0");
}

fn missing_device_refused(t: &Test) {
    let net = Net::new(t);
    net.bundle("true", json!({"absent0": {}}))
        .run()
        .fails_with(&["/linux/netDevices", "absent0"]);
}

fn without_network_namespace_refused(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.bundle("true", json!({"ve0": {}}))
        .without_namespace("network")
        .unmount("/sys")
        .run()
        .fails_with(&["netDevices", "network"]);
}

fn several_devices(t: &Test) {
    let net = Net::new(t);
    let mut devices = json!({});
    for number in 0..3 {
        let name = format!("ve{number}");
        net.veth(&name);
        devices[&name] = json!({"name": format!("eth{number}")});
    }
    let output = net.bundle("ls /sys/class/net", devices).run().ok();
    let mut names = output.lines();
    names.sort_unstable();
    assert_eq!(names, ["eth0", "eth1", "eth2", "lo"]);
}

fn into_a_joined_namespace(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    let other = Net::new(t);
    let path = format!("/proc/{}/ns/net", other.pid);
    net.bundle("test -e /sys/class/net/ve0", json!({"ve0": {}}))
        .join("network", &path)
        .run()
        .ok();
    // It stays there: the namespace lives on.
    assert!(other.ip("-o link").contains("ve0"));
}

fn mtu_and_hardware_address_are_kept(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.ip("link set ve0 mtu 1234 address 02:00:00:00:00:77");
    let output = net
        .bundle(
            "cat /sys/class/net/ve0/mtu /sys/class/net/ve0/address",
            json!({"ve0": {}}),
        )
        .run()
        .ok();
    assert_eq!(output.lines(), ["1234", "02:00:00:00:00:77"]);
}

fn a_refused_container_gives_the_device_back(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    let bundle = net.bundle("true", json!({"ve0": {"name": "eth0"}, "vz-absent": {}}));
    bundle.run().fails_with(&["vz-absent"]);
    net.keeps("ve0");
    assert!(!net.is_up("ve0"), "it was down");
    // Up, with its address, and also by the last step that can fail.
    net.ip("address add 192.0.2.1/24 dev ve0");
    net.ip("link set ve0 up");
    for (name, path) in [("lo", "/bin/true"), ("eth0", "/absent")] {
        let mut bundle = net.bundle("true", json!({"ve0": {"name": name}}));
        bundle = bundle.set("/process/args", json!([path]));
        bundle.run().fails_with(&[]);
        net.keeps("ve0");
        assert!(net.is_up("ve0"), "{name}, {path}: it was up");
        let addresses = net.ip("-o address show dev ve0");
        assert!(addresses.contains("192.0.2.1/24"), "{addresses}");
    }
}

/// `create` took it, and another process finds that nothing comes of the container.
fn a_refused_start_gives_the_device_back(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.ip("address add 192.0.2.1/24 dev ve0");
    net.ip("link set ve0 up");
    let devices = json!({"ve0": {"name": "eth0"}});
    // A program that the kernel cannot execute, and a hook that fails when the program runs.
    let unknown = net
        .bundle("", devices.clone())
        .file("unknown", "\u{1}\u{2}")
        .set("/process/args", json!(["/unknown"]));
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(unknown.rootfs().join("unknown"), executable).expect("it is ours");
    let hooked = net
        .bundle("exec sleep 1000", devices)
        .set("/hooks/poststart", json!([{"path": "/bin/false"}]));
    for bundle in [unknown, hooked] {
        let container = bundle.create();
        assert!(!net.ip("-o link").contains(": ve0@"), "it was not taken");
        container.call("start", &[]).fails_with(&[]);
        net.keeps("ve0");
        assert!(net.is_up("ve0"), "it was up");
        let addresses = net.ip("-o address show dev ve0");
        assert!(addresses.contains("192.0.2.1/24"), "{addresses}");
        container.call("delete", &["--force"]).ok();
    }
}

fn too_long_name_refused(t: &Test) {
    let net = Net::new(t);
    net.veth("ve0");
    net.bundle("true", json!({"ve0": {"name": "sixteen-bytes-xx"}}))
        .run()
        .fails_with(&["/linux/netDevices/ve0/name"]);
}
