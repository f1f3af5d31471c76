//! The sessions that this process has open with rmcp.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionHandle, LocalSessionManager, SessionError};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager as _,
};
use session_core::{Feed, Journal, SessionKey, SessionManager};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::events::Events;
use super::ledger::Ledger;
use super::relay::cancelled_call;
use super::said::Told;
use super::transport::{Replica, SessionTransport};
use super::watch::Watch;

/// One session that this process has open.
#[derive(Debug)]
pub(super) struct Local {
    id: SessionId,
    key: SessionKey,
    rmcp: LocalSessionHandle,
    calls: Arc<Calls>,
    ledger: Option<Ledger>,
    /// Cancelled when the session is closed here, or its handler has ended.
    ended: CancellationToken,
    begun: Instant,
    /// When its record can have expired, in milliseconds since `begun`. Written by whoever loads the record.
    due: AtomicU64,
}

impl Local {
    async fn begin(
        id: &SessionId,
        key: SessionKey,
        replica: &Replica,
        ledger: Option<Ledger>,
    ) -> Option<(Arc<Self>, SessionTransport)> {
        let calls = Arc::new(Calls::default());
        // A manager of this session alone, since it keeps the events of all of its sessions in one place.
        let mut manager = LocalSessionManager::default();
        manager.session_config.keep_alive = None;
        if let Some(ledger) = &ledger {
            let events = Events::new(ledger.clone(), Feed::ToClient(*key.id()), Arc::clone(&calls));
            manager = manager.with_event_store(Arc::new(events));
        }
        // To restore under an id is to create under it; `create_session` would choose its own.
        let Ok(RestoreOutcome::Restored(transport)) = manager.restore_session(id.clone()).await else { return None };
        let rmcp = manager.sessions.into_inner().remove(id)?;
        let ended = CancellationToken::new();
        let transport = SessionTransport::new(transport, replica.clone(), ended.clone());
        let (begun, due) = (Instant::now(), AtomicU64::new(0));
        Some((Arc::new(Self { id: id.clone(), key, rmcp, calls, ledger, ended, begun, due }), transport))
    }

    /// Where its record is: what a session is called does not say whose it is.
    pub(super) fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Hands the client's `initialize` to the handler and waits for its answer.
    pub(super) async fn initialize(&self, message: ClientJsonRpcMessage) -> Result<ServerJsonRpcMessage, SessionError> {
        self.rmcp.initialize(message).await
    }

    /// Hands a request to the handler. What it answers comes over the channel.
    pub(super) async fn call(
        &self,
        message: ClientJsonRpcMessage,
    ) -> Result<mpsc::Receiver<ServerSseMessage>, SessionError> {
        let channel = self.rmcp.establish_request_wise_channel().await?;
        self.rmcp.push_message(message, channel.http_request_id).await?;
        Ok(channel.inner)
    }

    /// What the handler says besides its answers, where that is not kept in a journal; behind the event of this id, if there
    /// is one.
    pub(super) async fn listen(&self, after: Option<&str>) -> Result<mpsc::Receiver<ServerSseMessage>, SessionError> {
        let channel = match after {
            Some(id) => self.rmcp.resume(id.parse()?).await?,
            None => self.rmcp.establish_common_channel().await?,
        };
        Ok(channel.inner)
    }

    /// The calls that run here.
    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Cancelled when the session is closed here, or its handler has ended.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Notes how long its record lives if nobody uses it.
    pub(super) fn may_expire_in(&self, time: Duration) {
        let due = (self.begun.elapsed() + time).as_millis();
        self.due.store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When to look at its record: when it can have expired at the earliest, and within a minute in any case.
    pub(super) fn due(&self) -> Instant {
        let expiry = Duration::from_millis(self.due.load(Ordering::Relaxed).saturating_add(1));
        let latest = self.begun.elapsed() + LOOK_EVERY;
        self.begun + expiry.min(latest)
    }

    /// Hands a message of the client's to the handler.
    pub(super) async fn accept(&self, message: ClientJsonRpcMessage) -> Result<(), SessionError> {
        let cancelled = cancelled_call(&message).cloned();
        self.rmcp.push_message(message, None).await?;
        // A call that is cancelled gets no answer, and its stream no other end.
        if let Some(stream) = cancelled.and_then(|call| self.calls.end(&call))
            && let Some(ledger) = &self.ledger
        {
            ledger.keep(&Feed::ToClient(*self.key.id()), &Told::End { stream: &stream }).await;
        }
        Ok(())
    }

    /// Ends it here. Its record stays.
    pub(super) async fn close(&self) {
        self.ended.cancel();
        let _ = self.rmcp.close().await;
    }
}

/// How long a session whose record is gone stays open at most, should nobody say that it has ended.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The sessions that this process has open.
#[derive(Debug)]
pub(super) struct LocalSessions {
    open: Mutex<HashMap<SessionId, Arc<Local>>>,
    sessions: Arc<SessionManager>,
    replica: Replica,
    ledger: Option<Ledger>,
}

impl LocalSessions {
    /// Sessions over these records. What is said in them is kept in the journal, if there is one.
    pub(super) fn new(sessions: Arc<SessionManager>, journal: Option<Arc<dyn Journal>>) -> Self {
        let replica = Replica::new();
        let ledger = journal.map(|journal| Ledger::new(journal, replica.clone()));
        Self { open: Mutex::default(), sessions, replica, ledger }
    }

    /// The records.
    pub(super) fn sessions(&self) -> &Arc<SessionManager> {
        &self.sessions
    }

    /// What is said in the sessions, if it is kept.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// Begins a session under this id. It is open once it is [added](Self::add).
    pub(super) async fn begin(&self, id: &SessionId, key: SessionKey) -> Option<(Arc<Local>, SessionTransport)> {
        Local::begin(id, key, &self.replica, self.ledger.clone()).await
    }

    /// Opens a session and watches over it. The one that was open under its id, if any, is closed.
    pub(super) async fn add(self: &Arc<Self>, local: Arc<Local>) {
        tokio::spawn(Watch::over(&local, self).run());
        let before = self.open().insert(local.id.clone(), local);
        if let Some(before) = before {
            before.close().await;
        }
    }

    /// The session of this key.
    pub(super) fn get(&self, id: &SessionId, key: &SessionKey) -> Option<Arc<Local>> {
        self.open().get(id).filter(|local| local.key == *key && !local.ended.is_cancelled()).cloned()
    }

    /// Whether a session of this id is open, whosever it is.
    pub(super) fn has(&self, id: &str) -> bool {
        self.open().contains_key(id)
    }

    /// Closes a session, if it is the one of this key: an id that somebody else names closes nothing.
    pub(super) async fn close(&self, id: &SessionId, key: &SessionKey) {
        self.close_if(id, |local| local.key == *key).await;
    }

    /// Closes this session and no later one of its id.
    pub(super) async fn close_this(&self, this: &Arc<Local>) {
        self.close_if(&this.id, |local| Arc::ptr_eq(local, this)).await;
    }

    /// Closes the session of this id if its handler has ended.
    pub(super) async fn close_ended(&self, id: &SessionId) {
        self.close_if(id, |local| local.ended.is_cancelled()).await;
    }

    async fn close_if(&self, id: &SessionId, is_meant: impl FnOnce(&Arc<Local>) -> bool) {
        let closed = {
            let mut open = self.open();
            if open.get(id).is_some_and(is_meant) { open.remove(id) } else { None }
        };
        if let Some(closed) = closed {
            closed.close().await;
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Local>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
