use serde_json::json;

use super::super::testing::{config, members};
use super::*;
use crate::error::Code;

#[test]
fn an_empty_config_is_a_config() {
    let config = config(json!({}));
    assert!(config.startup);
    assert!(!config.inspection_failed);
    let error = config.transport_kind().unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert_eq!(error.message, CANNOT_INFER);
}

#[test]
fn every_member() {
    let config = config(json!({
        "type": "stdio",
        "command": "node",
        "args": ["a", 1],
        "env": { "PORT": 8080, "DEBUG": true },
        "cwd": "/srv",
        "stderr": "pipe",
        "timeout": 60_000,
        "initTimeout": 0,
        "sseReadTimeout": 1500.5,
        "iconPath": "/icon.svg",
        "oauth": { "client_id": "id" },
        "oauth_headers": { "X": "y" },
        "obo": { "scopes": "api://x/.default" },
        "customUserVars": { "B": { "title": "B", "description": "" }, "A": {} },
        "requiresOAuth": false,
        "startup": false,
        "serverInstructions": "Be nice",
        "source": "user",
        "dbId": { "$oid": "65f0" },
        "author": "65f1",
        "updatedAt": "1970-01-01T00:00:01Z",
        "inspectionFailed": true,
        "toolFunctions": 1,
        "apiKey": { "source": "admin", "authorization_type": "bearer", "key": "k" },
        "proxy": null,
    }));
    assert_eq!(config.args, ["a", "1"]);
    assert_eq!(config.env["PORT"], "8080");
    assert_eq!(config.stderr, Stderr::Pipe);
    assert_eq!(config.timeout, Some(Duration::from_mins(1)));
    assert_eq!(config.init_timeout, None);
    assert_eq!(
        config.sse_read_timeout,
        Some(Duration::from_micros(1_500_500))
    );
    assert_eq!(config.obo_scopes.as_deref(), Some("api://x/.default"));
    assert_eq!(config.custom_user_vars, ["B", "A"]);
    assert_eq!(config.requires_oauth, Some(false));
    assert!(!config.startup);
    assert_eq!(
        config.server_instructions,
        Some(ServerInstructions::Text("Be nice".to_owned()))
    );
    assert_eq!(config.db_id.as_deref(), Some("65f0"));
    assert_eq!(config.author.as_deref(), Some("65f1"));
    assert_eq!(config.updated_at, Some(1000));
    assert!(config.inspection_failed);
    assert_eq!(config.headers["Authorization"], "Bearer k");
    assert_eq!(config.proxy, None);
}

#[test]
fn wrong_types_name_the_member() {
    for (config, member) in [
        (json!({ "type": 1 }), "type"),
        (json!({ "url": 12345 }), "url"),
        (json!({ "command": ["node"] }), "command"),
        (json!({ "args": "a b" }), "args"),
        (json!({ "args": ["a", {}] }), "args[1]"),
        (json!({ "env": [] }), "env"),
        (json!({ "env": { "A": null } }), "env.A"),
        (json!({ "headers": "X: y" }), "headers"),
        (json!({ "headers": { "X-Key": ["a"] } }), "headers.X-Key"),
        (json!({ "timeout": "60000" }), "timeout"),
        (json!({ "timeout": -1 }), "timeout"),
        (json!({ "initTimeout": true }), "initTimeout"),
        (json!({ "sseReadTimeout": {} }), "sseReadTimeout"),
        (json!({ "stderr": "overlapped" }), "stderr"),
        (json!({ "stderr": -1 }), "stderr"),
        (json!({ "apiKey": "k" }), "apiKey"),
        (json!({ "apiKey": { "key": 1 } }), "apiKey.key"),
        (json!({ "oauth": true }), "oauth"),
        (json!({ "oauth_headers": { "X": {} } }), "oauth_headers.X"),
        (json!({ "obo": true }), "obo"),
        (json!({ "obo": {} }), "obo.scopes"),
        (json!({ "obo": { "scopes": " " } }), "obo.scopes"),
        (json!({ "customUserVars": ["A"] }), "customUserVars"),
        (json!({ "requiresOAuth": "yes" }), "requiresOAuth"),
        (json!({ "startup": "no" }), "startup"),
        (json!({ "serverInstructions": 1 }), "serverInstructions"),
        (json!({ "source": 1 }), "source"),
        (json!({ "inspectionFailed": "x" }), "inspectionFailed"),
    ] {
        let error = ServerConfig::from_members(members(config)).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig, "{member}");
        assert!(error.message.contains(&format!("`{member}`")), "{error}");
    }
}

/// A host copies `MEMBERS` only, so every member that is read has to be listed.
#[test]
fn members_are_complete() {
    let source = include_str!("../model.rs");
    let start = source.find("check_api_key(&members)?").unwrap();
    let end = source
        .find("/// The transport that the config leads to")
        .unwrap();
    let mut read: Vec<_> = source[start..end].split('"').skip(1).step_by(2).collect();
    read.extend(ToolRules::MEMBERS);
    assert_eq!(read.len() + 1, ServerConfig::MEMBERS.len(), "and apiKey");
    for name in read {
        assert!(ServerConfig::MEMBERS.contains(&name), "{name}");
    }
}

