use serde_json::json;

use super::*;

fn problems(config: &Value, author: Author) -> Vec<String> {
    let environment = Environment::from([
        ("HOST", "example.com"),
        ("SOCKET", "ws://x"),
        ("CREDS_KEY", "https://leaked"),
    ]);
    parse(&Input {
        config,
        author,
        unreadable: &[],
        environment: &environment,
    })
    .err()
    .unwrap_or_default()
    .into_iter()
    .map(|Issue { path, message }| {
        let path: Vec<_> = path
            .iter()
            .map(|part| match part {
                PathPart::Member(name) => name.clone(),
                PathPart::Index(index) => index.to_string(),
            })
            .collect();
        format!("{}: {message}", path.join("."))
    })
    .collect()
}

fn check_all(author: Author, cases: &[(Value, &[&str])]) {
    for (config, expected) in cases {
        assert_eq!(problems(config, author), *expected, "{config}");
    }
}

#[test]
fn obo_goes_with_headers() {
    let scopes = json!({ "scopes": "api://x/.default" });
    for author in [Author::Administrator, Author::User] {
        check_all(
            author,
            &[
                (
                    json!({ "type": "sse", "url": "https://a", "obo": scopes }),
                    &[],
                ),
                (
                    json!({ "type": "http", "url": "https://a", "obo": scopes }),
                    &[],
                ),
                (json!({ "url": "https://a", "obo": scopes }), &[]),
                (
                    json!({ "type": "websocket", "url": "wss://a", "obo": scopes }),
                    &["obo: Expected undefined, received object"],
                ),
                (
                    json!({ "type": "sse", "url": "https://a", "obo": { "scopes": "" } }),
                    &["obo.scopes: String must contain at least 1 character(s)"],
                ),
                (
                    json!({ "type": "sse", "url": "https://a", "obo": {} }),
                    &["obo.scopes: Required"],
                ),
                (
                    json!({ "type": "sse", "url": "https://a", "obo": null }),
                    &["obo: Expected object, received null"],
                ),
            ],
        );
    }
    check_all(
        Author::Administrator,
        &[(
            json!({ "command": "a", "args": [], "obo": scopes }),
            &["obo: Expected undefined, received object"],
        )],
    );
}

#[test]
fn users_reach_nothing_of_the_server() {
    let refused_variable = "Environment variable references are not allowed in URLs";
    check_all(
        Author::User,
        &[
            (
                json!({ "type": "stdio", "command": "sh", "args": [] }),
                &[
                    "type: Invalid transport. Expected 'websocket' | 'sse' | 'streamable-http' | 'http', received 'stdio'",
                    "command: Unrecognized key(s) in object: 'command'",
                    "args: Unrecognized key(s) in object: 'args'",
                ],
            ),
            (
                json!({ "command": "sh", "args": [] }),
                &[
                    "url: Required",
                    "command: Unrecognized key(s) in object: 'command'",
                    "args: Unrecognized key(s) in object: 'args'",
                ],
            ),
            (
                json!({ "type": "sse", "url": "https://a/?k=${JWT_SECRET}" }),
                &[&format!("url: {refused_variable}")],
            ),
            (
                json!({ "type": "http", "url": "https://a", "proxy": "http://p" }),
                &["proxy: Expected never, received string"],
            ),
            (
                json!({ "type": "sse", "url": "file:///etc/passwd" }),
                &["url: SSE URL must use http:// or https://"],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "oauth": { "audience": "x" } }),
                &["oauth.audience: Expected never, received string"],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "oauth": { "token_url": "https://x/?resource=y" } }),
                &[
                    "oauth.token_url: OAuth endpoint URLs cannot include audience or resource query parameters",
                ],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "oauth": { "redirect_uri": "${A}" } }),
                &[&format!("oauth.redirect_uri: {refused_variable}")],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "timeout": 5 }),
                &["timeout: Unrecognized key(s) in object: 'timeout'"],
            ),
            (
                json!({ "url": "https://a", "command": "sh", "__proto__": {} }),
                &[
                    "command: Unrecognized key(s) in object: 'command'",
                    "__proto__: Unrecognized key(s) in object: '__proto__'",
                ],
            ),
            (
                json!({ "url": "wss://a", "headers": { "A": "b" } }),
                &["headers: Unrecognized key(s) in object: 'headers'"],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "headers": { "HOST": "b", "X-A": "b" } }),
                &["headers.HOST: The transport sets this header itself; it cannot be configured"],
            ),
        ],
    );
}

