//! `updatedAt`, in whichever form the host's JSON has it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::Value;

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
    if let Ok(date) = NaiveDate::parse_from_str(text, "%F") {
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let text = text.to_ascii_uppercase().replacen(' ', "T", 1);
    ["%FT%T%.f", "%FT%H:%M"].into_iter().find_map(|format| {
        let of_zone = DateTime::parse_from_str(&text, &format!("{format}%#z"));
        let at = of_zone
            .map(|at| at.to_utc())
            .or_else(|_| NaiveDateTime::parse_from_str(&text, format).map(|at| at.and_utc()));
        at.ok().map(|at| at.timestamp_millis())
    })
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
            ("2024-12-31T23:59:60Z", 1_735_689_600_000),
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
