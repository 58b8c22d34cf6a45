//! The token of a workload (SEP-1933): the platform says in an assertion who it is, and an authorization server that
//! trusts the platform gives a token for that (RFC 7523, section 2.1).

use super::assertion::{Asked, Sources, name};
use super::authorization_server::AuthorizationServer;
use super::jwt::{JWT_BEARER, audience, described};
use super::machine_server::MachineServer;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::oauth::{AssertionSource, Form};
use crate::secret::Secret;

/// The workload as one server's authorization server is to know it.
#[derive(Clone, Copy)]
pub(super) struct Workload<'a> {
    pub server_name: &'a str,
    pub source: &'a AssertionSource,
    pub sources: Sources<'a>,
    pub at: &'a AuthorizationServer,
}

impl<'a> Workload<'a> {
    pub fn new(server: &'a MachineServer, at: &'a AuthorizationServer) -> Self {
        Self {
            server_name: &server.server_name,
            source: &server.options.assertion,
            sources: Sources {
                http: &server.http,
                allowed_addresses: &server.allowed_addresses,
                host: server.host.workload.as_deref(),
            },
            at,
        }
    }

    /// Asks for a token: `send` posts a form that has the grant and the assertion. An assertion that is refused is read
    /// once more, and sent again if it is another one by now. The same one is never sent twice.
    pub async fn exchange<T, F>(self, send: impl Fn(Form) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let assertion = self.assertion().await?;
        let refusal = match send(form(&assertion)).await {
            Err(error) if is_refusal(&error) => error,
            outcome => return outcome,
        };
        match self.assertion().await {
            Ok(renewed) if renewed != assertion => send(form(&renewed))
                .await
                .map_err(|error| self.explained(error, &renewed)),
            _ => Err(self.explained(refusal, &assertion)),
        }
    }

    async fn assertion(self) -> Result<Secret> {
        let issuer = self.at.issuer.as_deref();
        let token_endpoint = self.at.token_endpoint.as_str();
        let asked = Asked {
            server_name: self.server_name,
            issuer,
            audience: issuer.unwrap_or(token_endpoint),
        };
        let assertion = self.sources.read(self.source, asked).await?;
        // Whoever gets an assertion can use it where it is for. An MCP server could name an authorization server of its own.
        let audience = audience(&assertion);
        let is_for = |name: &str| {
            audience
                .iter()
                .any(|it| it.trim_end_matches('/') == name.trim_end_matches('/'))
        };
        if self.at.is_configured || issuer.is_some_and(is_for) || is_for(token_endpoint) {
            return Ok(assertion);
        }
        let problem = format!(
            "[MCPOAuth] The MCP server names the authorization server {}, which gets no assertion: {}. If it is meant, \
             configure `oauth.issuer`, or have the assertion issued for it",
            foreign_text(asked.audience, &SentSecrets::default()),
            described(&name(self.source), &assertion)
        );
        Err(Error::new(Code::OAuthExchangeFailed, problem))
    }

    fn explained(self, error: Error, assertion: &Secret) -> Error {
        if !is_refusal(&error) {
            return error;
        }
        let described = described(&name(self.source), assertion);
        let message = format!("{}: {described}", error.message);
        Error { message, ..error }
    }
}

fn form(assertion: &Secret) -> Form {
    let mut form = Form::default();
    form.set("grant_type", JWT_BEARER);
    form.set("assertion", assertion.expose());
    form
}

