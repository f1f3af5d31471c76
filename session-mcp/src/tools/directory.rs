//! The directory that a session works in.

use std::path::Path;

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session_core::{Change, Opened, Text};

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::answer::{Time, source, text};
use super::argument::Argument;
use super::route::{Effect, route};

pub(super) fn set_working_directory<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<SetDirectory, _, _>(
        "set_working_directory",
        "Sets the directory that this session works in, in the place of the one before. Where there is no session yet, \
         opens one and returns its handle as `session`: pass it on with every later call.",
        Effect::Replaces { idempotent: false },
        &[DIRECTORY],
        set,
    )
}

pub(super) fn get_working_directory<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<WorksIn, _, _>(
        "get_working_directory",
        "Tells which directory this session works in; null if none was set.",
        Effect::Reads,
        &[],
        get,
    )
}

pub(super) const DIRECTORY: Argument = Argument::text(
    "directory",
    "An absolute path of an existing directory.",
    "must be a string: the absolute path of a directory, such as `/home/me/project`",
);

/// Takes the path of a directory that a session can work in.
pub(super) async fn existing(path: &str) -> Result<Text, SessionError> {
    let text = Text::new(path).map_err(|_| DIRECTORY.refuse("must be a path of 1 to 4096 bytes without NUL"))?;
    if !Path::new(path).is_absolute() {
        return Err(DIRECTORY.refuse("must be an absolute path, such as `/home/me/project`"));
    }
    match tokio::fs::metadata(path).await {
        Ok(found) if found.is_dir() => Ok(text),
        Ok(_) => Err(DIRECTORY.refuse("must be a directory, and this is a file; pass the directory it is in")),
        Err(_) => {
            Err(DIRECTORY.refuse("must be a directory that exists where the server runs and that it may look into"))
        }
    }
}

#[derive(Deserialize)]
struct InDirectory {
    directory: String,
}

#[derive(Serialize, JsonSchema)]
struct SetDirectory {
    /// The directory the session works in from now on, as it was given.
    working_directory: String,
    /// When it was set.
    set_at: Time,
    /// The handle of the session that was opened for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    session: Option<String>,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// When the session ends if it is not used.
    expires_at: Time,
}

async fn set(session: Session, arguments: Parameters<InDirectory>) -> Result<Json<SetDirectory>, SessionError> {
    let working_directory = arguments.0.directory;
    let change = Change::new().working_directory(existing(&working_directory).await?);
    Ok(Json(match session.source() {
        Err(SessionError::NoSession) => {
            let Opened { name, session: snapshot, .. } = session.open(change).await?;
            SetDirectory {
                working_directory,
                set_at: snapshot.created_at.into(),
                session: Some(name.expose()),
                source: Source::Opened,
                expires_at: snapshot.expires_at().into(),
            }
        }
        source => {
            let updated = session.update(change).await?;
            SetDirectory {
                working_directory,
                set_at: updated.at.into(),
                session: None,
                source: source?,
                expires_at: updated.expires_at.into(),
            }
        }
    }))
}

#[derive(Serialize, JsonSchema)]
struct WorksIn {
    /// The directory the session works in; null if none was set.
    working_directory: Option<String>,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// When the session ends if it is not used.
    expires_at: Time,
}

async fn get(session: Session) -> Result<Json<WorksIn>, SessionError> {
    let snapshot = session.load().await?;
    Ok(Json(WorksIn {
        working_directory: text(snapshot.working_directory.as_ref()),
        source: session.source()?,
        expires_at: snapshot.expires_at().into(),
    }))
}
