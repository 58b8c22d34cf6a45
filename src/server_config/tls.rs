//! `tls` of a config: what a connection to the server, and to its own authorization server, has beyond other connections.

use serde_json::{Map, Value};
use url::Url;

use super::members::wrong_type;
use super::placeholders::Expander;
use crate::error::{Error, Result};
use crate::network::{ServerTls, TlsOptions};
use crate::secret::Secret;

/// Its members.
pub(super) const TLS_MEMBERS: [&str; 4] = ["ca", "cert", "key", "serverName"];

/// `tls` beside such a URL.
pub(super) const PLAIN: &str = "`tls` has no effect at a `url` with http:// or ws://";

/// Members of `oauth` that say where the authorization server is.
const ENDPOINTS: [&str; 4] = [
    "issuer",
    "authorization_url",
    "token_url",
    "revocation_endpoint",
];

/// Reads `tls`. A member that is not known is an error: one that was misspelled would leave a server without.
pub(super) fn tls_options(members: Option<Map<String, Value>>) -> Result<Option<TlsOptions>> {
    let Some(mut members) = members else {
        return Ok(None);
    };
    let mut text = |name: &str| match members.swap_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
        Some(_) => Err(wrong_type(&format!("tls.{name}"), "a non-empty string")),
    };
    let [ca, cert, key, server_name] = TLS_MEMBERS.map(&mut text);
    let options = TlsOptions {
        ca: ca?.map(Secret::new),
        cert: cert?.map(Secret::new),
        key: key?.map(Secret::new),
        server_name: server_name?,
    };
    if let Some(name) = members.keys().next() {
        return Err(wrong_type(
            &format!("tls.{name}"),
            "left out: there is no such member",
        ));
    }
    for (there, member, missing) in [
        (&options.cert, "tls.key", &options.key),
        (&options.key, "tls.cert", &options.cert),
    ] {
        if there.is_some() && missing.is_none() {
            return Err(wrong_type(
                member,
                "there, since a client certificate needs both",
            ));
        }
    }
    Ok(Some(options))
}

/// The same, with variables of the environment filled in.
pub(super) fn filled_in(tls: &TlsOptions, expander: &Expander<'_>) -> TlsOptions {
    let text = |text: &str| expander.admin_text(text);
    let secret = |it: &Option<Secret>| it.as_ref().map(|it| Secret::new(text(it.expose())));
    TlsOptions {
        ca: secret(&tls.ca),
        cert: secret(&tls.cert),
        key: secret(&tls.key),
        server_name: tls.server_name.as_deref().map(text),
    }
}

/// Refuses `tls` in a config that no operator made: it would have files of this machine read, and be authenticated with
/// them.
pub(super) fn check_operator_s(is_operators: bool) -> Result<()> {
    if is_operators {
        return Ok(());
    }
    Err(Error::invalid_config(
        "`tls` is not available here: only an operator's config may name certificates and keys",
    ))
}

/// Whether neither the server nor an endpoint of `oauth` is spoken to with TLS. A URL with variables may be yet.
pub(super) fn is_without_tls(url: &Url, oauth: Option<&Map<String, Value>>) -> bool {
    let is_plain = |url: &Url| matches!(url.scheme(), "http" | "ws");
    let named = |name: &&str| oauth?.get(*name)?.as_str();
    let mut endpoints = ENDPOINTS.iter().filter_map(named).map(Url::parse);
    is_plain(url) && endpoints.all(|endpoint| endpoint.is_ok_and(|it| is_plain(&it)))
}

/// Refuses `tls` where it has no effect: what it demands of the server would not be asked for. `None`: a process.
pub(super) fn check_url(url: Option<&Url>, oauth: Option<&Map<String, Value>>) -> Result<()> {
    let problem = match url {
        None => "`tls` and `command` exclude each other",
        Some(url) if is_without_tls(url, oauth) => PLAIN,
        Some(_) => return Ok(()),
    };
    Err(Error::invalid_config(format!(
        "Invalid MCP server config: {problem}"
    )))
}

