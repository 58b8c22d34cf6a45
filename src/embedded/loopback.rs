//! Where the user's browser returns to after authorizing, for programs without a web server: a port of its own on
//! 127.0.0.1 for each flow (RFC 8252, section 7.3). It reads one kind of request and answers small pages.
//!
//! Anybody on this machine can connect to it, and browsers open connections that they may never use. So a connection
//! that has not sent its request yet never makes another one wait: it gives way to newer ones.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use url::Url;

use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::host::{Redirect, RedirectEndpoint, RedirectListener, RedirectOutcome};
use crate::secret::Secret;

const MAX_REQUEST: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Connections whose request is not there yet. Over these, the oldest one is closed.
const MAX_READING: usize = 64;
/// All connections, with those whose request waits for the flow. Over these, new ones wait to be accepted.
const MAX_CONNECTIONS: usize = 128;
/// How long a request may take to arrive, from the first byte to the last.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a page may take to be written, and a request to be taken up.
const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// The variable that names the port, for machines whose browser comes through a tunnel.
pub const PORT: &str = "MCP_OAUTH_CALLBACK_PORT";

/// Opens listeners on 127.0.0.1.
pub struct Loopback {
    /// As the environment names it; else each flow has another one.
    port: Option<String>,
}

impl Loopback {
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self {
            port: environment.get(PORT),
        }
    }
}

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
        let given = self.port.as_deref().map_or(Ok(0), str::parse::<u16>);
        let given = given.map_err(|_| Error::invalid_config(format!("{PORT} must be a port")))?;
        let listening = TcpListener::bind(("127.0.0.1", given)).await;
        let listener = listening.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (sender, redirects) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, port, sender));
        Ok(Box::new(Endpoint {
            origin: format!("http://127.0.0.1:{port}"),
            redirects,
            waiting: None,
            _accepting: accepting,
        }))
    }
}

async fn accept(listener: TcpListener, port: u16, redirects: mpsc::Sender<(Redirect, TcpStream)>) {
    let mut connections = JoinSet::new();
    // Dropping a sender closes its connection.
    let mut reading: VecDeque<oneshot::Sender<()>> = VecDeque::new();
    loop {
        // A connection that broke before it was accepted is nothing to end for.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        reading.retain(|connection| !connection.is_closed());
        if reading.len() >= MAX_READING {
            reading.pop_front();
        }
        if connections.len() >= MAX_CONNECTIONS {
            // One that gave way ends at once, and the flow takes up requests one after the other.
            connections.join_next().await;
        }
        let (waiting, given_up) = oneshot::channel();
        reading.push_back(waiting);
        connections.spawn(serve(stream, port, given_up, redirects.clone()));
    }
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    given_up: oneshot::Receiver<()>,
    redirects: mpsc::Sender<(Redirect, TcpStream)>,
) {
    let request = tokio::select! {
        biased;
        request = tokio::time::timeout(READ_TIMEOUT, read_request(&mut stream, port)) => request,
        _ = given_up => return,
    };
    let refusal = match request
        .as_ref()
        .map(|request| request.as_deref().map(redirect))
    {
        Err(_) => return,
        Ok(Ok(Some(redirect))) => {
            let sending = redirects.send((redirect, stream));
            let _ = tokio::time::timeout(IO_TIMEOUT, sending).await;
            return;
        }
        Ok(Ok(None)) => Refusal::NotFound,
        Ok(Err(refusal)) => *refusal,
    };
    let (status, text) = match refusal {
        Refusal::NotFound => ("404 Not Found", "There is nothing here."),
        Refusal::NoRequest => ("400 Bad Request", "This is no request of a browser."),
        Refusal::OtherHost => (
            "421 Misdirected Request",
            "This address is not the one of the login.",
        ),
    };
    let _ = tokio::time::timeout(IO_TIMEOUT, write(stream, status, text)).await;
}

/// Why a request is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NotFound,
    NoRequest,
    OtherHost,
}

/// The target of a GET request.
async fn read_request(stream: &mut TcpStream, port: u16) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(&bytes).map_err(|_| Refusal::NoRequest)?;
        if parsed.is_complete() {
            if !is_local(request.headers, port) {
                return Err(Refusal::OtherHost);
            }
            let target = request.path.filter(|_| request.method == Some("GET"));
            return target.map(str::to_owned).ok_or(Refusal::NoRequest);
        }
        let read = stream.read_buf(&mut bytes).await;
        if bytes.len() > MAX_REQUEST || read.is_err() || read.is_ok_and(|count| count == 0) {
            return Err(Refusal::NoRequest);
        }
    }
}

/// Whether the browser meant this machine. A page of somebody else's can have its own name resolve to 127.0.0.1 (DNS
/// rebinding), and then read what is answered here.
fn is_local(headers: &[httparse::Header<'_>], port: u16) -> bool {
    let mut hosts = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("host"));
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = std::str::from_utf8(host.value) else {
        return false;
    };
    let host = host.trim().to_ascii_lowercase();
    ["127.0.0.1", "localhost"]
        .iter()
        .any(|name| host == format!("{name}:{port}"))
}

/// RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207. `None` for what has no `state`, such as the icon of a page.
fn redirect(target: &str) -> Option<Redirect> {
    let url = Url::parse("http://127.0.0.1").ok()?.join(target).ok()?;
    let mut redirect = Redirect::default();
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        let is_double = match &*name {
            "code" => redirect.code.replace(Secret::new(value)).is_some(),
            "state" => redirect.state.replace(Secret::new(value)).is_some(),
            "error" => redirect.error.replace(value).is_some(),
            "error_description" => redirect.error_description.replace(value).is_some(),
            "iss" => redirect.iss.replace(value).is_some(),
            _ => false,
        };
        // Whoever added the second one means another of them to count (RFC 6749, section 3.1).
        if is_double {
            return None;
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
mod tests;
