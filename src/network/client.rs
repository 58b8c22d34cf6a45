//! Sending requests and following redirects.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{HeaderValue, Method, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::ResponseFuture;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Host, Position, Url};

use super::client_key::{ClientKey, OwnTls, Sender};
use super::coding::OFFERED;
use super::connector::AGENT;
use super::failure::{is_dropped, is_unread, request_failure, sanitize_url};
use super::of_url;
use super::policy::{Hop, Policy, Route};
use super::proxy::ProxyUrl;
use super::redirect::{MAX_REDIRECTS, redirect_target, too_many_redirects};
use super::request::{MCP_SESSION_ID, Redirects, Request, wire_url};
use super::resolver;
use super::response::Response;
use crate::blocking::blocking;
use crate::dpop;
use crate::error::{Error, Result};
use crate::lru_map::LruMap;
use crate::trace::{Exchange, Tracer};

const MAX_CLIENTS: usize = 256;
const SOCKETS_CLOSE: Duration = Duration::from_millis(50);
/// How many sessions are ended at the same time. Each takes a socket, and a runtime that closes may have thousands.
const ENDING: usize = 256;
/// How many headers are added here and by hyper to those of a request, mostly.
const ADDED_HEADERS: usize = 5;
/// How often a request is sent again that a server has not looked at.
const UNREAD_REPEATS: usize = 2;

/// The HTTP client of a runtime; clones share their connections.
///
/// A [`Sender`] resolves names without knowing port or policy, so there is one for each combination that matters.
/// Connection pools divide by host and port anyway, so nothing is shared less for it.
#[derive(Clone)]
pub struct HttpClient {
    clients: Arc<LruMap<ClientKey, Arc<Pooled>>>,
    /// One is made at a time: all that wait for the first want the same mostly.
    making: Arc<Mutex<()>>,
    /// See [`Self::turn_to_end`].
    ending: Arc<Semaphore>,
    tracer: Tracer,
}

/// A client that can be taken back from those who are about to use it.
struct Pooled(Mutex<Option<Sender>>);

impl Pooled {
    fn client(&self) -> Result<Sender> {
        self.0.lock().clone().ok_or_else(Error::closed)
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    #[must_use]
    pub fn new() -> Self {
        Self::traced(Tracer::default())
    }

    /// The same, telling what goes on.
    #[must_use]
    pub fn traced(tracer: Tracer) -> Self {
        Self {
            clients: Arc::new(LruMap::new(MAX_CLIENTS)),
            making: Arc::default(),
            ending: Arc::new(Semaphore::new(ENDING)),
            tracer,
        }
    }

    /// Where the runtime tells what it does.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Held while the request is under way that ends a session. The caller bounds the wait.
    pub async fn turn_to_end(&self) -> Option<SemaphorePermit<'_>> {
        self.ending.acquire().await.ok()
    }

    /// Drops all clients, and with them their idle connections.
    pub fn abandon(&self) {
        self.clients.each(|_, pooled| drop(pooled.0.lock().take()));
    }

    /// The same in order. Nothing can be sent afterwards.
    pub async fn close(&self) {
        self.abandon();
        // The tasks that own idle connections notice that their client is gone; nobody tells when they have.
        tokio::time::sleep(SOCKETS_CLOSE).await;
    }

    /// Sends one request under `policy` and returns once the response headers are there. Dropping the future cancels.
    ///
    /// Fails with [`Code::AddressNotAllowed`], [`Code::DomainNotAllowed`], [`Code::Timeout`],
    /// [`Code::ConnectionFailed`] (retryable unless a certificate was refused), [`Code::HttpStatus`] (too many
    /// redirects), [`Code::InvalidResponse`] (a redirect to nowhere) or [`Code::InvalidConfig`] (an unusable URL, CA
    /// file or proxy). Any status is an answer, not an error.
    pub async fn send(&self, policy: &Policy, request: Request) -> Result<Response> {
        let Some(timeout) = request.timeout else {
            return self.follow(policy, request).await;
        };
        let url = request.url.clone();
        tokio::time::timeout(timeout, self.follow(policy, request))
            .await
            .unwrap_or_else(|_| {
                let url = sanitize_url(&url);
                Err(Error::timeout(format!(
                    "The request to {url} was not answered within {} ms",
                    timeout.as_millis()
                )))
            })
    }