/// The TLS of a server with these options, `url` and `oauth`, which errors call `server_name`.
///
/// Fails where `tls.serverName` is no host name.
pub(super) fn server_tls(
    server_name: &str,
    options: TlsOptions,
    url: &Url,
    oauth: Option<&Map<String, Value>>,
) -> Result<ServerTls> {
    let named = |name: &&str| oauth?.get(*name)?.as_str()?.parse().ok();
    let endpoints: Vec<Url> = ENDPOINTS.iter().filter_map(named).collect();
    ServerTls::new(server_name, options, url, &endpoints)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::config;
    use super::super::{Context, resolve};
    use super::*;
    use crate::environment::Environment;
    use crate::error::Code;

    fn read(tls: &Value) -> Result<Option<TlsOptions>> {
        tls_options(tls.as_object().cloned())
    }

    #[test]
    fn members() {
        let options = read(&json!({ "ca": "/ca.pem", "serverName": "a.test", "key": null }));
        let options = options.unwrap().unwrap();
        assert_eq!(options.ca, Some(Secret::from("/ca.pem")));
        assert_eq!(options.server_name.as_deref(), Some("a.test"));
        assert_eq!(read(&Value::Null).unwrap(), None);
        for (tls, named) in [
            (json!({ "ca": 5 }), "`tls.ca`"),
            (json!({ "ca": " " }), "`tls.ca`"),
            (json!({ "servername": "a.test" }), "`tls.servername`"),
            (json!({ "cert": "/c.pem" }), "`tls.key`"),
            (json!({ "key": "/k.pem" }), "`tls.cert`"),
        ] {
            let error = read(&tls).unwrap_err();
            assert!(error.message.contains(named), "{error}");
        }
    }

    #[test]
    fn only_an_operator_s_config_has_it() {
        let environment = Environment::from([("CA", "/etc/ca.pem")]);
        let resolved = |source: Value, db_id: Value| {
            let members = json!({
                "type": "http", "url": "https://a.test", "source": source, "dbId": db_id,
                "tls": { "ca": "${CA}", "serverName": "{{NAME}}" },
            });
            resolve(&config(members), &Context::of_environment(&environment))
        };
        for source in [Value::Null, json!("yaml"), json!("config")] {
            let tls = resolved(source, Value::Null).unwrap().tls.unwrap();
            assert_eq!(tls.ca, Some(Secret::from("/etc/ca.pem")));
            assert_eq!(tls.server_name.as_deref(), Some("{{NAME}}"));
        }
        for (source, db_id) in [
            (json!("user"), Value::Null),
            (json!("yaml"), json!("1")),
            (json!("x"), Value::Null),
        ] {
            let error = resolved(source, db_id).unwrap_err();
            assert!(error.message.contains("`tls`"), "{error}");
        }
    }
    #[test]
    fn where_there_is_none() {
        let environment = Environment::from([("PLAIN", "http://a.test")]);
        let with_tls = |mut members: Value| {
            members["tls"] = json!({ "ca": "/ca.pem" });
            resolve(&config(members), &Context::of_environment(&environment))
        };
        for (members, named) in [
            (json!({ "type": "http", "url": "http://a.test" }), "`url`"),
            (json!({ "url": "ws://a.test" }), "`url`"),
            (json!({ "type": "http", "url": "${PLAIN}" }), "`url`"),
            (json!({ "command": "npx" }), "`command`"),
        ] {
            let error = with_tls(members).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(
                error.message.contains("`tls`") && error.message.contains(named),
                "{error}"
            );
        }
        for oauth in [
            json!({ "token_url": "https://b.test/token" }),
            json!({ "issuer": "https://b.test", "token_url": "http://b.test/token" }),
        ] {
            // It is for the authorization server.
            let members = json!({ "type": "http", "url": "http://a.test", "oauth": oauth });
            assert!(with_tls(members).unwrap().tls.is_some());
        }
    }
}
