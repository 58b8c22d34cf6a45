//! Where a call belongs in the host's traces (W3C Trace Context and W3C Baggage; SEP-414).

use http::{HeaderName, HeaderValue};

/// Bounds of the standards, in bytes and members.
const LONGEST_STATE: usize = 512;
const MOST_STATES: usize = 32;
const LONGEST_BAGGAGE: usize = 8192;
const MOST_BAGGAGE: usize = 180;

/// The trace context of a call. Every value is of its standard's form.
#[derive(Debug, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: Option<String>,
    tracestate: Option<String>,
    baggage: Option<String>,
    /// Whether requests over HTTP carry it as headers, too.
    pub as_headers: bool,
}

impl TraceContext {
    /// What is not of its standard's form is left out, and a `tracestate` without its `traceparent`. `None` where nothing
    /// is left.
    #[must_use]
    pub fn of(
        traceparent: Option<String>,
        tracestate: Option<String>,
        baggage: Option<String>,
        as_headers: bool,
    ) -> Option<Self> {
        let traceparent = traceparent.filter(|text| is_parent(text));
        let tracestate = tracestate.filter(|text| traceparent.is_some() && is_state(text));
        let baggage = baggage.filter(|text| is_baggage(text));
        let is_empty = traceparent.is_none() && baggage.is_none();
        (!is_empty).then_some(Self {
            traceparent,
            tracestate,
            baggage,
            as_headers,
        })
    }

    /// The values by name, which is the same in `_meta` and among headers.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let members = [
            ("traceparent", &self.traceparent),
            ("tracestate", &self.tracestate),
            ("baggage", &self.baggage),
        ];
        let given = members.into_iter();
        given.filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The headers of a request; none unless the host wants them.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let members = self.members().filter(|_| self.as_headers);
        members.filter_map(|(name, value)| {
            Some((
                HeaderName::from_static(name),
                HeaderValue::from_str(value).ok()?,
            ))
        })
    }
}

/// `00-TRACE-PARENT-FLAGS` in lower-case hex; neither id is all zeros.
fn is_parent(text: &str) -> bool {
    let fields: Vec<&str> = text.split('-').collect();
    let is_hex = |field: &str| {
        field
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |field: &str, length| {
        field.len() == length && is_hex(field) && field.bytes().any(|byte| byte != b'0')
    };
    match fields[..] {
        ["00", trace, parent, flags] => {
            is_id(trace, 32) && is_id(parent, 16) && flags.len() == 2 && is_hex(flags)
        }
        _ => false,
    }
}

fn is_state(text: &str) -> bool {
    let is_key = |key: &str| {
        let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_further = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
        key.len() <= 256 && key.bytes().next().is_some_and(is_first) && key.bytes().all(is_further)
    };
    let is_value = |value: &str| {
        let is_one = |byte| matches!(byte, b' '..=b'~') && byte != b'=';
        (1..=256).contains(&value.len()) && value.bytes().all(is_one) && !value.ends_with(' ')
    };
    let is_member = |member: &str| {
        let member = trimmed(member).split_once('=');
        member.is_some_and(|(key, value)| is_key(key) && is_value(value))
    };
    text.len() <= LONGEST_STATE
        && text.split(',').count() <= MOST_STATES
        && text.split(',').all(is_member)
}

fn is_baggage(text: &str) -> bool {
    let is_key = |key: &str| {
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !key.is_empty() && key.bytes().all(is_one)
    };
    let is_value = |value: &str| {
        let is_one = |byte| matches!(byte, b'!'..=b'~') && !b"\",;\\".contains(&byte);
        value.bytes().all(is_one)
    };
    let is_pair = |(key, value): (&str, &str)| is_key(trimmed(key)) && is_value(trimmed(value));
    let is_member = |member: &str| {
        let mut parts = member.split(';');
        let named = parts.next().and_then(|part| part.split_once('='));
        let is_property = |part: &str| {
            part.split_once('=')
                .map_or_else(|| is_key(trimmed(part)), is_pair)
        };
        named.is_some_and(is_pair) && parts.all(is_property)
    };
    text.len() <= LONGEST_BAGGAGE
        && text.split(',').count() <= MOST_BAGGAGE
        && text.split(',').all(is_member)
}

/// Without the blanks that the standards allow around a member.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn parents() {
        assert!(is_parent(PARENT));
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!is_parent(text), "{text:?}");
        }
    }

    #[test]
    fn states_and_baggage() {
        for text in ["rojo=00f067aa0ba902b7", "a=1, b@c=x y", "1a=!"] {
            assert!(is_state(text), "{text:?}");
        }
        for text in [
            "",
            "a",
            "=1",
            "a=",
            "A=1",
            "a=b=c",
            "a=1,,b=2",
            "a=\u{e4}",
            "a=1\r\nX: y",
        ] {
            assert!(!is_state(text), "{text:?}");
        }
        assert!(!is_state(&format!("a={}", "x".repeat(LONGEST_STATE))));
        assert!(!is_state(&["a=1"; MOST_STATES + 1].join(",")));
        for text in ["userId=alice", "a=1;p;q=2 , b = 2", "a="] {
            assert!(is_baggage(text), "{text:?}");
        }
        for text in [
            "",
            "a",
            "=1",
            "a b=1",
            "a=b c",
            "a=\"1\"",
            "a=1;",
            "a=\u{e4}",
            "a=1\r\nX: y",
        ] {
            assert!(!is_baggage(text), "{text:?}");
        }
        assert!(!is_baggage(&format!("a={}", "x".repeat(LONGEST_BAGGAGE))));
        assert!(!is_baggage(&["a=1"; MOST_BAGGAGE + 1].join(",")));
    }

    #[test]
    fn what_is_not_of_its_form_is_left_out() {
        let of = |parent: &str, state: &str, baggage: &str| {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let context = TraceContext::of(text(parent), text(state), text(baggage), true);
            context.map(|context| {
                assert_eq!(context.headers().count(), context.members().count());
                context.members().map(|(name, _)| name).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            of(PARENT, "a=1", "b=2"),
            Some(vec!["traceparent", "tracestate", "baggage"])
        );
        assert_eq!(of("odd", "a=1", "b=2"), Some(vec!["baggage"]));
        assert_eq!(of(PARENT, "odd", "odd"), Some(vec!["traceparent"]));
        assert_eq!(of("", "a=1", ""), None);
        let silent = TraceContext::of(Some(PARENT.to_owned()), None, None, false).unwrap();
        assert_eq!(silent.headers().count(), 0);
    }
}