/// Whether the authorization server has answered that it will not.
fn is_refusal(error: &Error) -> bool {
    error.code == Code::OAuthExchangeFailed && !error.retryable && error.status.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use async_trait::async_trait;
    use parking_lot::Mutex;
    use serde_json::json;
    use url::Url;

    use super::super::jwt::testing::jwt;
    use super::*;
    use crate::host::WorkloadIdentity;
    use crate::network::HttpClient;

    /// Answers one assertion after the other, the last one for ever.
    struct Platform(Mutex<VecDeque<String>>);

    #[async_trait]
    impl WorkloadIdentity for Platform {
        async fn assertion(&self, _: &str, _: Option<&str>, _: &str) -> Result<Secret> {
            let mut assertions = self.0.lock();
            let next = assertions[0].clone();
            if assertions.len() > 1 {
                assertions.pop_front();
            }
            Ok(Secret::new(next))
        }
    }

    fn refused(status: u16) -> Error {
        Error::new(Code::OAuthExchangeFailed, "Refused").with_status(status)
    }

    /// What is sent, where the first `refusals` are refused.
    async fn exchange(
        assertions: &[&str],
        at: &AuthorizationServer,
        refusals: &[Error],
    ) -> (Result<()>, Vec<String>) {
        let platform = assertions.iter().map(|it| (*it).to_owned()).collect();
        let platform = Platform(Mutex::new(platform));
        let workload = Workload {
            server_name: "srv",
            source: &AssertionSource::Host,
            sources: Sources {
                http: &HttpClient::new(),
                allowed_addresses: &[],
                host: Some(&platform),
            },
            at,
        };
        let sent = Mutex::new(Vec::new());
        let post = |form: Form| {
            let mut sent = sent.lock();
            sent.push(form.encode());
            let answer = refusals.get(sent.len() - 1).cloned().map_or(Ok(()), Err);
            std::future::ready(answer)
        };
        let outcome = workload.exchange(post).await;
        (outcome, sent.into_inner())
    }

    fn named_by_server() -> AuthorizationServer {
        AuthorizationServer {
            issuer: Some("https://as.test".to_owned()),
            token_endpoint: Url::parse("https://as.test/token").unwrap(),
            auth_methods: None,
            signing_algs: None,
            wants_dpop: false,
            resource: "https://mcp.test/mcp".to_owned(),
            scope: None,
            is_configured: false,
        }
    }

    #[tokio::test]
    async fn a_refused_assertion_is_read_once_more() {
        let of = |id: u8| jwt(&json!({ "aud": "https://as.test/", "jti": id }));
        let (one, two, three) = (of(1), of(2), of(3));
        for (assertions, refusals, sends, is_granted) in [
            (vec![&*one], vec![], 1, true),
            (vec![&*one], vec![refused(400)], 1, false),
            (vec![&*one, &*two], vec![refused(401)], 2, true),
            (
                vec![&*one, &*two, &*three],
                vec![refused(400), refused(400)],
                2,
                false,
            ),
            (
                vec![&*one, &*two],
                vec![refused(503).with_retryable(true)],
                1,
                false,
            ),
            (vec![&*one, &*two], vec![Error::timeout("late")], 1, false),
        ] {
            let (outcome, sent) = exchange(&assertions, &named_by_server(), &refusals).await;
            assert_eq!(
                (sent.len(), outcome.is_ok()),
                (sends, is_granted),
                "{refusals:?}"
            );
            assert!(
                sent[0].contains(&format!("jwt-bearer&assertion={one}")),
                "{}",
                sent[0]
            );
            if let Some(second) = sent.get(1) {
                assert!(second.ends_with(&two), "{second}");
            }
            let told = outcome.err().filter(is_refusal).map(|error| error.message);
            assert!(
                told.is_none_or(
                    |it| it.starts_with("Refused: the assertion of getWorkloadAssertion")
                )
            );
        }
    }

    #[tokio::test]
    async fn an_assertion_goes_to_whom_it_is_for() {
        let announced = named_by_server();
        let configured = AuthorizationServer {
            is_configured: true,
            ..announced.clone()
        };
        for (audience, at, is_sent) in [
            (json!("https://as.test"), &announced, true),
            (json!(["x", "https://as.test/token"]), &announced, true),
            (json!("https://other.test"), &announced, false),
            (json!("https://as.test.evil.test"), &announced, false),
            (json!(null), &announced, false),
            (json!("api://exchange"), &configured, true),
        ] {
            let assertion = jwt(&json!({ "aud": audience }));
            let (outcome, sent) = exchange(&[&assertion], at, &[]).await;
            assert_eq!(
                (outcome.is_ok(), sent.len()),
                (is_sent, usize::from(is_sent)),
                "{audience}"
            );
            let told = outcome.err().map(|error| error.message).unwrap_or_default();
            assert!(is_sent || told.contains("oauth.issuer"), "{told}");
        }
    }
}
