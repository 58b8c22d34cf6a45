//! Name resolution that refuses addresses a policy does not permit.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;
use url::Host;

use super::rule::AddressRule;
use crate::blocking::blocking;
use crate::error::{Code, Error, Result};

/// The resolver of one client. It is told a name only, so the port (which exemptions depend on) is fixed when the client is
/// made.
#[derive(Clone)]
pub(super) struct JudgingResolver {
    pub rule: AddressRule,
    pub port: u16,
    /// Where every name leads: the host of a URL whose server has a certificate for another name.
    pub host: Option<Host>,
}

impl Service<Name> for JudgingResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let rule = self.rule.clone();
        let port = self.port;
        let host = self.host.clone();
        Box::pin(async move {
            let addresses = match host {
                // Literals are judged with their URL.
                Some(Host::Ipv4(address)) => vec![address.into()],
                Some(Host::Ipv6(address)) => vec![address.into()],
                Some(Host::Domain(host)) => resolve(&rule, &host, port).await?,
                None => resolve(&rule, name.as_str(), port).await?,
            };
            // Port 0 asks the connector for the URL's own port.
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(addresses.collect::<Vec<_>>().into_iter())
        })
    }
}

/// Resolves a name with the system's resolver and judges every address.
pub(super) async fn resolve(rule: &AddressRule, name: &str, port: u16) -> Result<Vec<IpAddr>> {
    let unresolved = |_| {
        Error::new(
            Code::ConnectionFailed,
            format!("The host name \"{name}\" could not be resolved"),
        )
    };
    let addresses: Vec<IpAddr> = blocking(tokio::net::lookup_host((name, port)))
        .await?
        .map_err(unresolved)?
        .map(|address| address.ip())
        .collect();
    rule.check_resolved(name, port, &addresses)?;
    Ok(addresses)
}
