//! Times in objects: RFC 3339 in and out, and how long ago in as few letters as people read.

use jiff::Timestamp;
use jiff::tz::Offset;

/// What is printed where no time is known.
pub const UNKNOWN: &str = "<unknown>";

/// How long before `now` a time was.
pub fn since(time: Timestamp, now: Timestamp) -> String {
    human(now.as_nanosecond() - time.as_nanosecond())
}

/// How long after `now` a time will be.
pub fn until(time: Timestamp, now: Timestamp) -> String {
    human(time.as_nanosecond() - now.as_nanosecond())
}

/// A length of time, in nanoseconds, in its one or two most telling units: `42s`, `5m10s`, `3h12m`, `8d`, `2y40d`.
/// The longer it is, the coarser. A time that is two seconds or more ahead has no age.
pub fn human(nanoseconds: i128) -> String {
    const MINUTE: i128 = 60;
    const HOUR: i128 = 60 * MINUTE;
    const DAY: i128 = 24 * HOUR;
    const YEAR: i128 = 365 * DAY;
    let seconds = nanoseconds / 1_000_000_000;
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(seconds, (MINUTE, 'm'), (1, 's')),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(seconds, (HOUR, 'h'), (MINUTE, 'm')),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(seconds, (DAY, 'd'), (HOUR, 'h')),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(seconds, (YEAR, 'y'), (DAY, 'd')),
        _ => format!("{}y", seconds / YEAR),
    }
}

fn two(seconds: i128, large: (i128, char), small: (i128, char)) -> String {
    let (whole, rest) = (seconds / large.0, seconds % large.0 / small.0);
    if rest == 0 { format!("{whole}{}", large.1) } else { format!("{whole}{}{rest}{}", large.1, small.1) }
}

/// Reads a time of RFC 3339, as `2024-05-01T10:00:00Z` or `2024-05-01T12:00:00.5+02:00`.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let [year, month, day] = numbers(date, b'-')?;
    let [hour, minute, second] = numbers(time, b':')?;
    let (nanosecond, zone) = fraction(rest)?;
    let civil = jiff::civil::DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        nanosecond,
    )
    .ok()?;
    offset(zone)?.to_timestamp(civil).ok()
}

/// Three numbers of fixed width; the last two have two digits.
fn numbers(text: &str, separator: u8) -> Option<[i32; 3]> {
    let bytes = text.as_bytes();
    let (head, [a, m, n, b, x, y]) = bytes.split_last_chunk()?;
    if *a != separator || *b != separator {
        return None;
    }
    Some([number(head)?, number(&[*m, *n])?, number(&[*x, *y])?])
}

fn number(digits: &[u8]) -> Option<i32> {
    let digit = |it: &u8| it.is_ascii_digit().then(|| i32::from(it - b'0'));
    digits.iter().try_fold(0, |it, next| Some(it * 10 + digit(next)?))
}

/// A fraction of a second in nanoseconds, finer digits cut off, and what follows it.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let Some(rest) = text.strip_prefix(['.', ',']) else {
        return Some((0, text));
    };
    let end = rest.bytes().position(|it| !it.is_ascii_digit())?;
    let (digits, zone) = rest.split_at_checked(end)?;
    let known = digits.get(..9).unwrap_or(digits);
    let missing = u32::try_from(9usize.checked_sub(known.len())?).ok()?;
    if digits.is_empty() { None } else { Some((number(known.as_bytes())? * 10i32.pow(missing), zone)) }
}

fn offset(zone: &str) -> Option<Offset> {
    if zone == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match zone.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours.as_bytes())?, number(minutes.as_bytes())?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// A time as objects have it: RFC 3339 in UTC, whole seconds.
pub fn format(time: Timestamp) -> String {
    jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%SZ", time).unwrap_or_default()
}

/// The same with microseconds, for leases and new events.
pub fn format_micro(time: Timestamp) -> String {
    jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S.%6fZ", time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longer_the_coarser() {
        const DAY: i128 = 86_400;
        for (seconds, want) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_519, "3h11m"),
            (28_799, "7h59m"),
            (28_800, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (730 * DAY - 1, "729d"),
            (730 * DAY, "2y"),
            (771 * DAY, "2y41d"),
            (2920 * DAY, "8y"),
            (5000 * DAY, "13y"),
        ] {
            assert_eq!(human(seconds * 1_000_000_000), want, "{seconds}");
        }
        assert_eq!(human(-1_999_999_999), "0s");
        let (then, now) = (parse("2024-01-01T00:00:00Z").unwrap(), parse("2024-01-01T00:01:30Z").unwrap());
        assert_eq!((since(then, now), until(now, then)), ("90s".to_owned(), "90s".to_owned()));
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let written = |text| parse(text).map(format_micro);
        assert_eq!(written("2024-05-01T10:00:00Z").unwrap(), "2024-05-01T10:00:00.000000Z");
        assert_eq!(written("2024-05-01T12:00:00.123456789+02:30").unwrap(), "2024-05-01T09:30:00.123456Z");
        assert_eq!(written("2024-05-01T12:00:00.1234567891-01:00").unwrap(), "2024-05-01T13:00:00.123456Z");
        assert_eq!(format(parse("0001-01-01T00:00:00Z").unwrap()), "0001-01-01T00:00:00Z");
        for text in [
            "",
            "2024-05-01",
            "2024-05-01 10:00:00Z",
            "2024-05-01t10:00:00z",
            "2024-02-30T10:00:00Z",
            "2024-05-01T10:00Z",
            "2024-05-01T10:00:00",
            "2024-05-01T10:00:60Z",
            "2024-05-01T10:00:00.Z",
            "2024-05-01T10:00:00+0200",
            "2024-05-01T10:00:00é02:00",
            "+024-05-01T10:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_time_comes_back(seconds in -62_135_596_800i64..253_402_207_200) {
            let time = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(parse(&format(time)), Some(time));
            prop_assert_eq!(parse(&format_micro(time)), Some(time));
        }

        #[test]
        fn nothing_panics(text in "[0-9T:Z.+é-]{0,40}|.{0,40}", nanoseconds in any::<i64>()) {
            let _ = (parse(&text), human(i128::from(nanoseconds)));
        }
    }
}
