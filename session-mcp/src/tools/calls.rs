//! What the tools do.

use std::path::Path;

use rmcp::handler::server::wrapper::{Json, Parameters};
use serde::Deserialize;
use serde_json::Value;
use session_core::{Change, Error, Mode, Opened, StateName, Text};

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::answers::{
    Ended, Information, OpenedSession, SetDirectory, StateChanged, StateRead, Time, WorksIn, directory,
};

#[derive(Deserialize)]
pub(super) struct Open {
    directory: Option<String>,
}

pub(super) async fn open_session(
    session: Session,
    arguments: Parameters<Open>,
) -> Result<Json<OpenedSession>, SessionError> {
    let directory = match &arguments.0.directory {
        Some(path) => Some(existing(path).await?),
        None => None,
    };
    match promote(&session, directory.as_ref()).await {
        Err(SessionError::NoSession) => {
            let opened = session.open(placed(directory.as_ref())).await?;
            Ok(Json(OpenedSession::new(&opened)))
        }
        Err(SessionError::NotFound) if session.source()? == Source::Connection => {
            promote(&session.reopened().await?, directory.as_ref()).await.map(Json)
        }
        promoted => promoted.map(Json),
    }
}

/// Gives a session another handle. It is loaded before, so that a handle is given only if it can be answered with.
async fn promote(session: &Session, directory: Option<&Text>) -> Result<OpenedSession, SessionError> {
    let snapshot = session.load().await?;
    let (name, updated) = session.promote(placed(directory)).await?;
    Ok(OpenedSession::promoted(&name, updated, directory.cloned(), &snapshot, session.source()?))
}

/// The change that sets this directory, if there is one.
fn placed(directory: Option<&Text>) -> Change {
    directory.cloned().into_iter().fold(Change::new(), Change::working_directory)
}

#[derive(Deserialize)]
pub(super) struct InDirectory {
    directory: String,
}

pub(super) async fn set_working_directory(
    session: Session,
    arguments: Parameters<InDirectory>,
) -> Result<Json<SetDirectory>, SessionError> {
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

pub(super) async fn get_working_directory(session: Session) -> Result<Json<WorksIn>, SessionError> {
    let snapshot = session.load().await?;
    Ok(Json(WorksIn {
        working_directory: directory(&snapshot),
        source: session.source()?,
        expires_at: snapshot.expires_at().into(),
    }))
}

pub(super) async fn session_info(session: Session) -> Result<Json<Information>, SessionError> {
    let snapshot = session.load().await?;
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
    let own = |name: &StateName| (!name.is_reserved()).then(|| name.as_str().to_owned());
    Ok(Json(Information {
        working_directory: directory(&snapshot),
        set_at: snapshot.set_at.map(Time::from),
        config_path: text(&snapshot.config_path),
        project_id: text(&snapshot.project_id),
        state_names: snapshot.state.iter().filter_map(|(name, _)| own(name)).collect(),
        created_at: snapshot.created_at.into(),
        last_used: snapshot.last_used().into(),
        expires_at: snapshot.expires_at().into(),
        ends_at: snapshot.ends_at.into(),
        version: snapshot.version.get(),
        read_only: snapshot.mode() == Mode::ReadOnly,
        source: session.source()?,
    }))
}

#[derive(Deserialize)]
pub(super) struct NameAndValue {
    name: String,
    value: Value,
}

#[derive(Deserialize)]
pub(super) struct NameOnly {
    name: String,
}

pub(super) async fn set_state(
    session: Session,
    arguments: Parameters<NameAndValue>,
) -> Result<Json<StateChanged>, SessionError> {
    let NameAndValue { name, value } = arguments.0;
    let updated = session.set(&name, &value).await.map_err(of_the_name)?;
    Ok(Json(StateChanged::new(name, updated, session.source()?)))
}

pub(super) async fn get_state(
    session: Session,
    arguments: Parameters<NameOnly>,
) -> Result<Json<StateRead>, SessionError> {
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

pub(super) async fn delete_state(
    session: Session,
    arguments: Parameters<NameOnly>,
) -> Result<Json<StateChanged>, SessionError> {
    let updated = session.remove(&arguments.0.name).await.map_err(of_the_name)?;
    Ok(Json(StateChanged::new(arguments.0.name, updated, session.source()?)))
}

pub(super) async fn end_session(session: Session) -> Result<Json<Ended>, SessionError> {
    session.end().await?;
    Ok(Json(Ended { ended: true, source: session.source()? }))
}

/// Says which argument it is that is no state name.
fn of_the_name(error: SessionError) -> SessionError {
    match error {
        SessionError::Manager(Error::StateName(_)) => SessionError::Argument {
            name: "name",
            problem: "must be 1 to 128 ASCII letters, digits and `_-.:/`, and must not begin with a dot",
        },
        error => error,
    }
}

/// Takes the path of a directory that a session can work in.
async fn existing(path: &str) -> Result<Text, SessionError> {
    let refuse = |problem| SessionError::Argument { name: "directory", problem };
    let text = Text::new(path).map_err(|_| refuse("must be a path of 1 to 4096 bytes without NUL"))?;
    if !Path::new(path).is_absolute() {
        return Err(refuse("must be an absolute path, such as `/home/me/project`"));
    }
    match tokio::fs::metadata(path).await {
        Ok(found) if found.is_dir() => Ok(text),
        Ok(_) => Err(refuse("must be a directory, and this is a file; pass the directory it is in")),
        Err(_) => Err(refuse("must be a directory that exists where the server runs and that it may look into")),
    }
}
