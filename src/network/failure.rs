//! From the HTTP client's errors to the crate's.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy::Error as SendError;
use url::Url;

use super::tls_failure;
use super::tls_files::Identity;
use crate::error::{Code, Error};

/// The part of a URL that may be shown: scheme, host, port and path (LibreChat's `sanitizeUrlForLogging`).
#[must_use]
pub fn sanitize_url(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        shown.push(':');
        shown.push_str(&port.to_string());
    }
    shown.push_str(url.path());
    shown
}

/// A request that got no answer. `takes_server_name`: as of [`Route`](super::policy::Route); `identity` is what the server
/// was offered, `proxy` what the request was to take; of a stranger nothing is known yet, not even that it speaks HTTP.
pub(super) fn request_failure(
    error: &SendError,
    url: &Url,
    takes_server_name: bool,
    identity: Option<&Identity>,
    proxy: Option<&str>,
    is_stranger: bool,
) -> Error {
    if let Some(own) = find::<Error>(error) {
        let mut own = own.clone();
        if let Some(proxy) = proxy {
            // A client with a proxy resolves no other name.
            own.message = format!("The proxy {proxy} cannot be reached: {}", own.message);
        }
        return own;
    }
    let mut target = sanitize_url(url);
    if let Some(proxy) = proxy {
        target.push_str(" through the proxy ");
        target.push_str(proxy);
    }
    if error.is_connect() && is_timeout(error) {
        return Error::timeout(format!("Connecting to {target} timed out"));
    }
    let tls = find::<rustls::Error>(error);
    let is_final = tls.is_some_and(tls_failure::is_final);
    // What was sent over a connection may have been carried out.
    let code = if error.is_connect() || is_final {
        Code::ConnectionFailed
    } else {
        Code::ConnectionLost
    };
    let cause = match tls {
        Some(tls) => tls_failure::in_words(tls, identity.is_some()),
        None if proxy.is_some() && error.is_connect() => {
            let what = if is_unreached(error) {
                "the proxy cannot be reached"
            } else {
                "the proxy made no connection"
            };
            format!("{what}: {}", cause(error))
        }
        None if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) => {
            format!("the answer is no HTTP ({})", cause(error))
        }
        None => cause(error),
    };
    let mut message = format!("The request to {target} failed: {cause}");
    if takes_server_name && tls.is_some_and(tls_failure::is_of_name) {
        message.push_str(": where that is right, `tls.serverName` says whose it is");
    }
    if tls.is_none() && identity.is_some_and(Identity::is_in_doubt) {
        message.push_str(
            "; the server had asked for a client certificate, and may not take that of `tls.cert`",
        );
    } else if is_stranger && url.scheme() == "http" && is_no_http(error) {
        message.push_str("; if the port speaks TLS, write https:// (or wss://)");
    }
    Error::new(code, message).with_retryable(!is_final)
}

/// Whether the other side, or the system, was waited for too long.
fn is_timeout(error: &SendError) -> bool {
    chain(error).any(|error| {
        let io = error.downcast_ref::<io::Error>();
        let http = error.downcast_ref::<hyper::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
            || http.is_some_and(hyper::Error::is_timeout)
    })
}

/// Whether no connection came about, be it with a proxy.
fn is_unreached(error: &SendError) -> bool {
    find::<io::Error>(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::TimedOut
        )
    })
}

/// Whether nothing was answered, or what is not HTTP: a port that speaks TLS does either.
fn is_no_http(error: &SendError) -> bool {
    find::<hyper::Error>(error).is_some_and(|it| it.is_parse() || it.is_incomplete_message())
}

/// Whether the connection was closed before anything of an answer came.
pub(super) fn is_dropped(error: &SendError) -> bool {
    let closed = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::NotConnected
        )
    };
    !error.is_connect()
        && !is_timeout(error)
        && (find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message)
            || find::<io::Error>(error).is_some_and(closed))
}

/// Whether the server says that it has not looked at the request, as only HTTP/2 lets it (RFC 9113, section 8.7).
pub(super) fn is_unread(error: &SendError) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let reason = error.reason();
        let is_leaving = error.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
        let is_refused = error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_leaving || is_refused)
    })
}

/// An answer whose body broke off.
pub(super) fn body_failure(error: &hyper::Error, url: &Url) -> Error {
    Error::new(
        Code::ConnectionLost,
        format!(
            "The response of {} broke off: {}",
            sanitize_url(url),
            cause(error)
        ),
    )
}

/// One phrase. Only the innermost cause is told: what is around it says no more.
fn cause(error: &(dyn StdError + 'static)) -> String {
    if let Some(tls) = find::<rustls::Error>(error) {
        return tls_failure::in_words(tls, false);
    }
    let phrase = find::<io::Error>(error).and_then(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Some("connection reset")
        }
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Some("connection closed"),
        io::ErrorKind::HostUnreachable => Some("host unreachable"),
        io::ErrorKind::NetworkUnreachable => Some("network unreachable"),
        io::ErrorKind::TimedOut => Some("connection timed out"),
        _ => None,
    });
    if let Some(phrase) = phrase {
        return phrase.to_owned();
    }
    chain(error).last().unwrap_or(error).to_string()
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its sources. What an `io::Error` wraps is not among its sources, so it is looked into.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| source(error))
}

fn source<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credentials_and_no_query() {
        for (url, shown) in [
            (
                "https://u:hunter2@h.test:8443/p/q?key=hunter2#f",
                "https://h.test:8443/p/q",
            ),
            ("https://h.test:443", "https://h.test/"),
            ("ws://[::1]:80/mcp", "ws://[::1]/mcp"),
        ] {
            assert_eq!(sanitize_url(&Url::parse(url).unwrap()), shown);
        }
    }
}
