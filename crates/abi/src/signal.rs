//! Signals by name and number, in every spelling that the callers of `kill` use.
//!
//! Numbers are those of x86, ARM, RISC-V, PowerPC and s390 (signal(7)); MIPS, SPARC and PA-RISC
//! differ and are not built for.

/// Index is the number; 0 is no signal.
const NAMES: [&str; 32] = [
    "",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Those that our own programs send or expect.
pub const SIGHUP: i32 = 1;
/// From a terminal's interrupt key.
pub const SIGINT: i32 = 2;
/// From a terminal's quit key.
pub const SIGQUIT: i32 = 3;
/// Cannot be caught.
pub const SIGKILL: i32 = 9;
/// A write to what nobody reads.
pub const SIGPIPE: i32 = 13;
/// Asks for the end.
pub const SIGTERM: i32 = 15;
/// A child has changed.
pub const SIGCHLD: i32 = 17;
/// Urgent data on a socket.
pub const SIGURG: i32 = 23;
/// A terminal's size has changed.
pub const SIGWINCH: i32 = 28;

/// Second names of signal(7).
const ALIASES: [(&str, i32); 5] = [
    ("SIGIOT", 6),
    ("SIGCLD", 17),
    ("SIGPOLL", 29),
    ("SIGUNUSED", 31),
    ("SIGINFO", 30),
];

/// The first real-time signal that programs can use: the C library keeps 32 and 33 for its threads.
pub const SIGRTMIN: i32 = 34;
/// The last real-time signal, and the highest number kill(2) takes.
pub const SIGRTMAX: i32 = 64;

/// The number of a signal given as `SIGTERM`, `term`, `15`, `SIGRTMIN+3` or `rtmax-1`.
///
/// A number is taken as it is from 1 to [`SIGRTMAX`]; 0, which kill(2) takes as a question, is not a signal.
#[must_use]
pub fn number(text: &str) -> Option<i32> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|number| (1..=SIGRTMAX).contains(number));
    }
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = bare.strip_prefix("RTMIN") {
        return real_time(SIGRTMIN, offset, '+');
    }
    if let Some(offset) = bare.strip_prefix("RTMAX") {
        return real_time(SIGRTMAX, offset, '-');
    }
    let standard = (1..).zip(&NAMES[1..]).map(|(number, name)| (*name, number));
    standard
        .chain(ALIASES)
        .find(|(name, _)| &name[3..] == bare)
        .map(|(_, number)| number)
}

/// The name of a signal: `SIGTERM`; `None` outside 1 to 64. Real-time signals other than the two ends
/// have no single word: see [`display`].
#[must_use]
pub fn name(number: i32) -> Option<&'static str> {
    match number {
        SIGRTMIN => Some("SIGRTMIN"),
        SIGRTMAX => Some("SIGRTMAX"),
        _ => usize::try_from(number)
            .ok()
            .and_then(|index| NAMES.get(index))
            .copied()
            .filter(|n| !n.is_empty()),
    }
}

/// Text for any number, which [`number`] reads back: `SIGTERM`, `SIGRTMIN+3`, or the number itself.
#[must_use]
pub fn display(signal: i32) -> String {
    match name(signal) {
        Some(name) => name.to_owned(),
        None if (SIGRTMIN..=SIGRTMAX).contains(&signal) => {
            format!("SIGRTMIN+{}", signal - SIGRTMIN)
        }
        None => signal.to_string(),
    }
}

fn real_time(base: i32, offset: &str, sign: char) -> Option<i32> {
    if offset.is_empty() {
        return Some(base);
    }
    let digits = offset.strip_prefix(sign)?;
    // parse() would take a second sign: "SIGRTMIN++3".
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let offset: i32 = digits.parse().ok()?;
    let number = if sign == '+' {
        base.checked_add(offset)
    } else {
        base.checked_sub(offset)
    };
    number.filter(|number| (SIGRTMIN..=SIGRTMAX).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling() {
        for text in ["SIGTERM", "TERM", "term", "sigterm", "15"] {
            assert_eq!(number(text), Some(15), "{text}");
        }
        assert_eq!(number("SIGRTMIN+3"), Some(37));
        assert_eq!(number("rtmax-1"), Some(63));
        assert_eq!(number("CLD"), Some(17));
        for text in [
            "",
            "SIG",
            "0",
            "65",
            "-9",
            "+9",
            "9x",
            "SIGRTMIN+31",
            "RTMIN-1",
            "RTMIN++1",
            "SIGFOO",
            "é",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(name(0), None);
        assert_eq!(name(32), None);
        assert_eq!(display(32), "32");
    }

    proptest! {
        #[test]
        fn text_round_trips(signal in 1..=SIGRTMAX) {
            prop_assert_eq!(number(&display(signal)), Some(signal));
        }

        #[test]
        fn any_text_is_refused_or_in_range(text in "(SIG)?(RT(MIN|MAX))?[+-]{0,2}[0-9]{0,12}") {
            prop_assert!(number(&text).is_none_or(|n| (1..=SIGRTMAX).contains(&n)));
        }
    }
}
