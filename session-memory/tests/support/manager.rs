//! A manager over a store, with its timer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Change, Owner, SessionKey, SessionManager, Timer};
use session_memory::MemoryStore;

/// A manager that was not started.
pub(crate) fn manager(store: &MemoryStore) -> SessionManager {
    SessionManager::new(Arc::new(store.clone()), Arc::new(Tokio))
}

/// Opens a session, and returns the key of its first name.
pub(crate) async fn open(sessions: &SessionManager, owner: Owner) -> SessionKey {
    let opened = sessions.open(owner, Change::new()).await.expect("there is room");
    SessionKey::by_name(owner, &opened.name)
}

struct Tokio;

#[async_trait]
impl Timer for Tokio {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
