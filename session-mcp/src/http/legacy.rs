//! Sessions of protocol versions before 2026-07-28.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::LocalSessionWorker;
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager as RmcpSessions};
use session_core::{Change, Error, SessionKey, SessionManager, SessionName, SessionStoreExt as _, StoreError};
use tokio_util::sync::CancellationToken;

use crate::error::log;
use crate::heartbeat::keep_in_use;
use crate::resolve::ValidatedSession;

use super::caller::caller;
use super::deletion::Deletion;
use super::handshake::Handshake;
use super::local::LocalSessions;
use super::trouble::Trouble;

/// rmcp's local sessions under names of ours: an `Mcp-Session-Id` is the first name of a record in the store, and is
/// there exactly as long as that record.
///
/// The record alone decides how long a session lives, so that a long call does not lose its session to a timer that
/// cannot know of it. A session whose record is gone is refused at once and closed within a minute.
#[derive(Debug)]
pub(super) struct LegacySessions {
    local: Arc<LocalSessions>,
    sessions: Arc<SessionManager>,
}

impl LegacySessions {
    /// Local sessions over these records. Needs a tokio runtime, for the task that closes what has ended.
    pub(super) fn new(sessions: Arc<SessionManager>) -> Self {
        let local = Arc::new(LocalSessions::new());
        let period = sessions.lifetimes().idle().clamp(Duration::from_millis(100), MAX_CLOSING_PERIOD);
        tokio::spawn(close_ended(Arc::downgrade(&local), Arc::downgrade(&sessions), period));
        Self { local, sessions }
    }

    /// Whether a session is live and this its `Mcp-Session-Id` here. The store is asked first, and so for an unknown
    /// session what it is asked for a foreign one.
    async fn is_open(&self, id: &SessionId, key: &SessionKey) -> Result<bool, LegacyError> {
        match self.sessions.load(key).await {
            Ok(_) => self.local.rmcp().has_session(id).await.map_err(|_| LegacyError),
            Err(Error::Store(StoreError::NotFound)) => {
                self.local.close(id, key).await;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the session of this `Mcp-Session-Id` for its client; other names of a record are none. The record ends
    /// first, so that a store that is away leaves a session its client can still reach.
    async fn delete(&self, id: &SessionId) -> Result<Deletion, LegacyError> {
        let Some(key) = key(id) else { return Ok(Deletion::Unknown) };
        if !self.is_open(id, &key).await? {
            return Ok(Deletion::Unknown);
        }
        let ended = match self.sessions.end(&key).await {
            Err(Error::Store(StoreError::ReadOnly)) => return Ok(Deletion::ReadOnly),
            ended => ended?,
        };
        self.local.close(id, &key).await;
        Ok(if ended { Deletion::Ended } else { Deletion::Unknown })
    }

    /// A stream that keeps its session from idling out, and ends with it.
    fn in_use<S: Stream>(&self, id: &SessionId, stream: S) -> impl Stream<Item = S::Item> + use<S> {
        let open = CancellationToken::new();
        if let Some(key) = key(id) {
            let (open, sessions) = (open.clone(), Arc::clone(&self.sessions));
            tokio::spawn(async move {
                tokio::select! {
                    () = open.cancelled() => {}
                    () = keep_in_use(&sessions, &key) => open.cancel(),
                }
            });
        }
        let stream = stream.take_until(open.clone().cancelled_owned());
        let open = open.drop_guard();
        stream.inspect(move |_| _ = &open)
    }

    /// What undoes a session that its client does not know of.
    fn undo(&self, key: SessionKey, id: SessionId) -> impl Future<Output = ()> + Send + 'static {
        let (local, sessions) = (Arc::clone(&self.local), Arc::clone(&self.sessions));
        async move {
            if let Err(error) = sessions.end(&key).await {
                tracing::warn!(%error, "a session without a client was not ended; it will expire");
            }
            local.close(&id, &key).await;
        }
    }
}

/// How long a session whose record is gone stays open at most.
const MAX_CLOSING_PERIOD: Duration = Duration::from_secs(60);

/// Closes the local sessions whose records are gone, again and again, until the sessions themselves are gone.
async fn close_ended(local: Weak<LocalSessions>, sessions: Weak<SessionManager>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let (Some(local), Some(sessions)) = (local.upgrade(), sessions.upgrade()) else { return };
        for (id, key) in local.open() {
            match sessions.store().peek(&key).await {
                Ok(None) => local.close(&id, &key).await,
                // A store that does not answer has ended nothing. The others wait for it no longer than this one.
                Err(StoreError::Unavailable { .. }) => break,
                _ => {}
            }
        }
    }
}

/// The key of an `Mcp-Session-Id`, for whoever sent the request that is being answered.
fn key(id: &SessionId) -> Option<SessionKey> {
    id.parse().ok().map(|name: SessionName| SessionKey::by_name(caller(), &name))
}

impl RmcpSessions for LegacySessions {
    type Error = LegacyError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), LegacyError> {
        let opened = self.sessions.open(caller(), Change::new()).await?;
        let id: SessionId = opened.name.expose().into();
        let key = SessionKey::by_name(caller(), &opened.name);
        Handshake::begin(self.undo(key, id.clone()));
        let Some(transport) = self.local.begin(&id, key).await else {
            Handshake::fail().await;
            return Err(LegacyError);
        };
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, LegacyError> {
        let answer = self.local.rmcp().initialize_session(id, message).await;
        match answer {
            Ok(ServerJsonRpcMessage::Response(_)) => Handshake::succeed(),
            _ => Handshake::fail().await,
        }
        answer.map_err(|_| LegacyError)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, LegacyError> {
        let Some(key) = key(id) else { return Ok(false) };
        self.is_open(id, &key).await
    }

    /// Closes the session here, and ends its record if a DELETE asks for it. rmcp calls this at shutdown too, where
    /// the record has to stay.
    async fn close_session(&self, id: &SessionId) -> Result<(), LegacyError> {
        if Deletion::is_asked() {
            self.delete(id).await?.note();
        } else {
            self.local.close_any(id).await;
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        // rmcp asks `has_session` first, so this name is validated.
        if let Ok(name) = id.parse() {
            message.insert_extension(ValidatedSession(name));
        }
        self.local.rmcp().create_stream(id, message).await.map_err(|_| LegacyError)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), LegacyError> {
        self.local.rmcp().accept_message(id, message).await.map_err(|_| LegacyError)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let stream = self.local.rmcp().create_standalone_stream(id).await.map_err(|_| LegacyError)?;
        Ok(self.in_use(id, stream))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        let stream = self.local.rmcp().resume(id, last_event_id).await.map_err(|_| LegacyError)?;
        Ok(self.in_use(id, stream))
    }
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
