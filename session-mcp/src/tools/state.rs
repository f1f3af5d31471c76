//! The values that a session keeps.

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_core::{Error, StateName, Updated};

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::answer::{Time, count, source};
use super::argument::Argument;
use super::route::{Effect, route};

pub(super) fn set_state<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<StateChanged, _, _>(
        "set_state",
        "Keeps a small JSON value in this session under a name, in the place of the one before.",
        Effect::Replaces { idempotent: true },
        &[NAME, VALUE],
        set,
    )
}

pub(super) fn get_state<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<StateRead, _, _>(
        "get_state",
        "Reads the value that this session keeps under a name.",
        Effect::Reads,
        &[NAME],
        get,
    )
}

pub(super) fn delete_state<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<StateChanged, _, _>(
        "delete_state",
        "Removes the value that this session keeps under a name; one that is not there is no error.",
        Effect::Replaces { idempotent: true },
        &[NAME],
        delete,
    )
}

const NAME: Argument = Argument::text(
    "name",
    "The value's name: 1 to 128 letters, digits and _ - . : /",
    "must be a string: the value's name, such as `branch`",
);

const VALUE: Argument =
    Argument::any("value", "The value: any small JSON.", "must be given: any small JSON, which can be null");

/// Says which argument it is that is no state name.
fn of_the_name(error: SessionError) -> SessionError {
    match error {
        SessionError::Manager(Error::StateName(_)) => {
            NAME.refuse("must be 1 to 128 ASCII letters, digits and `_-.:/`, and must not begin with a dot")
        }
        error => error,
    }
}

#[derive(Deserialize)]
struct NameAndValue {
    name: String,
    value: Value,
}

#[derive(Deserialize)]
struct NameOnly {
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct StateChanged {
    /// The value's name.
    name: String,
    /// The session's version since.
    #[schemars(schema_with = "count::<1>")]
    version: u64,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// When the session ends if it is not used.
    expires_at: Time,
}

impl StateChanged {
    fn new(name: String, updated: Updated, source: Source) -> Self {
        Self { name, version: updated.version.get(), source, expires_at: updated.expires_at.into() }
    }
}

async fn set(session: Session, arguments: Parameters<NameAndValue>) -> Result<Json<StateChanged>, SessionError> {
    let NameAndValue { name, value } = arguments.0;
    let updated = session.set(&name, &value).await.map_err(of_the_name)?;
    Ok(Json(StateChanged::new(name, updated, session.source()?)))
}

async fn delete(session: Session, arguments: Parameters<NameOnly>) -> Result<Json<StateChanged>, SessionError> {
    let updated = session.remove(&arguments.0.name).await.map_err(of_the_name)?;
    Ok(Json(StateChanged::new(arguments.0.name, updated, session.source()?)))
}

#[derive(Serialize, JsonSchema)]
struct StateRead {
    /// The value's name.
    name: String,
    /// Whether there is a value.
    found: bool,
    /// The value; null if there is none.
    value: Value,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// When the session ends if it is not used.
    expires_at: Time,
}

async fn get(session: Session, arguments: Parameters<NameOnly>) -> Result<Json<StateRead>, SessionError> {
    let name = arguments.0.name;
    let key: StateName = name.parse().map_err(|error| of_the_name(Error::StateName(error).into()))?;
    let snapshot = session.load().await?;
    let value: Option<Value> = snapshot.value(&key)?;
    Ok(Json(StateRead {
        name,
        found: value.is_some(),
        value: value.unwrap_or(Value::Null),
        source: session.source()?,
        expires_at: snapshot.expires_at().into(),
    }))
}
