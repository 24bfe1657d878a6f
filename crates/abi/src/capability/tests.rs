//! Tests of names, sets and their JSON-facing form.

use proptest::prelude::*;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, SeqDeserializer, StrDeserializer};

use super::*;

#[test]
fn names_round_trip_in_every_spelling() {
    for number in 0..NAMES.len() as u8 {
        let capability = Capability::from_number(number).unwrap();
        let name = capability.name();
        assert_eq!(capability.number(), number);
        for spelling in [
            name.to_owned(),
            name.to_lowercase(),
            name[4..].to_owned(),
            name[4..].to_lowercase(),
        ] {
            assert_eq!(
                Capability::from_name(&spelling),
                Some(capability),
                "{spelling}"
            );
        }
    }
    assert_eq!(Capability::from_number(41), None);
    for wrong in [
        "",
        "CAP_",
        "CAP_FOO",
        "ALL",
        "CAP_CAP_CHOWN",
        "éé",
        "CHOWN ",
    ] {
        assert_eq!(Capability::from_name(wrong), None, "{wrong}");
    }
}

#[test]
fn a_set_is_a_list_of_names() {
    let names = ["CAP_KILL", "CAP_CHOWN"];
    let list = SeqDeserializer::<_, Error>::new(names.into_iter());
    let set = CapSet::deserialize(list).unwrap();
    assert_eq!(
        set,
        [Capability::CHOWN, Capability::KILL].into_iter().collect()
    );
    assert_eq!(set.to_string(), "CAP_CHOWN,CAP_KILL");
    let wrong: StrDeserializer<'_, Error> = "CAP_FLY".into_deserializer();
    assert_eq!(
        Capability::deserialize(wrong).unwrap_err().to_string(),
        "unknown capability \"CAP_FLY\""
    );
}

#[test]
fn bits_of_a_newer_kernel_are_kept() {
    let newer = CapSet::from_bits(1 << 50 | 1);
    assert_eq!(newer.iter().collect::<Vec<_>>(), [Capability::CHOWN]);
    assert_eq!((newer - CapSet::ALL).bits(), 1 << 50);
    assert!(!newer.is_subset(CapSet::ALL));
    assert_eq!(CapSet::ALL.len(), 41);
}

proptest! {
    #[test]
    fn sets_behave_like_sets(a: u64, b: u64) {
        let (a, b) = (CapSet::from_bits(a) & CapSet::ALL, CapSet::from_bits(b) & CapSet::ALL);
        for capability in CapSet::ALL.iter() {
            let (in_a, in_b) = (a.contains(capability), b.contains(capability));
            prop_assert_eq!((a | b).contains(capability), in_a || in_b);
            prop_assert_eq!((a & b).contains(capability), in_a && in_b);
            prop_assert_eq!((a - b).contains(capability), in_a && !in_b);
        }
        prop_assert_eq!(a.iter().collect::<CapSet>(), a);
        let printed: CapSet = a.to_string().split(',').filter_map(Capability::from_name).collect();
        prop_assert_eq!(printed, a);
        prop_assert!(a.is_subset(a | b) && (a & b).is_subset(b));
    }

    #[test]
    fn insert_and_remove_touch_one_bit(bits: u64, number in 0..41_u8) {
        let capability = Capability::from_number(number).unwrap();
        let mut set = CapSet::from_bits(bits);
        set.insert(capability);
        prop_assert!(set.contains(capability));
        set.remove(capability);
        prop_assert_eq!(set.bits(), bits & !(1 << number));
    }
}
