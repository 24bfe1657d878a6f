//! How long ago something was, for people.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time since a moment of a record (RFC 3339 in UTC), in its largest unit.
pub(in crate::verb) fn age(moment: &str) -> String {
    seconds(moment).map_or_else(|| "some time".into(), since)
}

/// The time since a number of seconds after 1970.
pub(in crate::verb) fn since(then: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    words(now.saturating_sub(then))
}

fn words(seconds: u64) -> String {
    let units = [
        (86_400 * 365, "year"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let found = units.into_iter().find(|(size, _)| seconds >= *size);
    let Some((size, unit)) = found else {
        return "less than a second".into();
    };
    match seconds / size {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

/// Seconds since 1970 of an RFC 3339 moment in UTC.
pub(in crate::verb) fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let time = time.strip_suffix('Z').unwrap_or(time);
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let mut parts = time
        .split(['.', ','])
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
    {
        return None;
    }
    // Years begin in March here, so that a leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)?) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:30:15.5Z"), Some(951_827_415));
        assert_eq!(
            seconds("2026-11-29T21:07:01.000000001Z"),
            Some(1_795_986_421)
        );
        for wrong in ["", "2026", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn people_get_one_unit() {
        assert_eq!(words(0), "less than a second");
        assert_eq!(words(1), "1 second");
        assert_eq!(words(7200), "2 hours");
    }
}
