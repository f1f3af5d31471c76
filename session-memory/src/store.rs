//! The store, as the contract has it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Change, Created, Expired, Listing, Load, NewSession, Observer, Owner, Page, Session, SessionKey, SessionStore,
    StoreError, Updated,
};

use crate::config::MemoryConfig;
use crate::sessions::Sessions;
use crate::sweeper::{Expiring as _, SLICE, Swept};

/// Sessions kept in this process, and lost with it.
///
/// It is a handle: clones are the same store. Every limit is exact, the cap on all sessions included. A load takes one
/// shard's read lock and writes one number at most; loads never wait for loads. No operation but
/// [`count`](SessionStore::count) awaits anything, so dropping a future leaves nothing half done.
///
/// Its time is the runtime's: a paused `tokio` clock pauses it, and steps of the wall clock are not noticed.
///
/// # The sweep
///
/// Expiry is decided when reading. Memory is freed by a task that the first [`create`](SessionStore::create) inside a
/// `tokio` runtime spawns; its timers must be enabled. Every [`sweep_interval`](MemoryConfig::sweep_interval) it looks
/// at the sessions whose deadline has come since, and at no other. It ends with the last handle, is spawned again after
/// its runtime has gone, and outlives a panic. Outside of a runtime memory is freed only when a limit is met.
///
/// # Events
///
/// An [`observed`](Self::observed) store tells of each session that it frees after it expired, whoever's call or task
/// that was, exactly once: [`Reason::Expired`](session_core::Reason::Expired), with no lock held. What a
/// [`create`](SessionStore::create) removes of its own principal's is told in its answer instead
/// ([`Created::gone`](session_core::Created::gone)), so that a manager with the same observer tells the rest.
#[derive(Clone)]
pub struct MemoryStore(Arc<Swept<Sessions>>);

impl MemoryStore {
    /// An empty store. Needs no runtime.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self::over(Sessions::new(config.limits), config.sweep_interval)
    }

    /// An empty store that tells `observer` of the sessions that it frees after they expired. Needs no runtime.
    #[must_use]
    pub fn observed(config: MemoryConfig, observer: Arc<dyn Observer>) -> Self {
        Self::over(Sessions::new(config.limits).observed(observer), config.sweep_interval)
    }

    fn over(sessions: Sessions, sweep_interval: Duration) -> Self {
        Self(Arc::new(Swept::new(sessions, sweep_interval)))
    }

    /// How many sessions are in memory, those included that have expired and were not swept yet.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.0.kept.held()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryConfig::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("held", &self.held()).finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.0.ensure_swept();
        self.0.kept.create(&new)
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        Ok(self.0.kept.load(key, load))
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        self.0.kept.update(key, &change)
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.0.kept.delete(key)
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        self.0.kept.list(owner, &page)
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.0.kept.end_all(owner)
    }

    /// Frees what is due first, so that what is held is what lives: a count of now for little more than a number's
    /// price, however large the store is, and therefore never an older one.
    async fn count(&self, _max_staleness: Duration) -> Result<u64, StoreError> {
        while self.0.kept.sweep(SLICE) == SLICE {
            tokio::task::yield_now().await;
        }
        Ok(self.held())
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        Ok(self.0.kept.why_absent(key))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }
}
