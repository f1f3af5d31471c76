//! The sessions that this process has open with rmcp.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionHandle, LocalSessionManager, StreamableHttpMessageReceiver,
};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager as _,
};
use session_core::{Feed, Journal, Position, SessionKey, SessionManager};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::bracket::GRACE;

use super::calls::{Calls, MAX_CALLS};
use super::events::Events;
use super::ledger::Ledger;
use super::relay::cancelled_call;
use super::said::Told;
use super::transport::{Asker, Replica, SessionTransport};
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
    /// Places for streams of what concerns no call in particular, of which a session has only so many.
    streams: Arc<Semaphore>,
    /// Places for those who come back for calls: as many as there are calls.
    resumed: Arc<Semaphore>,
    begun: Instant,
    /// When its record can have expired, in milliseconds since `begun`. Written by whoever loads the record.
    due: AtomicU64,
    /// When a request was last for it, in milliseconds since `begun`.
    used: AtomicU64,
}

impl Local {
    async fn begin(
        id: &SessionId,
        key: SessionKey,
        asker: Asker,
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
        let transport = SessionTransport::new(transport, asker, ended.clone());
        let local = Self {
            id: id.clone(),
            key,
            rmcp,
            calls,
            ledger,
            ended,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            resumed: Arc::new(Semaphore::new(MAX_CALLS)),
            begun: Instant::now(),
            due: AtomicU64::new(0),
            used: AtomicU64::new(0),
        };
        Some((Arc::new(local), transport))
    }

    /// Where its record is: what a session is called does not say whose it is.
    pub(super) fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Hands the client's `initialize` to the handler and waits for its answer. `None` if it has ended.
    pub(super) async fn initialize(&self, message: ClientJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        self.rmcp.initialize(message).await.ok()
    }

    /// Whether it is the open session of this id.
    pub(super) fn is_open_as(&self, id: &SessionId) -> bool {
        self.id == *id && !self.ended.is_cancelled()
    }

    /// Begins a stream for one call. `None` if the handler has ended, or does not react.
    pub(super) async fn begin_call(&self) -> Option<CallEvents> {
        let channel = timeout(PATIENCE, self.rmcp.establish_request_wise_channel()).await.ok()?.ok()?;
        Some(CallEvents(channel))
    }

    /// Hands a request to the handler. What it answers comes over this stream. `None` if the handler has ended, or
    /// takes nothing.
    pub(super) async fn call(&self, events: &CallEvents, message: ClientJsonRpcMessage) -> Option<()> {
        timeout(PATIENCE, self.rmcp.push_message(message, events.0.http_request_id)).await.ok()?.ok()
    }

    /// What the handler says besides its answers, where that is not kept in a journal; behind the event of this id, if
    /// there is one.
    pub(super) async fn listen(&self, after: Option<&str>) -> Option<mpsc::Receiver<ServerSseMessage>> {
        let listen = async {
            let channel = match after {
                Some(id) => self.rmcp.resume(id.parse().ok()?).await,
                None => self.rmcp.establish_common_channel().await,
            };
            Some(channel.ok()?.inner)
        };
        timeout(PATIENCE, listen).await.ok().flatten()
    }

    /// A place for one more stream of what concerns no call in particular, or of a call that is resumed, if there is
    /// one.
    pub(super) fn place(&self, is_common: bool) -> Option<OwnedSemaphorePermit> {
        let places = if is_common { &self.streams } else { &self.resumed };
        Arc::clone(places).try_acquire_owned().ok()
    }

    /// What is said in it, if that is kept.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// The calls that run here.
    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Cancelled when the session is closed here, or its handler has ended.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Notes that a request is for it.
    pub(super) fn is_used(&self) {
        self.used.store(self.now(), Ordering::Relaxed);
    }

