//! Sending requests and following redirects.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use moka::sync::Cache;
use parking_lot::Mutex;
use url::{Host, Url};

use super::coding::OFFERED;
use super::failure::{is_dropped, request_failure, sanitize_url};
use super::policy::{Hop, Policy, Route};
use super::proxy::ProxyUrl;
use super::request::{Redirects, Request};
use super::resolver::{self, JudgingResolver};
use super::response::Response;
use super::rule::AddressRule;
use super::tls::{self, TlsSettings};
use crate::blocking::blocking;
use crate::dpop;
use crate::error::{Code, Error, Result};

const MAX_REDIRECTS: usize = 5;
/// Name resolution, TCP, proxy and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const POOL_IDLE: Duration = Duration::from_secs(90);
const MAX_CLIENTS: u64 = 64;
const SOCKETS_CLOSE: Duration = Duration::from_millis(50);
const CLIENT_IDLE: Duration = Duration::from_mins(10);
/// How many headers `reqwest` and hyper add to those of a request, at most.
const ADDED_HEADERS: usize = 4;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The HTTP client of a runtime; clones share their connections.
///
/// A `reqwest::Client` resolves names without knowing port or policy, so there is one for each combination that
/// matters. Connection pools divide by host and port anyway, so nothing is shared less for it.
#[derive(Clone)]
pub struct HttpClient {
    clients: Cache<ClientKey, Arc<Pooled>>,
}

/// A client that can be taken back. The cache frees what it drops some time later; sockets have to go at once.
struct Pooled(Mutex<Option<reqwest::Client>>);

impl Pooled {
    fn client(&self) -> Result<reqwest::Client> {
        self.0.lock().clone().ok_or_else(Error::closed)
    }
}

/// What connections of one `reqwest::Client` have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    rule: AddressRule,
    /// The port that the rule judges; 0 where it judges nothing.
    port: u16,
    proxy: Option<ProxyUrl>,
    http1_only: bool,
    /// Absent where neither the target nor the proxy speaks TLS.
    tls: Option<TlsSettings>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    #[must_use]
    pub fn new() -> Self {
        Self {
            clients: Cache::builder()
                .max_capacity(MAX_CLIENTS)
                .time_to_idle(CLIENT_IDLE)
                .build(),
        }
    }

    /// Drops all clients, and with them their idle connections.
    pub fn abandon(&self) {
        for (_, pooled) in &self.clients {
            pooled.0.lock().take();
        }
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
        let client = self
            .client(ClientKey::new(policy, route, request, url))
            .await?;
        let mut repeats = usize::from(request.is_repeatable);
        let mut may_learn_nonce = true;
        loop {
            let proof = request.proof.as_deref();
            let header = proof
                .map(|proof| proof.header(&request.method, url))
                .transpose()?;
            match transmit(&client, request, url, header).await {
                Err(error) if repeats > 0 && is_dropped(&error) => repeats -= 1,
                Ok(response) => {
                    let mut response = Response::new(response, request.timeout);
                    if let Some(proof) = proof {
                        proof.hear(url, &response.headers);
                        if response.judge_proof() && may_learn_nonce {
                            may_learn_nonce = false;
                            continue;
                        }
                    }
                    return Ok(response);
                }
                Err(error) => return Err(request_failure(&error, url)),
            }
        }
    }

    async fn client(&self, key: ClientKey) -> Result<reqwest::Client> {
        if let Some(pooled) = self.clients.get(&key) {
            return pooled.client();
        }
        let clients = self.clients.clone();
        // Certificates are read from files, hence a thread that may block.
        let build = move || {
            clients
                .try_get_with_by_ref(&key, || {
                    let client = key.build()?;
                    Ok(Arc::new(Pooled(Mutex::new(Some(client)))))
                })
                .map_err(|error: Arc<Error>| Error::clone(&error))?
                .client()
        };
        blocking(async { tokio::task::spawn_blocking(build).await })
            .await?
            .map_err(|_| Error::closed())?
    }
}

