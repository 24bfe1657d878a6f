//! Rule lists: against a plain reading of the specification, for both versions.

use proptest::prelude::*;

use super::hosts::{v1, v2};
use super::*;

/// What the specification says: each rule in order, letter by letter.
fn reference(rules: &[DeviceRule], kind: Kind, major: u32, minor: u32, asked: u8) -> bool {
    let mut allowed = 0;
    for rule in rules {
        let sort = rule.kind == Kind::All || rule.kind == kind;
        let number = |want: Option<u32>, is| want.is_none_or(|w| w == is);
        if sort && number(rule.major, major) && number(rule.minor, minor) {
            if rule.allow {
                allowed |= rule.access.0;
            } else {
                allowed &= !rule.access.0;
            }
        }
    }
    asked & !allowed == 0
}

/// The kernel's BPF machine, as far as our programs use it.
fn run(program: &[u64], kind: Kind, major: u32, minor: u32, asked: u8) -> u64 {
    let sort = if kind == Kind::Block { 1 } else { 2 };
    let context = [u32::from(asked) << 16 | sort, major, minor];
    let mut registers = [0u64; 11];
    let mut at = 0;
    loop {
        let word = program[at];
        let to = (word >> 8 & 0xf) as usize;
        let from = (word >> 12 & 0xf) as usize;
        let offset = (word >> 16 & 0xffff) as usize;
        let value = (word >> 32) as u32;
        let extended = value as i32 as i64 as u64;
        at += 1;
        match word as u8 {
            0x61 => registers[to] = context[offset / 4].into(),
            0xb7 => registers[to] = extended,
            0xbf => registers[to] = registers[from],
            0x57 => registers[to] &= extended,
            0x5f => registers[to] &= registers[from],
            0x47 => registers[to] |= extended,
            0xa7 => registers[to] ^= extended,
            0x77 => registers[to] >>= value,
            0x56 if registers[to] as u32 != value => at += offset,
            0x56 => {}
            0x95 => return registers[0],
            other => panic!("opcode {other:#x}"),
        }
    }
}

/// The v1 kernel: a default and exceptions (security/device_cgroup.c).
fn list_allows(writes: &[ListWrite], kind: Kind, major: u32, minor: u32, asked: u8) -> bool {
    let matching = |entry: &str| {
        let mut parts = entry.split([' ', ':']);
        let sort = parts.next() == Some(if kind == Kind::Block { "b" } else { "c" });
        let number =
            |text: Option<&str>, is: u32| text == Some("*") || text == Some(&is.to_string());
        if !sort || !number(parts.next(), major) || !number(parts.next(), minor) {
            return 0;
        }
        let letters = parts.next().unwrap();
        [('m', 1), ('r', 2), ('w', 4)]
            .iter()
            .filter(|(letter, _)| letters.contains(*letter))
            .map(|(_, bit)| bit)
            .sum()
    };
    let (first, rest) = writes.split_first().expect("a default");
    assert_eq!(first.entry, "a");
    assert!(rest.iter().all(|w| w.allow != first.allow));
    if first.allow {
        rest.iter().all(|w| asked & matching(&w.entry) == 0)
    } else {
        rest.iter().any(|w| asked & !matching(&w.entry) == 0)
    }
}

fn decide(rules: &[DeviceRule], layout: &Layout) -> Result<Devices, Error> {
    device::devices(rules.to_vec(), &[], layout, false, "/devices")
}

fn rule() -> impl Strategy<Value = DeviceRule> {
    let kind = prop_oneof![Just(Kind::All), Just(Kind::Char), Just(Kind::Block)];
    let number = || prop_oneof![1 => Just(None), 2 => (1u32..4).prop_map(Some)];
    let total = prop_oneof![6 => Just(false), 1 => Just(true)];
    (any::<bool>(), kind, number(), number(), 1u8..8, total).prop_map(
        |(allow, kind, major, minor, access, total)| DeviceRule {
            allow,
            kind: if total { Kind::All } else { kind },
            major: major.filter(|_| !total),
            minor: minor.filter(|_| !total),
            access: if total { Access::ALL } else { Access(access) },
            because: String::new(),
        },
    )
}

/// Every device and request that the rules above can tell apart.
fn requests() -> impl Iterator<Item = (Kind, u32, u32, u8)> {
    let kinds = [Kind::Char, Kind::Block].into_iter();
    kinds.flat_map(|kind| {
        (1..5).flat_map(move |major| {
            // The kernel asks for mknod alone, or for some of read and write.
            (1..5).flat_map(move |minor| [1, 2, 4, 6].map(|asked| (kind, major, minor, asked)))
        })
    })
}

