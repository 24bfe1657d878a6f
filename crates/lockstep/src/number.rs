//! Sizes and times as people write them.

/// Bytes: a number with b, k, m, g or t, each 1024 times the one before, as Docker reads them.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let trimmed = lower
        .strip_suffix("ib")
        .or(lower.strip_suffix('b'))
        .unwrap_or(&lower);
    let (digits, factor) = match trimmed.strip_suffix(['k', 'm', 'g', 't']) {
        Some(digits) => {
            let unit = trimmed.as_bytes().last().copied();
            let power = [b'k', b'm', b'g', b't']
                .iter()
                .position(|u| Some(*u) == unit)?;
            (
                digits,
                1024_u64.checked_pow(u32::try_from(power).ok()? + 1)?,
            )
        }
        None => (trimmed, 1),
    };
    let digits = digits.trim();
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    decimal(digits, factor)
}

/// A number with a decimal point, times `unit`, rounded down; without floating point.
pub(crate) fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction: u64 = if part.is_empty() {
        0
    } else {
        part.parse().ok()?
    };
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let of_part = u64::try_from(u128::from(fraction) * u128::from(unit) / scale).ok()?;
    whole.checked_mul(unit)?.checked_add(of_part)
}

/// A duration in milliseconds: seconds, or Go's form as `1m30s`.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    if let Some(plain) = decimal(text, 1000) {
        return Some(plain);
    }
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
        total = total.checked_add(decimal(number, factor)?)?;
        rest = &tail[unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

/// A number of bytes for people.
pub(crate) fn human(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut power = 0;
    while power + 1 < units.len() && bytes >> (10 * (power + 1)) > 0 {
        power += 1;
    }
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    match (power, tenths % 10) {
        (0, _) => format!("{bytes}B"),
        (_, 0) => format!("{}{}", tenths / 10, units[power]),
        _ => format!("{}.{}{}", tenths / 10, tenths % 10, units[power]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        let known = [
            ("64m", 64 << 20),
            ("1g", 1 << 30),
            ("512", 512),
            ("1.5k", 1536),
            ("2MiB", 2 << 20),
            ("10b", 10),
        ];
        for (text, value) in known {
            assert_eq!(bytes(text), Some(value), "{text}");
        }
        for wrong in [
            "",
            "m",
            "-1",
            "1x",
            "1.5.2",
            "99999999999999999999g",
            "18446744073709551615k",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_seconds_or_go_s() {
        assert_eq!(milliseconds("10"), Some(10_000));
        assert_eq!(milliseconds("1m30s"), Some(90_000));
        assert_eq!(milliseconds("500ms"), Some(500));
        assert_eq!(milliseconds("1.5h"), Some(5_400_000));
        for wrong in ["", "s", "1x", "m1"] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn people_read_powers_of_1024() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1536), "1.5KiB");
        assert_eq!(human(64 << 20), "64MiB");
        assert_eq!(human(u64::MAX), "16777215.9TiB");
    }
}
