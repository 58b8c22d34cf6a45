//! Which requests share connections.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::{Host, Url};

use super::connector::Connector;
use super::policy::{Policy, Route};
use super::proxy::ProxyUrl;
use super::request::Request;
use super::resolver::JudgingResolver;
use super::rule::AddressRule;
use super::tls::{self, TlsSettings};
use super::tls_files::{Identity, Material};
use crate::error::Result;

const POOL_IDLE: Duration = Duration::from_secs(90);
/// How often the other side of an HTTP/2 connection in use is asked whether it is still there, and how long it has for the
/// answer. Everybody's requests go over that connection, also new ones, and the system's own probes may be answered by
/// something in between.
const PING: Duration = Duration::from_secs(15);
const PONG: Duration = Duration::from_secs(30);

/// Sends requests over connections that it keeps.
pub(super) type Sender = Client<Connector, Full<Bytes>>;

/// The server's own TLS, at one URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct OwnTls {
    material: Arc<Material>,
    /// The name that the server's certificate is for, and the host of its URL, where that is another.
    behind: Option<(String, Host)>,
}

impl OwnTls {
    pub async fn of(route: &Route, url: &Url) -> Result<Option<Self>> {
        let Some(tls) = route.tls.as_ref().filter(|_| url.scheme() == "https") else {
            return Ok(None);
        };
        if let Some(proxy) = &route.proxy {
            tls.check_proxy(proxy, url)?;
        }
        let host = url.host().map(|host| host.to_owned());
        Ok(Some(Self {
            material: tls.material().await?,
            behind: tls.name_at(url).map(str::to_owned).zip(host),
        }))
    }

    /// Where a request for this URL goes: TLS takes the name from there, and [`JudgingResolver`] the address from here.
    pub fn target<'a>(&self, url: &'a Url) -> Cow<'a, Url> {
        let Some((name, _)) = &self.behind else {
            return Cow::Borrowed(url);
        };
        let mut target = url.clone();
        // The name was judged with the config.
        let _ = target.set_host(Some(name));
        Cow::Owned(target)
    }

    /// The client certificate that the server is offered.
    pub fn identity(&self) -> Option<&Identity> {
        self.material.identity.as_deref()
    }
}

/// What connections of one [`Sender`] have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    rule: AddressRule,
    /// The port that the rule judges; 0 where it judges nothing.
    port: u16,
    proxy: Option<ProxyUrl>,
    http1_only: bool,
    /// Absent where neither the target nor the proxy speaks TLS.
    tls: Option<TlsSettings>,
    own: Option<OwnTls>,
}

impl ClientKey {
    pub fn new(
        policy: &Policy,
        route: &Route,
        request: &Request,
        url: &Url,
        own: Option<OwnTls>,
    ) -> Self {
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
        let is_behind = own.as_ref().is_some_and(|own| own.behind.is_some());
        Self {
            rule,
            port: port.unwrap_or_default(),
            proxy: route.proxy.clone(),
            // Over HTTP/2 the name of the certificate would be the host that is asked for, too.
            http1_only: request.http1_only || is_behind,
            tls: secure.then(|| policy.tls().clone()),
            own,
        }
    }

    pub fn build(&self) -> Result<Sender> {
        let mut tls = match &self.tls {
            Some(settings) => {
                settings.client_config(self.own.as_ref().map(|own| &*own.material))?
            }
            None => tls::plaintext_config()?,
        };
        tls.alpn_protocols = if self.http1_only {
            vec![b"http/1.1".to_vec()]
        } else {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        };
        let behind = self.own.as_ref().and_then(|own| own.behind.clone());
        let resolver = JudgingResolver {
            rule: self.rule.clone(),
            port: self.port,
            host: behind.map(|(_, host)| host),
        };
        let connector = Connector::new(resolver, tls, self.proxy.as_ref())?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        builder.pool_timer(TokioTimer::new());
        builder.pool_idle_timeout(POOL_IDLE);
        builder.http2_keep_alive_interval(PING);
        builder.http2_keep_alive_timeout(PONG);
        Ok(builder.build(connector))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::failure::request_failure;
    use super::*;
    use crate::error::Code;

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
            own: None,
        };
        let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
        let sender = key.build().unwrap();
        let sent = sender.get(url.as_str().parse().unwrap());
        let sent = tokio::time::timeout(Duration::from_secs(5), sent).await;
        let error = sent.unwrap().unwrap_err();
        let error = request_failure(&error, &url, true, None, None, true);
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
