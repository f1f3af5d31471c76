//! The sessions that this process has open with rmcp.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionWorker};
use rmcp::transport::streamable_http_server::session::{RestoreOutcome, SessionId, SessionManager as _};
use session_core::SessionKey;

/// rmcp's local sessions, each with the key of its record: what a session is called does not say whose it is.
#[derive(Debug)]
pub(super) struct LocalSessions {
    rmcp: LocalSessionManager,
    keys: Mutex<HashMap<SessionId, SessionKey>>,
}

impl LocalSessions {
    pub(super) fn new() -> Self {
        let mut rmcp = LocalSessionManager::default();
        rmcp.session_config.keep_alive = None;
        Self { rmcp, keys: Mutex::default() }
    }

    /// rmcp's part, which opens and closes nothing but through this.
    pub(super) fn rmcp(&self) -> &LocalSessionManager {
        &self.rmcp
    }

    /// Begins a session under this id.
    pub(super) async fn begin(&self, id: &SessionId, key: SessionKey) -> Option<WorkerTransport<LocalSessionWorker>> {
        self.keys().insert(id.clone(), key);
        // To restore under an id is to create under it; `create_session` would choose its own.
        match self.rmcp.restore_session(id.clone()).await {
            Ok(RestoreOutcome::Restored(transport)) => Some(transport),
            _ => None,
        }
    }

    /// What is open, and under which key.
    pub(super) fn open(&self) -> Vec<(SessionId, SessionKey)> {
        self.keys().iter().map(|(id, key)| (id.clone(), *key)).collect()
    }

    /// Closes a session, if it is the one of this key: an id that somebody else names closes nothing.
    pub(super) async fn close(&self, id: &SessionId, key: &SessionKey) {
        if self.keys().get(id) == Some(key) {
            self.close_any(id).await;
        }
    }

    /// Closes a session, whosever it is.
    pub(super) async fn close_any(&self, id: &SessionId) {
        self.keys().remove(id);
        let _ = self.rmcp.close_session(id).await;
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<SessionId, SessionKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
