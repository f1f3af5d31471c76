//! What was loaded for a call before it began.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::model::Extensions;
use session_core::{Error, Session as Snapshot, SessionKey};
use tokio::time::Instant;

/// A session, or why there is none, as it was loaded for a request before the call in it began. The call takes it for its
/// first look, so that the store is not asked twice.
#[derive(Clone, Debug)]
pub(crate) struct Ahead(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    key: SessionKey,
    at: Instant,
    answer: Mutex<Option<Result<Snapshot, Error>>>,
}

impl Ahead {
    /// What the store answered just now.
    pub(crate) fn new(key: SessionKey, answer: Result<Snapshot, Error>) -> Self {
        Self(Arc::new(Loaded { key, at: Instant::now(), answer: Mutex::new(Some(answer)) }))
    }

    /// What was loaded for the request that a message came with.
    pub(crate) fn of(message: &Extensions) -> Option<&Self> {
        message.get().or_else(|| message.get::<Parts>()?.extensions.get())
    }

    /// Takes it, if it is about the session of this key, and still fresh. That can be done once.
    pub(crate) fn take(&self, key: &SessionKey) -> Option<Result<Snapshot, Error>> {
        let answer = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.filter(|_| self.0.key == *key && self.0.at.elapsed() < FRESH)
    }
}

/// How old what was loaded for a request may be when its call begins. More than a moment means that something else came
/// first, whose changes the call is to see.
const FRESH: Duration = Duration::from_millis(25);
