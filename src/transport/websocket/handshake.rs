//! From an HTTP request to a WebSocket (RFC 6455, section 4.1).

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::network::EXPLANATION_BYTES;
use crate::transport::remote::{Remote, content_type, invalid, quoting, refusal};

const SUBPROTOCOL: &str = "mcp";

/// Asks for a WebSocket and returns the raw connection.
pub(super) async fn upgrade(
    remote: &Remote,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    let key = generate_key();
    let mut request = remote.request(Method::GET, Url::clone(&remote.url), None);
    let key_value = HeaderValue::from_str(&key)
        .map_err(|_| Error::new(Code::Internal, "The WebSocket key is no header value"))?;
    for (name, value) in [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        ),
        (SEC_WEBSOCKET_KEY, key_value),
    ] {
        request.headers.insert(name, value);
    }
    request.timeout = None;
    // An HTTP/2 connection cannot be taken over this way.
    request.http1_only = true;
    let response = remote.send(request).await?;
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        if response.status.is_success() {
            let what = "without switching to WebSocket";
            let error = invalid(&response.url, response.status, what);
            let kind = content_type(&response).to_owned();
            let body = response.beginning(EXPLANATION_BYTES).await;
            return Err(quoting(error, &body, &kind, &remote.sent(None)));
        }
        return Err(refusal(response, &remote.sent(None)).await.error);
    }
    if let Some(problem) = problem(&response.headers, &key) {
        return Err(invalid(&response.url, response.status, problem));
    }
    response.upgrade().await
}

/// What is wrong with an answer that switches protocols. A server that selects no subprotocol is accepted, as by
/// browsers; Node's client refuses it.
fn problem(headers: &HeaderMap, key: &str) -> Option<&'static str> {
    let is = |name, expected: &str| {
        headers.get(name).is_some_and(|value| {
            value
                .as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(expected.as_bytes())
        })
    };
    let upgrades = headers.get(CONNECTION).is_some_and(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    if !upgrades || !is(UPGRADE, "websocket") {
        return Some("with a switch to another protocol than WebSocket");
    }
    // The key is base64, where case matters.
    let accepted = headers
        .get(SEC_WEBSOCKET_ACCEPT)
        .is_some_and(|value| value.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes());
    if !accepted {
        return Some("a WebSocket handshake with the wrong key");
    }
    let mut protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let known = protocols.all(|protocol| protocol.as_bytes() == SUBPROTOCOL.as_bytes());
    (!known).then_some("with another WebSocket subprotocol than mcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn answer(headers: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        problem(&map, KEY)
    }

    #[test]
    fn answers_are_verified() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-accept", ACCEPT),
        ];
        assert_eq!(answer(&good), None);
        let with = |name, value| {
            let mut headers = good.to_vec();
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
            answer(&headers)
        };
        assert_eq!(with("sec-websocket-protocol", "mcp"), None);
        for (name, value) in [
            ("sec-websocket-protocol", "chat"),
            ("sec-websocket-accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("upgrade", "h2c"),
            ("connection", "close"),
        ] {
            assert!(with(name, value).is_some(), "{name}: {value}");
        }
        assert!(answer(&good[..2]).is_some());
    }
}
