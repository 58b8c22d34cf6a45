//! A server as somebody configured it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::api_key;
use super::coordination::Coordination;
use super::extensions::read_extensions;
use super::grant;
use super::members::{Members, wrong_type};
use super::named::Named;
use super::placeholders::placeholders;
use super::rules::ToolRules;
use super::stderr::{Stderr, stderr};
use super::tls::tls_options;
use super::{environment, timestamp};
use crate::error::{Error, Result};
use crate::network::TlsOptions;

const CANNOT_INFER: &str = "Cannot infer transport type: options.type is not provided and cannot be inferred from other properties.";

/// How messages reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    Stdio,
    StreamableHttp,
    Sse,
    WebSocket,
}

impl TransportKind {
    /// The name in `LibreChat`'s configs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::StreamableHttp => "streamable-http",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }

    /// Whether each request is one of HTTP.
    #[must_use]
    pub const fn has_headers_per_request(self) -> bool {
        matches!(self, Self::StreamableHttp | Self::Sse)
    }
}

/// Where the instructions for the model come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerInstructions {
    /// The server's own.
    FromServer,
    /// A text in their place.
    Text(String),
}

/// A server's config: a template, with environment variables and placeholders as they were written. Only an
/// administrator's `apiKey` is already the header that it stands for.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "members of configs")]
pub struct ServerConfig {
    /// `type` as it was written; see [`ServerConfig::transport_kind`].
    pub declared_type: Option<String>,
    pub url: Option<String>,
    pub command: Option<String>,
    pub args: Vec<String>,
    pub env: IndexMap<String, String>,
    pub cwd: Option<String>,
    pub stderr: Stderr,
    pub headers: IndexMap<String, String>,
    /// Headers of tool calls alone, over `headers`.
    pub request_headers: IndexMap<String, String>,
    pub proxy: Option<String>,
    /// Of one request.
    pub timeout: Option<Duration>,
    /// Of connecting and the handshake.
    pub init_timeout: Option<Duration>,
    /// Silence on the event stream after which it is opened again.
    pub sse_read_timeout: Option<Duration>,
    pub icon_path: Option<String>,
    pub oauth: Option<Map<String, Value>>,
    pub oauth_headers: IndexMap<String, String>,
    pub oauth_coordination: Coordination,
    /// Scopes of the on-behalf-of exchange; present where the config has `obo`.
    pub obo_scopes: Option<String>,
    /// Names of the variables that each user provides, in the order of declaration.
    pub custom_user_vars: Vec<String>,
    /// `None` until somebody said or detected it.
    pub requires_oauth: Option<bool>,
    /// Whether the server is connected when the application starts.
    pub startup: bool,
    /// Whether users may share a connection.
    pub shared: bool,
    /// Whether the server may ask for elicitations.
    pub elicitation: bool,
    /// Extensions that the server is told of, over the host's.
    pub extensions: Option<Arc<Map<String, Value>>>,
    pub tls: Option<TlsOptions>,
    pub server_instructions: Option<ServerInstructions>,
    /// `yaml`, `config` or `user`.
    pub source: Option<String>,
    pub db_id: Option<String>,
    pub author: Option<String>,
    /// Milliseconds since the epoch.
    pub updated_at: Option<i64>,
    pub inspection_failed: bool,
    /// What an operator decides about the tools.
    pub rules: Option<Arc<ToolRules>>,
    pub(super) named: OnceLock<Named>,
}

