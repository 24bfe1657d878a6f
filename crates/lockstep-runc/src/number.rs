//! Numbers, sizes, durations and signals as runc's options spell them.
//!
//! A wrong character is an error and never a default: an id read loosely once ran a process as another
//! user (CVE-2026-30892).

use std::time::Duration;

use crate::quote;

/// A decimal number with optional sign that fits `T`; the error has Go's wording.
pub(crate) fn decimal<T: std::str::FromStr>(text: &str, function: &str) -> Result<T, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let why = match (well_formed, text.parse()) {
        (true, Ok(number)) => return Ok(number),
        (true, Err(_)) => "value out of range",
        (false, _) => "invalid syntax",
    };
    Err(format!(
        "strconv.{function}: parsing {}: {why}",
        quote::go(text)
    ))
}

/// A size in bytes with an optional suffix k, m, g, t or p of powers of 1024 (`10M`, `1.5gib`).
pub(crate) fn size(text: &str) -> Result<i64, String> {
    let wrong = || format!("invalid size: '{}'", quote::plain(text));
    let end = text
        .rfind(|c: char| c.is_ascii_digit() || c == '.')
        .ok_or_else(wrong)?
        + 1;
    let (number, suffix) = text.split_at(end);
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(wrong());
    }
    let number: f64 = number.parse().ok().ok_or_else(wrong)?;
    let suffix = suffix.trim_start_matches(' ').to_ascii_lowercase();
    let mut letters = suffix.chars();
    let power = match letters.next() {
        None | Some('b') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some(_) => return Err(wrong()),
    };
    let rest = letters.as_str();
    if !(rest.is_empty() || power > 0 && matches!(rest, "b" | "ib")) {
        return Err(wrong());
    }
    let bytes = number * 1024_f64.powi(power);
    if !bytes.is_finite() || bytes >= i64::MAX as f64 {
        return Err(wrong());
    }
    Ok(bytes as i64)
}

/// A duration in Go's form: `5s`, `1m30s`, `1.5h`, `500ms`; negative ones are not accepted.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let tail = &rest[end..];
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let unit = match &tail[..end] {
            "ns" => 1.0,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number * unit;
        rest = &tail[end..];
    }
    let representable = !text.is_empty() && text != "+" && nanos < i64::MAX as f64;
    representable.then(|| Duration::from_nanos(nanos as u64))
}

/// A signal by number or by name; a number is taken as it is, since 0 asks and the kernel judges the rest.
pub(crate) fn signal(text: &str) -> Result<i32, String> {
    let number = decimal::<i32>(text, "Atoi").ok();
    let number = number.or_else(|| lockstep_abi::signal::number(text));
    number.ok_or_else(|| format!("unknown signal {}", quote::go(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(decimal::<u32>("12", "Atoi"), Ok(12));
        assert_eq!(decimal::<i64>("-1", "ParseInt"), Ok(-1));
        assert_eq!(
            decimal::<u32>("12x", "Atoi"),
            Err("strconv.Atoi: parsing \"12x\": invalid syntax".to_owned())
        );
        for text in ["", " 1", "1 ", "0x1", "+", "--1", "1_000"] {
            assert!(decimal::<u32>(text, "Atoi").is_err(), "{text:?}");
        }
        let large = decimal::<u32>("4294967296", "Atoi");
        assert!(
            large
                .expect_err("too large")
                .ends_with("value out of range")
        );
    }

    #[test]
    fn sizes_take_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("10M", 10 << 20),
            ("10mb", 10 << 20),
            ("10MiB", 10 << 20),
            ("1.5k", 1536),
            ("2 g", 2 << 30),
            ("7b", 7),
            ("1p", 1 << 50),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(size("xx"), Err("invalid size: 'xx'".to_owned()));
        for text in [
            "", "-1", "1x", "1kk", "1bb", "1.2.3", "9999999p", "1k1", "k",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for text in ["", "5", "s", "-5s", "5x", "+", "1s5", "1..5s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["9", "KILL", "SIGKILL", "kill", "sigKill"] {
            assert_eq!(signal(text), Ok(9), "{text}");
        }
        assert_eq!(signal("0"), Ok(0));
        assert_eq!(signal("RTMIN+1"), Ok(35));
        assert_eq!(signal("1x"), Err("unknown signal \"1x\"".to_owned()));
        for text in ["", "SIG", "RTMIN-1", "SIGSIGKILL"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }
}
