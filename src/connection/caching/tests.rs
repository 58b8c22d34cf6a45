use super::*;

fn hints(json: &str) -> Option<(Duration, bool)> {
    Hints::of(&RawValue::from_string(json.to_owned()).unwrap())
}

#[test]
fn lifetimes_are_whole_milliseconds_of_at_most_a_day() {
    let second = Duration::from_secs(1);
    for (json, expected) in [
        (r#"{"ttlMs":1000}"#, Some((second, false))),
        (
            r#"{"ttlMs":1000,"cacheScope":"public"}"#,
            Some((second, true)),
        ),
        (
            r#"{"ttlMs":1000,"cacheScope":"private"}"#,
            Some((second, false)),
        ),
        (
            r#"{"ttlMs":1000,"cacheScope":"Public"}"#,
            Some((second, false)),
        ),
        (r#"{"ttlMs":1000,"cacheScope":{}}"#, Some((second, false))),
        (
            r#"{"ttlMs":1000,"resultType":"complete"}"#,
            Some((second, false)),
        ),
        (r#"{"ttlMs":1000,"resultType":"input_required"}"#, None),
        (r#"{"ttlMs":1000,"resultType":1}"#, None),
        (r#"{"ttlMs":18446744073709551615}"#, Some((LONGEST, false))),
        (r#"{"ttlMs":18446744073709551616}"#, None),
        (r#"{"ttlMs":0}"#, None),
        (r#"{"ttlMs":-1000}"#, None),
        (r#"{"ttlMs":1000.5}"#, None),
        (r#"{"ttlMs":"1000"}"#, None),
        (r#"{"ttlMs":null}"#, None),
        ("{}", None),
        ("[1000]", None),
    ] {
        assert_eq!(hints(json), expected, "{json}");
    }
}

fn caching(results: &ResultCache, number: u64, token: Option<&str>) -> Caching {
    let bearer = Bearer::default();
    if let Some(token) = token {
        bearer.set(token.into());
    }
    Caching {
        results: results.clone(),
        number,
        public: Digest::default(),
        bearer,
        rounds: AtomicU64::new(0),
    }
}

#[test]
fn private_results_are_those_of_one_connection_and_one_token() {
    let results = ResultCache::default();
    let key = |number, token| caching(&results, number, token).private("tools/list", "");
    let one = key(1, Some("ann"));
    assert_eq!(one, key(1, Some("ann")));
    for other in [key(2, Some("ann")), key(1, Some("bob")), key(1, None)] {
        assert_ne!(one, other);
    }
}

#[test]
fn what_is_looked_up() {
    let caching = caching(&ResultCache::default(), 1, None);
    let looked_up = |method: &str, params: serde_json::Value| {
        let found = caching.lookup(method, Some(&params).into());
        found.map(|it| (it.cursor, it.private))
    };
    let json = |text: &str| serde_json::from_str(text).unwrap();
    for (method, params, cursor) in [
        ("tools/list", "{}", None),
        ("prompts/list", r#"{"cursor":"2"}"#, Some("2")),
        ("resources/templates/list", "{}", None),
        ("resources/read", r#"{"uri":"file:///a"}"#, None),
    ] {
        let found = looked_up(method, json(params)).unwrap();
        assert_eq!(found.0.as_deref(), cursor, "{method} {params}");
    }
    for (method, params) in [
        ("tools/call", "{}"),
        ("tools/list", r#"{"cursor":2}"#),
        ("tools/list", r#"{"cursor":"2","_meta":{}}"#),
        ("tools/list", r#"{"uri":"2"}"#),
        ("resources/read", "{}"),
        ("resources/read", r#"{"uri":"a","requestState":"b"}"#),
    ] {
        assert!(
            looked_up(method, json(params)).is_none(),
            "{method} {params}"
        );
    }
    let read = |uri: &str| looked_up("resources/read", serde_json::json!({ "uri": uri }));
    assert_ne!(read("a"), read("b"));
}
