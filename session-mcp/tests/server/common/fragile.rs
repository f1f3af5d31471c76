//! A store that can be taken away, or only its loads, or its memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Change, Created, Expired, Listing, Load, NewSession, Owner, Page, Session, SessionKey, SessionStore, StoreError,
    Updated,
};
use session_memory::{MemoryConfig, MemoryStore};

/// A store that can be taken away, or only its loads, or its memory.
#[derive(Debug)]
pub(crate) struct Fragile {
    store: MemoryStore,
    away: AtomicBool,
    unreadable: AtomicBool,
    full: AtomicBool,
    mute: AtomicBool,
    asked: AtomicUsize,
}

impl Fragile {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::new(MemoryConfig::default()),
            away: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
            full: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        }
    }

    /// Takes the store away, or brings it back.
    pub(crate) fn take_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Lets loads fail and everything else go on, or lets them succeed again.
    pub(crate) fn refuse_loads(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::SeqCst);
    }

    /// Takes the memory for anything new, or gives it back.
    pub(crate) fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Lets it answer nothing any more, or answer again.
    pub(crate) fn silence(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    /// How often it was asked for something so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets something grow.
    async fn roomy(&self) -> Result<&MemoryStore, StoreError> {
        if self.full.load(Ordering::SeqCst) { Err(StoreError::Full { store: "fragile" }) } else { self.there().await }
    }

    /// Gives others their turn first, as a store elsewhere would.
    async fn there(&self) -> Result<&MemoryStore, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.mute.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(Ordering::SeqCst) { Err(away()) } else { Ok(&self.store) }
    }
}

fn away() -> StoreError {
    let source = Some("redis://user:hunter2@db refused the connection".into());
    StoreError::Unavailable { store: "fragile", maybe_applied: false, source }
}

#[async_trait]
impl SessionStore for Fragile {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.roomy().await?.create(new).await
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(away());
        }
        self.there().await?.load(key, load).await
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        self.roomy().await?.update(key, change).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.there().await?.delete(key).await
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        self.there().await?.list(owner, page).await
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.there().await?.end_all(owner).await
    }

    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
        self.there().await?.count(max_staleness).await
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        self.there().await?.why_absent(key).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.there().await?.ping().await
    }

    fn is_local(&self) -> bool {
        false
    }
}
