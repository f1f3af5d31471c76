//! What a call keeps for its next round: in a record of its own in the session store, whose name is the `requestState`.
//!
//! So every replica can take it up, and no key has to be shared to protect it: a client can neither make up such a name
//! nor reach what is kept under it, the name is good for its owner alone, and it is good for one round. A round that
//! nobody comes back for expires like any session.

use rmcp::ErrorData;
use serde::Serialize;
use serde::de::DeserializeOwned;
use session_core::{Change, Error, StateName, StateValue, StoreError};
use session_mcp::{Session, SessionError};

/// Keeps what the next round has to know, and returns the state that the client comes back with.
///
/// `kind` begins with a dot: such names are out of reach for clients, who can set other values of their sessions. No
/// limit of the store holds there, so there is one here.
///
/// # Errors
///
/// What opening a session refuses; that there is too much to keep.
pub(super) async fn keep<T: Serialize>(session: &Session, kind: &'static str, round: &T) -> Result<String, ErrorData> {
    let round = serde_json::to_vec(round).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    if round.len() > MAX_BYTES {
        return Err(ErrorData::invalid_params("these answers are too long; answer with at most 4096 bytes", None));
    }
    let change = Change::new().set(StateName::reserved(kind), StateValue::from(round));
    let opened = session.manager().open(session.owner(), change).await.map_err(SessionError::from)?;
    Ok(opened.name.expose())
}

const MAX_BYTES: usize = 4096;

/// Takes what was kept under this state, once.
///
/// # Errors
///
/// That this owner was given no such state for this kind of call, or has come back with it already.
pub(super) async fn take<T: DeserializeOwned>(
    session: &Session,
    kind: &'static str,
    state: &str,
) -> Result<T, ErrorData> {
    let sessions = session.manager();
    let key = sessions.resolve(session.owner(), state).map_err(|_| refused())?;
    let record = sessions.load(&key).await.map_err(unless_absent)?;
    let round = record.value(&StateName::reserved(kind)).map_err(unless_absent)?.ok_or_else(refused)?;
    // Of several who come back with one state, the one who ends the record goes on.
    if !sessions.end(&key).await.map_err(unless_absent)? {
        return Err(refused());
    }
    Ok(round)
}

fn unless_absent(error: Error) -> ErrorData {
    match error {
        Error::Store(StoreError::NotFound) => refused(),
        error => SessionError::from(error).into(),
    }
}

fn refused() -> ErrorData {
    let message = "this `requestState` was not given for this call, or was used already; call again without it";
    ErrorData::invalid_params(message, None)
}
