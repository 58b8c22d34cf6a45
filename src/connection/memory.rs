//! A server in memory, for tests in which time passes by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::client_of;
use super::engine::Engine;
use super::established::Connection;
use super::generation::Generation;
use super::known::LastDescribed;
use super::recipe::Recipe;
use super::session::Session;
use crate::error::Result;
use crate::transport::{Failure, Lane, Receiver, Sending, Wire, message};

/// What a test has a server do with a request: the method and its parameters lead to a result, an error, or no answer at all
/// (`Null`), as members of the answer. `None` leaves it to [`MemoryServer`].
pub type Script = dyn Fn(&MemoryServer, &str, &Value) -> Option<Value> + Send + Sync;

/// Answers what its script does, the handshake, and everything else with nothing.
pub struct MemoryServer {
    script: Option<Arc<Script>>,
    receiver: Weak<dyn Receiver>,
    is_closed: AtomicBool,
    /// What it was asked, with the ids.
    asked: Mutex<Vec<(String, u64)>>,
}

impl MemoryServer {
    pub async fn connect(
        recipe: &Arc<Recipe>,
        script: Option<Arc<Script>>,
        generation: Generation,
    ) -> Result<(Connection, Arc<Self>)> {
        let limit = Duration::from_secs(30);
        let client = client_of(recipe, &recipe.logger);
        let (life, last) = (CancellationToken::new(), LastDescribed::default());
        let engine = Engine::new(client, life, limit, recipe.share(), last);
        let server = Arc::new(Self {
            script,
            receiver: engine.receiver(),
            is_closed: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        engine.use_lane(Lane::Duplex(Arc::clone(&server) as _));
        let deadline = Instant::now() + limit;
        let session = Session::open(engine, Some(generation), deadline).await?;
        let connection = Connection::new(Arc::clone(recipe), session, None)?;
        Ok((connection, server))
    }

    /// The wire ends, and nobody has closed it.
    pub fn go_away(&self) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.over();
        }
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: &Value) {
        self.send_text(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn send_text(&self, message: &Value) {
        if let Some(receiver) = self.receiver.upgrade() {
            message::read(&message.to_string(), |message| {
                receiver.receive(message.unwrap(), None);
            });
        }
    }

    /// Refuses another GET stream.
    pub fn conflict(&self) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.conflicted();
        }
    }

    /// Forgets the session, and says so by itself.
    pub fn forget(&self) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.forgotten();
        }
    }

    /// The ids of the requests with this method.
    pub fn asked(&self, method: &str) -> Vec<u64> {
        let asked = self.asked.lock();
        let ids = asked.iter().filter(|(asked, _)| asked == method);
        ids.map(|(_, id)| *id).collect()
    }

    /// Whether the client has closed the session.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Wire for MemoryServer {
    async fn send(&self, sending: Sending<'_>) -> Result<(), Failure> {
        let Some(id) = sending.id else {
            return Ok(());
        };
        let asked: Value = serde_json::from_slice(&sending.text).unwrap();
        let method = asked["method"].as_str().unwrap_or_default();
        self.asked.lock().push((method.to_owned(), id));
        let scripted = self.script.as_ref();
        let scripted = scripted.and_then(|script| script(self, method, &asked["params"]));
        let mut answer = scripted.unwrap_or_else(|| match method {
            "initialize" => json!({ "result": {
                "protocolVersion": asked["params"]["protocolVersion"],
                "capabilities": {},
                "serverInfo": { "name": "memory", "version": "1" },
            } }),
            _ => json!({ "result": {} }),
        });
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("jsonrpc".to_owned(), json!("2.0"));
            answer.insert("id".to_owned(), json!(id));
            self.send_text(&json!(answer));
        }
        Ok(())
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }
}
