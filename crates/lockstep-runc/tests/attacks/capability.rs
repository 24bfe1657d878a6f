//! Inheritable capabilities that files turn into permitted ones (CVE-2022-27650, CVE-2022-29162).

use crate::attack::{self, Attack, implant};
use crate::harness::{Test, cases};

cases! {
    inheritable_in_exec,
}

/// A file of the image with an inheritable capability, executed by `exec` as an ordinary user.
fn inheritable_in_exec(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "keep-inheritable",
            slow: "",
            body: |test| {
                let names = ["CAP_NET_BIND_SERVICE"];
                let bundle = test
                    .sleeper()
                    .capabilities(&names)
                    .set("/process/capabilities/inheritable", names.to_vec())
                    .set("/process/noNewPrivileges", false);
                implant(test, &bundle.rootfs());
                let program = bundle.rootfs().join("attacker");
                // vfs_cap_data of revision 2: effective bit, permitted none, inheritable capability 10.
                let mut data = 0x0200_0001_u32.to_le_bytes().to_vec();
                for word in [0, 1_u32 << 10, 0, 0] {
                    data.extend(word.to_le_bytes());
                }
                let flags = rustix::fs::XattrFlags::empty();
                let set = rustix::fs::setxattr(&program, "security.capability", &data, flags);
                if let Err(error) = set {
                    test.skip(&format!("no file capabilities here: {error}"));
                }
                let container = bundle.started();
                let output = container
                    .exec(&["--user", "1000:1000"], &["/attacker"])
                    .ok();
                output.value("CapEff") != "0000000000000000"
            },
        },
    );
}
