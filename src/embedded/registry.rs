//! The servers of a [`Config`], with what `LibreChat`'s inspector would have found out about them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::config::Config;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::host::{Lookup, Registry, RulesOfCall, Storage};
use crate::network::{HttpClient, NetworkRules, Policy, ServerTls};
use crate::oauth::{Endpoints, detect};
use crate::server_config::{Context, RawConfig, ServerConfig, process_mcp_env, resolve};
use crate::settings::Settings;

/// So long a server that wants no OAuth, or could not be asked, is not asked again.
const UNDETECTED_TTL: Duration = Duration::from_mins(1);

/// Which servers want OAuth, found out once for all calls of a runtime.
#[derive(Default)]
pub struct Detections {
    /// By server name.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Detected>>>>>,
    /// What the calls share: the configs of servers, and of those that want OAuth with that in them.
    configs: Mutex<HashMap<(String, bool), Arc<RawConfig>>>,
}

#[derive(Clone, Copy)]
struct Detected {
    requires_oauth: bool,
    at: Instant,
}

/// The registry as one call sees it.
pub struct ConfigRegistry {
    pub config: Arc<Config>,
    pub detections: Arc<Detections>,
    pub http: HttpClient,
    pub environment: Environment,
    pub settings: Settings,
}

impl ConfigRegistry {
    /// Whether a server wants OAuth, where its configuration leaves that open (`MCPServerInspector.detectOAuth`).
    async fn requires_oauth(&self, server_name: &str, config: &Map<String, Value>) -> Result<bool> {
        if is_decided(config) {
            return Ok(false);
        }
        let turn = {
            let mut known = self.detections.known.lock();
            Arc::clone(known.entry(server_name.to_owned()).or_default())
        };
        let mut known = turn.lock().await;
        if let Some(detected) = &*known
            && (detected.requires_oauth || detected.at.elapsed() < UNDETECTED_TTL)
        {
            return Ok(detected.requires_oauth);
        }
        let Some((url, proxy, tls)) = self.whom_to_ask(server_name, config) else {
            return Ok(false);
        };
        // The rules for authorization servers judge one outside the allowlist instead of refusing it. This one is the MCP
        // server itself; whoever connects is told why it is refused.
        let rules = &NetworkRules {
            tls,
            ..self.config.rules.clone()
        };
        let policy = Policy::new(rules, &self.environment, proxy.as_deref())?;
        if policy.check_url(&url).is_err() {
            return Ok(false);
        }
        let endpoints = Endpoints::new(
            self.http.clone(),
            rules,
            &self.environment,
            proxy.as_deref(),
            &indexmap::IndexMap::new(),
        )?
        .told_of(Some(server_name), None);
        let detection = detect(&endpoints, &url, &self.settings).await;
        *known = Some(Detected {
            requires_oauth: detection.requires_oauth,
            at: Instant::now(),
        });
        Ok(detection.requires_oauth)
    }

    /// The server's URL, its proxy and its TLS; `None` where there is nobody to ask.
    fn whom_to_ask(
        &self,
        server_name: &str,
        config: &Map<String, Value>,
    ) -> Option<(Url, Option<String>, Option<ServerTls>)> {
        let context = Context::of_environment(&self.environment);
        let expanded = process_mcp_env(config.clone(), &context, None);
        let text = |name: &str| expanded.get(name).and_then(Value::as_str);
        let url = Url::parse(text("url")?).ok()?;
        let proxy = text("proxy")
            .map(str::trim)
            .filter(|proxy| !proxy.is_empty());
        let read = || {
            let config = ServerConfig::from_members(config.clone()).ok()?;
            let resolved = resolve(&config, &context).ok()?;
            resolved.server_tls(server_name).ok()?
        };
        let tls = config.contains_key("tls").then(read).flatten();
        matches!(url.scheme(), "http" | "https").then(|| (url, proxy.map(str::to_owned), tls))
    }
}

/// Whether a config says itself how users authorize, or that they do not.
fn is_decided(config: &Map<String, Value>) -> bool {
    let has = |name: &str| config.get(name).is_some_and(|value| !value.is_null());
    let headers = config.get("headers").and_then(Value::as_object);
    let sends_credentials = headers.is_some_and(|headers| {
        let mut names = headers.keys();
        names.any(|name| name.eq_ignore_ascii_case("authorization"))
    });
    let members = ["command", "requiresOAuth", "oauth", "obo", "apiKey"];
    members.into_iter().any(has) || sends_credentials
}

#[async_trait]
impl Registry for ConfigRegistry {
    async fn server_config(
        &self,
        server_name: &str,
        _: Lookup<'_>,
    ) -> Result<Option<Arc<RawConfig>>> {
        let Some(config) = self.config.servers.get(server_name) else {
            return Ok(None);
        };
        let requires_oauth = self.requires_oauth(server_name, config).await?;
        let mut known = self.detections.configs.lock();
        let known = known.entry((server_name.to_owned(), requires_oauth));
        let config = known.or_insert_with(|| {
            let mut config = config.clone();
            if requires_oauth {
                config.insert("requiresOAuth".to_owned(), Value::Bool(true));
            }
            Arc::new(config.into())
        });
        Ok(Some(Arc::clone(config)))
    }

    /// Nothing that a file says has failed an inspection.
    async fn reinspect(
        &self,
        server_name: &str,
        _: Storage,
        _: Option<&str>,
    ) -> Result<Option<Map<String, Value>>> {
        Err(Error::new(
            Code::InvalidArgument,
            format!("The server {server_name} is not in a failed state"),
        ))
    }

    async fn network_rules(&self) -> Result<RulesOfCall> {
        Ok(self.config.rules.clone().into())
    }

    async fn all_server_configs(
        &self,
        _: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Value>)>> {
        let servers = &self.config.servers;
        Ok(servers.clone().into_iter().collect())
    }
}
