//! Random profiles: the program and the rules agree at every value that the rules name.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files, runs peers and says what it compared"
)]

mod corpus;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_of_random_profiles_say_what_the_rules_say(profile in corpus::random::profiles(10)) {
        if let Err(difference) = corpus::check("random", &profile, 150) {
            return Err(TestCaseError::fail(difference));
        }
    }
}
