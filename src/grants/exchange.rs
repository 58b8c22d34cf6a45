//! One request for a token of this program's own.

use std::borrow::Cow;

use http::HeaderValue;
use serde_json::Value;

use super::authorization_server::{AuthorizationServer, AuthorizationServers, Protected};
use super::issued::{Issued, Origin};
use super::machine_server::MachineServer;
use super::workload::Workload;
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::foreign_text::foreign_text;
use crate::network::sanitize_url;
use crate::oauth::{CHECK_CLIENT, Form, Tokens, check_bound};
use crate::server_config::Grant;

/// Finds the authorization server and asks it.
///
/// Fails with [`Code::OAuthDiscoveryFailed`] where there is none to be asked, with [`Code::OAuthExchangeFailed`] where it
/// gave no token, and as the config or the network fails.
pub(super) async fn exchange(
    server: &MachineServer,
    servers: &AuthorizationServers,
    is_replacement: bool,
    asks_server: bool,
) -> Result<Issued> {
    let at = servers
        .find(Protected {
            server_name: &server.server_name,
            server_url: &server.server_url,
            options: &server.options,
            endpoints: &server.endpoints,
            settings: &server.settings,
            logger: &server.host.logger,
            asks_server,
        })
        .await?;
    let at = &at;
    if server.options.grant == Some(Grant::Workload) {
        let asked =
            Workload::new(server, at).exchange(|form| send(server, at, form, is_replacement));
        return asked.await;
    }
    // RFC 6749, section 4.4: the client proves who it is, and that is all.
    let mut form = Form::default();
    form.set("grant_type", "client_credentials");
    send(server, at, form, is_replacement).await
}

async fn send(
    server: &MachineServer,
    at: &AuthorizationServer,
    mut form: Form,
    is_replacement: bool,
) -> Result<Issued> {
    let options = &server.options;
    if let Some(scope) = &at.scope {
        form.set("scope", scope);
    }
    if let Some(audience) = &options.audience {
        form.set("audience", audience);
    }
    if options.sends_resource() {
        form.set("resource", &at.resource);
    }
    let prover = if at.wants_dpop {
        // It lives as long as the token does.
        Some(Prover::generate()?.0)
    } else {
        None
    };
    let endpoints = match &prover {
        Some(prover) => Cow::Owned(server.endpoints.clone().proving(prover.clone())),
        None => Cow::Borrowed(&server.endpoints),
    };
    let client = server.client();
    let post = async |form: &mut Form| {
        let authorization = client.authenticate(form, at).await?;
        endpoints
            .post_form(&at.token_endpoint, form, authorization.as_ref())
            .await
    };
    let mut answer = post(&mut form).await?;
    if answer.wants_nonce() {
        answer = post(&mut form).await?;
    }
    let members = answer
        .success(Code::OAuthExchangeFailed, "Token request")
        .map_err(|error| {
            let told = answer.object();
            let word = told.as_ref().and_then(|it| it.get("error")?.as_str());
            advised(error, word)
        })?;
    let granted = members.get("scope").and_then(Value::as_str);
    // Without a word of it, what was asked for was granted (RFC 6749, section 5.1).
    let scope = granted.or(at.scope.as_deref()).map(str::to_owned);
    let kind = members.get("token_type").and_then(Value::as_str);
    if prover.is_none() && kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(unusable("is no bearer token"));
    }
    let tokens = Tokens::from_response(members, Code::OAuthExchangeFailed)?;
    check_bound(&tokens, prover.as_ref(), Code::OAuthExchangeFailed)?;
    if HeaderValue::from_str(tokens.access_token().expose()).is_err() {
        return Err(unusable("cannot be sent in a header"));
    }
    let mut secrets = answer.sent().clone();
    secrets.add(tokens.access_token());
    let origin = Origin {
        issuer: at.issuer.clone(),
        token_endpoint: sanitize_url(&at.token_endpoint),
        scope: scope.map(|scope| foreign_text(&scope, &secrets)),
    };
    Ok(Issued::new(&tokens, prover, is_replacement, origin))
}

fn unusable(problem: &str) -> Error {
    let message = format!("The token endpoint answered with something that {problem}");
    Error::new(Code::OAuthExchangeFailed, message)
}

/// Who can mend what the token endpoint said (RFC 6749, section 5.2; RFC 8707, section 2).
fn advised(mut error: Error, word: Option<&str>) -> Error {
    let advice = match word {
        Some("invalid_client") => CHECK_CLIENT,
        Some("unauthorized_client" | "unsupported_grant_type") => {
            "An operator has to allow the client this grant at the authorization server"
        }
        Some("invalid_grant") => {
            "An operator has to renew the assertion, or have the authorization server trust who issued it"
        }
        Some("invalid_scope") => "An operator has to check `oauth.scope`",
        Some("invalid_target") => {
            "An operator has to check `oauth.audience` and `oauth.send_resource_parameter`"
        }
        _ if error.retryable => "Try again later",
        _ => "An operator has to look at the authorization server",
    };
    error.message = format!("{}. {advice}", error.message);
    error
}
