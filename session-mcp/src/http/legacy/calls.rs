//! The calls of one session that run in this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::RequestId;
use tokio::time::sleep;

/// The calls of one session that run in this process, with the streams on which they are answered.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<HashMap<RequestId, Option<String>>>);

impl Calls {
    /// A call begins.
    pub(super) fn begin(&self, id: RequestId) {
        self.running().insert(id, None);
    }

    /// A call is answered on this stream.
    pub(super) fn is_answered_on(&self, id: &RequestId, stream: &str) {
        if let Some(call) = self.running().get_mut(id) {
            *call = Some(stream.to_owned());
        }
    }

    /// A call is over. Returns its stream, if it was running.
    pub(super) fn end(&self, id: &RequestId) -> Option<String> {
        self.running().remove(id).flatten()
    }

    /// Whether a call is running.
    pub(super) fn has(&self, id: &RequestId) -> bool {
        self.running().contains_key(id)
    }

    /// Waits until no call is running.
    pub(super) async fn none(&self) {
        while !self.running().is_empty() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether a call that is answered on this stream is running.
    pub(super) fn has_stream(&self, stream: &str) -> bool {
        self.running().values().any(|call| call.as_deref() == Some(stream))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<RequestId, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often somebody who waits for the last call looks for it.
const LOOK_EVERY: Duration = Duration::from_millis(5);