    async fn follow(&self, policy: &Policy, mut request: Request) -> Result<Response> {
        let mut hop = Hop::Configured;
        if request.elsewhere {
            hop = Hop::Redirected;
            request.drop_secrets();
        }
        let mut route = policy.route(&request.url, hop)?;
        let mut url = wire_url(&request.url);
        let mut redirects = 0;
        loop {
            let response = self.exchange(policy, &route, &request, &url).await?;
            if request.redirects == Redirects::Refuse {
                return Ok(response);
            }
            let Some(target) = redirect_target(&response, &url)? else {
                return Ok(response);
            };
            redirects += 1;
            if redirects > MAX_REDIRECTS {
                return Err(too_many_redirects(&request.url, response.status));
            }
            let target = wire_url(&target).into_owned();
            if target.origin() != wire_url(&request.url).origin() {
                hop = Hop::Redirected;
                request.drop_secrets();
            }
            // What holds for the configured origin was settled above. Once a server has led elsewhere, its choices
            // count as its own to the end, also when they lead back.
            if hop == Hop::Redirected {
                route = policy.route(&target, hop)?;
            }
            url = Cow::Owned(target);
        }
    }

    async fn exchange(
        &self,
        policy: &Policy,
        route: &Route,
        request: &Request,
        url: &Url,
    ) -> Result<Response> {
        if let (true, Some(Host::Domain(name)), Some(port)) = (
            route.judge_before_proxy,
            url.host(),
            url.port_or_known_default(),
        ) {
            resolver::resolve(&route.rule, name, port).await?;
        }
        let own = OwnTls::of(route, url).await?;
        let target = own
            .as_ref()
            .map_or(Cow::Borrowed(url), |own| own.target(url));
        let key = ClientKey::new(policy, route, request, url, own.clone());
        let client = self.client(key).await?;
        let outgoing = Outgoing::new(request, route, url, &target)?;
        let identity = own.as_ref().and_then(OwnTls::identity);
        let mut repeats = usize::from(request.is_repeatable);
        let mut unread_repeats = UNREAD_REPEATS;
        let mut may_learn_nonce = true;
        loop {
            let proof = request.proof.as_deref();
            let header = proof
                .map(|proof| proof.header(&request.method, url))
                .transpose()?;
            let proxy = route.proxy.as_ref().map(ProxyUrl::shown);
            let (takes_name, proxy) = (route.takes_server_name, proxy.as_deref());
            // The name of a session is an earlier answer's.
            let is_stranger = !request.headers.contains_key(&MCP_SESSION_ID);
            let failure =
                |error| request_failure(error, url, takes_name, identity, proxy, is_stranger);
            let mut trace = Exchange::begin(request.trace.as_ref());
            let sent = outgoing.send(&client, header, trace.as_deref_mut());
            match sent.await {
                Ok(response) => {
                    identity.inspect(|identity| identity.taken());
                    let mut response = Response::new(response, url, request.timeout);
                    if let Some(trace) = &mut trace {
                        trace.answered(response.status, &response.headers);
                    }
                    response.trace = trace;
                    if let Some(proof) = proof {
                        proof.hear(url, &response.headers);
                        if response.judge_proof() && may_learn_nonce {
                            may_learn_nonce = false;
                            continue;
                        }
                    }
                    return Ok(response);
                }
                Err(error) => {
                    let is_unread = is_unread(&error);
                    let left = if is_unread {
                        &mut unread_repeats
                    } else {
                        &mut repeats
                    };
                    let is_repeated = *left > 0 && (is_unread || is_dropped(&error));
                    let error = failure(&error);
                    if let Some(trace) = &mut trace {
                        trace.failed(&error);
                    }
                    if !is_repeated {
                        return Err(error);
                    }
                    *left -= 1;
                }
            }
        }
    }

