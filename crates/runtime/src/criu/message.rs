//! What is said to criu and what it says: the messages of its `images/rpc.proto`, by their field numbers.

use super::wire::{self, Value, Writer};

/// What a request asks for, and an answer is about (`criu_req_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dump = 1,
    Restore = 2,
    PreDump = 4,
    Notify = 6,
    Features = 9,
    Version = 10,
}

/// Fields of `criu_opts`.
pub(crate) mod field {
    pub(crate) const IMAGES_DIR_FD: u32 = 1;
    pub(crate) const PID: u32 = 2;
    pub(crate) const LEAVE_RUNNING: u32 = 3;
    pub(crate) const EXT_UNIX_SK: u32 = 4;
    pub(crate) const TCP_ESTABLISHED: u32 = 5;
    pub(crate) const EVASIVE_DEVICES: u32 = 6;
    pub(crate) const SHELL_JOB: u32 = 7;
    pub(crate) const FILE_LOCKS: u32 = 8;
    pub(crate) const LOG_LEVEL: u32 = 9;
    pub(crate) const LOG_FILE: u32 = 10;
    pub(crate) const PAGE_SERVER: u32 = 11;
    pub(crate) const NOTIFY_SCRIPTS: u32 = 12;
    pub(crate) const ROOT: u32 = 13;
    pub(crate) const PARENT_IMG: u32 = 14;
    pub(crate) const TRACK_MEM: u32 = 15;
    pub(crate) const AUTO_DEDUP: u32 = 16;
    pub(crate) const WORK_DIR_FD: u32 = 17;
    pub(crate) const LINK_REMAP: u32 = 18;
    pub(crate) const EXT_MNT: u32 = 23;
    pub(crate) const MANAGE_CGROUPS: u32 = 24;
    pub(crate) const CG_ROOT: u32 = 25;
    pub(crate) const RST_SIBLING: u32 = 26;
    pub(crate) const INHERIT_FD: u32 = 27;
    pub(crate) const MANAGE_CGROUPS_MODE: u32 = 34;
    pub(crate) const EXTERNAL: u32 = 37;
    pub(crate) const EMPTY_NS: u32 = 38;
    pub(crate) const JOIN_NS: u32 = 39;
    pub(crate) const FREEZE_CGROUP: u32 = 44;
    pub(crate) const TCP_SKIP_IN_FLIGHT: u32 = 46;
    pub(crate) const LAZY_PAGES: u32 = 48;
    pub(crate) const ORPHAN_PTS_MASTER: u32 = 50;
    pub(crate) const CONFIG_FILE: u32 = 51;
    pub(crate) const LSM_PROFILE: u32 = 53;
    pub(crate) const LSM_MOUNT_CONTEXT: u32 = 63;
    pub(crate) const NETWORK_LOCK: u32 = 64;
    pub(crate) const MNTNS_COMPAT_MODE: u32 = 65;
}

/// The options of a request.
#[derive(Debug, Default)]
pub(crate) struct Options(Writer);

impl Options {
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        self.0.number(field, value);
    }

    pub(crate) fn flag(&mut self, field: u32, set: bool) {
        self.0.flag(field, set);
    }

    pub(crate) fn text(&mut self, field: u32, text: &str) {
        self.0.text(field, text);
    }

    /// A pair of texts: `ext_mount_map`, `join_namespace`, `cgroup_root`.
    pub(crate) fn pair(&mut self, field: u32, first: &str, second: &str) {
        let mut pair = Writer::default();
        pair.text(1, first);
        pair.text(2, second);
        self.0.message(field, &pair);
    }

    /// A text and a number: `inherit_fd`, `criu_page_server_info`.
    pub(crate) fn numbered(&mut self, field: u32, text: &str, number: u64) {
        let mut pair = Writer::default();
        pair.text(1, text);
        pair.number(2, number);
        self.0.message(field, &pair);
    }
}

