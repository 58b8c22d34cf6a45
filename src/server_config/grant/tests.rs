use serde_json::json;

use super::super::model::ServerConfig;
use super::*;

fn wrong(oauth: &Value) -> Option<String> {
    wrong_in(&json!({ "url": "https://mcp.test", "oauth": oauth }))
}

fn wrong_in(config: &Value) -> Option<String> {
    let problem = check_server(config.as_object().unwrap()).err()?;
    Some(problem.path.join("."))
}

#[test]
fn grants_that_are_complete() {
    for oauth in [
        json!({}),
        json!({ "client_id": "{{ANY}}" }),
        json!({ "grant": null, "private_key_jwt": null, "assertion": null }),
        json!({ "private_key_jwt": { "key_file": "/key.pem", "alg": "EdDSA", "kid": "1" } }),
        json!({ "grant": "client_credentials", "client_id": "c", "private_key_jwt": {}, "token_url": "https://as/t" }),
        json!({ "grant": "client_credentials", "client_id": "c", "private_key_jwt": { "key": "${KEY}", "alg": "${ALG}" }, "issuer": "https://as" }),
        json!({ "grant": "client_credentials", "client_id": "c", "client_secret": "s", "issuer": "${ISSUER}" }),
        json!({ "grant": "client_credentials", "client_id": "c", "client_secret": "s", "token_url": "https://as/t" }),
        json!({ "grant": "enterprise", "client_id": "c" }),
        json!({ "grant": "enterprise", "client_id": "c", "scope": "{{SCOPE}}" }),
        json!({ "grant": "enterprise", "client_id": "c", "identity_provider": { "client_id": "i", "issuer": "https://idp" } }),
        json!({ "grant": "workload" }),
        json!({ "grant": "workload", "assertion": { "file": "/token" } }),
        json!({ "grant": "workload", "assertion": { "metadata_url": "http://169.254.169.254/t", "metadata_headers": { "Metadata": "true" } } }),
    ] {
        assert_eq!(wrong(&oauth), None, "{oauth}");
    }
}

#[test]
fn what_is_wrong_has_a_path() {
    let machine = |members: Value| {
        let mut oauth = json!({ "grant": "client_credentials", "client_id": "c", "client_secret": "s", "issuer": "https://as" });
        let added = members.as_object().unwrap().clone();
        oauth.as_object_mut().unwrap().extend(added);
        oauth
    };
    for (oauth, path) in [
        (json!({ "grant": "password" }), "oauth.grant"),
        (json!({ "grant": 1 }), "oauth.grant"),
        (json!({ "issuer": 1 }), "oauth.issuer"),
        (json!({ "issuer": "as.test" }), "oauth.issuer"),
        (json!({ "dpop": "yes" }), "oauth.dpop"),
        (json!({ "grant": "enterprise", "dpop": true }), "oauth.dpop"),
        (machine(json!({ "client_id": "" })), "oauth.client_id"),
        (
            machine(json!({ "client_secret": null })),
            "oauth.client_secret",
        ),
        (machine(json!({ "issuer": null })), "oauth.client_secret"),
        (
            machine(json!({ "private_key_jwt": {} })),
            "oauth.private_key_jwt",
        ),
        (
            machine(json!({ "scope": "{{LIBRECHAT_USER_ID}}" })),
            "oauth.scope",
        ),
        (
            machine(json!({ "assertion": { "file": "/t" } })),
            "oauth.assertion",
        ),
        (json!({ "private_key_jwt": "pem" }), "oauth.private_key_jwt"),
        (
            json!({ "private_key_jwt": { "key": "k", "key_file": "f" } }),
            "oauth.private_key_jwt",
        ),
        (
            json!({ "private_key_jwt": { "keyfile": "f" } }),
            "oauth.private_key_jwt.keyfile",
        ),
        (
            json!({ "private_key_jwt": { "key": 1 } }),
            "oauth.private_key_jwt.key",
        ),
        (
            json!({ "private_key_jwt": { "key": "{{KEY}}" } }),
            "oauth.private_key_jwt.key",
        ),
        (
            json!({ "private_key_jwt": { "alg": "HS256" } }),
            "oauth.private_key_jwt.alg",
        ),
        (
            json!({ "identity_provider": {} }),
            "oauth.identity_provider",
        ),
        (
            json!({ "grant": "enterprise", "client_id": "c", "identity_provider": {} }),
            "oauth.identity_provider.client_id",
        ),
        (
            json!({ "grant": "enterprise", "client_id": "c", "identity_provider": { "client_id": "i" } }),
            "oauth.identity_provider.issuer",
        ),
        (json!({ "grant": "enterprise" }), "oauth.client_id"),
        (
            json!({ "grant": "workload", "private_key_jwt": {} }),
            "oauth.client_id",
        ),
        (
            json!({ "grant": "workload", "assertion": {} }),
            "oauth.assertion",
        ),
        (
            json!({ "grant": "workload", "assertion": { "file": "/t", "metadata_headers": {} } }),
            "oauth.assertion.metadata_headers",
        ),
        (
            json!({ "grant": "workload", "assertion": { "metadata_url": "ftp://x" } }),
            "oauth.assertion.metadata_url",
        ),
    ] {
        assert_eq!(wrong(&oauth).as_deref(), Some(path), "{oauth}");
    }
}

