//! The session that a stdio connection has of its own.

use std::sync::{PoisonError, RwLock};

#[cfg(feature = "stdio")]
use session_core::SessionKey;
use session_core::{Change, Owner, SessionManager, SessionName};
use tokio::sync::Mutex;

use crate::error::SessionError;

/// The session of one connection: opened when a client of a protocol version before 2026-07-28 initializes it over
/// stdio, ended with the connection. It never has two that are live.
#[derive(Debug)]
pub(crate) struct Connection {
    owner: Owner,
    /// Replaced by `reopen`, when the session before has ended.
    name: RwLock<SessionName>,
    /// Held by who replaces the name. Set by `end`, after which nobody does.
    ended: Mutex<bool>,
}

impl Connection {
    /// Opens the session of a connection.
    pub(crate) async fn open(sessions: &SessionManager, owner: Owner) -> Result<Self, SessionError> {
        let opened = sessions.open(owner, Change::new()).await?;
        Ok(Self { owner, name: RwLock::new(opened.name), ended: Mutex::new(false) })
    }

    /// The name of the session it has now.
    pub(crate) fn name(&self) -> SessionName {
        self.name.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the connection a new session in the place of the one that was found `gone`, and returns its name. Callers
    /// that race for it all get the one.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotFound`] if the connection has ended; what opening a session refuses.
    pub(crate) async fn reopen(
        &self,
        sessions: &SessionManager,
        gone: &SessionName,
    ) -> Result<SessionName, SessionError> {
        let ended = self.ended.lock().await;
        if *ended {
            return Err(SessionError::NotFound);
        }
        let now = self.name();
        if now != *gone {
            return Ok(now);
        }
        let name = sessions.open(self.owner, Change::new()).await?.name;
        *self.name.write().unwrap_or_else(PoisonError::into_inner) = name.clone();
        Ok(name)
    }

    /// Ends the session with the connection: a call that is still running opens no other.
    #[cfg(feature = "stdio")]
    pub(crate) async fn end(&self, sessions: &SessionManager) -> Result<bool, SessionError> {
        let mut ended = self.ended.lock().await;
        *ended = true;
        Ok(sessions.end(&SessionKey::by_name(self.owner, &self.name())).await?)
    }
}