    async fn client(&self, key: ClientKey) -> Result<Sender> {
        if let Some(pooled) = self.clients.get(&key) {
            return pooled.client();
        }
        let (clients, making) = (Arc::clone(&self.clients), Arc::clone(&self.making));
        // Certificates are read from files, hence a thread that may block.
        let build = move || {
            let _making = making.lock();
            if let Some(pooled) = clients.get(&key) {
                return pooled.client();
            }
            let client = key.build()?;
            clients.insert(key, Arc::new(Pooled(Mutex::new(Some(client.clone())))));
            Ok(client)
        };
        blocking(async { tokio::task::spawn_blocking(build).await })
            .await?
            .map_err(|_| Error::closed())?
    }
}

/// A request as it is sent: `target` is where TLS takes it, `url` what it is for.
struct Outgoing<'a> {
    request: &'a Request,
    url: &'a Url,
    target: &'a Url,
    uri: Uri,
    /// Of the target's user and password.
    authorization: Option<HeaderValue>,
    proxy_authorization: Option<HeaderValue>,
}

impl<'a> Outgoing<'a> {
    fn new(request: &'a Request, route: &Route, url: &'a Url, target: &'a Url) -> Result<Self> {
        let uri = of_url::uri(target).map_err(|_| {
            let url = sanitize_url(url);
            Error::invalid_config(format!("{url} is no address that HTTP can name"))
        })?;
        let proxy = route.proxy.as_ref();
        Ok(Self {
            request,
            url,
            target,
            uri,
            authorization: of_url::authorization(target),
            proxy_authorization: proxy.and_then(|proxy| proxy.authorization(url)),
        })
    }

    /// The sender's own future, so that none of what is put together here is within that of a call.
    fn send(
        &self,
        sender: &Sender,
        proof: Option<HeaderValue>,
        trace: Option<&mut Exchange>,
    ) -> ResponseFuture {
        let request = self.request;
        let mut headers = request.headers.clone();
        headers.reserve(ADDED_HEADERS);
        if let Some(authorization) = &self.authorization {
            let entry = headers.entry(AUTHORIZATION);
            entry.or_insert_with(|| authorization.clone());
        }
        if self.target.host() != self.url.host()
            && let Ok(host) =
                HeaderValue::from_str(&self.url[Position::BeforeHost..Position::AfterPort])
        {
            headers.entry(HOST).or_insert(host);
        }
        if !request.http1_only {
            headers.entry(ACCEPT_ENCODING).or_insert(OFFERED);
        }
        if let Some(proof) = proof {
            headers.insert(dpop::HEADER, proof);
        }
        if request.body.is_empty()
            && matches!(request.method, Method::POST | Method::PUT | Method::PATCH)
        {
            // Expected of these methods (RFC 9110, section 8.6) and not done by hyper.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(trace) = trace {
            let target = (&request.method, self.url);
            trace.request(target, &headers, &request.secret_headers, &request.body);
        }
        let accepted = HeaderValue::from_static("*/*");
        headers.entry(ACCEPT).or_insert(accepted);
        // Some services, GitHub's among them, refuse requests without one.
        headers.entry(USER_AGENT).or_insert(AGENT);
        if let Some(authorization) = &self.proxy_authorization {
            let entry = headers.entry(PROXY_AUTHORIZATION);
            entry.or_insert_with(|| authorization.clone());
        }
        let mut sent = http::Request::new(Full::new(request.body.clone()));
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = self.uri.clone();
        *sent.headers_mut() = headers;
        sender.request(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_so_many_sessions_end_at_the_same_time() {
        let (http, other) = (HttpClient::new(), HttpClient::new());
        let mut turns = Vec::new();
        for _ in 0..ENDING {
            turns.push(http.turn_to_end().await.unwrap());
        }
        let late = http.clone();
        let waiting = tokio::time::timeout(Duration::from_secs(5), late.turn_to_end());
        assert!(waiting.await.is_err());
        assert!(other.turn_to_end().await.is_some(), "of another runtime");
        turns.pop();
        assert!(late.turn_to_end().await.is_some());
    }
}
