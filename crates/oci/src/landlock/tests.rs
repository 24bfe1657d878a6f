//! The annotation: both spellings, what comes out again, and every refusal.

use super::{AccessFs, AccessNet, Ruleset, Scope, parse};

#[test]
fn names_and_numbers_are_the_same_bits() {
    let names = r#"{"ruleset": {"handledAccessFS": ["execute", "LANDLOCK_ACCESS_FS_WRITE_FILE", "ioctl_dev"],
        "handledAccessNet": ["bind_tcp"], "scoped": ["LANDLOCK_SCOPE_SIGNAL"]},
        "rules": {"pathBeneath": [{"allowedAccess": ["execute"], "paths": ["/usr"]}],
                  "netPort": [{"allowedAccess": [1], "ports": [80, 443]}]}}"#;
    let numbers = r#"{"ruleset": {"handledAccessFS": [32771], "handledAccessNet": [1], "scoped": [2]},
        "rules": {"pathBeneath": [{"allowedAccess": [1], "paths": ["/usr"]}],
                  "netPort": [{"allowedAccess": ["bind_tcp"], "ports": [80, 443]}]}, "disableBestEffort": false}"#;
    let parsed = parse(names).expect("a good annotation");
    assert_eq!(parsed, parse(numbers).expect("a good annotation"));
    assert_eq!(
        parsed.ruleset.handled_access_fs,
        AccessFs::EXECUTE | AccessFs::WRITE_FILE | AccessFs::IOCTL_DEV
    );
    assert_eq!(parsed.ruleset.handled_access_net, AccessNet::BIND_TCP);
    assert_eq!(parsed.ruleset.scoped, Scope::SIGNAL);
    let again = serde_json::to_string(&parsed).expect("serialises");
    assert_eq!(parse(&again).expect("reads its own output"), parsed);
}

#[test]
fn bits_without_a_name_survive() {
    let parsed =
        parse(r#"{"ruleset": {"handledAccessFS": [1099511627777]}}"#).expect("a good annotation");
    assert_eq!(parsed.ruleset.handled_access_fs.bits(), (1 << 40) | 1);
    let again = serde_json::to_string(&parsed.ruleset).expect("serialises");
    assert_eq!(again, r#"{"handledAccessFS":["execute",1099511627776]}"#);
}

#[test]
fn refusals() {
    for (text, message) in [
        ("{}", "missing field `ruleset`"),
        (r#"{"ruleset": {}}"#, "/ruleset = {}: handles nothing"),
        (
            r#"{"ruleset": {"handledAccessFs": [1]}}"#,
            "unknown field /ruleset/handledAccessFs",
        ),
        (
            r#"{"ruleset": {"handledAccessFS": ["exec"]}}"#,
            r#"/ruleset/handledAccessFS/0: invalid value: string "exec", expected a name such as LANDLOCK_ACCESS_FS_... or"#,
        ),
        (
            r#"{"ruleset": {"handledAccessFS": [-1]}}"#,
            "/ruleset/handledAccessFS/0: invalid type: integer `-1`",
        ),
        (
            r#"{"ruleset": {"handledAccessFS": [1]}, "rules": {"pathBeneath": [{"allowedAccess": [3], "paths": ["/"]}]}}"#,
            r#"/rules/pathBeneath/0/allowedAccess = ["execute","write_file"]: must be a part of"#,
        ),
        (
            r#"{"ruleset": {"handledAccessFS": [1]}, "rules": {"pathBeneath": [{"allowedAccess": [1], "paths": ["usr"]}]}}"#,
            r#"/rules/pathBeneath/0/paths/0 = "usr": must be an absolute path"#,
        ),
        (
            r#"{"ruleset": {"handledAccessFS": [1]}, "rules": {"pathBeneath": [{"allowedAccess": [1], "paths": []}]}}"#,
            "/rules/pathBeneath/0/paths = []: needs at least one path",
        ),
        (
            r#"{"ruleset": {"handledAccessNet": [1]}, "rules": {"netPort": [{"allowedAccess": [2], "ports": []}]}}"#,
            r#"/rules/netPort/0/allowedAccess = ["connect_tcp"]: must be a part of"#,
        ),
        (
            r#"{"ruleset": {"handledAccessNet": [1]}, "rules": {"netPort": [{"allowedAccess": [1], "ports": [65536]}]}}"#,
            "/rules/netPort/0/ports/0: invalid value: integer `65536`, expected u16",
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(
            error.contains(message),
            "{error:?} does not contain {message:?}"
        );
    }
}

#[test]
fn what_an_older_kernel_loses_has_names() {
    let ruleset = Ruleset {
        handled_access_fs: AccessFs::from_bits(
            AccessFs::EXECUTE.bits() | AccessFs::REFER.bits() | AccessFs::TRUNCATE.bits(),
        ),
        handled_access_net: AccessNet::BIND_TCP,
        scoped: Scope::SIGNAL,
    };
    assert_eq!(
        ruleset.beyond(1),
        ["refer", "truncate", "bind_tcp", "signal"]
    );
    assert_eq!(ruleset.beyond(3), ["bind_tcp", "signal"]);
    assert_eq!(ruleset.beyond(5), ["signal"]);
    assert!(ruleset.beyond(6).is_empty());
    let newer = Ruleset {
        handled_access_fs: AccessFs::from_bits(AccessFs::RESOLVE_UNIX.bits() | 1 << 40 | 1),
        handled_access_net: AccessNet::from_bits(AccessNet::BIND_UDP.bits() | 1 << 20),
        scoped: Scope::from_bits(1 << 10),
    };
    let unnamed = ["1099511627776", "1048576", "1024"];
    assert_eq!(newer.beyond(10), unnamed);
    let named = ["resolve_unix", "bind_udp"];
    assert_eq!(newer.beyond(8), [&named[..], &unnamed].concat());
}
