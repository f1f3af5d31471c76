//! Sessions of protocol versions before 2026-07-28.

mod calls;
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
mod transport;
mod watch;

use std::io;
use std::sync::Arc;

use futures_util::future::Either;
use futures_util::{Stream, StreamExt as _, stream};
use rmcp::ServerHandler;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager as RmcpSessions};
use session_core::{Change, Error, Journal, Position, Session, SessionKey, SessionManager, SessionName, StoreError};
use sync_wrapper::SyncFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::log;
use crate::heartbeat::keep_in_use;
use crate::resolve::ValidatedSession;

use super::caller::Caller;
use super::deletion::Deletion;
use super::handshake::Handshake;
use super::trouble::Trouble;

use self::event_id::StreamId;
use self::greeting::Greeting;
use self::ledger::Ledger;
use self::local::{Local, LocalSessions};
use self::naming::Naming;
use self::relay::{Undelivered, deliver};
use self::replay::{Ending, Replay, come_back};
use self::restore::Restorer;
use self::transport::SessionTransport;

/// rmcp's sessions under names of ours: an `Mcp-Session-Id` is the first name of a record in the store, and is there
/// exactly as long as that record.
///
/// The record alone decides how long a session lives, so that a long call does not lose its session to a timer that
/// cannot know of it. A session whose record is gone is refused at once, and closed as soon as that is known. One that this
/// process does not have open, because another process opened it or because this one was replaced since, is restored.
///
/// What clients are told is kept in a journal, and read from there by whichever process a client comes back to.
#[derive(Debug)]
pub(super) struct LegacySessions {
    open: Arc<LocalSessions>,
    restorer: Restorer,
    sessions: Arc<SessionManager>,
    /// Whether a call is refused whose answer cannot be kept.
    requires_journal: bool,
    /// Cancelled when streams are to end, so that their clients come back elsewhere.
    closing: CancellationToken,
}

/// How what clients are told is kept.
pub(super) struct Keeping {
    /// Where, if anywhere.
    pub(super) journal: Option<Arc<dyn Journal>>,
    /// Whether a call is refused whose answer cannot be kept.
    pub(super) is_required: bool,
}

