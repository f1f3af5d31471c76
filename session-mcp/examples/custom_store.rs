//! A store of one's own, which the suite of all stores is run over: `cargo test -p session-mcp --all-features --example
//! custom_store`. It adds a rule to the store inside: where it is closed, nobody new comes in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_core::{
    Change, Created, Expired, Listing, Load, NewSession, Owner, Page, Quota, Session, SessionKey, SessionStore,
    StoreError, Updated,
};

/// Keeps sessions where `inner` does, and opens no new ones while it is closed.
#[derive(Debug)]
pub struct Closable<S> {
    inner: S,
    is_closed: AtomicBool,
}

#[async_trait::async_trait]
impl<S: SessionStore> SessionStore for Closable<S> {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(Quota::Sessions { max: 0 }.into());
        }
        self.inner.create(new).await
    }
    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        self.inner.load(key, load).await
    }
    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        self.inner.update(key, change).await
    }
    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.inner.delete(key).await
    }
    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(owner, page).await
    }
    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.inner.end_all(owner).await
    }
    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
        self.inner.count(max_staleness).await
    }
    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        self.inner.why_absent(key).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}

#[cfg(test)]
mod suite {
    use {super::*, session_core::Limits, session_core::conformance::BoxFuture, std::sync::Arc};

    struct Suite;

    #[async_trait::async_trait]
    impl session_core::conformance::Harness for Suite {
        async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
            let inner = session_memory::MemoryStore::new(session_memory::MemoryConfig { limits, ..Default::default() });
            let store: Arc<dyn SessionStore> = Arc::new(Closable { inner, is_closed: AtomicBool::new(false) });
            vec![store; count]
        }
        async fn elapse(&self, duration: Duration) {
            tokio::time::advance(duration).await;
        }
        fn tick(&self) -> Duration {
            Duration::from_secs(60)
        }
        fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
            Box::pin(async { tokio::spawn(task).await.expect("the task ends without a panic") })
        }
    }
    session_core::conformance_tests! { #[tokio::test(start_paused = true)] Suite }
}