    /// Whether no request was for it for so long, and nothing goes on in it. If so, no call begins in it any more.
    pub(super) fn leaves_after(&self, time: Duration) -> bool {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        let is_unused = self.begun.elapsed() >= used.saturating_add(time);
        let streams = self.streams.available_permits() + self.resumed.available_permits();
        is_unused && streams == MAX_STREAMS + MAX_CALLS && self.calls.close_if_empty()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes how long its record lives if nobody uses it.
    pub(super) fn may_expire_in(&self, time: Duration) {
        let due = (self.begun.elapsed() + time).as_millis();
        self.due.store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When to look at its record: when it can have expired at the earliest, and within this time in any case.
    pub(super) fn due(&self, look_every: Duration) -> Instant {
        let expiry = Duration::from_millis(self.due.load(Ordering::Relaxed).saturating_add(1));
        let latest = self.begun.elapsed() + look_every;
        self.begun + expiry.min(latest)
    }

    /// Hands a message of the client's to the handler. `None` if it has ended, or takes nothing.
    pub(super) async fn accept(&self, message: ClientJsonRpcMessage) -> Option<()> {
        let cancelled = cancelled_call(&message).cloned();
        timeout(PATIENCE, self.rmcp.push_message(message, None)).await.ok()?.ok()?;
        // A call that is cancelled gets no answer, and its stream no other end.
        if let Some(stream) = cancelled.and_then(|call| self.calls.end(&call))
            && let Some(ledger) = &self.ledger
        {
            let _ = ledger.keep(&Feed::ToClient(*self.key.id()), &Told::End { stream: &stream }).await;
        }
        Some(())
    }

    /// Ends it here: its streams and its calls are told, and the rest ends once these are answered. Its record stays.
    pub(super) fn close(&self) {
        self.calls.close();
        self.ended.cancel();
        let (rmcp, calls) = (self.rmcp.clone(), Arc::clone(&self.calls));
        tokio::spawn(async move {
            let _ = timeout(LAST_ANSWERS, calls.none()).await;
            let _ = rmcp.close().await;
        });
    }
}

/// What the handler says of one call.
pub(super) struct CallEvents(StreamableHttpMessageReceiver);

impl CallEvents {
    /// What rmcp says by itself, before the handler hears of the call.
    pub(super) fn first(&mut self) -> Option<ServerSseMessage> {
        self.0.inner.try_recv().ok()
    }

    pub(super) async fn next(&mut self) -> Option<ServerSseMessage> {
        self.0.inner.recv().await
    }
}

/// How many streams of what concerns no call in particular a session has at most.
const MAX_STREAMS: usize = 16;

/// How long a handler may take to take a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long calls of a session that has ended may take to be answered: those that do not end by themselves are cut
/// short, one of them may be what ended it, and each may wait for a journal that is away.
const LAST_ANSWERS: Duration = GRACE.saturating_mul(5);

/// The sessions that this process has open.
#[derive(Debug)]
pub(super) struct LocalSessions {
    open: Mutex<HashMap<SessionId, Arc<Local>>>,
    sessions: Arc<SessionManager>,
    replica: Replica,
    /// How many were begun.
    begun: AtomicU64,
    ledger: Option<Ledger>,
    handler_idle_timeout: Duration,
}

impl LocalSessions {
    /// Sessions over these records. What is said in them is kept in the journal, if there is one. What is not used for
    /// so long is closed.
    pub(super) fn new(
        sessions: Arc<SessionManager>,
        journal: Option<Arc<dyn Journal>>,
        handler_idle_timeout: Duration,
    ) -> Self {
        let replica = Replica::new();
        let ledger = journal.map(|journal| Ledger::new(journal, replica.clone()));
        Self { open: Mutex::default(), sessions, replica, begun: AtomicU64::new(0), ledger, handler_idle_timeout }
    }

    pub(super) fn handler_idle_timeout(&self) -> Duration {
        self.handler_idle_timeout
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
        let asker = Asker::new(&self.replica, self.begun.fetch_add(1, Ordering::Relaxed));
        Local::begin(id, key, asker, self.ledger.as_ref().map(Ledger::of_session)).await
    }

    /// Up to where all that the client of a session said is for handlers that were there before.
    pub(super) async fn heard_so_far(&self, key: &SessionKey) -> Position {
        let Some(ledger) = &self.ledger else { return Position::START };
        // What cannot be known leaves the handler to hear of calls that it does not have.
        ledger.journal().end(&Feed::ToServers(*key.id())).await.unwrap_or(Position::START)
    }

    /// Opens a session and watches over it, and over what its client says elsewhere after `at`. The one that was open
    /// under its id, if any, is closed.
    pub(super) fn add(self: &Arc<Self>, local: Arc<Local>, at: Position) {
        let watch = Watch::over(&local, self, at);
        let before = self.open().insert(local.id.clone(), local);
        if let Some(before) = before {
            before.close();
        }
        tokio::spawn(watch.run());
    }

    /// The session of this key.
    pub(super) fn get(&self, id: &SessionId, key: &SessionKey) -> Option<Arc<Local>> {
        self.open().get(id).filter(|local| local.key == *key && !local.ended.is_cancelled()).cloned()
    }

    /// Whether a session of this id is open, whosever it is.
    pub(super) fn has(&self, id: &str) -> bool {
        self.open().get(id).is_some_and(|local| !local.ended.is_cancelled())
    }

    /// Closes a session, if it is the one of this key: an id that somebody else names closes nothing.
    pub(super) fn close(&self, id: &SessionId, key: &SessionKey) {
        self.close_if(id, |local| local.key == *key);
    }

    /// Closes this session and no later one of its id.
    pub(super) fn close_this(&self, this: &Arc<Local>) {
        self.close_if(&this.id, |local| Arc::ptr_eq(local, this));
    }

    /// Closes the session of this id if its handler has ended.
    pub(super) fn close_ended(&self, id: &SessionId) {
        self.close_if(id, |local| local.ended.is_cancelled());
    }

    fn close_if(&self, id: &SessionId, is_meant: impl FnOnce(&Arc<Local>) -> bool) {
        let closed = {
            let mut open = self.open();
            if open.get(id).is_some_and(is_meant) { open.remove(id) } else { None }
        };
        if let Some(closed) = closed {
            closed.close();
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Local>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
