//! What the wires of a session hand over.

use std::sync::atomic::Ordering;

use super::engine::Engine;
use super::events::Event;
use super::failures::METHOD_NOT_FOUND;
use crate::background;
use crate::error::Error;
use crate::transport::message::{AnswerTo, Incoming, Outcome};
use crate::transport::{Loss, Receiver, Reply, Waiting, lost};

impl Receiver for Engine {
    fn receive(&self, message: Incoming<'_>, during: Option<u64>) {
        match message {
            Incoming::Request(request) => self.asked(&request, during),
            Incoming::Notification { method, params } => self.told(&method, params, during),
            Incoming::Answer(answer) => {
                let reply = match answer.outcome {
                    Outcome::Result(result) => Reply::Result(result.to_owned()),
                    Outcome::Error(error) => Reply::Error(error),
                    Outcome::Neither => Reply::Empty,
                };
                match answer.to {
                    AnswerTo::Ours(id) => {
                        let reply = match self.subscriptions.get() {
                            Some(subscriptions) => subscriptions.answered(id, reply),
                            None => Some(reply),
                        };
                        if let Some(reply) = reply {
                            self.requests.settle(id, Ok(reply));
                        }
                    }
                    // The answer of a server that could not read the id. Some answer notifications, too, to say that
                    // they do not know them.
                    AnswerTo::Nobody => {
                        let only = match (&reply, self.requests.waiting()) {
                            (Reply::Error(error), _) if error.code == METHOD_NOT_FOUND => None,
                            (_, Waiting::One(id)) => Some(id),
                            (_, Waiting::Nobody | Waiting::Several) => None,
                        };
                        if let Some(id) = during.or(only) {
                            self.requests.settle_perhaps(id, reply);
                        }
                    }
                    AnswerTo::Other => {}
                }
            }
        }
    }

    fn has_answer(&self, id: u64) -> bool {
        self.requests.get(id).is_none_or(|it| it.has_answer())
    }

    fn fail(&self, id: u64, error: Error) {
        self.requests.settle(id, Err(error));
    }

    fn waiting(&self) -> Waiting {
        self.requests.waiting()
    }

    fn awaited(&self) -> Vec<u64> {
        self.requests.awaited()
    }

    fn lost(&self, awaited: &[u64]) {
        for id in awaited {
            self.requests.settle(*id, Err(lost()));
        }
        self.inbound.withdraw_all();
    }

    fn forgotten(&self) {
        let agreed = self.agreed.lock().clone();
        let (Some(engine), Some(agreed)) = (self.handle(), agreed) else {
            return;
        };
        agreed.is_forgotten.store(true, Ordering::Release);
        background::spawn(async move {
            // What it comes to, those who wait for it hear.
            let _ = engine.renewed(&agreed, Loss::Certain).await;
        });
    }

    fn conflicted(&self) {
        self.client.notice(Event::Conflicted);
    }

    fn over(&self) {
        self.inbound.withdraw_all();
        self.end();
    }
}
