//! Requests over a connection.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use serde_json::value::RawValue;

use super::access::{Access, AccessTokens, is_refused_token};
use super::established::Connection;
use super::generation::Generation;
use super::guarded::check_method;
use super::login::Login;
use super::options::CallOptions;
use super::tools::list_tools;
use crate::error::Result;
use crate::foreign_text::{SentSecrets, foreign_error};
use crate::transport::message::Params;

/// JSON-RPC: the headers of a request say something else than its body (MCP 2026-07-28).
const HEADER_MISMATCH: i64 = -32020;

impl Connection {
    /// Sends a request and returns the result as the server wrote it. A request that the server refuses for its token
    /// is sent once more with another, where one is to be had without asking the user.
    pub async fn request<'a>(
        &self,
        method: &str,
        params: impl Into<Params<'a>>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        check_method(method)?;
        let params = params.into();
        let Some(guard) = &self.recipe.guard else {
            return self.whatever_is_there(method, params, options).await;
        };
        Box::pin(self.guarded(guard, method, params, options)).await
    }

    pub(super) async fn whatever_is_there(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        match self.caching(method, params, options) {
            Some(lookup) => Box::pin(self.cached(lookup, method, params, options)).await,
            None => self.ask(method, params, options).await,
        }
    }

    /// The same, whatever is cached.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let has_own = |tokens: &&Arc<dyn AccessTokens>| {
            let headers = options.headers_of(method);
            tokens.is_required()
                && headers.is_some_and(|headers| headers.contains_key(AUTHORIZATION))
        };
        let tokens = self.recipe.tokens.as_ref();
        let Some(tokens) = tokens.filter(|tokens| !has_own(tokens)) else {
            return self.send(method, params, options).await;
        };
        self.check_epoch(options).await?;
        if tokens.is_due() {
            self.refresh(tokens, options).await?;
        }
        let used = self.recipe.bearer.get();
        let error = match self.send(method, params, options).await {
            Err(error) if is_refused_token(&error) => error,
            answer => return answer,
        };
        if let Some(refusal) = tokens.final_refusal(&error, used.as_ref()) {
            return Err(refusal);
        }
        let current = self.recipe.bearer.get();
        // Another request may have been refused, and have led to a new token, in the meantime.
        if current == used {
            let Some(refused) = &used else {
                return Err(error);
            };
            match options.bound(tokens.replace(refused)).await? {
                Some(access) => self.go_on_with(access, options).await?,
                None => return Err(error),
            }
        }
        // The server has seen both tokens by now.
        let sent = SentSecrets::from(Vec::from_iter(used));
        let used = self.recipe.bearer.get();
        let outcome = self.send(method, params, options).await;
        outcome.map_err(|error| {
            let refusal = error
                .wants_authorization()
                .then(|| tokens.final_refusal(&error, used.as_ref()));
            foreign_error(refusal.flatten().unwrap_or(error), &sent)
        })
    }

    /// Has the token replaced where that is due, unless that is required for each request; whether the session is still one of
    /// its login.
    pub async fn is_of_its_login(&self, options: &CallOptions) -> bool {
        if self.check_epoch(options).await.is_err() {
            return false;
        }
        let tokens = self.recipe.tokens.as_ref();
        match tokens.filter(|tokens| !tokens.is_required() && tokens.is_due()) {
            Some(tokens) => self.refresh(tokens, options).await.is_ok(),
            None => true,
        }
    }

    /// Fails where another process has logged the user out or in since the connection began. Asks every now and then.
    async fn check_epoch(&self, options: &CallOptions) -> Result<()> {
        let epoch = self.recipe.epoch.as_ref();
        let Some(epoch) = epoch.filter(|epoch| epoch.is_due()) else {
            return Ok(());
        };
        let asking = Box::pin(async { Ok(epoch.has_passed().await) });
        if options.bound(asking).await? {
            return Err(self.session.supersede());
        }
        Ok(())
    }

    async fn refresh(&self, tokens: &Arc<dyn AccessTokens>, options: &CallOptions) -> Result<()> {
        match options.bound(tokens.current()).await {
            Ok(Some(access)) => self.go_on_with(access, options).await,
            Err(error) if tokens.is_required() => Err(error),
            _ => Ok(()),
        }
    }

    /// Has what follows sent with another token, which has to be of the login that the session was begun with.
    async fn go_on_with(&self, access: Access, options: &CallOptions) -> Result<()> {
        let login = &self.recipe.login;
        let mut is_same = login.takes(&access.login);
        if let (false, Some(shared)) = (is_same, &self.recipe.shared) {
            // Another process may have refreshed, and noted so.
            let noted = options.bound(async { Ok(shared.logins().await) }).await?;
            is_same = login.takes(&Login::Sets(noted)) && login.takes(&access.login);
        }
        if let (true, Login::Unknown, Some(epoch)) = (is_same, &access.login, &self.recipe.epoch) {
            // Nothing else tells a refresh of somebody who knows no sets from another login.
            is_same = options
                .bound(async { Ok(epoch.is_same().await == Some(true)) })
                .await?;
        }
        if !is_same {
            return Err(self.session.supersede());
        }
        self.recipe.bearer.set_bound(access.token, access.prover);
        Ok(())
    }

    /// A server of 2026-07-28 may want arguments of a tool as headers, which its list of tools names.
    async fn send(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        if method != "tools/call" || self.generation != Generation::Discover {
            return self.send_once(method, params, options).await;
        }
        match self.send_once(method, params, options).await {
            // Nobody has read the list over this connection yet, or it has changed since. The call itself was not made.
            Err(error) if error.rpc_code == Some(HEADER_MISMATCH) => {
                self.expire_lists();
                Box::pin(list_tools(self, options))
                    .await
                    .map_err(|_| error)?;
                self.send_once(method, params, options).await
            }
            outcome => outcome,
        }
    }

    /// One request. That of a process that has ended fails with how it ended.
    async fn send_once(
        &self,
        method: &str,
        params: Params<'_>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        let bearer = self.recipe.bearer.get();
        let outcome = self.session.request(method, params, options).await;
        let error = match (outcome, &self.ending) {
            (Ok(answer), _) => {
                self.note_answer();
                return Ok(answer);
            }
            (Err(error), Some(ending)) => ending.explain(error, &options.cancel).await,
            (Err(error), None) => error,
        };
        let headers = options.headers_of(method).map(Arc::as_ref);
        Err(foreign_error(
            error,
            &self.recipe.sent_secrets(bearer, headers),
        ))
    }
}
