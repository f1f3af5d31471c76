//! The journal as the sessions of this process use it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use session_core::{Appended, Feed, Journal, StoreError};
use tokio::time::Instant;

use super::transport::Replica;

/// The journal as the sessions of this process use it: one that is away delays nobody.
///
/// What cannot be kept is said all the same, and cannot be said again later. After a failure, nothing is tried for a
/// second.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Inner>);

struct Inner {
    journal: Arc<dyn Journal>,
    replica: Replica,
    begun: Instant,
    /// When to try again, in milliseconds since `begun`. Written by whoever fails.
    try_again: AtomicU64,
    /// How much could not be kept.
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

    /// How much could not be kept.
    pub(super) fn unkept(&self) -> u64 {
        self.0.unkept.load(Ordering::Relaxed)
    }

    /// Keeps something that is said. `None` if that cannot be done now.
    pub(super) async fn keep(&self, feed: &Feed, said: &(impl Serialize + Sync)) -> Option<Appended> {
        let bytes = serde_json::to_vec(said).ok()?;
        if self.is_away() {
            self.0.unkept.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        match self.0.journal.append(feed, &bytes).await {
            Ok(appended) => Some(appended),
            Err(error) => {
                let unkept = self.0.unkept.fetch_add(1, Ordering::Relaxed) + 1;
                // One message that is too large says nothing of the next.
                if !matches!(error, StoreError::Quota(_)) {
                    self.0.try_again.store(self.now() + PAUSE, Ordering::Relaxed);
                }
                tracing::warn!(%error, unkept, "what is said in a session is not kept; a client that is cut off now misses it");
                None
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
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

/// How long a journal that does not answer is left alone by those who read it.
pub(super) const READ_PAUSE: Duration = Duration::from_millis(500);
