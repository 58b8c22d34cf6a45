//! Which proxy a request takes.

use http::{HeaderValue, Uri};
use url::Url;

use super::failure::sanitize_url;
use super::no_proxy::NoProxy;
use super::of_url::{self, Credentials};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Where nothing else is said (RFC 1928).
const SOCKS_PORT: u16 = 1080;

/// What a proxy is asked, and who asks it.
pub(super) enum Way {
    Http(Uri, Option<HeaderValue>),
    Socks(Uri, Option<Credentials>),
}

/// A proxy's URL, which may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ProxyUrl(Secret<Url>);

impl ProxyUrl {
    /// `source` names the setting in the error; the value itself never appears there.
    fn parse(value: &str, source: &str) -> Result<Self> {
        // `proxy.example:3128` is common in `http_proxy`.
        let parsed = if value.contains("://") {
            Url::parse(value)
        } else {
            Url::parse(&format!("http://{value}"))
        };
        let mut url = parsed
            .ok()
            .filter(Url::has_host)
            .ok_or_else(|| Error::invalid_config(format!("{source} is not a valid proxy URL")))?;
        // The proxy resolves the target, so that no name leaks and no address is resolved that it would not use.
        if url.scheme() == "socks5" && url.set_scheme("socks5h").is_err()
            || !matches!(url.scheme(), "http" | "https" | "socks5h")
        {
            return Err(Error::invalid_config(format!(
                "{source} must be an http, https or socks5 proxy URL"
            )));
        }
        Ok(Self(Secret::new(url)))
    }

    pub fn is_secure(&self) -> bool {
        self.0.expose().scheme() == "https"
    }

    /// Without credentials.
    pub fn shown(&self) -> String {
        sanitize_url(self.0.expose())
            .trim_end_matches('/')
            .to_owned()
    }

    pub fn way(&self) -> Result<Way> {
        let mut url = self.0.expose().clone();
        let is_socks = url.scheme() == "socks5h";
        if is_socks && url.port().is_none() {
            // Fails for no URL with a host.
            let _ = url.set_port(Some(SOCKS_PORT));
        }
        let uri =
            of_url::uri(&url).map_err(|_| Error::invalid_config("The proxy URL cannot be used"))?;
        Ok(if is_socks {
            Way::Socks(uri, of_url::credentials(&url))
        } else {
            Way::Http(uri, of_url::authorization(&url))
        })
    }

    /// What a proxy is told with each request that it passes on itself, whose URL is no secret from it.
    pub fn authorization(&self, url: &Url) -> Option<HeaderValue> {
        let proxy = self.0.expose();
        let passes_on = url.scheme() == "http" && proxy.scheme() != "socks5h";
        passes_on.then(|| of_url::authorization(proxy)).flatten()
    }
}

/// The proxies of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proxies {
    /// The server's `proxy` or LibreChat's `PROXY`: for every request.
    Always(ProxyUrl),
    /// `http_proxy` and `https_proxy`, if any.
    Environment {
        http: Option<ProxyUrl>,
        https: Option<ProxyUrl>,
        except: NoProxy,
    },
}

impl Proxies {
    /// The first of `server_proxy`, `PROXY`, and the pair `http_proxy` and `https_proxy`. A lower-case variable hides
    /// its upper-case form even when it is empty, as in the reference.
    pub fn new(environment: &Environment, server_proxy: Option<&str>) -> Result<Self> {
        if let Some(value) = server_proxy.and_then(non_blank) {
            return ProxyUrl::parse(value, "The server's `proxy`").map(Self::Always);
        }
        if let Some(value) = environment.get("PROXY").as_deref().and_then(non_blank) {
            return ProxyUrl::parse(value, "PROXY").map(Self::Always);
        }
        let proxy = |lower: &'static str, upper: &'static str| {
            either(environment, lower, upper)
                .map(|(name, value)| ProxyUrl::parse(&value, name))
                .transpose()
        };
        let http = proxy("http_proxy", "HTTP_PROXY")?;
        Ok(Self::Environment {
            https: proxy("https_proxy", "HTTPS_PROXY")?.or_else(|| http.clone()),
            http,
            except: either(environment, "no_proxy", "NO_PROXY")
                .map(|(_, list)| NoProxy::parse(&list))
                .unwrap_or_default(),
        })
    }

