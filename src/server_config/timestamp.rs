//! `updatedAt`, in whichever form the host's JSON has it.

use serde_json::Value;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Milliseconds since the epoch from a number of them, an ISO 8601 text, or `MongoDB`'s `{"$date": …}`. Anything else
/// is no time: a config of unknown age is better than none.
pub(super) fn millis(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => iso_8601(text.trim()),
        Value::Object(object) => {
            let date = object.get("$date")?;
            match date.get("$numberLong").and_then(Value::as_str) {
                Some(digits) => digits.parse().ok(),
                None if date.is_object() => None,
                None => millis(date),
            }
        }
        _ => None,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, far outside of any time that matters"
)]
fn whole(value: f64) -> Option<i64> {
    value.is_finite().then_some(value as i64)
}

/// `2025-01-31`, optionally followed by `T12:30:15.123` and `Z` or an offset. Without an offset it is UTC.
fn iso_8601(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = digits(parts.next()?, 2).filter(|day| (1..=31).contains(day))?;
    let midnight = days_since_epoch(year, month, day) * DAY_MS;
    match time {
        Some(time) => Some(midnight + time_of_day(time)?),
        None => Some(midnight),
    }
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) if text[at..].eq_ignore_ascii_case("z") => (&text[..at], 0),
        Some(at) => (&text[..at], offset(&text[at..])?),
        None => (text, 0),
    };
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour <= 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let millis = match parts.next() {
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            let whole = digits(whole, 2).filter(|second| *second <= 60)?;
            whole * 1000 + milliseconds(fraction)?
        }
        None => 0,
    };
    Some((hour * 60 + minute - offset) * 60_000 + millis)
}

/// Minutes of `+02:00`, `-0530` or `+02`.
fn offset(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let text = text.get(1..)?.replace(':', "");
    let minutes = match text.len() {
        2 => 0,
        _ => digits(text.get(2..)?, 2)?,
    };
    Some(sign * (digits(text.get(..2)?, 2)? * 60 + minutes))
}

fn milliseconds(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}").get(..3)?.parse().ok()
}

fn digits(text: &str, length: usize) -> Option<i64> {
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Days of the proleptic Gregorian calendar, counted in years that begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form() {
        let expected = Some(1_738_326_615_123);
        for value in [
            json!(1_738_326_615_123_i64),
            json!(1_738_326_615_123.0),
            json!("2025-01-31T12:30:15.123Z"),
            json!("2025-01-31t12:30:15.1234567z"),
            json!("2025-01-31T14:30:15.123+02:00"),
            json!("2025-01-31T07:00:15.123-0530"),
            json!("2025-01-31 12:30:15.123"),
            json!({ "$date": "2025-01-31T12:30:15.123Z" }),
            json!({ "$date": 1_738_326_615_123_i64 }),
            json!({ "$date": { "$numberLong": "1738326615123" } }),
        ] {
            assert_eq!(millis(&value), expected, "{value}");
        }
    }

    #[test]
    fn calendar() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("1969-12-31T23:59:59Z", -1000),
            ("2000-02-29T00:00Z", 951_782_400_000),
            ("2024-12-31T24:00:00Z", 1_735_689_600_000),
            ("2100-03-01", 4_107_542_400_000),
        ] {
            assert_eq!(millis(&json!(text)), Some(expected), "{text}");
        }
    }

    #[test]
    fn no_time() {
        for value in [
            json!(null),
            json!(true),
            json!(""),
            json!("yesterday"),
            json!("2025-13-01"),
            json!("2025-01-31T"),
            json!("2025-01-31T12:30:15.Z"),
            json!("2025-01-31T12:30:15é"),
            json!("2025-01-31T12:30+é0"),
            json!({}),
            json!({ "$date": { "$date": 1 } }),
            json!([1]),
        ] {
            assert_eq!(millis(&value), None, "{value}");
        }
    }
}
