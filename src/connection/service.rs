//! rmcp's client service on one transport.

use std::sync::Arc;
use std::time::Duration;

use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RoleClient, RunningService,
    serve_client_with_lifecycle,
};
use tokio::sync::Mutex;

use super::events::{LossWatch, Watched};
use super::handler::Handler;
use super::inbound::{Inbound, UnderWay};
use super::numbering::{Numbered, Numbers};
use super::probe::Probing;
use crate::transport::{BoxTransport, HttpSession, Kept, Listener, McpHttp};

/// How long a transport may take to end: five seconds for a session's `DELETE`, and room to end a process.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(5500);

pub(super) struct Service {
    pub peer: Peer<RoleClient>,
    watch: LossWatch,
    numbers: Arc<Numbers>,
    /// What the server has asked and not been answered.
    under_way: UnderWay,
    /// The HTTP side of a Streamable HTTP transport.
    http: Option<McpHttp>,
    running: Mutex<Option<RunningService<RoleClient, Handler>>>,
}

/// What is left of a service that was dropped while its session goes on.
#[derive(Clone)]
pub(super) struct Resting {
    pub http: HttpSession,
    /// The GET stream, where the server has one.
    pub stream: Option<Kept>,
    /// The first request id that the session has not seen.
    pub next_id: i64,
}

impl Service {
    /// The handshake. Request ids begin with `first_id`.
    pub async fn start(
        transport: BoxTransport,
        http: Option<McpHttp>,
        handler: Handler,
        lifecycle: ClientLifecycleMode,
        first_id: i64,
    ) -> Result<Self, ClientInitializeError> {
        let watch = LossWatch::new(handler.observer.clone());
        let numbers = Numbers::from(first_id);
        let under_way = UnderWay::default();
        let transport = Inbound::new(transport, handler.clone(), under_way.clone());
        let transport = Probing::new(Numbered::new(transport, Arc::clone(&numbers)));
        let transport = Watched::new(transport, watch.clone());
        // Boxed, because it would make every future around it large.
        let serving = Box::pin(serve_client_with_lifecycle(handler, transport, lifecycle));
        let running = serving.await?;
        watch.arm();
        Ok(Self {
            peer: running.peer().clone(),
            watch,
            numbers,
            under_way,
            http,
            running: Mutex::new(Some(running)),
        })
    }

    /// Whether the transport is gone.
    pub fn is_closed(&self) -> bool {
        self.watch.is_lost() || self.peer.is_transport_closed()
    }

    /// What is left to keep once this is dropped, if the session may rest: over Streamable HTTP, with nothing under way.
    pub fn rest(&self) -> Option<(Resting, Option<Listener>)> {
        if self.is_closed() || !self.under_way.is_empty() {
            return None;
        }
        let (http, stream) = self.http.as_ref()?.rest()?;
        self.watch.disarm();
        let (listener, stream) = stream.unzip();
        let resting = Resting {
            http,
            stream,
            next_id: self.numbers.next(),
        };
        Some((resting, listener))
    }

    /// Ends the session.
    pub async fn close(&self) {
        self.watch.disarm();
        if let Some(http) = &self.http {
            http.stop_listening();
        }
        let running = self.running.lock().await.take();
        if let Some(mut running) = running {
            let _ = running.close_with_timeout(CLOSE_TIMEOUT).await;
        }
    }
}
