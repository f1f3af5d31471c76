//! The journal as the sessions of this process use it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::model::ServerJsonRpcMessage;
use serde::Serialize;
use serde_json::value::to_raw_value;
use session_core::{Appended, Feed, Journal, StoreError};
use tokio::time::Instant;

use super::said::Told;
use super::transport::Replica;

/// The journal as the sessions of this process use it: one that is away delays what is said once a second at most, and
/// each time no longer than its own deadline.
///
/// What cannot be kept is said all the same, and cannot be said again later. After a failure, nothing is tried for a
/// second.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Inner>);

struct Inner {
    journal: Arc<dyn Journal>,
    replica: Replica,
    begun: Instant,
    /// When to try again, in milliseconds since `begun`; 0 after a success. Written by whoever tries.
    try_again: AtomicU64,
    /// How many messages to clients could not be kept.
    unkept: AtomicU64,
}

impl Ledger {
    pub(super) fn new(journal: Arc<dyn Journal>, replica: Replica) -> Self {
        let (try_again, unkept) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { journal, replica, begun: Instant::now(), try_again, unkept }))
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        &*self.0.journal
    }

    /// This process.
    pub(super) fn replica(&self) -> &Replica {
        &self.0.replica
    }

    /// Whether the last that was to be kept could not be, a moment ago.
    pub(super) fn is_away(&self) -> bool {
        self.now() < self.0.try_again.load(Ordering::Relaxed)
    }

    /// How many messages to clients could not be kept.
    pub(super) fn unkept(&self) -> u64 {
        self.0.unkept.load(Ordering::Relaxed)
    }

    /// Keeps a message to a client, and counts it if that cannot be done.
    pub(super) async fn keep_event(
        &self,
        feed: &Feed,
        stream: &str,
        message: &ServerJsonRpcMessage,
    ) -> Result<Appended, Unkept> {
        let kept = match to_raw_value(message) {
            Ok(message) => self.keep(feed, &Told::Event { stream, message: &message }).await,
            Err(_) => Err(Unkept::TooLarge),
        };
        if kept.is_err() {
            self.0.unkept.fetch_add(1, Ordering::Relaxed);
        }
        kept
    }

    /// Keeps something that is said.
    pub(super) async fn keep(&self, feed: &Feed, said: &(impl Serialize + Sync)) -> Result<Appended, Unkept> {
        let bytes = serde_json::to_vec(said).map_err(|_| Unkept::TooLarge)?;
        if self.is_away() { Err(Unkept::Away) } else { self.append(feed, &bytes).await }
    }

    async fn append(&self, feed: &Feed, bytes: &[u8]) -> Result<Appended, Unkept> {
        match self.0.journal.append(feed, bytes).await {
            Ok(appended) => {
                if self.0.try_again.swap(0, Ordering::Relaxed) != 0 {
                    tracing::info!(unkept = self.unkept(), "what is said in sessions is kept again");
                }
                Ok(appended)
            }
            // One message that is too large says nothing of the next.
            Err(StoreError::Quota(_)) => {
                tracing::warn!("a message is larger than `journal.bytes`; a client that is cut off now misses it");
                Err(Unkept::TooLarge)
            }
            Err(error) => {
                if self.0.try_again.swap(self.now() + PAUSE, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "what is said in sessions is not kept; clients that are cut off now miss it");
                }
                Err(Unkept::Away)
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Why something could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unkept {
    /// The journal is away.
    Away,
    /// It is more than a feed may hold.
    TooLarge,
}

/// How long nothing is tried after a failure, in milliseconds.
const PAUSE: u64 = 1_000;

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("journal", &self.0.journal)
            .field("unkept", &self.unkept())
            .finish_non_exhaustive()
    }
}