proptest! {
    #[test]
    fn the_program_reads_the_rules_in_order(rules in proptest::collection::vec(rule(), 0..12)) {
        let program = match decide(&rules, &v2()).unwrap() {
            Devices::Program { program, .. } => Some(program),
            Devices::Open { .. } => None,
            other => panic!("{other:?}"),
        };
        for (kind, major, minor, asked) in requests() {
            let expected = reference(&rules, kind, major, minor, asked);
            let answer = program.as_ref().map_or(1, |p| run(p, kind, major, minor, asked));
            prop_assert_eq!(answer, u64::from(expected), "{:?} {}:{} {}", kind, major, minor, asked);
        }
    }

    #[test]
    fn the_list_means_the_same_or_is_refused(rules in proptest::collection::vec(rule(), 0..12)) {
        if let Ok(Devices::List { writes, .. }) = decide(&rules, &v1()) {
            for (kind, major, minor, asked) in requests() {
                let expected = reference(&rules, kind, major, minor, asked);
                let answer = list_allows(&writes, kind, major, minor, asked);
                prop_assert_eq!(answer, expected, "{:?} {}:{} {}", kind, major, minor, asked);
            }
        }
    }
}

/// What devices.list shows of a list.
fn shown(writes: &[ListWrite]) -> String {
    if writes[0].allow {
        return "a *:* rwm\n".to_owned();
    }
    writes[1..]
        .iter()
        .map(|w| format!("{}\n", w.entry))
        .collect()
}

/// The list after one line more, as the kernel keeps it: an exception is found by its devices, letter by letter as
/// they are written.
fn written(list: &[ListWrite], line: &ListWrite) -> Vec<ListWrite> {
    if line.entry == "a" {
        return vec![line.clone()];
    }
    let open = list[0].allow;
    let devices = |entry: &str| entry.rsplit_once(' ').expect("letters").0.to_owned();
    let letters = |entry: &str| entry.rsplit_once(' ').expect("letters").1.to_owned();
    let key = devices(&line.entry);
    let there = list[1..].iter().find(|old| devices(&old.entry) == key);
    let mut bits = there.map_or_else(String::new, |old| letters(&old.entry));
    for letter in letters(&line.entry).chars() {
        bits.retain(|old| old != letter);
        if line.allow != open {
            bits.push(letter);
        }
    }
    let others = list
        .iter()
        .filter(|old| old.entry == "a" || devices(&old.entry) != key);
    let mut list: Vec<ListWrite> = others.cloned().collect();
    if !bits.is_empty() {
        list.push(ListWrite {
            allow: !open,
            entry: format!("{key} {bits}"),
            ..line.clone()
        });
    }
    list
}

proptest! {
    #[test]
    fn a_change_of_the_list_opens_nothing_and_refuses_nothing(
        old in proptest::collection::vec(rule(), 0..8),
        new in proptest::collection::vec(rule(), 0..8),
    ) {
        let listed = |rules: &[DeviceRule]| match decide(rules, &v1()) {
            Ok(Devices::List { writes, .. }) => Some(writes),
            _ => None,
        };
        let (Some(old), Some(new)) = (listed(&old), listed(&new)) else {
            return Ok(());
        };
        let change = change_of_list(&shown(&old), &old, &new);
        prop_assert!(change.stopped || change.writes.len() == 1 || change.writes.iter().all(|w| w.entry != "a"));
        let mut list = old.clone();
        for line in &change.writes {
            list = written(&list, line);
            for (kind, major, minor, asked) in requests() {
                let [old, new, now] = [&old, &new, &list].map(|list| list_allows(list, kind, major, minor, asked));
                let between = now == old || now == new;
                prop_assert!(between || change.stopped, "{:?} {}:{} {}", kind, major, minor, asked);
            }
        }
        for (kind, major, minor, asked) in requests() {
            let [new, now] = [&new, &list].map(|list| list_allows(list, kind, major, minor, asked));
            prop_assert_eq!(now, new, "{:?} {}:{} {}", kind, major, minor, asked);
        }
    }
}