impl ClientKey {
    fn new(policy: &Policy, route: &Route, request: &Request, url: &Url) -> Self {
        // A proxied client resolves only its proxy, which the operator chose.
        let rule = match route.proxy {
            Some(_) => AddressRule::Open,
            None => route.rule.clone(),
        };
        let port = match rule {
            AddressRule::Open => None,
            AddressRule::Judged(_) => url.port_or_known_default(),
        };
        let secure =
            url.scheme() == "https" || route.proxy.as_ref().is_some_and(ProxyUrl::is_secure);
        Self {
            rule,
            port: port.unwrap_or_default(),
            proxy: route.proxy.clone(),
            http1_only: request.http1_only,
            tls: secure.then(|| policy.tls().clone()),
        }
    }

    fn build(&self) -> Result<reqwest::Client> {
        let mut tls = match &self.tls {
            Some(settings) => settings.client_config()?,
            None => tls::plaintext_config()?,
        };
        tls.alpn_protocols = if self.http1_only {
            vec![b"http/1.1".to_vec()]
        } else {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            // Keeps reqwest from reading proxy variables itself.
            .no_proxy()
            // Some services, GitHub's among them, refuse requests without one.
            .user_agent(USER_AGENT)
            .dns_resolver(Arc::new(JudgingResolver {
                rule: self.rule.clone(),
                port: self.port,
            }))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true);
        if self.http1_only {
            builder = builder.http1_only();
        }
        if self.http1_only || self.tls.is_none() {
            // Only over HTTP/2 can a server say that it has left a request unread, for which the client keeps a copy of each.
            builder = builder.retry(reqwest::retry::never().max_retries_per_request(0));
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.to_proxy()?);
        }
        builder
            .build()
            .map_err(|_| Error::new(Code::Internal, "The HTTP client cannot be set up"))
    }
}

async fn transmit(
    client: &reqwest::Client,
    request: &Request,
    url: &Url,
    proof: Option<HeaderValue>,
) -> reqwest::Result<reqwest::Response> {
    // Makes a header of a user and password in the URL, and takes them out of it.
    let mut sent = client
        .request(request.method.clone(), url.clone())
        .build()?;
    let of_url = std::mem::replace(sent.headers_mut(), request.headers.clone());
    let headers = sent.headers_mut();
    // Room for those, and for what the client adds.
    headers.reserve(of_url.len() + ADDED_HEADERS);
    for (name, value) in &of_url {
        headers.entry(name).or_insert_with(|| value.clone());
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
    client.execute(sent).await
}

/// The URL as HTTP knows it: a WebSocket starts as an HTTP request (RFC 6455, section 3).
fn wire_url(url: &Url) -> Cow<'_, Url> {
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return Cow::Borrowed(url),
    };
    let mut url = url.clone();
    // Cannot fail between schemes of this kind.
    let _ = url.set_scheme(scheme);
    Cow::Owned(url)
}

/// Where a 307 or 308 leads; without `Location` it is an ordinary answer.
fn redirect_target(response: &Response, url: &Url) -> Result<Option<Url>> {
    if !matches!(
        response.status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    ) {
        return Ok(None);
    }
    let Some(location) = response.headers.get(LOCATION) else {
        return Ok(None);
    };
    location
        .to_str()
        .ok()
        .and_then(|location| url.join(location).ok())
        .map(Some)
        .ok_or_else(|| {
            Error::new(
                Code::InvalidResponse,
                format!("{} redirected to no valid URL", sanitize_url(url)),
            )
            .with_status(response.status.as_u16())
        })
}

fn too_many_redirects(url: &Url, status: StatusCode) -> Error {
    Error::new(
        Code::HttpStatus,
        format!(
            "{} redirected more than {MAX_REDIRECTS} times",
            sanitize_url(url)
        ),
    )
    .with_status(status.as_u16())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The names that a URL check refuses without resolving would hide what the resolver does.
    #[tokio::test]
    async fn the_resolver_judges_at_connect_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let key = ClientKey {
            rule: AddressRule::Judged(Arc::default()),
            port,
            proxy: None,
            http1_only: false,
            tls: None,
        };
        let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
        let request = key.build().unwrap().get(url.clone());
        let request = request.timeout(Duration::from_secs(5));
        let error = request.send().await.unwrap_err();
        let error = request_failure(&error, &url);
        assert_eq!(error.code, Code::AddressNotAllowed);
        assert!(
            error
                .message
                .starts_with("SSRF protection: localhost resolved to blocked address")
        );
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        assert!(accepted.is_err(), "nothing may have connected");
    }
}
