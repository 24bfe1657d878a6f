//! What operations read as.

use super::*;
use crate::step::MapMethod;

#[test]
fn an_operation_reads_as_the_call_that_it_is_for() {
    let attributes = Attributes {
        set: mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_RDONLY,
        ..Attributes::default()
    };
    let root = OverlayRoot {
        layers: vec!["/l/b".into(), "/l/a".into()],
        upper: "/c/upper".into(),
        work: "/c/work".into(),
    };
    let map = IdMap {
        inside: 0,
        outside: 1000,
        size: 1,
    };
    let maps = IdMaps {
        users: vec![map],
        groups: vec![map, map],
    };
    for (op, text) in [
        (
            Op::Unshare {
                flags: namespace::NEWCGROUP | namespace::NEWNS,
            },
            "unshare(CLONE_NEWNS|CLONE_NEWCGROUP)",
        ),
        (
            Op::WriteIdMaps {
                maps,
                method: MapMethod::OneId,
            },
            r#"write(setgroups="deny", uid_map="0 1000 1", gid_map="0 1000 1,0 1000 1")"#,
        ),
        (
            Op::AttachRoot {
                source: Source::Overlay(root, Links::All),
                at: HostPath::new(Path::new("/"), "r"),
            },
            r#"move_mount("overlay", "lowerdir=/l/b:/l/a,upperdir=/c/upper,workdir=/c/work", "/r")"#,
        ),
        (
            Op::SetAttributes {
                target: RootPath::new("/x\n"),
                attributes,
            },
            r#"mount_setattr("/x\n", set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID)"#,
        ),
        (
            Op::DropBounding { keep: 1 },
            "prctl(PR_CAPBSET_DROP, all but=[CAP_CHOWN])",
        ),
        (
            Op::SetRlimit {
                resource: 7,
                soft: 1,
                hard: u64::MAX,
            },
            "prlimit64(RLIMIT_NOFILE, rlim_cur=1, rlim_max=RLIM64_INFINITY)",
        ),
        (
            Op::Execute {
                args: vec!["sh".into()],
                env: vec!["A=b c".into()],
                init: Some(Slot::INIT),
            },
            r#"execve(["sh"], ["A=b c"], by=<init>)"#,
        ),
    ] {
        assert_eq!(op.to_string(), text);
    }
}