#[test]
fn a_change_of_the_list_is_only_what_differs() {
    let parse = |text: &str| serde_json::from_str::<Resources>(text).expect("resources");
    let with = |access: &str| {
        parse(&format!(
            r#"{{"devices":[{{"allow":true,"type":"c","major":10,"minor":229,"access":"{access}"}}]}}"#
        ))
    };
    let change = |old: &Resources, new: &Resources| {
        let update = update(new, old, &default_devices(), &v1(), false, None).expect("a plan");
        let Devices::List { writes, former, .. } = update.devices else {
            panic!("not a list");
        };
        let former = former.expect("an update");
        let change = change_of_list(&shown(&former), &former, &writes);
        let line =
            |w: &ListWrite| format!("{} {}", if w.allow { "allow" } else { "deny" }, w.entry);
        (
            change.writes.iter().map(line).collect::<Vec<_>>(),
            change.stopped,
        )
    };
    assert_eq!(change(&with("rw"), &with("rw")), (vec![], false));
    assert_eq!(
        change(&with("r"), &with("rw")),
        (vec!["allow c 10:229 w".to_owned()], false)
    );
    assert_eq!(
        change(&with("rw"), &with("r")),
        (vec!["deny c 10:229 w".to_owned()], false)
    );
    // An open for both would pass between the two lines.
    assert_eq!(
        change(&with("r"), &with("w")),
        (
            vec!["deny c 10:229 r".to_owned(), "allow c 10:229 w".to_owned()],
            true
        )
    );
    let all = parse(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#);
    assert_eq!(
        change(&with("r"), &all),
        (vec!["allow a".to_owned()], false)
    );
    let (closed, stopped) = change(&all, &with("r"));
    assert!(closed[0] == "deny a" && stopped, "{closed:?}");
}

fn list(text: &str) -> Vec<String> {
    let text = format!(r#"{{"devices":{text}}}"#);
    let Devices::List { writes, .. } = planned(&text, &v1()).expect("a plan").devices else {
        panic!("not a list");
    };
    writes
        .iter()
        .map(|w| format!("{} {}", if w.allow { "allow" } else { "deny" }, w.entry))
        .collect()
}

#[test]
fn the_usual_list_is_one_denial_and_what_is_allowed() {
    let usual = list(
        r#"[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
        {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]"#,
    );
    assert_eq!(
        usual,
        [
            "deny a",
            "allow c 1:3 rwm",
            "allow c 10:229 rw",
            "allow c *:* m",
            "allow b *:* m",
            "allow c 1:5 rwm",
            "allow c 1:7 rwm",
            "allow c 1:8 rwm",
            "allow c 1:9 rwm",
            "allow c 5:0 rwm",
            "allow c 5:1 rwm",
            "allow c 5:2 rwm",
            "allow c 10:200 rwm",
            "allow c 136:* rwm",
        ]
    );
    // Without rules everything but the defaults is denied.
    assert_eq!(list("[]")[0], "deny a");
}

#[test]
fn a_privileged_list_is_one_line_and_on_v2_no_program() {
    let all = r#"[{"allow":false,"access":"rwm"},{"allow":true,"access":"rwm"}]"#;
    assert_eq!(list(all), ["allow a"]);
    let text = format!(r#"{{"devices":{all}}}"#);
    let devices = planned(&text, &v2()).unwrap().devices;
    assert_eq!(devices, Devices::Open { hierarchy: 0 });
}

#[test]
fn a_partial_denial_that_v1_cannot_say_is_refused() {
    let text = r#"{"devices":[{"allow":true,"type":"c","major":1,"access":"rw"},
        {"allow":false,"type":"c","major":1,"minor":1,"access":"w"}]}"#;
    let error = planned(text, &v1()).unwrap_err().to_string();
    assert_eq!(
        error,
        "/linux/resources/devices/1 is c 1:1 w: the cgroup v1 device list cannot deny a part of what \
         it was told to allow before (c 1:* rw)"
    );
    assert!(planned(text, &v2()).is_ok());
}

#[test]
fn bad_rules_name_their_field() {
    for (rule, expected) in [
        (
            r#"{"allow":true,"type":"x","access":"r"}"#,
            "devices/0/type",
        ),
        (
            r#"{"allow":true,"type":"c","access":"rx"}"#,
            "devices/0/access",
        ),
        (r#"{"allow":true,"type":"c"}"#, "devices/0/access"),
        (
            r#"{"allow":true,"major":-2,"access":"r"}"#,
            "devices/0/major",
        ),
        (
            r#"{"allow":true,"minor":4294967296,"access":"r"}"#,
            "devices/0/minor",
        ),
    ] {
        let error = planned(&format!(r#"{{"devices":[{rule}]}}"#), &v1()).unwrap_err();
        assert!(error.pointer.ends_with(expected), "{error}");
    }
}
