//! How long ago something was, for people.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;

/// The time since a moment of a record (RFC 3339 in UTC), in Docker's words.
pub(in crate::verb) fn age(moment: &str) -> String {
    seconds(moment).map_or_else(|| "some time".into(), since)
}

/// The time since a number of seconds after 1970.
pub(in crate::verb) fn since(then: u64) -> String {
    words(now().saturating_sub(then))
}

/// Milliseconds since a moment of a record; many where it cannot be told.
pub(in crate::verb) fn milliseconds_since(moment: &str) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = moment.split_once('.').map_or("", |(_, rest)| rest);
    let thousandths = fraction.get(..3).and_then(|digits| digits.parse().ok());
    let then = seconds(moment).map(|then| then * 1000 + thousandths.unwrap_or(0));
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    then.map_or(u64::MAX, |then| now.saturating_sub(then))
}

/// Docker's words: one unit, which grows when two of the next would be few.
fn words(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    let days = hours / 24;
    match (seconds, minutes, hours, days) {
        (0, ..) => "Less than a second".into(),
        (1, ..) => "1 second".into(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, ..) => "About a minute".into(),
        (_, ..60, ..) => format!("{minutes} minutes"),
        (_, _, 1, _) => "About an hour".into(),
        (_, _, ..48, _) => format!("{hours} hours"),
        (.., ..14) => format!("{days} days"),
        (.., ..60) => format!("{} weeks", days / 7),
        (.., ..730) => format!("{} months", days / 30),
        _ => format!("{} years", days / 365),
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

/// Seconds since 1970 of what people write as a time: RFC 3339, seconds, or a duration back from now.
pub(in crate::verb) fn instant(option: &str, text: &str) -> Result<u64, Failure> {
    if let Some(seconds) = seconds(text) {
        return Ok(seconds);
    }
    if let Some(seconds) = crate::number::decimal(text, 1) {
        return Ok(seconds);
    }
    let back = crate::number::milliseconds(text).ok_or_else(|| {
        Failure::new(format!(
            "{option} takes a time as 2026-01-31T12:00:00Z, seconds, or 10m, not {text:?}"
        ))
    })?;
    Ok(now().saturating_sub(back / 1000))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
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
    fn a_time_is_a_moment_seconds_or_a_duration_back() {
        let read = |text| instant("--since", text).map_err(|failure| failure.message);
        assert_eq!(read("1700000000.25"), Ok(1_700_000_000));
        let back = now() - 5400;
        assert!(read("1.5h").is_ok_and(|then| then.abs_diff(back) <= 5));
        assert!(read("soon").is_err());
    }

    #[test]
    fn people_get_docker_s_words() {
        let known = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86_400, "2 weeks"),
            (60 * 86_400, "2 months"),
            (730 * 86_400, "2 years"),
        ];
        for (seconds, text) in known {
            assert_eq!(words(seconds), text, "{seconds}");
        }
    }
}