impl ServerConfig {
    /// The members that [`ServerConfig::from_members`] reads. A host need not copy any other.
    pub const MEMBERS: &'static [&'static str] = &[
        "type",
        "url",
        "command",
        "args",
        "env",
        "cwd",
        "stderr",
        "headers",
        "requestHeaders",
        "proxy",
        "timeout",
        "initTimeout",
        "sseReadTimeout",
        "iconPath",
        "apiKey",
        "oauth",
        "oauth_headers",
        "oauthRefreshCoordination",
        "oauthRefreshWaitTimeout",
        "oauthPersistenceWaitTimeout",
        "obo",
        "customUserVars",
        "requiresOAuth",
        "startup",
        "shared",
        "elicitation",
        "extensions",
        "tls",
        "serverInstructions",
        "source",
        "dbId",
        "author",
        "updatedAt",
        "inspectionFailed",
        "tools",
        "pinTools",
        "limits",
        "maxResultBytes",
        "overflow",
    ];

    /// Reads a config's JSON members; unknown ones are ignored. A member of a wrong type is an error that names it.
    /// A config that leads to no transport is still a config: that error belongs to whoever connects.
    pub fn from_members(members: Map<String, Value>) -> Result<Self> {
        grant::check_server(&members)?;
        let config = Self::read(members)?;
        let is_operators = config.is_operators() && !config.is_plugin_sourced();
        grant::check_author(config.oauth.as_ref(), is_operators)?;
        Ok(config)
    }

    /// The same without judging how a token is asked for: what a config is shows of one, too, that is of no use.
    pub fn read(mut members: Map<String, Value>) -> Result<Self> {
        check_api_key(&members)?;
        api_key::apply(&mut members);
        let mut members = Members::new(members);
        let rules = ToolRules::MEMBERS.map(|name| members.take(name));
        let mut config = Self {
            declared_type: members.text("type")?,
            url: members.text("url")?,
            command: members.text("command")?,
            args: members.list("args")?,
            env: members.texts("env")?,
            cwd: members.text("cwd")?,
            stderr: stderr(members.take("stderr"))?,
            headers: members.texts("headers")?,
            request_headers: members.texts("requestHeaders")?,
            proxy: members.text("proxy")?,
            timeout: members.timeout("timeout")?,
            init_timeout: members.timeout("initTimeout")?,
            sse_read_timeout: members.timeout("sseReadTimeout")?,
            icon_path: members.text("iconPath")?,
            oauth: members.object("oauth")?,
            oauth_headers: members.texts("oauth_headers")?,
            oauth_coordination: Coordination {
                is_on: members
                    .flag("oauthRefreshCoordination")?
                    .unwrap_or_default(),
                refresh_wait: members.timeout("oauthRefreshWaitTimeout")?,
                persistence_wait: members.timeout("oauthPersistenceWaitTimeout")?,
            },
            obo_scopes: obo_scopes(members.object("obo")?)?,
            custom_user_vars: members
                .object("customUserVars")?
                .map(|variables| variables.into_iter().map(|(name, _)| name).collect())
                .unwrap_or_default(),
            requires_oauth: members.flag("requiresOAuth")?,
            startup: members.flag("startup")?.unwrap_or(true),
            shared: members.flag("shared")?.unwrap_or(true),
            elicitation: members.flag("elicitation")?.unwrap_or(true),
            extensions: read_extensions(members.object("extensions")?)?,
            tls: tls_options(members.object("tls")?)?,
            server_instructions: instructions(members.take("serverInstructions"))?,
            source: members.text("source")?,
            db_id: members.id("dbId"),
            author: members.id("author"),
            updated_at: members
                .take("updatedAt")
                .as_ref()
                .and_then(timestamp::millis),
            inspection_failed: members.flag("inspectionFailed")?.unwrap_or_default(),
            rules: None,
            named: OnceLock::new(),
        };
        // In a config of anybody else they are no more than unknown members.
        if config.is_operators() && !config.is_plugin_sourced() {
            config.rules = ToolRules::of_config(&rules)?;
        }
        if let Some(grant) = config.grant() {
            // No user has anything to authorize, whatever an inspection found out.
            config.requires_oauth = Some(false);
            config.extensions = grant.told(config.extensions);
        }
        Ok(config)
    }

    /// The transport that the config leads to. A URL whose scheme is itself a variable counts as what `type` says.
    pub fn transport_kind(&self) -> Result<TransportKind> {
        let Some(url) = self.remote_url()? else {
            return Ok(TransportKind::Stdio);
        };
        match Url::parse(url) {
            Ok(url) => self.kind_of(&url),
            Err(_) if has_variables(url) => Ok(self.kind_of_template(url)),
            Err(_) => Err(invalid_url()),
        }
    }

    /// Refuses a config that names a process and that somebody made who may start none. Every way to a transport leads
    /// through here, so that it does not matter what was checked when the config was stored.
    pub fn check_process(&self) -> Result<()> {
        let names_process =
            self.command.is_some() || self.declared_type.as_deref() == Some("stdio");
        if names_process && !self.is_operators() {
            return Err(Error::invalid_config(
                "The stdio transport is not available here: only an operator's config may name a command to start",
            ));
        }
        Ok(())
    }

    /// Whether an operator made the config. A `dbId` says that it was stored by way of the application, and a `source`
    /// that is not known says nothing.
    pub(super) fn is_operators(&self) -> bool {
        let source = self.source.as_deref();
        self.db_id.is_none() && matches!(source, None | Some("yaml" | "config" | "plugin"))
    }

    /// The URL template; `None` for a command. A command wins over a URL, as in the reference.
    pub(super) fn remote_url(&self) -> Result<Option<&str>> {
        self.check_process()?;
        if self.command.is_some() {
            return Ok(None);
        }
        match &self.url {
            Some(url) => Ok(Some(url)),
            None => Err(Error::invalid_config(CANNOT_INFER)),
        }
    }

    /// The transport for an expanded URL.
    pub(super) fn kind_of(&self, url: &Url) -> Result<TransportKind> {
        match url.scheme() {
            "ws" | "wss" => Ok(TransportKind::WebSocket),
            "http" | "https" => Ok(self.kind_over_http()),
            scheme => Err(Error::invalid_config(format!(
                "Unsupported URL scheme: {scheme}"
            ))),
        }
    }

    fn kind_of_template(&self, url: &str) -> TransportKind {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme.trim());
        if scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss") {
            return TransportKind::WebSocket;
        }
        let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !is_http && self.declared_type.as_deref() == Some("websocket") {
            return TransportKind::WebSocket;
        }
        self.kind_over_http()
    }

    fn kind_over_http(&self) -> TransportKind {
        match self.declared_type.as_deref() {
            Some("streamable-http" | "http") => TransportKind::StreamableHttp,
            _ => TransportKind::Sse,
        }
    }
}

