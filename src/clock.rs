//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The length of a date (RFC 9110, section 5.6.7).
const FIXED_DATE: usize = 29;

/// Milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// How long a server asks to be left alone (RFC 9110, section 10.2.3), which it says in seconds or with a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // The obsolete forms of a date are not sent any more.
    let date = SystemTime::from(DateTime::parse_from_rfc2822(value).ok()?);
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What a server's clock says that is `apart` milliseconds from ours, to follow the words that it refuses something with a
/// time, which is called `what`.
#[must_use]
pub fn clock_note(headers: &HeaderMap, apart: i64, what: &str) -> Option<String> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = Some(date).filter(|date| date.len() == FIXED_DATE)?;
    let said = DateTime::parse_from_rfc2822(date).ok()?;
    let is_apart = said.timestamp_millis().abs_diff(now_ms()) >= apart.unsigned_abs();
    is_apart.then(|| format!("; the server's clock says {date}, which {what} have to be close to"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn clocks_are_quoted_only_where_they_are_clocks() {
        let note = |date: &str, apart| {
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_str(date).unwrap())]);
            clock_note(&headers, apart, "proofs")
        };
        let date = "Mon, 30 Nov 2026 11:44:32 GMT";
        assert!(note(date, 0).unwrap().contains("11:44:32"));
        assert_eq!(note("soon", 0), None);
        assert_eq!(note("<b>, 30 Nov 2026 11:44:32 GMT", 0), None);
        let now = DateTime::from_timestamp_millis(now_ms()).unwrap();
        let now = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert!(note(&now, 0).is_some());
        assert_eq!(note(&now, 3_600_000), None);
        assert!(note("Mon, 30 Nov 2020 11:44:32 GMT", 3_600_000).is_some());
    }
}
