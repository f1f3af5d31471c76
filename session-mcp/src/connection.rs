//! The session that a stdio connection has of its own.

use std::sync::{PoisonError, RwLock};

use session_core::{Change, Owner, SessionKey, SessionManager, SessionName};

use crate::error::SessionError;

/// The session of one connection: opened when a client of a protocol version before 2026-07-28 initializes it over
/// stdio, ended with the connection.
#[derive(Debug)]
pub(crate) struct Connection {
    owner: Owner,
    /// Replaced by `reopen`, when the session before has ended.
    name: RwLock<SessionName>,
}

impl Connection {
    /// Opens the session of a connection.
    pub(crate) async fn open(sessions: &SessionManager, owner: Owner) -> Result<Self, SessionError> {
        let opened = sessions.open(owner, Change::new()).await?;
        Ok(Self { owner, name: RwLock::new(opened.name) })
    }

    /// The key of the session it has now.
    pub(crate) fn key(&self) -> SessionKey {
        SessionKey::by_name(self.owner, &self.name.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the connection a new session in the place of one that has ended.
    pub(crate) async fn reopen(&self, sessions: &SessionManager) -> Result<(), SessionError> {
        let opened = sessions.open(self.owner, Change::new()).await?;
        *self.name.write().unwrap_or_else(PoisonError::into_inner) = opened.name;
        Ok(())
    }
}
