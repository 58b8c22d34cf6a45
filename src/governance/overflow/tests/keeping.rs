use std::time::Duration;

use super::*;

const ANN: Reader<'_> = Reader {
    user_id: Some("ann"),
    server_name: "files",
};

fn kept(json: &str, bound: usize) -> (Value, KeptResults, String) {
    let (value, kept) = given(json, bound, Overflow::Resource).expect("fits");
    let (id, whole) = kept.expect("is kept");
    let results = KeptResults::default();
    assert!(results.keep(id, ANN, whole));
    (value, results, format!("{SCHEME}{}", hex::encode(&id)))
}

fn read(results: &KeptResults, uri: &str) -> Value {
    let json = results.read(uri, ANN).expect("is there");
    serde_json::from_str(&json).expect("JSON")
}

/// All parts of a resource, one behind the other.
fn all(results: &KeptResults, uri: &str, length: usize, bound: usize) -> String {
    let (mut whole, mut offset) = (String::new(), 0);
    loop {
        let uri = format!("{uri}?offset={offset}&length={length}");
        let json = results.read(&uri, ANN).expect("is there");
        assert!(json.len() <= bound, "{} of {bound}", json.len());
        let value: Value = serde_json::from_str(&json).expect("JSON");
        let part = &value["contents"][0];
        assert_eq!(part["uri"], json!(uri));
        let body = part.get("text").or_else(|| part.get("blob"));
        whole.push_str(body.and_then(Value::as_str).expect("a body"));
        let meta = &part["_meta"]["librechat-mcp-native/part"];
        assert_eq!(meta["offset"], json!(offset));
        match meta["next"].as_u64() {
            Some(next) => {
                assert_eq!(next, offset + meta["length"].as_u64().expect("a length"));
                assert!(next > offset);
                offset = next;
            }
            None => return whole,
        }
    }
}

#[test]
fn all_parts_are_the_whole() {
    let text = "aé😀\"\n\\\u{1}z".repeat(700);
    let image = "QUJD".repeat(600) + "QQ==";
    let json = json!({
        "content": [
            { "type": "text", "text": text },
            { "type": "image", "data": image, "mimeType": "image/png" },
            { "type": "audio", "data": "no base64", "mimeType": "audio/wav" },
            { "type": "resource", "resource": { "uri": "file:///b", "text": text } },
            { "type": "resource_link", "uri": "file:///a" },
        ],
        "structuredContent": { "a": [text] },
    });
    let bound = 1_200;
    let (value, results, uri) = kept(&json.to_string(), bound);
    let marker = item(&value, 0);
    assert!(marker.contains("; the resource below has all of it, to be read in parts]"));
    let expected = format!(
        "{text}\n\n[image/png: {uri}/1]\n\n[left out: audio/wav of {} bytes]\n\n{text}\n\n{}\n\n\
         [application/json: {uri}/structuredContent]",
        json["content"][2].to_string().len(),
        json["content"][4],
    );
    let link = &value["content"][1];
    let size = expected.len();
    let expected_link = json!({ "type": "resource_link", "uri": uri, "name": "read", "mimeType": "text/plain",
        "size": size });
    assert_eq!(*link, expected_link);
    for length in [1, 2, 3, 100, 1 << 20] {
        assert_eq!(all(&results, &uri, length, bound), expected, "{length}");
        assert_eq!(
            all(&results, &format!("{uri}/1"), length, bound),
            image,
            "{length}"
        );
        let structured = all(&results, &format!("{uri}/structuredContent"), length, bound);
        assert_eq!(
            structured,
            json["structuredContent"].to_string(),
            "{length}"
        );
    }
    let part = &read(&results, &format!("{uri}/1?offset=3"))["contents"][0];
    assert_eq!(part["mimeType"], json!("image/png"));
    assert_eq!(
        part["_meta"]["librechat-mcp-native/part"]["size"],
        json!(1_801)
    );
    let none = &read(&results, &format!("{uri}?offset={size}"))["contents"][0];
    let meta = json!({ "offset": size, "length": 0, "size": size, "next": null });
    assert_eq!(
        (&none["text"], &none["_meta"]["librechat-mcp-native/part"]),
        (&json!(""), &meta)
    );
}

