//! Where the user's browser returns to after authorizing, for programs without a web server: a port of its own on
//! 127.0.0.1 for each flow (RFC 8252, section 7.3). It reads one kind of request and answers small pages.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::host::{Redirect, RedirectEndpoint, RedirectListener, RedirectOutcome};
use crate::secret::Secret;

const MAX_REQUEST: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Browsers open more than they use.
const MAX_CONNECTIONS: usize = 16;
const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens listeners on 127.0.0.1.
pub struct Loopback;

struct Endpoint {
    origin: String,
    redirects: mpsc::Receiver<(Redirect, TcpStream)>,
    /// The browser that waits for a page.
    waiting: Option<TcpStream>,
    /// Accepts connections; ends with this.
    _accepting: JoinSet<()>,
}

#[async_trait]
impl RedirectListener for Loopback {
    async fn listen(&self) -> Result<Box<dyn RedirectEndpoint>> {
        let failed = |problem: std::io::Error| {
            Error::new(
                Code::OAuthFlowFailed,
                format!("No port for the OAuth callback: {problem}"),
            )
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (sender, redirects) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, sender));
        Ok(Box::new(Endpoint {
            origin: format!("http://127.0.0.1:{port}"),
            redirects,
            waiting: None,
            _accepting: accepting,
        }))
    }
}

async fn accept(listener: TcpListener, redirects: mpsc::Sender<(Redirect, TcpStream)>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        // A connection that broke before it was accepted is nothing to end for.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let redirects = redirects.clone();
        connections.spawn(async move {
            let _permit = permit;
            let _ = tokio::time::timeout(IO_TIMEOUT, serve(stream, redirects)).await;
        });
    }
}

async fn serve(mut stream: TcpStream, redirects: mpsc::Sender<(Redirect, TcpStream)>) {
    let (status, text) = match read_request(&mut stream).await.as_deref().map(redirect) {
        Some(Some(redirect)) => {
            let _ = redirects.send((redirect, stream)).await;
            return;
        }
        Some(None) => ("404 Not Found", "There is nothing here."),
        None => ("400 Bad Request", "This is no request of a browser."),
    };
    write(stream, status, text).await;
}

/// The target of a GET request; `None` for anything else.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(&bytes).ok()?.is_complete() {
            let target = request.path.filter(|_| request.method == Some("GET"));
            return target.map(str::to_owned);
        }
        if bytes.len() >= MAX_REQUEST || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207. `None` for what has no `state`, such as the icon of a page.
fn redirect(target: &str) -> Option<Redirect> {
    let url = Url::parse("http://127.0.0.1").ok()?.join(target).ok()?;
    let mut redirect = Redirect::default();
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match &*name {
            "code" => redirect.code = Some(Secret::new(value)),
            "state" => redirect.state = Some(Secret::new(value)),
            "error" => redirect.error = Some(value),
            "iss" => redirect.iss = Some(value),
            _ => {}
        }
    }
    redirect.state.is_some().then_some(redirect)
}

#[async_trait]
impl RedirectEndpoint for Endpoint {
    fn origin(&self) -> &str {
        &self.origin
    }

    async fn next(&mut self) -> Redirect {
        match self.redirects.recv().await {
            Some((redirect, stream)) => {
                self.waiting = Some(stream);
                redirect
            }
            // Nobody listens any more: nothing will come.
            None => std::future::pending().await,
        }
    }

    async fn answer(&mut self, outcome: RedirectOutcome) {
        let Some(stream) = self.waiting.take() else {
            return;
        };
        let (status, text) = match outcome {
            RedirectOutcome::Authorized => {
                ("200 OK", "You are logged in. This window can be closed.")
            }
            RedirectOutcome::Failed => (
                "400 Bad Request",
                "The login failed. The program that asked for it says why.",
            ),
            RedirectOutcome::Unknown => (
                "400 Bad Request",
                "This login is not, or no longer, waited for. Begin again.",
            ),
        };
        let _ = tokio::time::timeout(IO_TIMEOUT, write(stream, status, text)).await;
    }
}

async fn write(mut stream: TcpStream, status: &str, text: &str) {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>MCP login</title><p>{text}</p></html>\n"
    );
    // The address of the page has a code in it: it is neither kept nor passed on.
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(origin: &str, request: &str) -> String {
        let address = origin.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn redirects_and_what_is_none() {
        let mut endpoint = Loopback.listen().await.unwrap();
        let origin = endpoint.origin().to_owned();
        for (request, status) in [
            ("GET /favicon.ico HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
            ("POST /?state=s&code=c HTTP/1.1\r\n\r\n", "400"),
            ("\0\r\n\r\n", "400"),
        ] {
            let answer = ask(&origin, request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
        }
        let browser = tokio::spawn({
            let origin = origin.clone();
            async move { ask(&origin, "GET /cb?code=c%20d&state=s&iss=i HTTP/1.1\r\n\r\n").await }
        });
        let redirect = endpoint.next().await;
        assert_eq!(redirect.code, Some(Secret::from("c d")));
        assert_eq!(redirect.state, Some(Secret::from("s")));
        assert_eq!(redirect.iss.as_deref(), Some("i"));
        endpoint.answer(RedirectOutcome::Authorized).await;
        assert!(browser.await.unwrap().contains("You are logged in."));
        drop(endpoint);
        tokio::task::yield_now().await;
        let address = origin.strip_prefix("http://").unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "it is closed");
    }
}
