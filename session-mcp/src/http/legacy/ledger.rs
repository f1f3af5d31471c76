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
/// What cannot be kept is said all the same, and cannot be said again later. After a failure, nothing more of the same
/// session is tried for a second: others may be kept elsewhere.
#[derive(Clone)]
pub(super) struct Ledger {
    shared: Arc<Inner>,
    pause: Arc<Pause>,
}

/// Until when nothing of one session is tried.
struct Pause {
    /// In milliseconds since `begun`; 0 after a success. Written by whoever tries.
    until: AtomicU64,
    shared: Arc<Inner>,
}

impl Pause {
    fn none(shared: &Arc<Inner>) -> Arc<Self> {
        Arc::new(Self { until: AtomicU64::new(0), shared: Arc::clone(shared) })
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if *self.until.get_mut() != 0 {
            self.shared.failing.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

struct Inner {
    journal: Arc<dyn Journal>,
    replica: Replica,
    begun: Instant,
    /// For how many sessions it failed when it was tried last.
    failing: AtomicU64,
    /// How many messages to clients could not be kept.
    unkept: AtomicU64,
}

impl Ledger {
    pub(super) fn new(journal: Arc<dyn Journal>, replica: Replica) -> Self {
        let (failing, unkept) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Arc::new(Inner { journal, replica, begun: Instant::now(), failing, unkept });
        Self { pause: Pause::none(&shared), shared }
    }

    /// The same for one session.
    pub(super) fn of_session(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), pause: Pause::none(&self.shared) }
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        &*self.shared.journal
    }

    /// This process.
    pub(super) fn replica(&self) -> &Replica {
        &self.shared.replica
    }

    /// Whether the last that was to be kept could not be, a moment ago.
    pub(super) fn is_away(&self) -> bool {
        self.now() < self.pause.until.load(Ordering::Relaxed)
    }

    /// How many messages to clients could not be kept.
    pub(super) fn unkept(&self) -> u64 {
        self.shared.unkept.load(Ordering::Relaxed)
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
            self.shared.unkept.fetch_add(1, Ordering::Relaxed);
        }
        kept
    }

    /// Keeps something that is said.
    pub(super) async fn keep(&self, feed: &Feed, said: &(impl Serialize + Sync)) -> Result<Appended, Unkept> {
        let bytes = serde_json::to_vec(said).map_err(|_| Unkept::TooLarge)?;
        if self.is_away() { Err(Unkept::Away) } else { self.append(feed, &bytes).await }
    }

    async fn append(&self, feed: &Feed, bytes: &[u8]) -> Result<Appended, Unkept> {
        match self.shared.journal.append(feed, bytes).await {
            Ok(appended) => {
                let failed = self.pause.until.swap(0, Ordering::Relaxed) != 0;
                if failed && self.shared.failing.fetch_sub(1, Ordering::Relaxed) == 1 {
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
                let failed = self.pause.until.swap(self.now() + PAUSE, Ordering::Relaxed) != 0;
                if !failed && self.shared.failing.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "what is said in sessions is not kept; clients that are cut off now miss it");
                }
                Err(Unkept::Away)
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.shared.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
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
            .field("journal", &self.shared.journal)
            .field("unkept", &self.unkept())
            .finish_non_exhaustive()
    }
}
