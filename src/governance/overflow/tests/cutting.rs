use std::fmt::Write;

use super::*;

fn cut(json: &str, bound: usize) -> Value {
    given(json, bound, Overflow::Cut).expect("fits").0
}

fn code_of<T>(outcome: Result<T>) -> (Code, Option<i64>) {
    let error = outcome.map(|_| ()).expect_err("is refused");
    (error.code, error.rpc_code)
}

#[test]
fn an_error_says_how_large_and_what_to_do() {
    let json = texts(1, &"x".repeat(5_000));
    let error = fit(&raw(&json), 1_000, Overflow::Error, CALL)
        .map(|_| ())
        .expect_err("too large");
    assert_eq!((error.code, error.retryable), (Code::ResultTooLarge, false));
    for part in ["'read'", "'files'", "5039 bytes", "allows 1000"] {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn texts_are_cut_between_characters() {
    let text = "aé😀\"\n\\".repeat(500);
    let json = texts(2, &text);
    for bound in 300..420 {
        let value = cut(&json, bound);
        let (shown, marker) = item(&value, 0).split_once("\n[… cut: ").expect("a marker");
        assert!(text.starts_with(shown), "{shown}");
        assert!(marker.ends_with(" bytes of this result are shown (maxResultBytes)]"));
        assert!(marker.contains(&format!(" of {} bytes", json.len())));
        assert_eq!(value["content"].as_array().map(Vec::len), Some(1));
    }
    let escaped = r"\ud83d\ude00\u00e9\ud83d\n".repeat(300);
    let json = format!(r#"{{"content":[{{"text":"{escaped}","x":1,"type":"text"}}]}}"#);
    for bound in 300..340 {
        let value = fit(&raw(&json), bound, Overflow::Cut, CALL).expect("fits");
        let shown = value
            .answer
            .get()
            .split("\\n[… cut")
            .next()
            .expect("a text");
        let inside = shown
            .strip_prefix(r#"{"content":[{"text":""#)
            .expect("the text");
        assert!(escaped.starts_with(inside));
        assert!(!inside.ends_with(r"\ud83d") || inside.ends_with(r"\u00e9\ud83d"));
        assert!(value.answer.get().contains(r#"","x":1,"type":"text"}"#));
    }
}

#[test]
fn items_stay_in_order_as_long_as_they_fit() {
    let image = "A".repeat(4_000);
    let json = json!({
        "_meta": { "small": 1 },
        "isError": true,
        "content": [
            { "type": "text", "text": "first" },
            { "type": "image", "data": image, "mimeType": "image/png" },
            { "type": "resource_link", "uri": "file:///a", "name": "a" },
            { "type": "resource", "resource": { "uri": "ui://x", "text": image, "mimeType": "text/html" } },
            { "type": "resource", "resource": { "uri": "file:///b", "text": image }, "annotations": {} },
            { "type": "text", "text": "last" },
        ],
        "structuredContent": { "a": image },
        "more": image,
    });
    let value = cut(&json.to_string(), 1_000);
    assert_eq!(value["_meta"], json!({ "small": 1 }));
    assert_eq!(value["isError"], json!(true));
    assert_eq!(item(&value, 0), "first");
    let bytes = |index: usize| json["content"][index].to_string().len();
    let (of_image, of_page) = (bytes(1), bytes(3));
    assert_eq!(
        item(&value, 1),
        format!("[left out: image/png of {of_image} bytes]")
    );
    assert_eq!(value["content"][2]["uri"], json!("file:///a"));
    assert_eq!(
        item(&value, 3),
        format!("[left out: text/html of {of_page} bytes]")
    );
    let resource = &value["content"][4];
    assert_eq!(resource["annotations"], json!({}));
    assert_eq!(resource["resource"]["uri"], json!("file:///b"));
    let text = resource["resource"]["text"].as_str().expect("a text");
    let end = " bytes of this result are shown, without structuredContent (maxResultBytes)]";
    assert!(text.starts_with("AAA") && text.ends_with(end), "{text}");
    assert_eq!(value.get("structuredContent").or(value.get("more")), None);
    assert_eq!(value["content"].as_array().map(Vec::len), Some(5));
}

#[test]
fn structured_content_stays_where_it_fits() {
    let fits = json!({ "content": [{ "type": "image", "data": "A".repeat(2_000), "mimeType": "a b" }],
        "structuredContent": { "a": 1 } });
    let value = cut(&fits.to_string(), 500);
    assert_eq!(item(&value, 0), "[left out: an item of 2043 bytes]");
    assert_eq!(value["structuredContent"], json!({ "a": 1 }));
    assert!(item(&value, 1).starts_with("[… cut: "));

    let alone =
        json!({ "content": [], "structuredContent": { "a": "é\"".repeat(500) } }).to_string();
    let value = cut(&alone, 500);
    let (shown, marker) = item(&value, 0).split_once("\n[… cut: ").expect("a marker");
    assert!(
        shown.starts_with(r#"{"a":"é\"é\""#) && alone.contains(shown),
        "{shown}"
    );
    assert!(marker.starts_with(&format!("{} of {} bytes", shown.len(), alone.len())));
    assert!(marker.contains("without structuredContent"));
    assert_eq!(value.get("structuredContent"), None);
}

#[test]
fn hostile_results_are_cut_like_others() {
    let large = "x".repeat(3_000);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut members = String::new();
    for number in 0..50_000 {
        // Writing to a string cannot fail.
        let _ = write!(members, "\"m{number}\":0,");
    }
    for (what, json) in [
        (
            "empty items",
            format!("{{\"content\":[{}]}}", vec!["{}"; 200_000].join(",")),
        ),
        (
            "numbers",
            format!("{{\"content\":[{}]}}", vec!["1"; 200_000].join(",")),
        ),
        ("no array", format!(r#"{{"content":{{"a":"{large}"}}}}"#)),
        ("a text", format!(r#"{{"content":"{large}"}}"#)),
        (
            "deep items",
            format!(r#"{{"content":[{deep},{{"type":"text","text":{deep}}}]}}"#),
        ),
        (
            "deep structure",
            format!(r#"{{"structuredContent":{deep},"content":[1]}}"#),
        ),
        ("deep alone", format!(r#"{{"structuredContent":{deep}}}"#)),
        ("many members", format!("{{{members}\"content\":[]}}")),
        (
            "an item of many members",
            format!("{{\"content\":[{{{members}\"type\":\"text\"}}]}}"),
        ),
        (
            "members twice",
            format!(
                r#"{{"content":[1],"content":[{{"text":"{large}","text":"a","type":"text"}}]}}"#
            ),
        ),
        (
            "an error that is none",
            format!(r#"{{"isError":"{large}","content":[]}}"#),
        ),
        (
            "half a name",
            format!(r#"{{"\ud800":"{large}","content":[{{"type":"text","text":"{large}"}}]}}"#),
        ),
        (
            "odd types",
            format!(
                r#"{{"content":[{{"type":7,"text":"{large}"}},{{"type":"text","text":7,"a":"{large}"}},{{"type":"resource","resource":"{large}"}}]}}"#
            ),
        ),
        ("nothing", format!("{{{}}}", " ".repeat(3_000))),
        ("16 MiB", texts(1, &"é".repeat(8 << 20))),
        ("quotes", texts(1, &"\"".repeat(1 << 20))),
    ] {
        for overflow in [Overflow::Cut, Overflow::Resource] {
            let (value, _) =
                given(&json, 1_200, overflow).unwrap_or_else(|error| panic!("{what}: {error}"));
            let items = value["content"]
                .as_array()
                .unwrap_or_else(|| panic!("{what}"));
            let is_marked = items
                .iter()
                .any(|item| item.to_string().contains("[… cut: "));
            assert!(is_marked, "{what}");
            assert_eq!(value.get("isError"), None, "{what}");
        }
        assert_eq!(
            code_of(given(&json, 20, Overflow::Cut)).0,
            Code::ResultTooLarge,
            "{what}"
        );
        assert_eq!(
            code_of(given(&json, 200, Overflow::Resource)).0,
            Code::ResultTooLarge,
            "{what}"
        );
    }
    let twice =
        r#"{"isError":true,"content":[{"type":"text","text":"b"}],"isError":false,"content":[]}"#;
    let value = cut(&twice.replace("\"b\"", &format!("\"{large}\"")), 400);
    assert_eq!(value.get("isError"), None);
    assert_eq!(value["content"].as_array().map(Vec::len), Some(1));
}

/// Any JSON, the same for the same seed.
fn anything(seed: &mut u64, depth: u32) -> Value {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let number = (*seed >> 33) % 97;
    let words = [
        "text",
        "image",
        "é\"\\\n😀",
        "data",
        "resource",
        "[{",
        "}],",
        "\u{1}:",
    ];
    let word = |number: u64| words[usize::try_from(number).unwrap_or_default() % words.len()];
    match number % 8 {
        0 | 1 if depth < 5 => {
            let members =
                (0..number % 5).map(|at| (word(number + at).to_owned(), anything(seed, depth + 1)));
            Value::Object(members.collect())
        }
        2 | 3 if depth < 5 => (0..number % 6).map(|_| anything(seed, depth + 1)).collect(),
        4 => {
            json!({ "type": word(number / 8), "text": word(number / 3).repeat(40), "mimeType": "a/b" })
        }
        5 => json!({ "type": "resource", "resource": { "text": word(number / 5).repeat(30) } }),
        6 => json!(word(number)),
        _ => json!(number),
    }
}

#[test]
fn whatever_comes_what_is_given_is_json_within_the_bound() {
    let (mut seed, mut refused, mut cuts) = (7, 0, 0);
    for _ in 0..2_000 {
        let content: Vec<_> = (0..8).map(|_| anything(&mut seed, 0)).collect();
        let (more, bound) = (
            anything(&mut seed, 0),
            150 + usize::try_from(seed >> 33).unwrap_or_default() % 600,
        );
        let value = json!({ "content": content, "structuredContent": more, "_meta": more, "isError": true });
        for json in [value.to_string(), format!("{value:#}")] {
            if json.len() <= bound {
                continue;
            }
            let whole = raw(&json);
            let members = crate::tools::members(&whole).expect("an object");
            let values = super::super::parts::Parts::of(&json).map(|part| part.value);
            assert!(
                values.eq(members.iter().map(|(_, value)| value.get())),
                "{json}"
            );
            for overflow in [Overflow::Cut, Overflow::Resource] {
                match given(&json, bound, overflow) {
                    Ok((value, _)) => {
                        assert_eq!(value["isError"], json!(true));
                        cuts += 1;
                    }
                    Err(error) => {
                        assert!(error.code == Code::ResultTooLarge && bound < 600, "{bound}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(cuts > 1_000 && refused > 100, "{cuts} {refused}");
}
