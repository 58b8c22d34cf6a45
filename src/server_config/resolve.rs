//! A config made ready for one connection or one call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::grant::{self, Grant};
use super::header::{Setter, header, is_sent};
use super::model::{ServerConfig, TransportKind, invalid_url};
use super::names::sanitize;
use super::placeholders::{Context, Depth, Expander, Place};
use super::process::expand_texts;
use super::stderr::Stderr;
use super::tls::{check_operator_s, check_url, filled_in, server_tls};
use crate::error::{Error, Result};
use crate::foreign_text::SentSecrets;
use crate::network::{ServerTls, TlsOptions};

/// No server takes as many, and HTTP's own types have a limit that they enforce by a panic.
const MOST_HEADERS: usize = 1000;

/// Where messages go to, with every variable filled in.
#[derive(Clone)]
pub enum Transport {
    Stdio {
        command: String,
        args: Vec<String>,
        /// Each name once.
        env: Box<[(String, String)]>,
        cwd: Option<String>,
        stderr: Stderr,
    },
    /// A remote server; `kind` is never [`TransportKind::Stdio`].
    Http {
        url: Arc<Url>,
        /// Each name once.
        headers: Arc<[(HeaderName, HeaderValue)]>,
        kind: TransportKind,
        /// The config's own proxy; the environment's come into play without one.
        proxy: Option<String>,
    },
}

impl Transport {
    #[must_use]
    pub const fn kind(&self) -> TransportKind {
        match self {
            Self::Stdio { .. } => TransportKind::Stdio,
            Self::Http { kind, .. } => *kind,
        }
    }
}

/// Shows where it leads, without values that may hold a secret.
impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio {
                command,
                args,
                env,
                cwd,
                stderr,
            } => formatter
                .debug_struct("Stdio")
                .field("command", command)
                .field("args", &args.len())
                .field("env", &env.iter().map(|(name, _)| name).collect::<Vec<_>>())
                .field("cwd", cwd)
                .field("stderr", stderr)
                .finish(),
            Self::Http {
                url,
                headers,
                kind,
                proxy,
            } => {
                let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
                formatter
                    .debug_struct("Http")
                    .field("url", &sanitize(url))
                    .field("headers", &names)
                    .field("kind", kind)
                    .field("proxy", &proxy.is_some())
                    .finish()
            }
        }
    }
}

/// A config with every variable filled in.
#[derive(Clone)]
pub struct ResolvedConfig {
    pub transport: Transport,
    pub timeout: Option<Duration>,
    pub init_timeout: Option<Duration>,
    pub sse_read_timeout: Option<Duration>,
    pub oauth: Option<Map<String, Value>>,
    pub oauth_headers: IndexMap<String, String>,
    pub obo_scopes: Option<String>,
    pub icon_path: Option<String>,
    pub tls: Option<Box<TlsOptions>>,
    /// Whether the server may ask for elicitations.
    pub elicitation: bool,
    /// Extensions that the server is told of, over the host's.
    pub extensions: Option<Arc<Map<String, Value>>>,
    /// What was filled in and has to stay between us and the server.
    pub filled_in: SentSecrets,
}

impl ResolvedConfig {
    /// Names the server itself, whoever calls it: its URL without a query, or its command line.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match &self.transport {
            Transport::Http { url, .. } => sanitize(url),
            Transport::Stdio { command, args, .. } => format!("{command} {}", args.join(" ")),
        }
    }

    /// As [`ServerConfig::exchanges_tokens`].
    #[must_use]
    pub fn exchanges_tokens(&self) -> bool {
        let grant = self.oauth.as_ref().and_then(Grant::of);
        self.obo_scopes.is_some() || grant == Some(Grant::Enterprise)
    }

    /// The server's URL; a process has none.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        match &self.transport {
            Transport::Http { url, .. } => Some(url.to_string()),
            Transport::Stdio { .. } => None,
        }
    }

    /// The server's own TLS, for its URL and the endpoints of its authorization server that the config names.
    /// `server_name` is what errors call the server.
    pub fn server_tls(&self, server_name: &str) -> Result<Option<ServerTls>> {
        let (Some(options), Transport::Http { url, .. }) = (&self.tls, &self.transport) else {
            return Ok(None);
        };
        server_tls(
            server_name,
            TlsOptions::clone(options),
            url,
            self.oauth.as_ref(),
        )
        .map(Some)
    }

    /// The config's own proxy.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        match &self.transport {
            Transport::Http { proxy, .. } => proxy.as_deref(),
            Transport::Stdio { .. } => None,
        }
    }
}

impl fmt::Debug for ResolvedConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResolvedConfig")
            .field("transport", &self.transport)
            .field("timeout", &self.timeout)
            .field("init_timeout", &self.init_timeout)
            .field("sse_read_timeout", &self.sse_read_timeout)
            .field("obo_scopes", &self.obo_scopes)
            .finish_non_exhaustive()
    }
}

