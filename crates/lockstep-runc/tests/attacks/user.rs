//! A user that is none becomes root (CVE-2026-30892).

use crate::attack::{self, Attack};
use crate::harness::{Test, cases};

cases! {
    exec_as_nobody_known,
}

const NONE: &[&str] = &[
    "nobody",
    "1000x",
    "x1000",
    "-1",
    "+1",
    " 1",
    "1 ",
    "0x10",
    // (uid_t)-1, which setresuid(2) takes for "leave as it is".
    "4294967295",
    "1000:4294967295",
    "4294967296",
    "1000:",
    ":1000",
    "1000:x",
    "1000:1000:1000",
    "1e3",
    "",
    "\u{0661}",
];

fn exec_as_nobody_known(test: &Test) {
    attack::make(
        test,
        &Attack {
            weak: "lenient-user",
            slow: "",
            body: |test| {
                let container = test.sleeper().started();
                NONE.iter().any(|user| {
                    // The empty text as one word, which no option parser takes for "not given".
                    let option = format!("--user={user}");
                    let output = container.exec(&[&option], &["id", "-u"]);
                    output.code == 0 && !user.is_empty()
                })
            },
        },
    );
}
