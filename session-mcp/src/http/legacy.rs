//! Sessions of protocol versions before 2026-07-28.

mod attended;
mod call;
mod calls;
mod ending;
mod event_id;
mod events;
mod greeting;
mod ledger;
mod local;
mod naming;
mod relay;
mod replay;
mod restore;
mod said;
mod teller;
mod transport;
mod watch;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use futures_util::{Stream, stream};
use rmcp::ServerHandler;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager as RmcpSessions};
use session_core::{
    Change, Error, Feed, Journal, Position, Session, SessionKey, SessionManager, SessionName, StoreError,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ahead::Ahead;
use crate::error::log;
use crate::resolve::ValidatedSession;

use super::caller::Caller;
use super::deletion::Deletion;
use super::handshake::Handshake;
use super::trouble::Trouble;

use self::call::Call;
use self::ending::{Ending, until};
use self::event_id::StreamId;
use self::greeting::Greeting;
use self::ledger::Ledger;
use self::local::{Local, LocalSessions};
use self::naming::Naming;
use self::relay::deliver;
use self::replay::{Listener, Replay};
use self::restore::Restorer;
use self::said::Told;
use self::transport::SessionTransport;

/// rmcp's sessions under names of ours: an `Mcp-Session-Id` is the first name of a record in the store, and is there
/// exactly as long as that record.
///
/// The record alone decides how long a session lives, so that a long call does not lose its session to a timer that
/// cannot know of it. A session whose record is gone is refused at once, and closed as soon as that is known. One that
/// this process does not have open, because another process opened it or because this one was replaced since, is
/// restored.
///
/// What clients are told is kept in a journal, and read from there by whichever process a client comes back to.
#[derive(Debug)]
pub(super) struct LegacySessions {
    open: Arc<LocalSessions>,
    restorer: Restorer,
    sessions: Arc<SessionManager>,
    /// Whether a call is refused whose answer cannot be kept.
    requires_journal: bool,
    /// How long a call takes at most that is not kept.
    kept_after: Duration,
    /// How long what is kept is there at most.
    keep: Duration,
    /// Whoever drains waits for these calls.
    calls: TaskTracker,
    /// Cancelled when streams are to end, so that their clients come back elsewhere.
    closing: CancellationToken,
}

/// What is kept for clients, and for how long.
pub(super) struct Keeping {
    /// Where what they are told is, if anywhere.
    pub(super) journal: Option<Arc<dyn Journal>>,
    /// Whether a call is refused whose answer cannot be kept.
    pub(super) is_required: bool,
    /// How long a call takes at most that is not kept.
    pub(super) after: Duration,
    /// How long an entry is there at most.
    pub(super) keep: Duration,
    /// How long a handler is that nobody uses.
    pub(super) handler_idle_timeout: Duration,
}

impl LegacySessions {
    /// Sessions over these records. Restored ones are served by handlers of this factory, as the configuration says.
    /// Needs a tokio runtime.
    pub(super) fn new<H, F>(
        sessions: Arc<SessionManager>,
        factory: F,
        config: &StreamableHttpServerConfig,
        keeping: Keeping,
        calls: TaskTracker,
        closing: CancellationToken,
    ) -> Self
    where
        H: ServerHandler,
        F: Fn() -> io::Result<H> + Clone + Send + Sync + 'static,
    {
        let Keeping { journal, is_required, after, keep, handler_idle_timeout } = keeping;
        let kept_after = if is_required { Duration::ZERO } else { after };
        let open = Arc::new(LocalSessions::new(Arc::clone(&sessions), journal, handler_idle_timeout));
        let restorer = Restorer::new(Arc::clone(&open), factory, config);
        Self { open, restorer, sessions, requires_journal: is_required, kept_after, keep, calls, closing }
    }

    /// Whether a session of this id is open here, whosever it is.
    pub(super) fn has(&self, id: &str) -> bool {
        self.open.has(id)
    }

    /// How many messages could not be kept.
    pub(super) fn unkept(&self) -> u64 {
        self.open.ledger().map_or(0, Ledger::unkept)
    }

    /// The session of this `Mcp-Session-Id`, if there is one. The store is asked first, and so for an unknown session
    /// what it is asked for a foreign one.
    async fn load(&self, id: &SessionId, key: &SessionKey) -> Result<Option<Session>, LegacyError> {
        match self.sessions.load(key).await {
            Ok(session) => Ok(Some(session)),
            Err(Error::Store(StoreError::NotFound)) => {
                self.open.close(id, key);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The open session of this id, which was asked for before, and what was loaded then.
    fn validated(&self, id: &SessionId) -> Result<Validated, LegacyError> {
        // It may have been closed meanwhile.
        if let Some(validated) = Caller::take_validated().filter(|validated| validated.local.is_open_as(id)) {
            return Ok(validated);
        }
        let local = caller_key(id).and_then(|key| self.open.get(id, &key)).ok_or(Trouble::UNRESTORED)?;
        Ok(Validated { local, ahead: None, age: Duration::MAX })
    }

    /// The open session of this id, which was asked for before.
    fn local(&self, id: &SessionId) -> Result<Arc<Local>, LegacyError> {
        Ok(self.validated(id)?.local)
    }

    /// Ends the session of this `Mcp-Session-Id` for its client; other names of a record are none. The record ends
    /// first, so that a store that is away leaves a session its client can still reach.
    async fn delete(&self, id: &SessionId) -> Result<Deletion, LegacyError> {
        let Some(key) = caller_key(id) else { return Ok(Deletion::Unknown) };
        let session = self.load(id, &key).await?;
        if session.is_none_or(|session| Greeting::of(&session, &key).is_none()) {
            return Ok(Deletion::Unknown);
        }
        // Whoever asks for it may go before it is done.
        let (sessions, open, id) = (Arc::clone(&self.sessions), Arc::clone(&self.open), id.clone());
        let end = tokio::spawn(async move {
            let ended = sessions.end(&key).await;
            if ended.is_ok() {
                open.close(&id, &key);
            }
            ended
        });
        match end.await.map_err(|_| LegacyError)? {
            Ok(true) => Ok(Deletion::Ended),
            Ok(false) => Ok(Deletion::Unknown),
            Err(Error::Store(StoreError::ReadOnly)) => Ok(Deletion::ReadOnly),
            Err(error) => Err(error.into()),
        }
    }

    /// Sees that what a call is answered can be kept, where it has to be.
    async fn require_journal(&self, local: &Local) -> Result<(), LegacyError> {
        let Some(ledger) = local.ledger().filter(|_| self.requires_journal) else { return Ok(()) };
        let kept = ledger.keep(&Feed::ToClient(*local.key().id()), &Told::Call).await;
        kept.map(drop).map_err(|_| Trouble::UNDELIVERED.into())
    }

    /// Completes when a stream of this session's has to end.
    fn ending(
        &self,
        local: &Local,
        is_common: bool,
    ) -> Result<impl Future<Output = Ending> + Send + use<>, LegacyError> {
        let place = local.place(is_common).ok_or(Trouble::STREAMS)?;
        Ok(Ending::of(local, place, &self.sessions, &self.closing))
    }

    /// What undoes a session that its client does not know of.
    fn undo(&self, key: SessionKey, id: SessionId) -> impl Future<Output = ()> + Send + 'static {
        let (open, sessions) = (Arc::clone(&self.open), Arc::clone(&self.sessions));
        async move {
            if let Err(error) = sessions.end(&key).await {
                tracing::warn!(%error, "a session without a client was not ended; it will expire");
            }
            open.close(&id, &key);
        }
    }
}

/// The session of a request that was let in.
pub(super) struct Validated {
    local: Arc<Local>,
    /// What was loaded to let it in.
    ahead: Option<Ahead>,
    /// How long the session has been there.
    age: Duration,
}

impl Validated {
    /// Lets the request that is being answered in, to a session that was loaded when so many changes were counted.
    fn begin(local: Arc<Local>, changes: u64, session: Session) {
        local.is_used();
        local.may_expire_in(session.expires_in());
        let age = session.loaded_at().since(session.created_at);
        let ahead = Some(Ahead::new(*local.key(), changes, Ok(session)));
        Caller::has_validated(Self { local, ahead, age });
    }
}

/// The key of an `Mcp-Session-Id`, for whoever sent the request that is being answered.
fn caller_key(id: &SessionId) -> Option<SessionKey> {
    id.parse().ok().map(|name: SessionName| SessionKey::by_name(Caller::owner(), &name))
}

impl RmcpSessions for LegacySessions {
    type Error = LegacyError;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport), LegacyError> {
        let opened = self.sessions.open(Caller::owner(), Change::new()).await?;
        let id: SessionId = opened.name.expose().into();
        let key = SessionKey::by_name(Caller::owner(), &opened.name);
        Handshake::begin(self.undo(key, id.clone()));
        let Some((local, transport)) = self.open.begin(&id, key).await else {
            Handshake::fail().await;
            return Err(LegacyError);
        };
        local.may_expire_in(opened.session.expires_in());
        self.open.add(local, Position::START);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, LegacyError> {
        let local = self.local(id)?;
        let greeting = match &message {
            ClientJsonRpcMessage::Request(request) => match &request.request {
                ClientRequest::InitializeRequest(initialize) => Greeting::keep(local.key(), initialize.params.clone()),
                _ => None,
            },
            _ => None,
        };
        let answer = Box::pin(local.initialize(message)).await;
        let (Some(ServerJsonRpcMessage::Response(_)), Some(greeting)) = (&answer, greeting) else {
            Handshake::fail().await;
            return answer.ok_or(LegacyError);
        };
        // A session that no other process could take over is none that its client should rely on.
        if let Err(error) = Box::pin(self.sessions.update(local.key(), greeting)).await {
            Handshake::fail().await;
            return Err(error.into());
        }
        Handshake::succeed();
        answer.ok_or(LegacyError)
    }

    /// Restores the session if it is not open here.
    async fn has_session(&self, id: &SessionId) -> Result<bool, LegacyError> {
        let Some(key) = caller_key(id) else { return Ok(false) };
        let changes = self.sessions.changes(&key);
        let Some(session) = self.load(id, &key).await? else { return Ok(false) };
        if let Some(local) = self.open.get(id, &key) {
            Validated::begin(local, changes, session);
            return Ok(true);
        }
        let Some(greeting) = Greeting::of(&session, &key) else { return Ok(false) };
        // Apart, since every request that is not the first one would have room for this all the same.
        if let Some(parts) = Caller::take_parts()
            && Box::pin(self.restorer.restore(id, key, greeting, parts)).await
        {
            // It may have ended meanwhile.
            let changes = self.sessions.changes(&key);
            let Some(session) = self.load(id, &key).await? else { return Ok(false) };
            if let Some(local) = self.open.get(id, &key) {
                Validated::begin(local, changes, session);
            }
            return Ok(true);
        }
        Err(Trouble::UNRESTORED.into())
    }

    /// Closes the session here, and ends its record if a DELETE asks for it. rmcp calls this at shutdown too, where
    /// the record has to stay.
    async fn close_session(&self, id: &SessionId) -> Result<(), LegacyError> {
        if Deletion::is_asked() {
            Box::pin(self.delete(id)).await?.note();
        } else {
            self.open.close_ended(id);
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        // rmcp asks `has_session` first, so this name is validated.
        let Validated { local, ahead, .. } = self.validated(id)?;
        message.insert_extension(ValidatedSession { key: *local.key(), ended: local.ended().clone() });
        if let Some(ahead) = ahead {
            message.insert_extension(ahead);
        }
        let ClientJsonRpcMessage::Request(request) = &message else { return Err(LegacyError) };
        let running = local.calls().begin(request.id.clone())?;
        self.require_journal(&local).await?;
        let naming = local.ledger().map(|ledger| Naming::new(*local.key().id(), ledger.replica().clone()));
        let (sessions, closing, in_flight) = (Arc::clone(&self.sessions), self.closing.clone(), self.calls.token());
        let call = Call { local, running, naming, kept_after: self.kept_after, sessions, closing, in_flight };
        Ok(channel(call.begin(message).await.ok_or(Trouble::UNRESTORED)?))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), LegacyError> {
        let local = self.local(id)?;
        // Apart, since rmcp's future of every request has room for what the largest of them holds.
        Ok(Box::pin(deliver(&local, message)).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let Validated { local, age, .. } = self.validated(id)?;
        let ending = self.ending(&local, true)?;
        let Some(ledger) = local.ledger() else {
            let events = local.listen(None).await.ok_or(LegacyError)?;
            return Ok(Either::Left(until(ending, events)));
        };
        let (replay, events) = Replay::new(ledger, *local.key().id(), StreamId::common(), Position::START);
        let listener = if age < self.keep { Listener::PerhapsFirst } else { Listener::New };
        tokio::spawn(replay.listen(listener, ending));
        Ok(Either::Right(channel(events)))
    }

    /// Goes on behind an event of this session, whichever process told it. An id of another's tells nothing.
    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let local = self.local(id)?;
        let Some(ledger) = local.ledger() else {
            let ending = self.ending(&local, true)?;
            let events = local.listen(Some(&last_event_id)).await.ok_or(LegacyError)?;
            return Ok(Either::Left(until(ending, events)));
        };
        let session = *local.key().id();
        let (Some(at), stream) = StreamId::parse(&last_event_id, &session).ok_or(LegacyError)? else {
            return Err(LegacyError);
        };
        let is_common = stream.is_common();
        let ending = self.ending(&local, is_common)?;
        let (replay, events) = Replay::new(ledger, session, stream, at);
        if is_common {
            tokio::spawn(replay.listen(Listener::Back, ending));
        } else {
            tokio::spawn(replay.finish(Arc::clone(local.calls()), ending));
        }
        Ok(Either::Right(channel(events)))
    }
}

/// What comes over a channel.
fn channel<T: Send>(mut channel: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + Sync {
    stream::poll_fn(move |context| channel.poll_recv(context))
}

/// A session could not be served. rmcp's own errors hold the session's id, and rmcp shows errors to clients and logs.
#[derive(Debug, thiserror::Error)]
#[error("the session cannot be served")]
pub(super) struct LegacyError;

impl From<Error> for LegacyError {
    fn from(error: Error) -> Self {
        if let Error::Store(error) = &error {
            log(error);
        }
        if let Some(trouble) = Trouble::of(&error) {
            trouble.note();
        }
        Self
    }
}

impl From<Trouble> for LegacyError {
    fn from(trouble: Trouble) -> Self {
        trouble.note();
        Self
    }
}