#[test]
fn only_operators_say_where_secrets_go() {
    for (oauth, path) in [
        (
            json!({ "grant": "client_credentials", "client_id": "c", "private_key_jwt": {} }),
            "oauth.private_key_jwt",
        ),
        (
            json!({ "grant": "enterprise", "client_id": "c", "private_key_jwt": { "key": "k" } }),
            "oauth.private_key_jwt",
        ),
        (
            json!({ "grant": "workload", "client_id": "c", "private_key_jwt": { "key_file": "f" } }),
            "oauth.private_key_jwt",
        ),
        (
            json!({ "grant": "enterprise", "client_id": "c", "token_url": "https://{{HOST}}/token" }),
            "oauth.token_url",
        ),
        (
            json!({ "grant": "enterprise", "client_id": "c", "issuer": "https://{{HOST}}" }),
            "oauth.issuer",
        ),
    ] {
        assert_eq!(wrong(&oauth).as_deref(), Some(path), "{oauth}");
    }
}

#[test]
fn a_client_may_prove_itself_with_its_certificate() {
    let tls = json!({ "cert": "/client.pem", "key": "/client.key" });
    for (tls, issuer, path) in [
        (&tls, json!("https://as"), None),
        (&tls, json!(null), Some("oauth.client_id")),
        (
            &json!({ "ca": "/ca.pem" }),
            json!("https://as"),
            Some("oauth.client_secret"),
        ),
        (
            &json!(null),
            json!("https://as"),
            Some("oauth.client_secret"),
        ),
    ] {
        let oauth = json!({ "grant": "client_credentials", "client_id": "c", "issuer": issuer });
        let config = json!({ "url": "https://mcp.test", "oauth": oauth, "tls": tls });
        assert_eq!(wrong_in(&config).as_deref(), path, "{config}");
    }
}

#[test]
fn a_config_of_no_use_can_be_read() {
    let oauth = json!({ "grant": "workload", "assertion": { "file": "/token" } });
    let config = json!({ "url": "https://mcp.test", "source": "user", "oauth": oauth });
    let members = config.as_object().unwrap();
    assert!(ServerConfig::from_members(members.clone()).is_err());
    assert!(ServerConfig::read(members.clone()).is_ok_and(|config| config.is_user_sourced()));
}

#[test]
fn nothing_else_decides_what_is_sent_or_where() {
    let grant = |members: Value| {
        let mut config = json!({ "url": "https://mcp.test", "oauth": { "grant": "workload" } });
        let added = members.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(added);
        wrong_in(&config)
    };
    for (members, path) in [
        (
            json!({ "headers": { "X-Own": "{{LIBRECHAT_USER_ID}}" } }),
            None,
        ),
        (json!({ "url": "https://${HOST}/mcp" }), None),
        (json!({ "url": "https://{{HOST}}/mcp" }), Some("url")),
        (
            json!({ "headers": { "AUTHORIZATION": "b" } }),
            Some("headers.AUTHORIZATION"),
        ),
        (
            json!({ "requestHeaders": { "Authorization": "b" } }),
            Some("requestHeaders.Authorization"),
        ),
        (
            json!({ "oauth_headers": { "X-Key": "k" } }),
            Some("oauth_headers.X-Key"),
        ),
        (json!({ "apiKey": {} }), Some("apiKey")),
        (json!({ "obo": { "scopes": "s" } }), Some("obo")),
        (json!({ "command": "node" }), Some("command")),
    ] {
        assert_eq!(grant(members.clone()).as_deref(), path, "{members}");
    }
}

#[test]
fn only_operators_say_how_this_program_proves_itself() {
    let config = |source: &str, oauth: Value| {
        let config = json!({ "url": "https://mcp.test", "source": source, "oauth": oauth, "requiresOAuth": true });
        ServerConfig::from_members(config.as_object().unwrap().clone())
    };
    let machine = json!({ "grant": "client_credentials", "client_id": "c", "private_key_jwt": {}, "issuer": "https://as" });
    assert_eq!(
        config("yaml", machine.clone()).unwrap().requires_oauth,
        Some(false)
    );
    for source in ["user", "plugin", "unknown"] {
        let refused = config(source, machine.clone()).unwrap_err();
        assert!(refused.message.contains("`oauth.grant`"), "{refused}");
        assert!(config(source, json!({ "dpop": false })).is_err());
        assert!(config(source, json!({ "client_id": "c" })).is_ok());
    }
}

#[test]
fn servers_are_told_of_the_extension() {
    let extensions = |members: Value| {
        let mut config = json!({ "url": "https://mcp.test", "oauth": { "grant": "enterprise", "client_id": "c" } });
        let members = members.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(members);
        let config = ServerConfig::from_members(config.as_object().unwrap().clone()).unwrap();
        assert!(config.exchanges_tokens() && !config.runs_oauth_flow());
        Value::Object(config.extensions.unwrap().as_ref().clone())
    };
    let name = "io.modelcontextprotocol/enterprise-managed-authorization";
    assert_eq!(extensions(json!({})), json!({ name: {} }));
    let others = json!({ "extensions": { "example/other": {} } });
    assert_eq!(extensions(others), json!({ "example/other": {}, name: {} }));
    // An operator's word counts more.
    let none = json!({ "extensions": { name: null } });
    assert_eq!(extensions(none), json!({ name: null }));
}