impl LegacySessions {
    /// Sessions over these records. Restored ones are served by handlers of this factory, as the configuration says. Needs a
    /// tokio runtime.
    pub(super) fn new<H, F>(
        sessions: Arc<SessionManager>,
        factory: F,
        config: &StreamableHttpServerConfig,
        keeping: Keeping,
        closing: CancellationToken,
    ) -> Self
    where
        H: ServerHandler,
        F: Fn() -> io::Result<H> + Clone + Send + Sync + 'static,
    {
        let open = Arc::new(LocalSessions::new(Arc::clone(&sessions), keeping.journal));
        let restorer = Restorer::new(Arc::clone(&open), factory, config);
        Self { open, restorer, sessions, requires_journal: keeping.is_required, closing }
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
                self.open.close(id, key).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The open session of this id, which was asked for before.
    fn local(&self, id: &SessionId) -> Result<Arc<Local>, LegacyError> {
        caller_key(id).and_then(|key| self.open.get(id, &key)).ok_or(LegacyError)
    }

    /// Ends the session of this `Mcp-Session-Id` for its client; other names of a record are none. The record ends
    /// first, so that a store that is away leaves a session its client can still reach.
    async fn delete(&self, id: &SessionId) -> Result<Deletion, LegacyError> {
        let Some(key) = caller_key(id) else { return Ok(Deletion::Unknown) };
        let session = self.load(id, &key).await?;
        if session.is_none_or(|session| Greeting::of(&session, &key).is_none()) {
            return Ok(Deletion::Unknown);
        }
        let ended = match self.sessions.end(&key).await {
            Err(Error::Store(StoreError::ReadOnly)) => return Ok(Deletion::ReadOnly),
            ended => ended?,
        };
        self.open.close(id, &key).await;
        Ok(if ended { Deletion::Ended } else { Deletion::Unknown })
    }

    /// Names the events of a call, if they are kept.
    fn naming(&self, local: &Local, message: &ClientJsonRpcMessage) -> Result<Option<Naming>, LegacyError> {
        let (Some(ledger), ClientJsonRpcMessage::Request(request)) = (self.open.ledger(), message) else {
            return Ok(None);
        };
        if self.requires_journal && ledger.is_away() {
            Trouble::note_undelivered();
            return Err(LegacyError);
        }
        local.calls().begin(request.id.clone());
        let (replica, calls) = (ledger.replica().clone(), Arc::clone(local.calls()));
        Ok(Some(Naming::new(*local.key().id(), replica, request.id.clone(), calls)))
    }

    /// Completes when a stream of this session's has to end; keeps the session from idling out until then.
    fn ending(&self, local: &Local) -> impl Future<Output = Ending> + Send + use<> {
        let (sessions, key) = (Arc::clone(&self.sessions), *local.key());
        let (ended, closing) = (local.ended().clone(), self.closing.clone());
        async move {
            tokio::select! {
                () = keep_in_use(&sessions, &key) => Ending::Session,
                () = ended.cancelled() => Ending::Session,
                () = closing.cancelled() => Ending::Process,
            }
        }
    }

    /// Events that nobody keeps, until their stream has to end.
    fn until_the_end(
        &self,
        local: &Local,
        events: mpsc::Receiver<ServerSseMessage>,
    ) -> impl Stream<Item = ServerSseMessage> + Send + Sync + use<> {
        let (open, ending) = (CancellationToken::new(), self.ending(local));
        let ends = open.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ends.cancelled() => {}
                _ = ending => ends.cancel(),
            }
        });
        let events = channel(events).take_until(open.clone().cancelled_owned());
        let open = open.drop_guard();
        events.inspect(move |_| _ = &open)
    }

    /// What undoes a session that its client does not know of.
    fn undo(&self, key: SessionKey, id: SessionId) -> impl Future<Output = ()> + Send + 'static {
        let (open, sessions) = (Arc::clone(&self.open), Arc::clone(&self.sessions));
        async move {
            if let Err(error) = sessions.end(&key).await {
                tracing::warn!(%error, "a session without a client was not ended; it will expire");
            }
            open.close(&id, &key).await;
        }
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
        self.open.add(local).await;
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
        let answer = local.initialize(message).await;
        let (Ok(ServerJsonRpcMessage::Response(_)), Some(greeting)) = (&answer, greeting) else {
            Handshake::fail().await;
            return answer.map_err(|_| LegacyError);
        };
        // A session that no other process could take over is none that its client should rely on.
        if let Err(error) = self.sessions.update(local.key(), greeting).await {
            Handshake::fail().await;
            return Err(error.into());
        }
        Handshake::succeed();
        answer.map_err(|_| LegacyError)
    }

    /// Restores the session if it is not open here.
    async fn has_session(&self, id: &SessionId) -> Result<bool, LegacyError> {
        let Some(key) = caller_key(id) else { return Ok(false) };
        let Some(session) = self.load(id, &key).await? else { return Ok(false) };
        if let Some(local) = self.open.get(id, &key) {
            local.may_expire_in(session.expires_in());
            return Ok(true);
        }
        let Some(greeting) = Greeting::of(&session, &key) else { return Ok(false) };
        if let Some(parts) = Caller::take_parts()
            && self.restorer.restore(id, key, greeting, parts).await
        {
            return Ok(true);
        }
        Trouble::note_unrestored();
        Err(LegacyError)
    }

    /// Closes the session here, and ends its record if a DELETE asks for it. rmcp calls this at shutdown too, where
    /// the record has to stay.
    async fn close_session(&self, id: &SessionId) -> Result<(), LegacyError> {
        if Deletion::is_asked() {
            self.delete(id).await?.note();
        } else {
            self.open.close_ended(id).await;
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let local = self.local(id)?;
        // rmcp asks `has_session` first, so this name is validated.
        if let Ok(name) = id.parse() {
            message.insert_extension(ValidatedSession(name));
        }
        let mut naming = self.naming(&local, &message)?;
        let Ok(events) = local.call(message).await else {
            naming.as_ref().inspect(|naming| naming.forget());
            return Err(LegacyError);
        };
        let events = channel(events).map(move |event| match &mut naming {
            Some(naming) => naming.name(event),
            None => event,
        });
        // The session stays in use, and if the call ends it, the call is answered all the same.
        let (sessions, key, closing) = (Arc::clone(&self.sessions), *local.key(), self.closing.clone());
        let until = SyncFuture::new(async move {
            let in_use = async {
                keep_in_use(&sessions, &key).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = in_use => {}
                () = closing.cancelled() => {}
            }
        });
        let closing = self.closing.clone();
        let farewell = stream::once(async move { closing.is_cancelled().then(come_back) });
        Ok(events.take_until(until).chain(farewell.filter_map(std::future::ready)))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), LegacyError> {
        let local = self.local(id)?;
        deliver(&local, self.open.ledger(), message).await.map_err(|Undelivered| {
            Trouble::note_undelivered();
            LegacyError
        })
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let local = self.local(id)?;
        let Some(ledger) = self.open.ledger() else {
            let events = local.listen(None).await.map_err(|_| LegacyError)?;
            return Ok(Either::Left(self.until_the_end(&local, events)));
        };
        let (replay, events) = Replay::new(ledger, *local.key().id(), StreamId::common(), Position::START);
        tokio::spawn(replay.listen(true, self.ending(&local)));
        Ok(Either::Right(channel(events)))
    }

    /// Goes on behind an event of this session, whichever process told it. An id of another's tells nothing.
    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let local = self.local(id)?;
        let Some(ledger) = self.open.ledger() else {
            let events = local.listen(Some(&last_event_id)).await.map_err(|_| LegacyError)?;
            return Ok(Either::Left(self.until_the_end(&local, events)));
        };
        let session = *local.key().id();
        let (Some(at), stream) = StreamId::parse(&last_event_id, &session).ok_or(LegacyError)? else {
            return Err(LegacyError);
        };
        let (is_common, ending) = (stream.is_common(), self.ending(&local));
        let (replay, events) = Replay::new(ledger, session, stream, at);
        if is_common {
            tokio::spawn(replay.listen(false, ending));
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
        Trouble::note(&error);
        Self
    }
}
