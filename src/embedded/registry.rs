//! The servers of an [`Edition`], with what `LibreChat`'s inspector would have found out about them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::detections::Detected;
use super::edition::Edition;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::host::{Abilities, Lookup, Registry, RulesOfCall, Storage};
use crate::network::{HttpClient, NetworkRules, Policy};
use crate::oauth::{Asking, Endpoints, detect};
use crate::server_config::{Context, RawConfig, ServerConfig, Transport, resolve};
use crate::settings::Settings;

/// The registry as one call sees it.
pub struct ConfigRegistry {
    pub edition: Arc<Edition>,
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
        // Each call asks this, and mostly it is known.
        if let Some(known) = self.edition.detections.known(server_name) {
            return Ok(known);
        }
        let _turn = self
            .edition
            .detections
            .turns
            .lock(&server_name.to_owned())
            .await;
        if let Some(known) = self.edition.detections.known(server_name) {
            return Ok(known);
        }
        let Some(requires_oauth) = self.detect(server_name, config).await? else {
            return Ok(false);
        };
        let detected = Detected {
            requires_oauth,
            at: Instant::now(),
            challenge: None,
        };
        let mut known = self.edition.detections.known.lock();
        // A request may have been refused meanwhile.
        if !known.get(server_name).is_some_and(|it| it.requires_oauth) {
            known.insert(server_name.to_owned(), detected);
        }
        Ok(known.get(server_name).is_some_and(|it| it.requires_oauth))
    }

    /// `None` where there is nobody to ask.
    async fn detect(&self, server_name: &str, config: &Map<String, Value>) -> Result<Option<bool>> {
        let context = Context::of_environment(&self.environment);
        let config = ServerConfig::from_members(config.clone());
        let resolved = config.and_then(|config| resolve(&config, &context));
        let Ok(resolved) = resolved else {
            // Whoever connects is told what is wrong with it.
            return Ok(None);
        };
        let Transport::Http { url, proxy, .. } = &resolved.transport else {
            return Ok(None);
        };
        // The rules for authorization servers judge one outside the allowlist instead of refusing it. This one is the MCP
        // server itself; whoever connects is told why it is refused.
        let rules = &NetworkRules {
            tls: resolved.server_tls(server_name).ok().flatten(),
            ..self.edition.config.rules.clone()
        };
        let policy = Policy::new(rules, &self.environment, proxy.as_deref())?;
        if !matches!(url.scheme(), "http" | "https") || policy.check_url(url).is_err() {
            return Ok(None);
        }
        let endpoints = Endpoints::new(
            self.http.clone(),
            rules,
            &self.environment,
            proxy.as_deref(),
            &indexmap::IndexMap::new(),
        )?
        .asking(Asking::of(&resolved.transport).keeping(resolved.secrets()))
        .told_of(Some(server_name), None);
        let detection = detect(&endpoints, url, &self.settings, resolved.init_timeout).await;
        Ok(Some(detection.requires_oauth))
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
    async fn abilities(&self) -> Result<Abilities> {
        Ok(Abilities {
            is_embedded: true,
            ..Abilities::default()
        })
    }

    async fn server_config(
        &self,
        server_name: &str,
        _: Lookup<'_>,
    ) -> Result<Option<Arc<RawConfig>>> {
        let Some(config) = self.edition.config.servers.get(server_name) else {
            return Ok(None);
        };
        let requires_oauth = self.requires_oauth(server_name, config).await?;
        let mut known = self.edition.detections.configs.lock();
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
        Ok(self.edition.config.rules.clone().into())
    }

    fn hear_challenge(&self, server_name: &str, config: &ServerConfig, challenge: &str) -> bool {
        let own = self.edition.config.servers.get(server_name);
        // The challenge is that of whoever the request went to.
        let is_of = |own: &Map<String, Value>| {
            let text = |name: &str| own.get(name).and_then(Value::as_str);
            text("url") == config.url.as_deref() && text("proxy") == config.proxy.as_deref()
        };
        if !own.is_some_and(|own| !is_decided(own) && is_of(own)) {
            return false;
        }
        let mut known = self.edition.detections.known.lock();
        if known.get(server_name).is_some_and(|it| it.requires_oauth) {
            return false;
        }
        let detected = Detected {
            requires_oauth: true,
            at: Instant::now(),
            challenge: Some(challenge.to_owned()),
        };
        known.insert(server_name.to_owned(), detected);
        true
    }

    fn challenge(&self, server_name: &str) -> Option<String> {
        let known = self.edition.detections.known.lock();
        known.get(server_name)?.challenge.clone()
    }

    async fn all_server_configs(
        &self,
        _: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Value>)>> {
        let servers = &self.edition.config.servers;
        Ok(servers.clone().into_iter().collect())
    }
}
