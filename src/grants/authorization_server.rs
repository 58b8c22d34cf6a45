//! Provisional.
use url::Url;

use crate::error::{Code, Error, Result};
use crate::oauth::{Endpoints, OAuthOptions, check_resource, issuer_metadata, resource_metadata};

pub struct AuthorizationServer {
    pub issuer: String,
    pub token_endpoint: Url,
    pub auth_methods: Option<Vec<String>>,
    pub resource: String,
}

#[derive(Clone, Default)]
pub struct AuthorizationServers;

impl AuthorizationServers {
    pub async fn find(
        &self,
        endpoints: &Endpoints,
        mcp_url: &Url,
        options: &OAuthOptions,
    ) -> Result<AuthorizationServer> {
        let lacks = |what: &str| Error::new(Code::OAuthDiscoveryFailed, what);
        let resource = resource_metadata(endpoints, mcp_url, None).await?;
        if let Some(resource) = &resource {
            check_resource(mcp_url, resource)?;
        }
        let named = resource.as_ref().and_then(|it| it.authorization_server());
        let issuer = options.issuer.as_deref().or(named);
        let issuer = issuer.ok_or_else(|| lacks("no authorization server"))?;
        let metadata = issuer_metadata(endpoints, issuer).await?;
        let metadata = metadata.ok_or_else(|| lacks("no metadata"))?;
        let token_endpoint = metadata.text("token_endpoint").unwrap_or_default();
        Ok(AuthorizationServer {
            issuer: metadata.text("issuer").unwrap_or_default().to_owned(),
            token_endpoint: endpoints.check(token_endpoint, "token_endpoint")?,
            auth_methods: metadata
                .texts("token_endpoint_auth_methods_supported")
                .map(|methods| methods.into_iter().map(str::to_owned).collect()),
            resource: resource
                .as_ref()
                .and_then(|it| it.resource())
                .map_or_else(|| mcp_url.to_string(), str::to_owned),
        })
    }
}
