//! Short forms over the contract.

use crate::change::Change;
use crate::error::StoreError;
use crate::name::SessionKey;
use crate::session::Session;
use crate::store::{Load, SessionStore, Updated};

/// Short forms of [`SessionStore`]'s methods, for every store.
pub trait SessionStoreExt: SessionStore {
    /// Loads a session as a use of it.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::load`].
    fn touch(&self, key: &SessionKey) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send {
        async move { self.load(key, Load::Touch).await }
    }

    /// Loads a session without prolonging it.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::load`].
    fn peek(&self, key: &SessionKey) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send {
        async move { self.load(key, Load::Peek).await }
    }

    /// Changes a session depending on what it is: loads it, asks `change` what to do, and applies that to the very
    /// version it was shown; when somebody else was faster, again.
    ///
    /// `change` runs once for each attempt and must not act on anything else. Proven by
    /// `conformance::racing_compare_and_sets_lose_nothing`.
    ///
    /// # Errors
    ///
    /// What `change` returns; [`NotFound`](StoreError::NotFound); [`Conflict`](StoreError::Conflict) after
    /// [`MAX_ATTEMPTS`] attempts; else as [`SessionStore::update`].
    fn update_with<T, E, F>(
        &self,
        key: &SessionKey,
        mut change: F,
    ) -> impl Future<Output = Result<(Updated, T), E>> + Send
    where
        T: Send,
        E: From<StoreError> + Send,
        F: FnMut(&Session) -> Result<(Change, T), E> + Send,
    {
        async move {
            for _ in 0..MAX_ATTEMPTS {
                let session = self.peek(key).await?.ok_or(StoreError::NotFound)?;
                let (wanted, answer) = change(&session)?;
                match self.update(key, wanted.if_version(session.version)).await {
                    Err(StoreError::Conflict) => {}
                    Ok(updated) => return Ok((updated, answer)),
                    Err(error) => return Err(error.into()),
                }
            }
            Err(StoreError::Conflict.into())
        }
    }
}

/// How often [`SessionStoreExt::update_with`] tries. Whenever it loses, another writer has won.
pub const MAX_ATTEMPTS: usize = 256;

impl<S: SessionStore + ?Sized> SessionStoreExt for S {}
