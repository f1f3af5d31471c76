//! Which session is to be changed.

use crate::name::SessionKey;
use crate::session::Session;

/// Which session is to be changed depending on what it is, and what that was for whoever has loaded it a moment ago.
///
/// A change begins from there then, and the store is asked for the session only if somebody has changed it since. Most
/// callers pass the key alone.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub(crate) key: &'a SessionKey,
    pub(crate) loaded: Option<Session>,
}

impl<'a> Target<'a> {
    /// The session of this key, as it was loaded by it. What is of another session is not used.
    #[must_use]
    pub fn loaded(key: &'a SessionKey, session: Session) -> Self {
        let is_it = session.owner == key.owner() && session.locator == key.locator();
        Self { key, loaded: Some(session).filter(|_| is_it) }
    }
}

impl<'a> From<&'a SessionKey> for Target<'a> {
    fn from(key: &'a SessionKey) -> Self {
        Self { key, loaded: None }
    }
}
