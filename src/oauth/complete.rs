//! The end of a flow: the authorization code for tokens (RFC 6749, section 4.1.3).

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::FLOW_KIND;
use super::client_auth::{AuthMethod, authenticate, authenticate_client};
use super::documents::{ClientInfo, ResourceMetadata, ServerMetadata, Tokens, text, texts};
use super::http::{Endpoints, Form};
use super::initiate::{redirect_uri, resource_indicator};
use crate::error::{Code, Error, Result};
use crate::host::{
    Environment, FlowState, FlowStatus, FlowStore, Level, LogMeta, Logger, NetworkRules,
};
use crate::network::HttpClient;
use crate::secret::Secret;
use crate::settings::Settings;

/// What a callback needs.
pub struct Completion {
    pub http: HttpClient,
    pub flows: Arc<dyn FlowStore>,
    /// Else those that the flow was started with.
    pub oauth_headers: IndexMap<String, String>,
    pub environment: Environment,
    pub settings: Settings,
    pub logger: Logger,
}

/// What the authorization server gave the user's browser.
#[derive(Debug, Clone)]
pub struct Callback {
    pub code: Secret,
    /// `state` and `iss`, where the caller passes on what it received.
    pub received: Option<Received>,
}

#[derive(Debug, Clone, Default)]
pub struct Received {
    pub state: Option<Secret>,
    /// RFC 9207.
    pub iss: Option<String>,
}

impl Completion {
    /// Exchanges the code and completes the flow with the tokens. A flow that is completed already gives what it was
    /// completed with; any failure fails the flow, except a wrong `state`, which may be anybody's.
    ///
    /// Fails with [`Code::OAuthFlowFailed`] (no such flow, wrong `state` or `iss`), [`Code::OAuthExchangeFailed`].
    pub async fn complete(&self, flow_id: &str, callback: &Callback) -> Result<Tokens> {
        let failed = |problem: &str| Error::new(Code::OAuthFlowFailed, problem);
        let flow = self.flows.get(flow_id, FLOW_KIND).await?;
        let flow = flow.ok_or_else(|| failed("OAuth flow not found"))?;
        let state = callback.received.as_ref().and_then(|it| it.state.as_ref());
        let expected = text(&flow.metadata, "state").map(Secret::from);
        if state.is_some() && state != expected.as_ref() {
            return Err(failed("The OAuth state does not belong to this flow"));
        }
        let done = flow.result.as_ref().and_then(Tokens::from_value);
        if let (FlowStatus::Completed, Some(tokens)) = (flow.status, done) {
            return Ok(tokens);
        }
        match self.exchange(&flow, callback).await {
            Ok(tokens) => {
                let result = tokens.clone().into_value();
                self.flows.complete(flow_id, FLOW_KIND, &result).await?;
                Ok(tokens)
            }
            Err(error) => {
                let message = "[MCPOAuth] Failed to complete OAuth flow";
                self.logger
                    .with(Level::Error, message, LogMeta::Error(error.clone()));
                self.flows.fail(flow_id, FLOW_KIND, &error.message).await?;
                Err(error)
            }
        }
    }

    async fn exchange(&self, flow: &FlowState, callback: &Callback) -> Result<Tokens> {
        let request = Exchange::read(&flow.metadata)?;
        request.check_issuer(callback.received.as_ref())?;
        let endpoints = Endpoints::new(
            self.http.clone(),
            &request.rules,
            &self.environment,
            None,
            if self.oauth_headers.is_empty() {
                &request.oauth_headers
            } else {
                &self.oauth_headers
            },
        )?;
        let url = endpoints.check(request.server.endpoint("token_endpoint")?, "token_endpoint")?;
        let redirect_uri = match request.client.redirect_uri() {
            Some(uri) => uri.to_owned(),
            None => redirect_uri(&self.settings, None),
        };
        let mut form = Form::default();
        form.set("grant_type", "authorization_code");
        form.set("code", callback.code.expose());
        form.set("code_verifier", request.verifier.expose());
        form.set("redirect_uri", &redirect_uri);
        if let Some(resource) = resource_indicator(&request.server_url, request.resource.as_ref())?
        {
            form.set("resource", &resource);
        }
        let authorization = if request.client.auth_method() == Some(AuthMethod::None.as_str()) {
            authenticate(&mut form, AuthMethod::None, request.client.id(), None)
        } else {
            let methods = request
                .server
                .texts("token_endpoint_auth_methods_supported");
            authenticate_client(&mut form, &request.client, None, methods.as_deref())
        };
        let answer = endpoints
            .post_form(&url, &form, authorization.as_ref())
            .await
            .map_err(|error| {
                let retryable = error.retryable;
                Error::new(
                    Code::OAuthExchangeFailed,
                    format!("Token exchange failed: {error}"),
                )
                .with_retryable(retryable)
                .caused_by(error)
            })?;
        let members = answer.success(Code::OAuthExchangeFailed, "Token exchange")?;
        Tokens::from_response(members, Code::OAuthExchangeFailed)
    }
}

