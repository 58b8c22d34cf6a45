//! Small servers on loopback that record what reaches them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// `POST /path HTTP/1.1`
    pub line: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a server does with a request.
pub enum Reply {
    /// These bytes, then the next request of the connection.
    Send(String),
    /// These bytes, then whatever arrives goes back.
    Echo(String),
    /// These bytes, then the end.
    Close(String),
    /// These bytes, then silence.
    Hang(String),
}

pub fn ok(body: &str) -> Reply {
    Reply::Send(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

pub fn redirect(status: u16, location: &str) -> Reply {
    Reply::Send(format!(
        "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    ))
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    pub async fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(handler, None).await
    }

    pub async fn start_with(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            received: Arc::default(),
        };
        let handler: Arc<Handler> = Arc::new(handler);
        let connections = Arc::clone(&server.connections);
        let received = Arc::clone(&server.received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (handler, received) = (Arc::clone(&handler), Arc::clone(&received));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*handler, &received).await;
                            }
                        }
                        None => serve(stream, &*handler, &received).await,
                    }
                });
            }
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: &Handler,
    received: &Mutex<Vec<Received>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let reply = handler(&request);
        received.lock().unwrap().push(request);
        let (Reply::Send(bytes) | Reply::Echo(bytes) | Reply::Close(bytes) | Reply::Hang(bytes)) =
            &reply;
        if stream.write_all(bytes.as_bytes()).await.is_err() {
            return;
        }
        match reply {
            Reply::Send(_) => {}
            Reply::Close(_) => {
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Hang(_) => std::future::pending().await,
            Reply::Echo(_) => {
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..count]).await.unwrap();
                }
                return;
            }
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut request = Received {
        line: lines.next()?.to_owned(),
        ..Received::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request
            .headers
            .push((name.to_lowercase(), value.to_owned()));
    }
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

/// A SOCKS5 proxy that answers one request itself and tells which target it was asked for.
pub async fn socks_proxy() -> (SocketAddr, tokio::sync::oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, target) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        told.send(socks_handshake(&mut stream).await).unwrap();
        let received = Mutex::default();
        serve(stream, &|_| ok("through socks"), &received).await;
    });
    (address, target)
}

/// RFC 1928, for targets given as domain names.
async fn socks_handshake(stream: &mut TcpStream) -> String {
    let version = stream.read_u8().await.unwrap();
    let mut methods = vec![0; stream.read_u8().await.unwrap().into()];
    stream.read_exact(&mut methods).await.unwrap();
    assert_eq!(version, 5);
    stream.write_all(&[5, 0]).await.unwrap();
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head, [5, 1, 0, 3], "CONNECT to a domain name");
    let mut name = vec![0; stream.read_u8().await.unwrap().into()];
    stream.read_exact(&mut name).await.unwrap();
    let port = stream.read_u16().await.unwrap();
    stream
        .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    format!("{}:{port}", String::from_utf8(name).unwrap())
}
