//! TLS as one server wants it: the `tls` of its config.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use parking_lot::Mutex;
use url::{Host, Origin, Url};

use super::proxy::ProxyUrl;
use super::request::wire_url;
use super::tls_files::{Material, stamps};
use super::tls_options::{TlsOptions, TlsSource};
use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::file_stamp::{FileStamp, LOOK_AGAIN};
use crate::lru_map::LruMap;

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
    stamps: [Option<FileStamp>; 3],
    looked_at: Option<Instant>,
    /// Whether somebody looks at them now.
    is_looking: bool,
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
        let endpoints = &self.0.settings.endpoints;
        self.is_own(url) || endpoints.contains(&wire_url(url).origin())
    }

    /// Whether this is at the server's own origin, not at one of its authorization server.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        self.0.settings.origin == wire_url(url).origin()
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
    /// cannot be used any more leave what was read before in use, and so does a file system that does not answer.
    pub(super) async fn material(&self) -> Result<Arc<Material>> {
        {
            let mut state = self.0.state.lock();
            let is_fresh = |at: Instant| at.elapsed() < LOOK_AGAIN;
            if let Some(material) = &state.material
                && (state.is_looking || state.looked_at.is_some_and(is_fresh))
            {
                return Ok(Arc::clone(material));
            }
            state.is_looking = true;
        }
        let tls = self.clone();
        blocking(async { tokio::task::spawn_blocking(move || tls.look()).await })
            .await
            .inspect_err(|_| self.0.state.lock().is_looking = false)?
            .map_err(|_| Error::closed())?
    }

    /// Blocks on the file system, and holds no lock meanwhile.
    fn look(&self) -> Result<Arc<Material>> {
        let source = &self.0.settings.source;
        // Before they are read: what is written meanwhile is seen the next time.
        let stamps = stamps(&source.options);
        let known = {
            let state = self.0.state.lock();
            let is_same = state.stamps == stamps;
            state.material.clone().filter(|_| is_same)
        };
        let read = match known {
            Some(material) => Ok(material),
            None => Material::read(source).map(Arc::new),
        };
        self.0.state.lock().looked(read, stamps)
    }

    /// Looks at the files with the next use, as a second later.
    #[cfg(test)]
    pub(super) fn look_again(&self) {
        self.0.state.lock().looked_at = None;
    }

    /// What an operator should hear about the files, once.
    pub(super) fn warning(&self) -> Option<String> {
        self.0.state.lock().warning.take()
    }
}

impl State {
    fn looked(
        &mut self,
        read: Result<Arc<Material>>,
        stamps: [Option<FileStamp>; 3],
    ) -> Result<Arc<Material>> {
        self.is_looking = false;
        let material = match (read, &self.material) {
            (Ok(read), _) => read,
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