#[test]
fn parts_that_cannot_be_are_refused_with_a_reason() {
    let json = json!({ "content": [
        { "type": "text", "text": "é".repeat(2_000) },
        { "type": "image", "data": "QUJD".repeat(3), "mimeType": "image/png" },
    ] });
    let (_, results, uri) = kept(&json.to_string(), 1_200);
    for (query, why) in [
        ("?offset=1", "within a character"),
        ("?offset=99999999", "beyond the"),
        ("?offset=-1", "no number"),
        ("?offset=+1", "no number"),
        ("?offset=", "no number"),
        ("?offset=99999999999999999999999", "no number"),
        ("?length=0", "at least 1"),
        ("?length=x", "at least 1"),
        ("?size=1", "nothing else"),
        ("?offset", "no number"),
        ("/1?offset=1", "no multiple of 3"),
    ] {
        let error = results
            .read(&format!("{uri}{query}"), ANN)
            .expect_err(query);
        assert_eq!(error.rpc_code, Some(-32602), "{query}");
        assert!(error.message.contains(why), "{query}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_are_their_readers_alone_and_for_some_time() {
    let (_, results, uri) = kept(&texts(1, &"x".repeat(3_000)), 1_200);
    let missing = |uri: &str, reader: Reader<'_>| {
        let error = results.read(uri, reader).expect_err(uri);
        assert_eq!(
            error.message, "MCP error -32002: Resource not found",
            "{uri}"
        );
        assert_eq!(error.rpc_code, Some(-32002));
    };
    for reader in [
        Reader {
            user_id: Some("bob"),
            ..ANN
        },
        Reader {
            user_id: None,
            ..ANN
        },
        Reader {
            server_name: "others",
            ..ANN
        },
    ] {
        missing(&uri, reader);
        // Nobody learns by a refused part that there is a result.
        missing(&format!("{uri}?offset=-1"), reader);
    }
    for wrong in [
        SCHEME,
        &uri[..uri.len() - 1],
        &format!("{uri}00"),
        &format!("{uri}/0"),
        &format!("{uri}/"),
        &format!("{SCHEME}{}", "0".repeat(32)),
        &format!("{SCHEME}{}", "é".repeat(16)),
    ] {
        missing(wrong, ANN);
    }
    assert!(results.read(&uri, ANN).is_ok());
    results.forget("bob", None);
    results.forget("ann", Some("others"));
    tokio::time::advance(Duration::from_secs(15 * 60 - 1)).await;
    assert!(results.read(&uri, ANN).is_ok());
    tokio::time::advance(Duration::from_secs(1)).await;
    missing(&uri, ANN);

    let (_, results, uri) = kept(&texts(1, &"x".repeat(3_000)), 1_200);
    results.forget("ann", Some("files"));
    assert!(results.read(&uri, ANN).is_err());
    let (_, results, uri) = kept(&texts(1, &"x".repeat(3_000)), 1_200);
    results.sweep().await;
    assert!(results.read(&uri, ANN).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_results_make_room() {
    let results = KeptResults::default();
    let keep = |user: &str, megabytes: usize| {
        let json = texts(1, &"x".repeat(megabytes << 20));
        let given = fit(&raw(&json), 1_200, Overflow::Resource, CALL).expect("fits");
        let (id, whole) = given.kept.expect("is kept");
        let reader = Reader {
            user_id: Some(user),
            ..ANN
        };
        results.keep(id, reader, whole);
        (
            format!("{SCHEME}{}?length=1", hex::encode(&id)),
            user.to_owned(),
        )
    };
    let is_kept = |(uri, user): &(String, String)| {
        let reader = Reader {
            user_id: Some(user),
            ..ANN
        };
        results.read(uri, reader).is_ok()
    };
    let mine: Vec<_> = [9, 6, 5].map(|megabytes| keep("ann", megabytes)).into();
    assert_eq!([0, 1, 2].map(|at| is_kept(&mine[at])), [false, true, true]);
    // 11 MiB, and 64 are all.
    let others: Vec<_> = (0..5).map(|at| keep(&format!("u{at}"), 10)).collect();
    assert!(others.iter().all(is_kept));
    assert!(is_kept(&mine[1]) && is_kept(&mine[2]));
    let more = keep("u9", 4);
    assert_eq!([1, 2].map(|at| is_kept(&mine[at])), [false, true]);
    assert!(others.iter().all(is_kept) && is_kept(&more));
    results.clear();
    assert!(!is_kept(&more));

    let json = texts(1, &"x".repeat((16 << 20) + 1));
    let given = fit(&raw(&json), 1_200, Overflow::Resource, CALL).expect("fits");
    assert!(given.kept.is_none());
    assert!(given.answer.get().contains("; it is too large to be kept]"));
    assert!(!given.answer.get().contains(SCHEME));
}