#[test]
fn administrators() {
    check_all(
        Author::Administrator,
        &[
            (json!({ "command": "a", "args": ["b"] }), &[]),
            (json!({ "url": "https://${HOST}/x" }), &[]),
            (
                json!({ "type": "sse", "url": "${SOCKET}" }),
                &["url: SSE URL must not start with ws:// or wss://"],
            ),
            (
                json!({ "type": "sse", "url": "${CREDS_KEY}" }),
                &["url: Invalid url"],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "proxy": "ftp://p" }),
                &["proxy: Proxy URL must use http://, https://, socks://, or socks5://"],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "timeout": 1.5, "sseReadTimeout": 0 }),
                &[
                    "timeout: Expected integer, received float",
                    "sseReadTimeout: Number must be greater than or equal to 1",
                ],
            ),
            (
                json!({ "type": "sse", "url": "https://a", "oauth": { "client_secret": "s", "client_id": "c" } }),
                &[
                    "oauth.client_secret: OAuth client_secret with client_id requires both authorization_url and token_url",
                ],
            ),
            (json!("x"), &[": Expected object, received string"]),
            (
                json!({ "type": 5, "url": "https://a" }),
                &[
                    "type: Invalid transport. Expected 'stdio' | 'websocket' | 'sse' | 'streamable-http' | 'http', received number",
                ],
            ),
        ],
    );
}

#[test]
fn titles() {
    for (title, is_good) in [
        ("Größe 2’s - x", true),
        ("日本", true),
        ("e\u{301}", true),
        ("½", true),
        ("", false),
        (" x", false),
        ("\u{301}x", false),
        ("Ⓐ", false),
        ("a.b", false),
        ("a\n", false),
    ] {
        let config = json!({ "type": "sse", "url": "https://a", "title": title });
        let found = problems(&config, Author::User);
        assert_eq!(found.is_empty(), is_good, "{title:?}: {found:?}");
    }
}

#[test]
fn what_is_stored() {
    let environment = Environment::from([("HOST", "example.com"), ("KEY", "k")]);
    let parsed = |config: Value, author| {
        parse(&Input {
            config: &config,
            author,
            unreadable: &[],
            environment: &environment,
        })
    };
    for (config, expected) in [
        (
            json!({ "url": "https://${HOST}", "command": "sh", "timeout": 5, "extra": 1 }),
            json!({ "timeout": 5, "type": "sse", "url": "https://example.com" }),
        ),
        (
            json!({ "url": "https://a", "command": "sh", "args": [], "env": { "A": " ${KEY} " } }),
            json!({ "type": "stdio", "command": "sh", "args": [], "env": { "A": "k" } }),
        ),
        (
            json!({
                "type": "http",
                "url": "https://a",
                "headers": { "A": "${KEY}", "__proto__": "x" },
                "oauth": { "token_url": "https://${HOST}/t", "extra": 1 },
                "obo": { "scopes": "s", "extra": 1 },
            }),
            json!({
                "type": "http",
                "url": "https://a",
                "headers": { "A": "${KEY}" },
                "oauth": { "token_url": "https://example.com/t" },
                "obo": { "scopes": "s" },
            }),
        ),
    ] {
        let stored = parsed(config.clone(), Author::Administrator);
        assert_eq!(stored.map(Value::Object), Ok(expected), "{config}");
    }
    let unreadable = [Issue {
        path: vec![PathPart::Member("command".to_owned())],
        message: "hidden".to_owned(),
    }];
    let config = json!({ "url": "https://a" });
    let refused = parse(&Input {
        config: &config,
        author: Author::User,
        unreadable: &unreadable,
        environment: &environment,
    });
    assert_eq!(refused, Err(unreadable.to_vec()));
    assert!(parsed(config, Author::User).is_ok());
}
