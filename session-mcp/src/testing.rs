//! A session for the unit test of a tool.

use std::fmt;
use std::sync::Arc;

use session_core::{Change, Owner, SessionManager, SessionName};
use session_memory::MemoryStore;

use crate::error::SessionError;
use crate::resolve::{Found, Unresolved};
use crate::session::Session;
use crate::timer::TokioTimer;

/// A session of its own for the unit test of a tool, which is then called as the plain method that it is.
///
/// It lives in memory, in a store that nobody else has, until it is dropped. On a paused `tokio` clock it expires when
/// the test says so.
///
/// ```
/// # use session_mcp::{Session, SessionError, TestSession};
/// # struct Shop;
/// # impl Shop {
/// #     async fn add(&self, session: Session) -> Result<String, SessionError> {
/// #         let items = session.update_with("items", |items: Option<u32>| items.unwrap_or(0) + 1).await?;
/// #         Ok(format!("{items} in the cart"))
/// #     }
/// # }
/// # async fn test() -> Result<(), SessionError> {
/// let test = TestSession::open().await?;
/// assert_eq!(Shop.add(test.session()).await?, "1 in the cart");
/// assert_eq!(Shop.add(test.session()).await?, "2 in the cart");
/// assert_eq!(test.session().get::<u32>("items").await?, Some(2));
///
/// let refused = Shop.add(TestSession::without()).await;
/// assert!(matches!(refused, Err(SessionError::NoSession)));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test()).unwrap();
/// ```
pub struct TestSession {
    sessions: Arc<SessionManager>,
    owner: Owner,
    name: SessionName,
}

impl TestSession {
    /// Opens a session for an anonymous caller.
    ///
    /// # Errors
    ///
    /// None that a test need expect.
    pub async fn open() -> Result<Self, SessionError> {
        Self::open_for(Owner::Anonymous).await
    }

    /// Opens a session for a [`Principal`](crate::Principal), or whoever else.
    ///
    /// # Errors
    ///
    /// None that a test need expect.
    pub async fn open_for(owner: impl Into<Owner>) -> Result<Self, SessionError> {
        let (sessions, owner) = (manager(), owner.into());
        sessions.start().await?;
        let name = sessions.open(owner, Change::new()).await?.name;
        Ok(Self { sessions, owner, name })
    }

    /// Opens another session of the same store for somebody, or for the same caller once more.
    ///
    /// # Errors
    ///
    /// The limits of a store.
    pub async fn another_for(&self, owner: impl Into<Owner>) -> Result<Self, SessionError> {
        let (sessions, owner) = (Arc::clone(&self.sessions), owner.into());
        let name = sessions.open(owner, Change::new()).await?.name;
        Ok(Self { sessions, owner, name })
    }

    /// The session as a tool takes it, from a call that brought its handle.
    #[must_use]
    pub fn session(&self) -> Session {
        self.by_handle(self.name.clone())
    }

    /// The session as a tool takes it from a call that brought another handle, such as one that may only read.
    #[must_use]
    pub fn by_handle(&self, handle: SessionName) -> Session {
        Session::new(Arc::clone(&self.sessions), self.owner, Ok(Found::Handle(handle)))
    }

    /// What a tool takes from a call that brings no session.
    #[must_use]
    pub fn without() -> Session {
        Session::new(manager(), Owner::Anonymous, Err(Unresolved::NoSession))
    }

    /// The handle, as a client passes it.
    #[must_use]
    pub fn handle(&self) -> String {
        self.name.expose()
    }

    /// The manager behind it, for what a tool alone does not do.
    #[must_use]
    pub fn manager(&self) -> &Arc<SessionManager> {
        &self.sessions
    }
}

impl fmt::Debug for TestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSession").field("owner", &self.owner).field("name", &self.name).finish_non_exhaustive()
    }
}

fn manager() -> Arc<SessionManager> {
    Arc::new(SessionManager::new(Arc::new(MemoryStore::default()), Arc::new(TokioTimer)))
}