/// A flow's metadata, as far as the exchange needs it.
struct Exchange {
    server_url: Url,
    server: ServerMetadata,
    resource: Option<ResourceMetadata>,
    client: ClientInfo,
    verifier: Secret,
    rules: NetworkRules,
    /// Those that the flow was started with.
    oauth_headers: IndexMap<String, String>,
}

impl Exchange {
    fn read(metadata: &Map<String, Value>) -> Result<Self> {
        let object = |name: &str| metadata.get(name).and_then(Value::as_object).cloned();
        let list = |name: &str| -> Vec<String> {
            let items = texts(metadata, name).unwrap_or_default();
            items.into_iter().map(str::to_owned).collect()
        };
        let read = || {
            Some(Self {
                server_url: Url::parse(text(metadata, "serverUrl")?).ok()?,
                server: ServerMetadata(object("metadata")?),
                resource: object("resourceMetadata").map(ResourceMetadata),
                client: ClientInfo::new(object("clientInfo")?)?,
                verifier: text(metadata, "codeVerifier").map(Secret::from)?,
                rules: NetworkRules {
                    // Endpoints of authorization servers are judged whatever this says, unless they are listed.
                    ssrf_protection: false,
                    allowed_domains: list("allowedDomains"),
                    allowed_addresses: list("allowedAddresses"),
                },
                oauth_headers: object("oauthHeaders")
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                    .collect(),
            })
        };
        read().ok_or_else(|| Error::new(Code::OAuthFlowFailed, "Invalid flow metadata"))
    }

    /// RFC 9207, section 2.4: a response of another issuer must not have its code sent to this one.
    fn check_issuer(&self, received: Option<&Received>) -> Result<()> {
        let Some(received) = received else {
            return Ok(());
        };
        let announced = self
            .server
            .0
            .get("authorization_response_iss_parameter_supported")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        // Without metadata the issuer is not known, and the server's URL stands in its place.
        let expected = self
            .server
            .text("issuer")
            .filter(|issuer| announced || *issuer != self.server_url.as_str());
        let fits = match &received.iss {
            Some(iss) => expected.is_none_or(|expected| expected == iss),
            None => !announced,
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            Code::OAuthFlowFailed,
            "The authorization response names another issuer than the one that was asked (RFC 9207)",
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn issuers() {
        let exchange = |announced: bool| {
            let metadata = json!({
                "serverUrl": "https://h.test/mcp",
                "codeVerifier": "v",
                "clientInfo": { "client_id": "c" },
                "metadata": { "issuer": "https://h.test", "authorization_response_iss_parameter_supported": announced },
            });
            Exchange::read(metadata.as_object().unwrap()).unwrap()
        };
        let received = |iss: Option<&str>| Received {
            state: None,
            iss: iss.map(str::to_owned),
        };
        for (announced, iss, fits) in [
            (true, Some("https://h.test"), true),
            (true, Some("https://evil.test"), false),
            (true, None, false),
            (false, None, true),
            (false, Some("https://evil.test"), false),
        ] {
            let checked = exchange(announced).check_issuer(Some(&received(iss)));
            assert_eq!(checked.is_ok(), fits, "{announced} {iss:?}");
        }
        assert!(exchange(true).check_issuer(None).is_ok());

        let mut pinned = exchange(false);
        let server_url = pinned.server_url.to_string();
        pinned
            .server
            .0
            .insert("issuer".to_owned(), json!(server_url));
        let any = received(Some("https://issuer.test"));
        assert!(pinned.check_issuer(Some(&any)).is_ok());
    }

    #[test]
    fn incomplete_flows() {
        let error = Exchange::read(&Map::new()).err().unwrap();
        assert_eq!(error.message, "Invalid flow metadata");
    }
}