/// Fills in environment variables and placeholders, and decides on the transport. A config that cannot be connected
/// to is [`Code::InvalidConfig`](crate::error::Code::InvalidConfig).
pub fn resolve(config: &ServerConfig, context: &Context<'_>) -> Result<ResolvedConfig> {
    let expander = config.expander(context, Depth::Call);
    let oauth = config.oauth.clone().map(|mut oauth| {
        expand_texts(&mut oauth, &expander);
        let tls = config.tls.as_ref();
        let has_certificate = tls.is_some_and(|tls| tls.cert.is_some());
        grant::check_expanded(&oauth, has_certificate).map(|()| oauth)
    });
    let oauth = oauth.transpose()?;
    let oauth_headers = config.oauth_headers.iter();
    let oauth_headers = oauth_headers
        .map(|(name, value)| {
            (
                name.clone(),
                expander.text(value, Place::Header).into_owned(),
            )
        })
        .collect();
    let transport = transport(config, &expander)?;
    let tls = config
        .tls
        .as_ref()
        .map(|tls| Box::new(filled_in(tls, &expander)));
    if tls.is_some() {
        check_operator_s(config.is_operators())?;
        let url = match &transport {
            Transport::Http { url, .. } => Some(&**url),
            Transport::Stdio { .. } => None,
        };
        check_url(url, oauth.as_ref())?;
    }
    Ok(ResolvedConfig {
        transport,
        filled_in: expander.into_secrets(),
        timeout: config.timeout,
        init_timeout: config.init_timeout,
        sse_read_timeout: config.sse_read_timeout,
        oauth,
        oauth_headers,
        obo_scopes: config.obo_scopes.clone(),
        icon_path: config.icon_path.clone(),
        tls,
        elicitation: config.elicitation,
        extensions: config.extensions.clone(),
    })
}

/// The config's headers for one call, with that call's tokens and chat request.
pub fn headers_for_call(config: &ServerConfig, context: &Context<'_>) -> Result<HeaderMap> {
    let expander = config.expander(context, Depth::Call);
    let headers = headers(config, config.headers.iter(), &expander)?;
    Ok(headers.into_iter().collect())
}

/// The same for a tool call: `requestHeaders` over the others.
pub fn headers_for_tool_call(config: &ServerConfig, context: &Context<'_>) -> Result<HeaderMap> {
    let expander = config.expander(context, Depth::Call);
    let templates = config.headers.iter().chain(&config.request_headers);
    Ok(headers(config, templates, &expander)?.into_iter().collect())
}

fn transport(config: &ServerConfig, expander: &Expander<'_>) -> Result<Transport> {
    if let Some(url) = config.remote_url()? {
        let url = if config.has_machine_grant() {
            expander.with_environment(url)
        } else {
            expander.text(url, Place::UrlOrEnv)
        };
        let url = Url::parse(&url).map_err(|_| invalid_url())?;
        let proxy = config.proxy.as_deref();
        let proxy = proxy.map(|proxy| expander.admin_text(proxy).trim().to_owned());
        return Ok(Transport::Http {
            kind: config.kind_of(&url)?,
            headers: headers(config, config.headers.iter(), expander)?.into(),
            proxy: proxy.filter(|proxy| !proxy.is_empty()),
            url: Arc::new(url),
        });
    }
    let args = config.args.iter();
    let env = config.env.iter();
    Ok(Transport::Stdio {
        command: config.command.clone().unwrap_or_default(),
        args: args
            .map(|arg| expander.text(arg, Place::Other).into_owned())
            .collect(),
        env: env
            .map(|(name, value)| {
                (
                    name.clone(),
                    expander.text(value, Place::UrlOrEnv).into_owned(),
                )
            })
            .collect(),
        cwd: config.cwd.clone(),
        stderr: config.stderr,
    })
}

/// Case does not tell header names apart: of two spellings of one name the later wins, an administrator's key over a
/// configured `authorization`, say. The reference sends both values, joined by a comma.
fn headers<'t>(
    config: &ServerConfig,
    templates: impl Iterator<Item = (&'t String, &'t String)>,
    expander: &Expander<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = Vec::with_capacity(config.headers.len());
    for (name, template) in templates {
        if headers.len() == MOST_HEADERS {
            return Err(Error::invalid_config(format!(
                "headers: a request carries at most {MOST_HEADERS} of them"
            )));
        }
        if config.shadows(name, template) {
            continue;
        }
        let (name, value) = header(name, &expander.text(template, Place::Header))?;
        let setter = if config.is_operators() && !expander.has_variables(template) {
            Setter::Operator
        } else {
            Setter::User
        };
        if !is_sent(&name, setter)? {
            continue;
        }
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
