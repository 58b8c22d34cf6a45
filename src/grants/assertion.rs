//! Where the assertion of a workload comes from: a file that the platform rewrites, the platform's metadata service, or
//! the host. It is read anew for each token request, because whoever issues it renews it by himself.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::Url;

use super::jwt::{LONGEST_JWT, claims};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, Speaker, foreign_text};
use crate::host::WorkloadIdentity;
use crate::network::{
    EXPLANATION_BYTES, Failed, HttpClient, NetworkRules, Policy, Request, sanitize_url,
};
use crate::oauth::AssertionSource;
use crate::secret::Secret;
use crate::secret_file;
use crate::server_config::{Setter, is_sent};

/// Bound on the metadata service. Files and the host's function have their own.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub server_name: &'a str,
    /// The issuer of the authorization server, where it is known.
    pub issuer: Option<&'a str>,
    /// What the assertion has to be for.
    pub audience: &'a str,
}

/// The way to all sources.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub http: &'a HttpClient,
    /// `mcpSettings.allowedAddresses`.
    pub allowed_addresses: &'a [String],
    pub host: Option<&'a dyn WorkloadIdentity>,
}

impl Sources<'_> {
    /// Reads an assertion as it is now.
    ///
    /// Fails with [`Code::OAuthExchangeFailed`] where there is none, [`Code::InvalidConfig`] where the config cannot be
    /// followed, and as the network or the host fails.
    pub async fn read(self, source: &AssertionSource, asked: Asked<'_>) -> Result<Secret> {
        let text = match source {
            AssertionSource::File(path) => {
                let text = secret_file::read(path)
                    .await
                    .map_err(|error| match error.code {
                        Code::Closed => error,
                        _ => none(&format!("`oauth.assertion.file` {}", error.message)),
                    })?;
                text.expose().clone()
            }
            AssertionSource::Metadata { url, headers } => self.ask_metadata(url, headers).await?,
            AssertionSource::Host => self.ask_host(asked).await?,
        };
        let assertion = Secret::new(text.trim().to_owned());
        if claims(&assertion).is_none() {
            let source = name(source);
            return Err(none(&format!("{source} holds something that is no JWT")));
        }
        Ok(assertion)
    }

    async fn ask_host(self, asked: Asked<'_>) -> Result<String> {
        let Some(host) = self.host else {
            return Err(Error::invalid_config(
                "[MCPOAuth] `grant: workload` needs `oauth.assertion` with a `file` or a `metadata_url`, or the host's \
                 getWorkloadAssertion.",
            ));
        };
        let Asked {
            server_name,
            issuer,
            audience,
        } = asked;
        let assertion = host.assertion(server_name, issuer, audience).await?;
        Ok(assertion.expose().clone())
    }

    async fn ask_metadata(self, url: &Url, headers: &IndexMap<String, String>) -> Result<String> {
        let policy = self.policy(url)?;
        let mut request = Request::new(Method::GET, url.clone());
        request.timeout = Some(TIMEOUT);
        for (name, value) in headers {
            let (name, value) = header(name, value)?;
            if is_sent(&name, Setter::Operator)? {
                request.headers.insert(name, value);
            }
        }
        let mut sent = SentSecrets::default();
        sent.add_headers(&request.headers);
        let unanswered = |error: Error| {
            let message = foreign_text(&error.message, &sent);
            let message = none(&format!("the metadata service cannot be asked: {message}")).message;
            Error { message, ..error }
        };
        let response = (self.http.send(&policy, request).await).map_err(unanswered)?;
        let status = response.status;
        if !status.is_success() {
            let (headers, answered) = (response.headers.clone(), response.url.clone());
            let failed = Failed {
                status,
                headers: &headers,
                url: &answered,
                body: &Box::pin(response.beginning(EXPLANATION_BYTES)).await,
            };
            let told = failed.explanation(&sent, Speaker::AuthorizationServer);
            let place = sanitize_url(url);
            return Err(none(&format!("{place} answered {}{told}", status.as_u16()))
                .with_status(status.as_u16())
                .with_retryable(status.is_server_error()));
        }
        let body = response.bytes(LONGEST_JWT).await.map_err(unanswered)?;
        let members = serde_json::from_slice::<Map<String, Value>>(&body).ok();
        let text = |name| members.as_ref()?.get(name)?.as_str();
        // Azure answers an object, Google the JWT alone.
        let token = text("access_token").map(str::to_owned);
        Ok(token.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()))
    }

    /// The allowlist names MCP servers, so it says nothing here; `allowedAddresses` does. There is no proxy: the service
    /// knows a workload by where it asks from.
    fn policy(self, url: &Url) -> Result<Policy> {
        let judged = |allowed_addresses| {
            let rules = NetworkRules {
                ssrf_protection: true,
                allowed_domains: Vec::new(),
                allowed_addresses,
                tls: None,
            };
            Policy::oauth(&rules, &Environment::default(), None)
        };
        let is_public = judged(Vec::new())?.check_url(url).is_ok();
        if is_public && url.scheme() != "https" {
            return Err(Error::invalid_config(format!(
                "[MCPOAuth] `oauth.assertion.metadata_url` {} is neither https nor a private address",
                sanitize_url(url)
            )));
        }
        judged(self.allowed_addresses.to_vec())
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let pair = HeaderName::try_from(name)
        .ok()
        .zip(HeaderValue::from_str(value).ok());
    let (name, mut value) = pair.ok_or_else(|| {
        Error::invalid_config(format!(
            "[MCPOAuth] `oauth.assertion.metadata_headers.{name}` is not a valid header"
        ))
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

pub(super) fn name(source: &AssertionSource) -> String {
    match source {
        AssertionSource::File(path) => path.display().to_string(),
        AssertionSource::Metadata { url, .. } => sanitize_url(url),
        AssertionSource::Host => "getWorkloadAssertion".to_owned(),
    }
}

fn none(problem: &str) -> Error {
    let message = format!(
        "[MCPOAuth] There is no assertion of this workload: {problem}. Whoever operates this program mends it"
    );
    Error::new(Code::OAuthExchangeFailed, message)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use async_trait::async_trait;
    use serde_json::json;

    use super::super::jwt::testing::jwt;
    use super::*;

    const ASKED: Asked<'_> = Asked {
        server_name: "srv",
        issuer: None,
        audience: "https://as.test",
    };

    /// A folder of this test's own.
    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mcp-{:x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    async fn read(source: &AssertionSource) -> Result<Secret> {
        let http = HttpClient::new();
        let sources = Sources {
            http: &http,
            allowed_addresses: &[],
            host: None,
        };
        sources.read(source, ASKED).await
    }

    #[tokio::test]
    async fn a_file_is_read_as_it_is_now() {
        let folder = folder();
        let path = folder.join("token");
        let source = AssertionSource::File(path.clone());
        for subject in ["one", "two"] {
            let token = jwt(&json!({ "sub": subject }));
            fs::write(&path, format!("\n{token}\n")).unwrap();
            assert_eq!(*read(&source).await.unwrap().expose(), token);
        }
        for (content, expected) in [
            (String::new(), "no JWT"),
            ("root:hunter2:0:0".to_owned(), "no JWT"),
            (jwt(&json!({})).replace(".c2ln", "."), "no JWT"),
            (format!("a{}", jwt(&json!({}))), "no JWT"),
            ("a".repeat(LONGEST_JWT + 1), "longer than 64 KiB"),
        ] {
            fs::write(&path, content).unwrap();
            let error = read(&source).await.unwrap_err();
            assert_eq!(error.code, Code::OAuthExchangeFailed);
            assert!(error.message.contains(expected), "{error}");
            assert!(error.message.contains("token"), "{error}");
            assert!(!error.message.contains("hunter2"), "{error}");
        }
        for (path, expected) in [
            (folder.join("absent"), "cannot be read"),
            (folder.clone(), "it is no file"),
        ] {
            let error = read(&AssertionSource::File(path)).await;
            let message = error.unwrap_err().message;
            assert!(message.contains(expected), "{message}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_metadata_service_is_asked_where_the_operator_opened_its_address() {
        let refused = Some(Code::AddressNotAllowed);
        for (url, allowed, expected) in [
            ("http://169.254.169.254/t", "other.test:80", refused),
            ("http://169.254.169.254/t", "169.254.169.254:443", refused),
            ("http://169.254.169.254/t", "169.254.169.254:80", None),
            (
                "http://metadata.google.internal/t",
                "169.254.169.254:80",
                refused,
            ),
            (
                "http://metadata.google.internal/t",
                "metadata.google.internal:80",
                None,
            ),
            (
                "http://public.test/t",
                "public.test:80",
                Some(Code::InvalidConfig),
            ),
            ("https://public.test/t", "other.test:80", None),
        ] {
            let sources = Sources {
                http: &HttpClient::new(),
                allowed_addresses: &[allowed.to_owned()],
                host: None,
            };
            let url = Url::parse(url).unwrap();
            let judged = sources
                .policy(&url)
                .and_then(|policy| policy.check_url(&url));
            let code = judged.err().map(|error| error.code);
            assert_eq!(code, expected, "{url} {allowed}");
        }
    }

    #[tokio::test]
    async fn the_host_is_asked_for_this_server_and_audience() {
        struct Workload;
        #[async_trait]
        impl WorkloadIdentity for Workload {
            async fn assertion(&self, name: &str, _: Option<&str>, aud: &str) -> Result<Secret> {
                Ok(Secret::new(jwt(&json!({ "sub": name, "aud": aud }))))
            }
        }
        let source = AssertionSource::Host;
        let error = read(&source).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        let sources = Sources {
            http: &HttpClient::new(),
            allowed_addresses: &[],
            host: Some(&Workload),
        };
        let assertion = sources.read(&source, ASKED).await.unwrap();
        let expected = json!({ "sub": "srv", "aud": ASKED.audience });
        assert_eq!(json!(claims(&assertion).unwrap()), expected);
    }
}
