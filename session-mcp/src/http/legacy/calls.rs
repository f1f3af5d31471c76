//! The calls of one session that run in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::RequestId;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::http::trouble::Trouble;

/// The calls of one session that run in this process, with the streams on which they are answered.
#[derive(Debug, Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    /// Told when a call is over.
    over: Notify,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<RequestId, Call>,
    /// Whether no call begins any more.
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Call {
    /// Tells it from a later one of the same id.
    number: Arc<()>,
    /// Known before the handler hears of it, where events have ids.
    stream: Option<String>,
    /// Whether its client has been told from where it can go on.
    is_kept: bool,
    /// When somebody elsewhere was told last that it is running.
    told: Option<Instant>,
}

impl Calls {
    /// A call begins, and is over at the latest when what is returned is dropped.
    ///
    /// # Errors
    ///
    /// One of this id is running, or as many as may, or none begins any more.
    pub(super) fn begin(self: &Arc<Self>, id: RequestId) -> Result<Running, Trouble> {
        let mut state = self.state();
        if state.running.contains_key(&id) {
            return Err(Trouble::REPEATED);
        }
        if state.is_closed {
            return Err(Trouble::UNRESTORED);
        }
        if state.running.len() >= MAX_CALLS {
            return Err(Trouble::CALLS);
        }
        let call = Call::default();
        let number = Arc::clone(&call.number);
        state.running.insert(id.clone(), call);
        drop(state);
        Ok(Running { calls: Arc::clone(self), id, number })
    }

    /// No call begins from now on.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
    }

    /// The same, if no call is running. Whether it was so.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut state = self.state();
        state.is_closed |= state.running.is_empty();
        state.running.is_empty()
    }

    /// What is said on this stream is kept from now on, if it is that of a call.
    pub(super) fn keep_stream(&self, stream: &str) {
        if let Some(call) = self.state().running.values_mut().find(|call| call.stream.as_deref() == Some(stream)) {
            call.is_kept = true;
        }
    }

    /// A call is answered. Returns whether that is to be kept; if not, the call is over now.
    pub(super) fn answers(&self, id: &RequestId) -> bool {
        let mut state = self.state();
        let is_kept = state.running.get(id).is_none_or(|call| call.is_kept);
        if !is_kept {
            state.running.remove(id);
            drop(state);
            self.over.notify_waiters();
        }
        is_kept
    }

    /// A call is over. Returns its stream, if it was running and is kept.
    pub(super) fn end(&self, id: &RequestId) -> Option<String> {
        let call = self.state().running.remove(id);
        self.over.notify_waiters();
        call.filter(|call| call.is_kept)?.stream
    }

    /// Whether a call is running.
    pub(super) fn has(&self, id: &RequestId) -> bool {
        self.state().running.contains_key(id)
    }

    /// Whether no call is running.
    pub(super) fn is_empty(&self) -> bool {
        self.state().running.is_empty()
    }

    /// Waits until no call is running.
    pub(super) async fn none(&self) {
        loop {
            let over = self.over.notified();
            if self.is_empty() {
                return;
            }
            over.await;
        }
    }

    /// Whether a call that is answered on this stream is running.
    pub(super) fn has_stream(&self, stream: &str) -> bool {
        self.state().running.values().any(|call| call.stream.as_deref() == Some(stream))
    }

    /// Whether somebody elsewhere is to be told that the call of this stream is running: not if they were a moment ago,
    /// however many ask.
    pub(super) fn is_to_be_told(&self, stream: &str) -> bool {
        let mut state = self.state();
        let call = state.running.values_mut().find(|call| call.stream.as_deref() == Some(stream));
        call.is_some_and(|call| {
            let is_due = call.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
            if is_due {
                call.told = Some(Instant::now());
            }
            is_due
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many calls of a session may run at once.
pub(super) const MAX_CALLS: usize = 256;

/// How often others are told that a call is running: less than they wait for that.
const TELL_EVERY: Duration = Duration::from_millis(900);

/// A call that is over when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    calls: Arc<Calls>,
    id: RequestId,
    number: Arc<()>,
}

impl Running {
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// This very call, if it is running: a later one may have its id.
    fn with<T>(&self, then: impl FnOnce(&mut Call) -> T) -> Option<T> {
        self.calls.state().running.get_mut(&self.id).filter(|call| Arc::ptr_eq(&call.number, &self.number)).map(then)
    }

    /// This is answered on that stream.
    pub(super) fn is_answered_on(&self, stream: &str) {
        self.with(|call| call.stream = Some(stream.to_owned()));
    }

    /// What this says is kept from now on. `false` if it is answered already.
    pub(super) fn keep(&self) -> bool {
        self.with(|call| call.is_kept = true).is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        if state.running.get(&self.id).is_some_and(|call| Arc::ptr_eq(&call.number, &self.number)) {
            state.running.remove(&self.id);
        }
        drop(state);
        self.calls.over.notify_waiters();
    }
}
