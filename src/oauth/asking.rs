//! How a server is asked whether it wants a login: as its connections ask it.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use crate::foreign_text::SentSecrets;
use crate::network::Request;
use crate::server_config::{Transport, TransportKind};

/// The least that any server takes for a message, and that begins no session.
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;

/// How an MCP server is asked: as its connections ask it, but for the tokens of users.
#[derive(Clone, Default)]
pub struct Asking {
    /// `None` where nobody knows.
    kind: Option<TransportKind>,
    /// Those of the config, which may be credentials: for the server's own origin.
    headers: HeaderMap,
    /// Those of the config, which no text tells.
    pub(super) secrets: SentSecrets,
}

impl Asking {
    /// Headers that wait for a user's values are left out.
    #[must_use]
    pub fn of(transport: &Transport) -> Self {
        let Transport::Http { headers, kind, .. } = transport else {
            return Self::default();
        };
        let is_whole = |value: &HeaderValue| !value.as_bytes().windows(2).any(|it| it == b"{{");
        let headers = headers.iter().filter(|(_, value)| is_whole(value));
        Self {
            kind: Some(*kind),
            headers: headers.cloned().collect(),
            secrets: SentSecrets::default(),
        }
    }

    /// Keeps these out of all texts: they are the config's, and the server and those that it names may repeat them.
    #[must_use]
    pub fn keeping(self, secrets: SentSecrets) -> Self {
        Self { secrets, ..self }
    }

    /// The same for a server whose users' tokens take the place of a configured `Authorization`.
    #[must_use]
    pub fn without_authorization(mut self) -> Self {
        self.headers.remove(AUTHORIZATION);
        self
    }

    /// Whether the server is shown anything that it may know the operator by.
    pub(super) fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// A stream of events has an answer to GET, and servers of that kind have none to POST, and leave HEAD without an
    /// answer. Where nobody knows the kind, GET is for servers without POST.
    pub(super) const fn methods(&self) -> &'static [Method] {
        match self.kind {
            Some(TransportKind::StreamableHttp) => &[Method::POST],
            Some(_) => &[Method::GET],
            None => &[Method::POST, Method::GET],
        }
    }

    pub(super) fn prepare(&self, request: &mut Request) {
        request.headers.clone_from(&self.headers);
        request.secret_headers = self.headers.keys().cloned().collect();
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        request.headers.insert(ACCEPT, accepted);
        if request.method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            request.headers.insert(CONTENT_TYPE, json);
            request.body = Bytes::from_static(PING);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use url::Url;

    use super::*;

    fn url() -> Url {
        Url::parse("https://h.test/mcp").unwrap()
    }

    fn asking(kind: TransportKind, headers: &[(&'static str, &'static str)]) -> Asking {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        Asking::of(&Transport::Http {
            url: url().into(),
            headers: headers.collect(),
            kind,
            proxy: None,
        })
    }

    #[test]
    fn configured_headers_stay_with_the_server() {
        let asking = asking(
            TransportKind::StreamableHttp,
            &[
                ("x-key", "k"),
                ("x-user", "{{LIBRECHAT_USER_ID}}"),
                ("authorization", "Basic YTpi"),
                ("accept", "text/html"),
            ],
        );
        let mut request = Request::new(Method::POST, url());
        asking.prepare(&mut request);
        assert_eq!(request.headers["x-key"], "k");
        assert_eq!(
            request.headers[ACCEPT],
            "application/json, text/event-stream"
        );
        assert!(!request.headers.contains_key("x-user"));
        let secret = |name| request.secret_headers.iter().any(|it| it == name);
        assert!(secret("x-key") && secret("authorization"));
        assert!(asking.has_headers());

        let mut request = Request::new(Method::POST, url());
        asking.without_authorization().prepare(&mut request);
        assert!(!request.headers.contains_key(AUTHORIZATION));
    }

    #[test]
    fn a_server_is_asked_as_its_connections_ask_it() {
        for (kind, methods) in [
            (TransportKind::StreamableHttp, "POST"),
            (TransportKind::Sse, "GET"),
            (TransportKind::WebSocket, "GET"),
        ] {
            let asking = asking(kind, &[]);
            assert_eq!(asking.methods(), [methods.parse::<Method>().unwrap()]);
            assert!(!asking.has_headers());
        }
        assert_eq!(Asking::default().methods(), [Method::POST, Method::GET]);
    }
}
