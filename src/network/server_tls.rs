//! TLS as one server wants it: the `tls` of its config.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use url::{Host, Origin, Url};

use super::proxy::ProxyUrl;
use super::request::wire_url;
use super::tls_files::{Material, Stamp, stamps};
use super::tls_options::{TlsOptions, TlsSource};
use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::lru_map::LruMap;

/// How often it is looked whether files have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Servers whose files are remembered.
const MOST_SERVERS: usize = 256;

/// The TLS of one server, for the origins that its config names: the server's own, and those of the endpoints of its
/// authorization server. What a server merely names is offered none of it. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Settings {
    source: TlsSource,
    origin: Origin,
    endpoints: Vec<Origin>,
}

#[derive(Default)]
struct State {
    /// What was read last without a fault.
    material: Option<Arc<Material>>,
    stamps: [Option<Stamp>; 3],
    looked_at: Option<Instant>,
    /// What is wrong with files that have changed since.
    warning: Option<String>,
}

impl ServerTls {
    /// `server` is what errors call the server at `url`. Equal settings have their files in common.
    ///
    /// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig) where `serverName` is no host name.
    pub fn new(server: &str, options: TlsOptions, url: &Url, endpoints: &[Url]) -> Result<Self> {
        static KNOWN: LazyLock<LruMap<Settings, ServerTls>> =
            LazyLock::new(|| LruMap::new(MOST_SERVERS));
        let settings = Settings {
            source: TlsSource {
                server: server.to_owned(),
                options,
            },
            origin: wire_url(url).origin(),
            endpoints: endpoints.iter().map(Url::origin).collect(),
        };
        if let Some(name) = &settings.source.options.server_name
            && !matches!(Host::parse(name), Ok(Host::Domain(_)))
        {
            return Err(settings.source.wrong("serverName", "is no host name"));
        }
        KNOWN.get_or_make(&settings, || {
            Ok(Self(Arc::new(Inner {
                settings: settings.clone(),
                state: Mutex::default(),
            })))
        })
    }

    pub(super) fn is_for(&self, url: &Url) -> bool {
        let (settings, origin) = (&self.0.settings, wire_url(url).origin());
        settings.origin == origin || settings.endpoints.contains(&origin)
    }

    /// The host name that is asked for at this URL, in place of the URL's own.
    pub(super) fn name_at(&self, url: &Url) -> Option<&str> {
        let settings = &self.0.settings;
        let name = settings.source.options.server_name.as_deref();
        name.filter(|_| settings.origin == url.origin())
    }

    /// Fails where these settings would be shown to the proxy, or would not reach through it.
    pub(super) fn check_proxy(&self, proxy: &ProxyUrl, url: &Url) -> Result<()> {
        let settings = &self.0.settings;
        if proxy.is_secure() {
            return Err(settings.source.error(
                "`tls` cannot be used through a proxy with an https:// URL, which would be offered it, too",
            ));
        }
        match self.name_at(url) {
            Some(_) => Err(settings
                .source
                .wrong("serverName", "cannot be used through a proxy")),
            None => Ok(()),
        }
    }

    /// What the files hold: looked at where the last look is a second ago, and read where they have changed. Files that
    /// cannot be used any more leave what was read before in use.
    pub(super) async fn material(&self) -> Result<Arc<Material>> {
        // Whoever looks at the files holds the lock, in a thread that may block.
        if let Some(state) = self.0.state.try_lock()
            && let (Some(material), Some(looked_at)) = (&state.material, state.looked_at)
            && looked_at.elapsed() < LOOK_AGAIN
        {
            return Ok(Arc::clone(material));
        }
        let inner = Arc::clone(&self.0);
        let look = move || inner.state.lock().look(&inner.settings.source);
        blocking(async { tokio::task::spawn_blocking(look).await })
            .await?
            .map_err(|_| Error::closed())?
    }

    /// Looks at the files with the next use, as a second later.
    #[cfg(test)]
    pub(super) fn look_again(&self) {
        self.0.state.lock().looked_at = None;
    }

    /// What an operator should hear about the files, once.
    pub(super) fn warning(&self) -> Option<String> {
        self.0.state.try_lock()?.warning.take()
    }
}

impl State {
    fn look(&mut self, source: &TlsSource) -> Result<Arc<Material>> {
        // Before they are read: what is written meanwhile is seen the next time.
        let stamps = stamps(&source.options);
        if let Some(material) = &self.material
            && self.stamps == stamps
        {
            self.looked_at = Some(Instant::now());
            return Ok(Arc::clone(material));
        }
        let material = match (Material::read(source), &self.material) {
            (Ok(read), _) => {
                self.warning = None;
                Arc::new(read)
            }
            (Err(error), Some(last)) => {
                self.warning = Some(format!("{error}; what was read before stays in use"));
                Arc::clone(last)
            }
            (Err(error), None) => return Err(error),
        };
        self.material = Some(Arc::clone(&material));
        self.stamps = stamps;
        self.looked_at = Some(Instant::now());
        Ok(material)
    }
}

impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.settings == other.0.settings
    }
}

impl Eq for ServerTls {}

impl Hash for ServerTls {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.settings.hash(hasher);
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerTls(..)")
    }
}