#[test]
fn transports() {
    use TransportKind::{Sse, Stdio, StreamableHttp, WebSocket};
    for (members, expected) in [
        (json!({ "command": "node" }), Stdio),
        (json!({ "command": "", "url": "http://x" }), Stdio),
        (json!({ "url": "ws://x" }), WebSocket),
        (json!({ "url": "WSS://x", "type": "sse" }), WebSocket),
        (
            json!({ "url": "ws://x", "type": "streamable-http" }),
            WebSocket,
        ),
        (
            json!({ "url": "http://x", "type": "streamable-http" }),
            StreamableHttp,
        ),
        (json!({ "url": "http://x", "type": "http" }), StreamableHttp),
        (json!({ "url": "http://x", "type": "sse" }), Sse),
        (json!({ "url": "http://x", "type": "stdio" }), Sse),
        (json!({ "url": "http://x", "type": "websocket" }), Sse),
        (json!({ "url": " https://x " }), Sse),
        (json!({ "url": "${URL}" }), Sse),
        (json!({ "url": "${URL}", "type": "http" }), StreamableHttp),
        (json!({ "url": "{{URL}}", "type": "websocket" }), WebSocket),
        (
            json!({ "url": "wss://${HOST}:${PORT}/", "type": "sse" }),
            WebSocket,
        ),
        (
            json!({ "url": "http://h:${PORT}/", "type": "websocket" }),
            Sse,
        ),
    ] {
        let kind = config(members.clone()).transport_kind().unwrap();
        assert_eq!(kind, expected, "{members}");
    }
    assert_eq!(StreamableHttp.as_str(), "streamable-http");
    assert_eq!(WebSocket.as_str(), "websocket");
}

#[test]
fn no_transport() {
    for (members, message) in [
        (json!({ "type": "sse" }), CANNOT_INFER),
        (json!({ "url": null, "command": null }), CANNOT_INFER),
        (json!({ "url": "" }), "Invalid URL"),
        (json!({ "url": "not a url" }), "Invalid URL"),
        (json!({ "url": "http://[bad" }), "Invalid URL"),
        (json!({ "url": "ftp://x" }), "Unsupported URL scheme: ftp"),
    ] {
        let error = config(members).transport_kind().unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert_eq!(error.message, message);
    }
}

#[test]
fn instructions_and_stderr() {
    for (value, expected) in [
        (json!(true), Some(ServerInstructions::FromServer)),
        (json!(" True"), Some(ServerInstructions::FromServer)),
        (json!(false), None),
        (json!(null), None),
        (
            json!("false"),
            Some(ServerInstructions::Text("false".to_owned())),
        ),
    ] {
        let config = config(json!({ "serverInstructions": value }));
        assert_eq!(config.server_instructions, expected);
    }
    for (value, expected) in [
        (json!(null), Stderr::Inherit),
        (json!("inherit"), Stderr::Inherit),
        (json!("ignore"), Stderr::Ignore),
        (json!(2), Stderr::Descriptor(2)),
    ] {
        assert_eq!(config(json!({ "stderr": value })).stderr, expected);
    }
}

#[test]
fn never_printed() {
    let config = config(json!({
        "url": "http://u:s3cret@x?k=s3cret",
        "headers": { "A": "s3cret" },
        "env": { "A": "s3cret" },
        "args": ["s3cret"],
        "oauth": { "client_secret": "s3cret" },
    }));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn who_may_start_a_process() {
    let command = json!({ "command": "sh", "args": ["-c", "id"] });
    for (rest, allowed) in [
        (json!({}), true),
        (json!({ "source": "yaml" }), true),
        (json!({ "source": "config" }), true),
        (json!({ "source": "plugin" }), true),
        (json!({ "dbId": "" }), true),
        (json!({ "source": "user" }), false),
        (json!({ "dbId": "1" }), false),
        (json!({ "source": "yaml", "dbId": "1" }), false),
        (json!({ "source": "User" }), false),
        (json!({ "source": "" }), false),
        (
            json!({ "source": "user", "type": "http", "url": "https://a" }),
            false,
        ),
        (json!({ "source": "user", "command": "" }), false),
    ] {
        let mut all = members(command.clone());
        all.extend(members(rest.clone()));
        let kind = config(Value::Object(all)).transport_kind();
        assert_eq!(kind.is_ok(), allowed, "{rest}: {kind:?}");
        if let Err(error) = kind {
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains("stdio"), "{error}");
        }
    }
    let declared = json!({ "source": "user", "type": "stdio", "url": "https://a" });
    assert!(config(declared).transport_kind().is_err());
    let remote = json!({ "source": "user", "args": ["a"], "url": "https://a", "command": null });
    assert_eq!(
        config(remote).transport_kind().ok(),
        Some(TransportKind::Sse)
    );
}