    pub fn of(&self, url: &Url) -> Option<&ProxyUrl> {
        match self {
            Self::Always(proxy) => Some(proxy),
            Self::Environment { except, .. } if except.covers(url) => None,
            Self::Environment { http, https, .. } => match url.scheme() {
                "https" | "wss" => https.as_ref(),
                _ => http.as_ref(),
            },
        }
    }
}

fn non_blank(value: &str) -> Option<&str> {
    let value = value.trim();
    (!value.is_empty()).then_some(value)
}

fn either(
    environment: &Environment,
    lower: &'static str,
    upper: &'static str,
) -> Option<(&'static str, String)> {
    let (name, value) = match environment.get(lower) {
        Some(value) => (lower, value),
        None => (upper, environment.get(upper)?),
    };
    non_blank(&value).map(|value| (name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pairs: &[(&str, &str)], server: Option<&str>, url: &str) -> Option<String> {
        let environment = Environment::default();
        for (name, value) in pairs {
            environment.set(*name, *value);
        }
        Proxies::new(&environment, server)
            .unwrap()
            .of(&Url::parse(url).unwrap())
            .map(|proxy| proxy.0.expose().to_string())
    }

    #[test]
    fn precedence() {
        let all = [
            ("PROXY", "http://librechat.test:1"),
            ("http_proxy", "http://plain.test:1"),
            ("https_proxy", "http://secure.test:1"),
            ("no_proxy", "*"),
        ];
        for (pairs, server, url, expected) in [
            (
                &all[..],
                Some("http://server.test:1"),
                "https://a.test",
                Some("http://server.test:1/"),
            ),
            (
                &all,
                Some("  "),
                "https://a.test",
                Some("http://librechat.test:1/"),
            ),
            (
                &all,
                None,
                "https://a.test",
                Some("http://librechat.test:1/"),
            ),
            (
                &all[1..3],
                None,
                "https://a.test",
                Some("http://secure.test:1/"),
            ),
            (
                &all[1..3],
                None,
                "wss://a.test",
                Some("http://secure.test:1/"),
            ),
            (
                &all[1..3],
                None,
                "http://a.test",
                Some("http://plain.test:1/"),
            ),
            (
                &all[1..3],
                None,
                "ws://a.test",
                Some("http://plain.test:1/"),
            ),
            (
                &all[1..2],
                None,
                "https://a.test",
                Some("http://plain.test:1/"),
            ),
            (&all[2..3], None, "http://a.test", None),
            (&all[1..], None, "https://a.test", None),
            (
                &[("HTTP_PROXY", "proxy.test:3128")],
                None,
                "http://a.test",
                Some("http://proxy.test:3128/"),
            ),
            (
                &[("HTTP_PROXY", "proxy.test:3128"), ("http_proxy", "")],
                None,
                "http://a.test",
                None,
            ),
            (
                &[("PROXY", "socks5://u:p@proxy.test")],
                None,
                "http://a.test",
                Some("socks5h://u:p@proxy.test"),
            ),
            (&[], None, "http://a.test", None),
        ] {
            assert_eq!(
                chosen(pairs, server, url).as_deref(),
                expected,
                "{pairs:?} {server:?} {url}"
            );
        }
    }

    #[test]
    fn errors_name_the_setting_and_hide_the_value() {
        for (name, value) in [
            ("PROXY", "ftp://user:hunter2@proxy.test"),
            ("https_proxy", "http://user:hunter2@:bad"),
            ("HTTP_PROXY", "http://"),
        ] {
            let error = Proxies::new(&Environment::from([(name, value)]), None).unwrap_err();
            assert!(error.message.starts_with(name), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        let environment = Environment::from([("PROXY", "http://user:hunter2@proxy.test")]);
        let proxies = Proxies::new(&environment, None).unwrap();
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }
}
