//! From a call to its session: which rule applies.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use session_core::{Locator, Owner, SessionKey, SessionName};
#[cfg(feature = "http")]
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::error::SessionError;
use crate::source::Source;

/// The argument that carries a session's handle.
pub const SESSION_ARGUMENT: &str = "session";

/// Where a call's session was found. Nothing has been loaded yet.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Under the handle in the arguments.
    Handle(SessionName),
    /// Under the validated `Mcp-Session-Id`.
    #[cfg(feature = "http")]
    HttpSession(ValidatedSession),
    /// With the connection, which may have another by the time the call ends.
    Connection(Arc<Connection>, SessionName),
    /// Under a locator that its owner named.
    Own(Locator),
}

impl Found {
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Handle(_) => Source::Handle,
            #[cfg(feature = "http")]
            Self::HttpSession(_) => Source::HttpSession,
            Self::Connection(..) => Source::Connection,
            Self::Own(_) => Source::Resumed,
        }
    }

    /// The key of the session, for this caller.
    pub(crate) fn key(&self, owner: Owner) -> SessionKey {
        match self {
            Self::Handle(name) | Self::Connection(_, name) => SessionKey::by_name(owner, name),
            #[cfg(feature = "http")]
            Self::HttpSession(validated) => validated.key,
            Self::Own(locator) => SessionKey::by_locator(owner, *locator),
        }
    }
}

/// Why a call has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// It brings none.
    NoSession,
    /// What it brings as a handle is none.
    InvalidHandle,
}

impl From<Unresolved> for SessionError {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::NoSession => Self::NoSession,
            Unresolved::InvalidHandle => Self::InvalidHandle,
        }
    }
}

/// The session behind a request's `Mcp-Session-Id`, put into its extensions by the session manager that validated it.
///
/// Only this is ever read, never the header: a request of 2026-07-28 can carry any header it likes.
#[cfg(feature = "http")]
#[derive(Clone, Debug)]
pub(crate) struct ValidatedSession {
    /// For whoever sent the request.
    pub(crate) key: SessionKey,
    /// Cancelled when it ends while the call runs.
    pub(crate) ended: CancellationToken,
}

/// Finds a call's session. The first rule that applies decides, and an explicit handle is never passed over:
///
/// 1. the handle argument, in any protocol version and transport;
/// 2. the validated `Mcp-Session-Id`, on requests of protocol versions before 2026-07-28;
/// 3. the connection's own session, on requests of protocol versions before 2026-07-28;
/// 4. nothing.
pub(crate) fn resolve(
    context: &RequestContext<RoleServer>,
    arguments: Option<&JsonObject>,
    connection: Option<&Arc<Connection>>,
) -> Result<Found, Unresolved> {
    if let Some(handle) = arguments.and_then(|arguments| arguments.get(SESSION_ARGUMENT)) {
        let name = handle.as_str().and_then(|handle| handle.parse().ok());
        return name.map(Found::Handle).ok_or(Unresolved::InvalidHandle);
    }
    // The version is the request's own, not the process's: one connection can carry both.
    if context.protocol_version().is_some_and(|version| !version.has_initialize()) {
        return Err(Unresolved::NoSession);
    }
    #[cfg(feature = "http")]
    if let Some(validated) = context.extensions.get::<ValidatedSession>() {
        return Ok(Found::HttpSession(validated.clone()));
    }
    let connection = connection.ok_or(Unresolved::NoSession)?;
    Ok(Found::Connection(Arc::clone(connection), connection.name()))
}