/// A request that is followed by another one on the same connection.
pub(super) fn question(kind: Kind) -> Writer {
    let mut request = Writer::default();
    request.number(1, kind as u64);
    request.flag(4, true);
    if kind == Kind::Features {
        let mut features = Writer::default();
        features.flag(1, true);
        features.flag(2, true);
        request.message(5, &features);
    }
    request
}

/// A request that ends the connection.
pub(super) fn order(kind: Kind, options: &Options) -> Writer {
    let mut request = Writer::default();
    request.number(1, kind as u64);
    request.message(2, &options.0);
    request
}

/// What is answered to a notification.
pub(super) fn noted(success: bool) -> Writer {
    let mut request = Writer::default();
    request.number(1, Kind::Notify as u64);
    request.number(3, u64::from(success));
    request
}

/// An answer, or a notification on the way to one (`criu_resp`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(super) kind: u64,
    pub(super) success: bool,
    /// errno of what failed; 0 where criu knows none.
    pub(super) errno: u64,
    /// criu's words for it.
    pub(super) text: String,
    /// The moment that a notification is about.
    pub(super) moment: String,
    /// The container's first process, of a restore or a notification.
    pub(super) pid: i32,
    /// major * 10000 + minor * 100 + sublevel.
    pub(super) version: u64,
    pub(super) tracks_memory: bool,
    pub(super) lazy_pages: bool,
}

/// Reads an answer; `None` if it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Answer> {
    let mut answer = Answer::default();
    let mut well_formed = Some(());
    wire::read(bytes, &mut |field, value| match (field, value) {
        (1, Value::Number(kind)) => answer.kind = kind,
        (2, Value::Number(success)) => answer.success = success != 0,
        (7, Value::Number(errno)) => answer.errno = errno,
        (9, Value::Bytes(text)) => answer.text = String::from_utf8_lossy(text).trim().to_owned(),
        (4 | 5 | 8 | 10, Value::Bytes(inner)) => {
            let read = wire::read(inner, &mut |part, value| {
                within(&mut answer, field, part, value)
            });
            well_formed = well_formed.and(read);
        }
        _ => {}
    })?;
    well_formed.map(|()| answer)
}

/// A field of a message in the answer: of `criu_restore_resp`, `criu_notify`, `criu_features` and `criu_version`.
fn within(answer: &mut Answer, field: u64, part: u64, value: Value<'_>) {
    match (field, part, value) {
        (4, 1, Value::Number(pid)) | (5, 2, Value::Number(pid)) => answer.pid = pid as i32,
        (5, 1, Value::Bytes(name)) => answer.moment = String::from_utf8_lossy(name).into_owned(),
        (8, 1, Value::Number(can)) => answer.tracks_memory = can != 0,
        (8, 2, Value::Number(can)) => answer.lazy_pages = can != 0,
        (10, part @ (1 | 2 | 4), Value::Number(number)) => {
            let scale = [10_000, 100, 0, 1][part as usize - 1];
            let add = number.saturating_mul(scale);
            answer.version = answer.version.saturating_add(add);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_three_parts() {
        let (mut version, mut answer) = (Writer::default(), Writer::default());
        for (field, number) in [(1, 3), (2, 17), (4, 1)] {
            version.number(field, number);
        }
        answer.number(1, Kind::Version as u64);
        answer.number(2, 1);
        answer.message(10, &version);
        let answer = read(answer.as_bytes()).expect("an answer");
        assert_eq!((answer.version, answer.success), (31_701, true));
    }

    #[test]
    fn a_notification_names_its_moment_and_process() {
        let (mut notify, mut answer) = (Writer::default(), Writer::default());
        notify.text(1, "post-restore");
        notify.number(2, 4711);
        answer.number(1, Kind::Notify as u64);
        answer.message(5, &notify);
        let answer = read(answer.as_bytes()).expect("an answer");
        assert_eq!((&*answer.moment, answer.pid), ("post-restore", 4711));
    }

    #[test]
    fn a_broken_part_breaks_the_answer() {
        assert_eq!(read(&[0x2a, 2, 0x0a, 9]), None);
        assert_eq!(read(&[]), Some(Answer::default()));
    }
}
