//! Listening to the GET stream of a session: one process does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::claim::{Claim, Claimed};
use super::store::SharedSession;
use crate::background;
use crate::connection::engine::{Agreed, Engine};
use crate::transport::Lane;

/// How long a connection that was replaced may take to stop listening.
const RETRY: Duration = Duration::from_secs(1);

impl Engine {
    /// Listens to what the server sends by itself, unless another process does.
    pub fn listen(&self, agreed: &Arc<Agreed>) {
        let Some(Lane::Direct(http)) = self.lane() else {
            return;
        };
        let (session, over) = (Arc::clone(&agreed.http), agreed.over.clone());
        let Some(listening) = http.listen(session, self.receiver(), over) else {
            return;
        };
        let (Some(share), Some(born)) = (&self.share, agreed.born.clone()) else {
            background::spawn(listening);
            return;
        };
        let (http, agreed) = (Arc::clone(http), Arc::clone(agreed));
        let shared = Arc::clone(&share.session);
        let closing = shared.closing().clone();
        // The runtime waits for it, so that what it has claimed is given back.
        Arc::clone(&shared).spawn(async move {
            let work = async {
                match claimed(&shared, &born).await {
                    Claimed::Unknown => return listening.await,
                    Claimed::Mine(claim) => tokio::select! {
                        () = listening => return,
                        () = claim.keep() => {}
                    },
                    Claimed::Taken => {}
                }
                http.do_without_stream();
                agreed.is_unheard.store(true, Ordering::Relaxed);
            };
            closing.run_until_cancelled(work).await;
        });
    }
}

async fn claimed(shared: &Arc<SharedSession>, born: &str) -> Claimed {
    match Claim::stream(shared, born).await {
        Claimed::Taken => {
            sleep(RETRY).await;
            Claim::stream(shared, born).await
        }
        claimed => claimed,
    }
}
