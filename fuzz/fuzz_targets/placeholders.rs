#![no_main]

use arbitrary::Arbitrary;
use indexmap::IndexMap;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::host::{Environment, User};
use librechat_mcp_native::server_config::{Context, ServerConfig, Transport, fingerprint, resolve};
use serde_json::json;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    url: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    variable: &'a str,
    name: &'a str,
    by_user: bool,
}

const SECRET: &str = "only-the-server-knows";

fuzz_target!(|input: Input<'_>| {
    let source = if input.by_user { "user" } else { "yaml" };
    let headers: IndexMap<_, _> = input.headers.iter().copied().collect();
    let config = json!({
        "type": "streamable-http",
        "url": input.url,
        "headers": headers,
        "source": source,
        "customUserVars": { "KEY": { "title": "", "description": "" } },
    });
    let serde_json::Value::Object(members) = config else {
        return;
    };
    let Ok(config) = ServerConfig::from_members(members) else {
        return;
    };
    let environment = Environment::from([("SECRET", SECRET)]);
    let variables = IndexMap::from([("KEY".to_owned(), input.variable.to_owned())]);
    let user = User {
        id: Some("user-1".to_owned()),
        fields: IndexMap::from([("name".to_owned(), input.name.to_owned())]),
        ..User::default()
    };
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let _ = fingerprint(&config, &context);
    let Ok(resolved) = resolve(&config, &context) else {
        return;
    };
    let Transport::Http { url, headers, .. } = &resolved.transport else {
        return;
    };
    // Neither a config that a user made nor a value that a user gave reads the environment.
    let asked = |text: &str| !input.by_user && text.contains("${SECRET");
    let shows = |text: &str| text.contains(SECRET);
    let given = input.url.contains(SECRET)
        || shows(input.variable)
        || shows(input.name)
        || input
            .headers
            .iter()
            .any(|(name, value)| shows(name) || shows(value));
    if !given {
        assert!(!shows(url.as_str()) || asked(input.url), "{url}");
        for (_, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(
                !shows(&value) || input.headers.iter().any(|(_, template)| asked(template)),
                "{value}"
            );
        }
    }
});
