//! Keys of the configs that the host's registry has, for functions that are given a flow or a token and no config.

use std::sync::Arc;

use async_trait::async_trait;

use super::call::Call;
use crate::error::Result;
use crate::host::{Host, Lookup};
use crate::manager::registered_config;
use crate::node::engine::JsResult;
use crate::node::host::registry::Principal;
use crate::node::marshal::services;
use crate::oauth::{ClientEndpoint, ClientKeys, Form, KeyedClient, OAuthOptions};
use crate::server_config::{Context, resolve};

struct RegisteredKeys(Host);

impl<'env> Call<'env> {
    /// The host as a call sees it that has no parameters.
    fn host(&self) -> JsResult<'env, Host> {
        let (runtime, context) = (&self.runtime, &self.context);
        let present = services::present(context.host(self.scope))?;
        let principal = Principal::default();
        let node = Arc::new(runtime.node_host(context, &self.environment, present, principal));
        runtime.services(self.scope, None, None, present, &node, self.logger.clone())
    }

    pub fn client_keys(&self) -> JsResult<'env, Arc<dyn ClientKeys>> {
        Ok(Arc::new(RegisteredKeys(self.host()?)))
    }
}

#[async_trait]
impl ClientKeys for RegisteredKeys {
    async fn authenticate(
        &self,
        server_name: &str,
        client_id: &str,
        form: &mut Form,
        at: ClientEndpoint<'_>,
    ) -> Result<bool> {
        let host = &self.0;
        // Keys are an operator's, so no user's config is looked for.
        let lookup = Lookup {
            user_id: None,
            config_servers: false,
        };
        let Some(config) = registered_config(host, server_name, lookup).await? else {
            return Ok(false);
        };
        let config = resolve(&config, &Context::of_environment(&host.environment))?;
        let options = OAuthOptions::new(config.oauth.as_ref());
        let keyed = KeyedClient {
            options: &options,
            server_name,
            assertions: host.client_assertions.as_deref(),
        };
        keyed.authenticate(client_id, form, at).await
    }
}
