use serde_json::json;

use super::super::testing::{config, members, texts, user};
use super::*;
use crate::environment::Environment;
use crate::error::Code;
use crate::user::User;

fn resolved(members: Value, environment: &Environment) -> Result<ResolvedConfig> {
    resolve(&config(members), &Context::of_environment(environment))
}

fn sent(members: Value, context: &Context<'_>) -> Vec<(String, Vec<u8>)> {
    let Transport::Http { headers, .. } = resolve(&config(members), context).unwrap().transport
    else {
        panic!("a remote server was expected")
    };
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

#[test]
fn headers_without_number() {
    let of = |count: usize| {
        let headers = (0..count).map(|index| (format!("x-{index}"), json!("v")));
        let headers: Map<_, _> = headers.collect();
        let config = json!({ "type": "http", "url": "http://x/", "headers": headers });
        resolved(config, &Environment::default())
    };
    assert!(of(1000).is_ok());
    let error = of(1001).err().unwrap();
    assert_eq!(error.code, Code::InvalidConfig);
    let expected = "headers: a request carries at most 1000 of them";
    assert_eq!(error.message, expected);
}

#[test]
fn remote() {
    let environment = Environment::from([("HOST", "example.com"), ("URL", "wss://w/")]);
    let resolved = resolved(
        json!({
            "type": "http",
            "url": "https://${HOST}/mcp",
            "proxy": " http://${HOST}:3128 ",
            "oauth": { "client_id": "${HOST}", "x": ["${HOST}"] },
            "oauth_headers": { "X": "${HOST}" },
            "obo": { "scopes": "s" },
            "iconPath": "i",
            "timeout": 1000,
        }),
        &environment,
    )
    .unwrap();
    let Transport::Http {
        url, kind, proxy, ..
    } = &resolved.transport
    else {
        panic!("a remote server was expected")
    };
    assert_eq!(url.as_str(), "https://example.com/mcp");
    assert_eq!(*kind, TransportKind::StreamableHttp);
    assert_eq!(proxy.as_deref(), Some("http://example.com:3128"));
    assert_eq!(
        Value::Object(resolved.oauth.unwrap()),
        json!({ "client_id": "example.com", "x": ["${HOST}"] })
    );
    assert_eq!(resolved.oauth_headers["X"], "example.com");
    assert_eq!(resolved.obo_scopes.as_deref(), Some("s"));
    assert_eq!(resolved.icon_path.as_deref(), Some("i"));
    assert_eq!(resolved.timeout, Some(Duration::from_secs(1)));
}

/// What a variable holds decides, whatever the template looked like.
#[test]
fn kind_of_an_expanded_url() {
    let environment = Environment::from([("URL", "wss://w/"), ("BLANK", " ")]);
    let resolved = resolved(
        json!({ "url": "${URL}", "proxy": "${BLANK}" }),
        &environment,
    )
    .unwrap();
    assert_eq!(resolved.transport.kind(), TransportKind::WebSocket);
    let Transport::Http { proxy, .. } = resolved.transport else {
        panic!("a remote server was expected")
    };
    assert_eq!(proxy, None);
}

#[test]
fn local() {
    let environment = Environment::from([("A", "alpha")]);
    let resolved = resolved(
        json!({ "command": "${A}", "args": ["${A}"], "env": { "K": "x${A}" }, "cwd": "${A}", "stderr": "ignore" }),
        &environment,
    )
    .unwrap();
    assert_eq!(resolved.transport.kind(), TransportKind::Stdio);
    let Transport::Stdio {
        command,
        args,
        env,
        cwd,
        stderr,
    } = resolved.transport
    else {
        panic!("a command was expected")
    };
    assert_eq!(command, "${A}");
    assert_eq!(args, ["alpha"]);
    assert_eq!(*env, [("K".to_owned(), "xalpha".to_owned())]);
    assert_eq!(cwd.as_deref(), Some("${A}"));
    assert_eq!(stderr, Stderr::Ignore);
}

#[test]
fn faults_of_the_config() {
    let environment = Environment::from([("URL", "not a url")]);
    for (members, message) in [
        (
            json!({ "requiresOAuth": false }),
            "Cannot infer transport type: options.type is not provided and cannot be inferred from other properties.",
        ),
        (json!({ "url": "${URL}" }), "Invalid URL"),
        (json!({ "url": "http://[bad" }), "Invalid URL"),
        (
            json!({ "url": "file:///x" }),
            "Unsupported URL scheme: file",
        ),
        (
            json!({ "url": "http://x", "headers": { "X-Key": "Ψ" } }),
            "Header `X-Key` has a value with characters outside of Latin-1",
        ),
    ] {
        let error = resolved(members, &environment).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(!error.retryable);
        assert_eq!(error.message, message);
    }
}

#[test]
fn headers_as_sent() {
    let environment = Environment::from([("SERVER_SECRET", "server-side")]);
    let user = user("u1", [("name", "Ψαλμός")]);
    let variables = texts([("K", "  key with pad "), ("L", "José"), ("EXTRA", "z")]);
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    for (template, expected) in [
        ("{{K}}", &b"key with pad"[..]),
        ("{{L}}", b"Jos\xe9"),
        ("${SERVER_SECRET}", b"server-side"),
        ("{{LIBRECHAT_USER_NAME}}", b"b64:zqjOsc67zrzPjM+C"),
        ("c={{LIBRECHAT_BODY_CONVERSATIONID}}", b"c="),
    ] {
        let variables = json!({ "K": {}, "L": {} });
        let members = json!({ "url": "http://x", "headers": { "X-A": template }, "customUserVars": variables });
        assert_eq!(
            sent(members, &context),
            [("x-a".to_owned(), expected.to_vec())],
            "{template}"
        );
    }
}

#[test]
fn a_users_config_gets_its_variables_only() {
    let environment = Environment::from([("SERVER_SECRET", "server-side")]);
    let user = user("u1", []);
    let variables = texts([("K", "own")]);
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let members = json!({
        "url": "http://x",
        "source": "user",
        "dbId": "db1",
        "customUserVars": { "K": {} },
        "headers": { "X-Env": "${SERVER_SECRET}", "X-User": "{{LIBRECHAT_USER_ID}}", "X-Key": "{{K}}" },
    });
    let expected = [
        ("x-env", "${SERVER_SECRET}"),
        ("x-user", "{{LIBRECHAT_USER_ID}}"),
        ("x-key", "own"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(sent(members, &context), expected);
}

#[test]
fn line_breaks_of_users_are_refused() {
    let environment = Environment::default();
    let variables = texts([("K", "a\r\nX-Admin: 1")]);
    let context = Context {
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let config = config(json!({
        "url": "http://x",
        "headers": { "X-Key": "{{K}}" },
        "customUserVars": { "K": {} },
    }));
    let error = headers_for_call(&config, &context).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.message.contains("`X-Key`") && !error.message.contains("Admin"));
}

#[test]
fn headers_of_the_transport_are_no_users() {
    let environment = Environment::from([("HOST", "virtual.example")]);
    let variables = texts([("K", "internal.example")]);
    let context = Context {
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let headers = |name: &str, template: &str, rest: Value| {
        let mut members = members(json!({ "url": "http://x", "customUserVars": { "K": {} } }));
        members.insert("headers".to_owned(), json!({ "X-A": "b", name: template }));
        members.extend(self::members(rest));
        headers_for_call(&ServerConfig::from_members(members).unwrap(), &context)
    };
    for (name, template, rest) in [
        ("HoSt", "internal", json!({ "source": "user" })),
        ("connection", "close", json!({ "dbId": "1" })),
        (
            "Mcp-Session-Id",
            "s",
            json!({ "source": "yaml", "dbId": "1" }),
        ),
        ("Host", "{{K}}", json!({ "source": "yaml" })),
        ("Content-Length", "1", json!({ "source": "yaml" })),
    ] {
        let error = headers(name, template, rest).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        let name = name.to_lowercase();
        assert!(error.message.contains(&format!("`{name}`")), "{error}");
        assert!(!error.message.contains("internal"), "{error}");
    }
    let key = json!({
        "source": "user",
        "apiKey": { "source": "admin", "authorization_type": "custom", "custom_header": "Host", "key": "k" },
    });
    assert!(headers("X-B", "c", key).is_err());
    let own = headers("Content-Type", "text/plain", json!({ "source": "user" })).unwrap();
    assert_eq!(own.len(), 1, "it is left out: {:?}", own.keys());
    let operators = headers("Host", "${HOST}", json!({})).unwrap();
    assert_eq!(operators["host"], "virtual.example");
}

#[test]
fn a_plugins_config_is_taken_as_it_is() {
    let environment = Environment::from([("A", "alpha")]);
    let user = user("u1", []);
    let variables = texts([("K", "own")]);
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let members = json!({
        "url": "http://x/${A}",
        "source": "plugin",
        "customUserVars": { "K": {} },
        "headers": { "X": "${A}{{K}}{{LIBRECHAT_USER_ID}}" },
        "apiKey": { "source": "admin", "authorization_type": "bearer", "key": "${A}" },
    });
    let literal = [("x".to_owned(), b"${A}{{K}}{{LIBRECHAT_USER_ID}}".to_vec())];
    assert_eq!(sent(members, &context), literal);
}

#[test]
fn one_value_per_name() {
    let environment = Environment::default();
    let members = json!({
        "url": "http://x",
        "headers": { "authorization": "old", "X": "y" },
        "apiKey": { "source": "admin", "authorization_type": "bearer", "key": "k" },
    });
    let context = Context::of_environment(&environment);
    let headers = headers_for_call(&config(members), &context).unwrap();
    assert_eq!(headers.len(), 2);
    assert_eq!(headers["authorization"], "Bearer k");
}

#[test]
fn never_printed() {
    let environment = Environment::default();
    for members in [
        json!({
            "url": "http://u:s3cret@x/p?k=s3cret",
            "proxy": "http://u:s3cret@p",
            "headers": { "A": "s3cret" },
            "oauth": { "client_secret": "s3cret" },
            "oauth_headers": { "A": "s3cret" },
        }),
        json!({ "command": "c", "args": ["s3cret"], "env": { "A": "s3cret" } }),
    ] {
        let printed = format!("{:?}", resolved(members, &environment).unwrap());
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}

#[test]
fn users_do_not_share_values() {
    let environment = Environment::default();
    let config = config(json!({ "url": "http://x", "headers": { "X": "{{LIBRECHAT_USER_ID}}" } }));
    let of = |user: &User| {
        let context = Context {
            user: Some(user),
            ..Context::of_environment(&environment)
        };
        headers_for_call(&config, &context).unwrap()["x"].clone()
    };
    assert_eq!(of(&user("one", [])), "one");
    assert_eq!(of(&user("two", [])), "two");
}

#[test]
fn headers_of_tool_calls_alone() {
    let environment = Environment::default();
    let body = texts([("conversationId", "c1")]);
    let members = json!({
        "url": "http://x",
        "headers": { "X-Tenant": "t", "X-Both": "base" },
        "requestHeaders": { "x-both": "call", "X-Chat": "{{LIBRECHAT_BODY_CONVERSATIONID}}" },
    });
    let context = Context {
        body: Some(&body),
        ..Context::of_environment(&environment)
    };
    let config = config(members);
    let headers = headers_for_call(&config, &context).unwrap();
    assert_eq!(headers.len(), 2);
    assert_eq!(headers["x-both"], "base");
    let headers = headers_for_tool_call(&config, &context).unwrap();
    assert_eq!(headers.len(), 3);
    assert_eq!(headers["x-both"], "call");
    assert_eq!(headers["x-chat"], "c1");
    assert_eq!(headers["x-tenant"], "t");
    assert!(!config.allows_app_connection());
    assert!(config.body_placeholders().is_empty());
    assert!(config.requires_user_scoped_connection());
}

#[test]
fn request_headers_follow_the_rules_of_headers() {
    let environment = Environment::from([("HOST_SECRET", "s3cret")]);
    let context = Context::of_environment(&environment);
    let of = |source: &str, name: &str, value: &str| {
        headers_for_tool_call(
            &config(
                json!({ "url": "http://x", "source": source, "requestHeaders": { name: value } }),
            ),
            &context,
        )
    };
    assert_eq!(of("yaml", "X", "${HOST_SECRET}").unwrap()["x"], "s3cret");
    assert_eq!(
        of("user", "X", "${HOST_SECRET}").unwrap()["x"],
        "${HOST_SECRET}"
    );
    for (source, name) in [
        ("user", "Host"),
        ("user", "Mcp-Session-Id"),
        ("yaml", "Content-Length"),
    ] {
        let error = of(source, name, "x").unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig, "{source} {name}");
    }
    assert!(of("yaml", "X", "a\r\nY: b").is_err());
}

#[test]
fn oauth_headers_are_filled_in() {
    let environment = Environment::from([("GATEWAY_KEY", "k")]);
    let user = user("u1", []);
    let context = Context {
        user: Some(&user),
        ..Context::of_environment(&environment)
    };
    let members = json!({
        "url": "http://x",
        "oauth_headers": { "X-Key": "${GATEWAY_KEY}", "X-User": "{{LIBRECHAT_USER_ID}}" },
    });
    let headers = |members| resolve(&config(members), &context).unwrap().oauth_headers;
    assert_eq!(
        headers(members.clone()),
        texts([("X-Key", "k"), ("X-User", "u1")])
    );
    assert!(config(members.clone()).requires_user_scoped_connection());
    let mut of_a_user = members;
    of_a_user["source"] = json!("user");
    assert_eq!(headers(of_a_user)["X-Key"], "${GATEWAY_KEY}");
}
