//! What a client said when it initialized its session, kept in the session itself.

use rmcp::model::InitializeRequestParams;
use serde::{Deserialize, Serialize};
use session_core::{Access, Change, Session, SessionKey, StateName, StateValue};

/// What a client said when it initialized its session.
///
/// It is a reserved value of the record: with it, any process that has the store can take the session over, and it is
/// gone with the session. It is of one name of the session, the `Mcp-Session-Id`: other names are handles and no
/// connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// The hash of that name's secret.
    name: String,
    params: InitializeRequestParams,
}

impl Greeting {
    /// The change that keeps it.
    pub(super) fn keep(key: &SessionKey, params: InitializeRequestParams) -> Option<Change> {
        let greeting = Self { name: name_of(key)?, params };
        let value = serde_json::to_vec(&greeting).ok()?;
        Some(Change::new().set(field(), StateValue::from(value)))
    }

    /// What was said under this name of a session, if it was initialized under it.
    pub(super) fn of(session: &Session, key: &SessionKey) -> Option<InitializeRequestParams> {
        let value = session.state.get(&field())?;
        let greeting: Self = serde_json::from_slice(value.as_bytes()).ok()?;
        (Some(greeting.name) == name_of(key)).then_some(greeting.params)
    }
}

fn name_of(key: &SessionKey) -> Option<String> {
    match key.access() {
        Access::Secret(secret) => Some(hex::encode(secret.as_bytes())),
        Access::Owner => None,
    }
}

fn field() -> StateName {
    StateName::reserved(".initialize")
}