/// Shows which server it is, and nothing that may hold a secret.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerConfig")
            .field("declared_type", &self.declared_type)
            .field("source", &self.source)
            .field("db_id", &self.db_id)
            .field("requires_oauth", &self.requires_oauth)
            .field("custom_user_vars", &self.custom_user_vars)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

/// Node's own text; the URL is left out because it may hold a key.
pub(super) fn invalid_url() -> Error {
    Error::invalid_config("Invalid URL")
}

fn has_variables(url: &str) -> bool {
    environment::names(url).next().is_some() || placeholders(url).next().is_some()
}

fn check_api_key(members: &Map<String, Value>) -> Result<()> {
    let api_key = match members.get("apiKey") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(api_key)) => api_key,
        Some(_) => return Err(wrong_type("apiKey", "an object")),
    };
    for name in ["source", "key", "authorization_type", "custom_header"] {
        let value = api_key.get(name).unwrap_or(&Value::Null);
        if !value.is_string() && !value.is_null() {
            return Err(wrong_type(&format!("apiKey.{name}"), "a string"));
        }
    }
    Ok(())
}

/// Whether a text stands for `true`: `LibreChat` reads texts like those of environment variables as flags.
#[must_use]
pub fn is_enabled(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

fn instructions(value: Option<Value>) -> Result<Option<ServerInstructions>> {
    match value {
        None | Some(Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => Ok(Some(ServerInstructions::FromServer)),
        Some(Value::String(text)) if is_enabled(&text) => Ok(Some(ServerInstructions::FromServer)),
        Some(Value::String(text)) => Ok(Some(ServerInstructions::Text(text))),
        Some(_) => Err(wrong_type("serverInstructions", "a boolean or a string")),
    }
}

/// An exchange without scopes would ask for nothing in particular, so a config with `obo` has to name some.
fn obo_scopes(obo: Option<Map<String, Value>>) -> Result<Option<String>> {
    let Some(mut obo) = obo else {
        return Ok(None);
    };
    match obo.swap_remove("scopes") {
        Some(Value::String(scopes)) if !scopes.trim().is_empty() => Ok(Some(scopes)),
        _ => Err(wrong_type("obo.scopes", "a non-empty string")),
    }
}

#[cfg(test)]
mod tests;
