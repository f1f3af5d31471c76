//! Sessions of protocol versions before 2026-07-28.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionWorker};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager as RmcpSessions,
};
use session_core::{Change, Error, SessionKey, SessionManager, SessionName, SessionStoreExt as _, StoreError};

use crate::error::log;
use crate::owner::owner;
use crate::resolve::ValidatedSession;

use super::deletion::Deletion;
use super::handshake::Handshake;
use super::trouble::Trouble;

/// rmcp's local sessions under names of ours: an `Mcp-Session-Id` is the first name of a record in the store, and is
/// there exactly as long as that record.
///
/// The record alone decides how long a session lives, so that a long call does not lose its session to a timer that
/// cannot know of it. A session whose record is gone is refused at once and closed within a minute.
#[derive(Debug)]
pub(super) struct LegacySessions {
    local: Arc<LocalSessionManager>,
    sessions: Arc<SessionManager>,
}

impl LegacySessions {
    /// Local sessions over these records. Needs a tokio runtime, for the task that closes what has ended.
    pub(super) fn new(sessions: Arc<SessionManager>) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = None;
        let local = Arc::new(local);
        let period = sessions.lifetimes().idle().clamp(Duration::from_millis(100), MAX_CLOSING_PERIOD);
        tokio::spawn(close_ended(Arc::downgrade(&local), Arc::downgrade(&sessions), period));
        Self { local, sessions }
    }

    async fn close_locally(&self, id: &SessionId) {
        let _ = self.local.close_session(id).await;
    }

    /// Ends the session of this `Mcp-Session-Id` for its client; other names of a record are none. The record ends
    /// first, so that a store that is away leaves a session its client can still reach.
    async fn delete(&self, id: &SessionId) -> Result<Deletion, LegacyError> {
        let Some(key) = key(id) else { return Ok(Deletion::Unknown) };
        if !self.local.has_session(id).await.map_err(|_| LegacyError)? {
            return Ok(Deletion::Unknown);
        }
        let ended = match self.sessions.end(&key).await {
            Err(Error::Store(StoreError::ReadOnly)) => return Ok(Deletion::ReadOnly),
            ended => ended?,
        };
        self.close_locally(id).await;
        Ok(if ended { Deletion::Ended } else { Deletion::Unknown })
    }

    /// What undoes a session that its client does not know of.
    fn undo(&self, key: SessionKey, id: SessionId) -> impl Future<Output = ()> + Send + 'static {
        let (local, sessions) = (Arc::clone(&self.local), Arc::clone(&self.sessions));
        async move {
            if let Err(error) = sessions.end(&key).await {
                tracing::warn!(%error, "a session without a client was not ended; it will expire");
            }
            let _ = local.close_session(&id).await;
        }
    }
}

/// How long a session whose record is gone stays open at most.
const MAX_CLOSING_PERIOD: Duration = Duration::from_secs(60);

/// Closes the local sessions whose records are gone, again and again, until the sessions themselves are gone.
async fn close_ended(local: Weak<LocalSessionManager>, sessions: Weak<SessionManager>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let (Some(local), Some(sessions)) = (local.upgrade(), sessions.upgrade()) else { return };
        let ids: Vec<SessionId> = local.sessions.read().await.keys().cloned().collect();
        for id in ids {
            let Some(key) = key(&id) else { continue };
            match sessions.store().peek(&key).await {
                Ok(None) => _ = local.close_session(&id).await,
                // A store that does not answer has ended nothing. The others wait for it no longer than this one.
                Err(StoreError::Unavailable { .. }) => break,
                _ => {}
            }
        }
    }
}

fn key(id: &SessionId) -> Option<SessionKey> {
    id.parse().ok().map(|name: SessionName| SessionKey::by_name(owner(), &name))
}

impl RmcpSessions for LegacySessions {
    type Error = LegacyError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), LegacyError> {
        let opened = self.sessions.open(owner(), Change::new()).await?;
        let id: SessionId = opened.name.expose().into();
        Handshake::begin(self.undo(SessionKey::by_name(owner(), &opened.name), id.clone()));
        // To restore under an id is to create under it; `create_session` would choose its own.
        let Ok(RestoreOutcome::Restored(transport)) = self.local.restore_session(id.clone()).await else {
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
        let answer = self.local.initialize_session(id, message).await;
        match answer {
            Ok(ServerJsonRpcMessage::Response(_)) => Handshake::succeed(),
            _ => Handshake::fail().await,
        }
        answer.map_err(|_| LegacyError)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, LegacyError> {
        let Some(key) = key(id) else { return Ok(false) };
        if !self.local.has_session(id).await.map_err(|_| LegacyError)? {
            return Ok(false);
        }
        match self.sessions.load(&key).await {
            Ok(_) => Ok(true),
            Err(Error::Store(StoreError::NotFound)) => {
                self.close_locally(id).await;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Closes the session here, and ends its record if a DELETE asks for it. rmcp calls this at shutdown too, where
    /// the record has to stay.
    async fn close_session(&self, id: &SessionId) -> Result<(), LegacyError> {
        if Deletion::is_asked() {
            self.delete(id).await?.note();
        } else {
            self.close_locally(id).await;
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
        self.local.create_stream(id, message).await.map_err(|_| LegacyError)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), LegacyError> {
        self.local.accept_message(id, message).await.map_err(|_| LegacyError)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        self.local.create_standalone_stream(id).await.map_err(|_| LegacyError)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, LegacyError> {
        self.local.resume(id, last_event_id).await.map_err(|_| LegacyError)
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
