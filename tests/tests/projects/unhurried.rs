//! A store that lets others go first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Change, Created, Expired, Listing, Load, NewSession, Owner, Page, Session, SessionKey, SessionStore, StoreError,
    Updated,
};
use tokio::task::yield_now;

/// Another store, which gives other tasks their turn before and after each operation, as one that is elsewhere does.
/// What is done to a session in two operations is then seen between them.
#[derive(Debug)]
pub(crate) struct Unhurried(pub(crate) Arc<dyn SessionStore>);

impl Unhurried {
    async fn between<T>(operation: impl Future<Output = T>) -> T {
        yield_now().await;
        let answer = operation.await;
        yield_now().await;
        answer
    }
}

#[async_trait]
impl SessionStore for Unhurried {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        Self::between(self.0.create(new)).await
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        Self::between(self.0.load(key, load)).await
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        Self::between(self.0.update(key, change)).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Self::between(self.0.delete(key)).await
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        Self::between(self.0.list(owner, page)).await
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        Self::between(self.0.end_all(owner)).await
    }

    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
        Self::between(self.0.count(max_staleness)).await
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        Self::between(self.0.why_absent(key)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Self::between(self.0.ping()).await
    }

    fn is_local(&self) -> bool {
        self.0.is_local()
    }
}
