//! Sending requests and following redirects.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method};
use parking_lot::Mutex;
use url::{Host, Position, Url};

use super::client_key::{ClientKey, OwnTls};
use super::coding::OFFERED;
use super::failure::{is_dropped, request_failure, sanitize_url};
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
/// How many headers `reqwest` and hyper add to those of a request, at most.
const ADDED_HEADERS: usize = 4;

/// The HTTP client of a runtime; clones share their connections.
///
/// A `reqwest::Client` resolves names without knowing port or policy, so there is one for each combination that
/// matters. Connection pools divide by host and port anyway, so nothing is shared less for it.
#[derive(Clone)]
pub struct HttpClient {
    clients: Arc<LruMap<ClientKey, Arc<Pooled>>>,
    /// One is made at a time: all that wait for the first want the same mostly.
    making: Arc<Mutex<()>>,
    tracer: Tracer,
}

/// A client that can be taken back from those who are about to use it.
struct Pooled(Mutex<Option<reqwest::Client>>);

impl Pooled {
    fn client(&self) -> Result<reqwest::Client> {
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
            tracer,
        }
    }

    /// Where the runtime tells what it does.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
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
        let identity = own.as_ref().and_then(OwnTls::identity);
        let mut repeats = usize::from(request.is_repeatable);
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
            match transmit(
                &client,
                request,
                (&target, url),
                header,
                trace.as_deref_mut(),
            )
            .await
            {
                Err(error) if repeats > 0 && is_dropped(&error) => {
                    if let Some(trace) = &mut trace {
                        trace.failed(&failure(&error));
                    }
                    repeats -= 1;
                }
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
                    let error = failure(&error);
                    if let Some(trace) = &mut trace {
                        trace.failed(&error);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn client(&self, key: ClientKey) -> Result<reqwest::Client> {
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

/// `target` is where TLS takes the request, `url` what it is for.
async fn transmit(
    client: &reqwest::Client,
    request: &Request,
    (target, url): (&Url, &Url),
    proof: Option<HeaderValue>,
    trace: Option<&mut Exchange>,
) -> reqwest::Result<reqwest::Response> {
    // Makes a header of a user and password in the URL, and takes them out of it.
    let mut sent = client
        .request(request.method.clone(), target.clone())
        .build()?;
    let of_url = std::mem::replace(sent.headers_mut(), request.headers.clone());
    let headers = sent.headers_mut();
    // Room for those, and for what the client adds.
    headers.reserve(of_url.len() + ADDED_HEADERS);
    for (name, value) in &of_url {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if target.host() != url.host()
        && let Ok(host) = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
    {
        headers.entry(HOST).or_insert(host);
    }
    if !request.http1_only {
        headers.entry(ACCEPT_ENCODING).or_insert(OFFERED);
    }
    if let Some(proof) = proof {
        headers.insert(dpop::HEADER, proof);
    }
    if !request.body.is_empty() {
        *sent.body_mut() = Some(request.body.clone().into());
    } else if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
        // Expected of these methods (RFC 9110, section 8.6) and not done by hyper.
        sent.headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if let Some(trace) = trace {
        let target = (&request.method, url);
        trace.request(
            target,
            sent.headers(),
            &request.secret_headers,
            &request.body,
        );
    }
    client.execute(sent).await
}
