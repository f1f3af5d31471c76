//! What was loaded for a call before it began.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::model::Extensions;
use session_core::{Error, Session as Snapshot, SessionKey};
use tokio::time::Instant;

use crate::session::Loaded;

/// A session, or why there is none, as it was loaded for a request before the call in it began. The call takes it for
/// its first look, so that the store is not asked twice.
#[derive(Clone, Debug)]
pub(crate) struct Ahead(Arc<ForRequest>);

#[derive(Debug)]
struct ForRequest {
    key: SessionKey,
    at: Instant,
    loaded: Mutex<Option<Loaded>>,
}

impl Ahead {
    /// What the store answered just now, which was asked when the manager had counted so many
    /// [changes](session_core::SessionManager::changes).
    pub(crate) fn new(key: SessionKey, changes: u64, answer: Result<Snapshot, Error>) -> Self {
        Self(Arc::new(ForRequest { key, at: Instant::now(), loaded: Mutex::new(Some((answer, changes))) }))
    }

    /// What was loaded for the request that a message came with.
    pub(crate) fn of(message: &Extensions) -> Option<&Self> {
        message.get().or_else(|| message.get::<Parts>()?.extensions.get())
    }

    /// Takes it, if it is about the session of this key, and still fresh. That can be done once.
    pub(crate) fn take(&self, key: &SessionKey) -> Option<Loaded> {
        let loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner).take();
        loaded.filter(|_| self.0.key == *key && self.0.at.elapsed() < FRESH)
    }
}

/// How old what was loaded for a request may be when its call begins. More than a moment means that something else came
/// first, whose changes the call is to see.
const FRESH: Duration = Duration::from_millis(25);
