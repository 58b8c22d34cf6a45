#![no_main]

use arbitrary::Arbitrary;
use indexmap::IndexMap;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::host::{Environment, NetworkRules, User};
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

/// What a connection would be made to, and with which headers.
fn resolved(input: &Input<'_>, secret: &str) -> Option<(String, Vec<(String, Vec<u8>)>)> {
    let headers: IndexMap<_, _> = input.headers.iter().copied().collect();
    let config = json!({
        "type": "streamable-http",
        "url": input.url,
        "headers": headers,
        "source": if input.by_user { "user" } else { "yaml" },
        "customUserVars": { "KEY": { "title": "", "description": "" } },
    });
    let serde_json::Value::Object(members) = config else {
        return None;
    };
    let config = ServerConfig::from_members(members).ok()?;
    let environment = Environment::from([("SECRET", secret)]);
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
    let _ = fingerprint(&config, &context, &NetworkRules::default());
    let Transport::Http { url, headers, .. } = resolve(&config, &context).ok()?.transport else {
        return None;
    };
    let headers = headers.into_iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    Some((url.into(), headers.collect()))
}

fuzz_target!(|input: Input<'_>| {
    let (one, other) = (resolved(&input, "one"), resolved(&input, "other"));
    // Neither a config that a user made nor a value that a user gave reads the environment.
    let mut templates = input.headers.iter().map(|(_, template)| *template);
    let asked = input.url.contains("${SECRET") || templates.any(|text| text.contains("${SECRET"));
    if input.by_user || !asked {
        assert_eq!(one, other, "what the server knows shows");
    }
});
