//! How connections come about: over TCP to an address that the rule permits, through a proxy where there is one, with TLS
//! where the URL wants it.

use std::error::Error as StdError;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::USER_AGENT;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::proxy::{ProxyUrl, Way};
use super::resolver::JudgingResolver;
use crate::error::Result;

/// Name resolution, TCP, proxy and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent before the system asks whether the other side is still there, how often it asks, and
/// how long what was sent may stay unacknowledged.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(super) const AGENT: HeaderValue = HeaderValue::from_static(concat!(
    env!("CARGO_PKG_NAME"),
    "/",
    env!("CARGO_PKG_VERSION")
));

type BoxError = Box<dyn StdError + Send + Sync>;
/// TLS to the server may be within TLS to a proxy.
type Stream = MaybeHttpsStream<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// Makes the connections of one client. Cheap to clone: the client does so for each request.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    tcp: HttpConnector<JudgingResolver>,
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
}

struct Proxy {
    way: Way,
    /// To a proxy that is asked for tunnels, which it is over HTTP/1.1.
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub fn new(
        resolver: JudgingResolver,
        tls: ClientConfig,
        proxy: Option<&ProxyUrl>,
    ) -> Result<Self> {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let proxy = proxy.map(ProxyUrl::way).transpose()?.map(|way| {
            let mut tls = tls.clone();
            tls.alpn_protocols.clear();
            let tls = Arc::new(tls);
            Proxy { way, tls }
        });
        let tls = Arc::new(tls);
        Ok(Self(Arc::new(Inner { tcp, tls, proxy })))
    }
}

impl Inner {
    async fn connect(&self, target: Uri) -> Result<Link, BoxError> {
        let tls = || Arc::clone(&self.tls);
        let is_secure = target.scheme() == Some(&Scheme::HTTPS);
        let (stream, is_proxied) = match &self.proxy {
            None => {
                let mut direct = HttpsConnector::from((self.tcp.clone(), tls()));
                (Stream::Http(direct.call(target).await?), false)
            }
            Some(Proxy {
                way: Way::Http(uri, authorization),
                tls: tls_of_proxy,
            }) => {
                let to_proxy = |tls| HttpsConnector::from((self.tcp.clone(), tls));
                if is_secure {
                    let proxy = to_proxy(Arc::clone(tls_of_proxy));
                    let headers = HeaderMap::from_iter([(USER_AGENT, AGENT)]);
                    let mut tunnel = Tunnel::new(uri.clone(), proxy).with_headers(headers);
                    if let Some(authorization) = authorization {
                        tunnel = tunnel.with_auth(authorization.clone());
                    }
                    let mut tunnelled = HttpsConnector::from((tunnel, tls()));
                    (tunnelled.call(target).await?, false)
                } else {
                    (Stream::Http(to_proxy(tls()).call(uri.clone()).await?), true)
                }
            }
            Some(Proxy {
                way: Way::Socks(uri, user),
                ..
            }) => {
                let mut socks = SocksV5::new(uri.clone(), self.tcp.clone());
                if let Some((name, password)) = user {
                    let (name, password) = (name.expose().clone(), password.expose().clone());
                    socks = socks.with_auth(name, password);
                }
                let mut through = HttpsConnector::from((socks, tls()));
                (Stream::Http(through.call(with_port(target)?).await?), false)
            }
        };
        Ok(Link { stream, is_proxied })
    }
}

/// SOCKS has no ports of its own for schemes.
fn with_port(target: Uri) -> Result<Uri, http::Error> {
    if target.port().is_some() {
        return Ok(target);
    }
    let is_secure = target.scheme() == Some(&Scheme::HTTPS);
    let (scheme, port) = if is_secure {
        ("https", 443)
    } else {
        ("http", 80)
    };
    let host = target.host().unwrap_or_default();
    let authority = format!("{host}:{port}");
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query("/")
        .build()
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Link, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, inner.connect(target)).await;
            connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })
    }
}

/// One connection.
pub(super) struct Link {
    stream: Stream,
    /// To a proxy that is told the whole URL with each request.
    is_proxied: bool,
}

impl Link {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut Stream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_proxied)
    }
}

impl Read for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl Write for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(context, pieces)
    }
}
