//! The session tools, to be mounted by any server.

mod answers;
mod schema;

use std::path::Path;
use std::time::Duration;

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::wrapper::{Json, Parameters};
use serde::Deserialize;
use serde_json::Value;
use session_core::{Change, Lifetimes, Mode, Opened, StateName, Text};

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use self::answers::{
    Ended, Information, OpenedSession, SetDirectory, StateChanged, StateRead, Time, WorksIn, directory,
};
use self::schema::{Effect, arguments, property, tool};

pub use self::schema::accept_handles;

/// The session tools: `open_session`, `set_working_directory`, `get_working_directory`, `session_info`, `set_state`,
/// `get_state`, `delete_state` and `end_session`.
///
/// They serve every protocol version and transport alike, and use nothing of the handler they are mounted in, which
/// has to be wrapped in [`WithSessions`](crate::WithSessions).
///
/// ```
/// # use rmcp::handler::server::router::tool::ToolRouter;
/// # use session_core::Lifetimes;
/// # use session_mcp::{Durability, SessionTools};
/// # struct Shop;
/// # fn shop_tools() -> ToolRouter<Shop> { ToolRouter::new() }
/// let mut router: ToolRouter<Shop> = shop_tools();
/// router.merge(SessionTools::new(Lifetimes::default(), Durability::Process).router());
/// assert!(router.has_route("open_session"));
/// ```
#[derive(Clone, Debug)]
pub struct SessionTools {
    lifetimes: Lifetimes,
    durability: Durability,
}

/// How long the sessions of a store last at most. The description of `open_session` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// As long as the server's process.
    Process,
    /// Longer than the server's process, which may be replaced by another.
    Store,
}

impl SessionTools {
    /// The tools for sessions of these lifetimes, kept that long.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, durability: Durability) -> Self {
        Self { lifetimes, durability }
    }

    /// The tools as a router, to be merged into a handler's own.
    #[must_use]
    pub fn router<S: Send + Sync + 'static>(&self) -> ToolRouter<S> {
        let directory = || property("directory", "An absolute path of an existing directory.");
        let name = || property("name", "The value's name: 1 to 128 letters, digits and _ - . : /");
        let value = schema::anything("value", "The value: any small JSON.");
        let mut router = ToolRouter::new()
            .with_route(ToolRoute::new(
                tool::<OpenedSession>("open_session", self.durable(), Effect::Adds, arguments([directory()], [])),
                open_session,
            ))
            .with_route(ToolRoute::new(
                tool::<SetDirectory>(
                    "set_working_directory",
                    "Sets the directory that this session works in, in the place of the one before. Where there is \
                     no session yet, opens one and returns its handle as `session`: pass it on with every later call.",
                    Effect::Replaces { idempotent: false },
                    arguments([], [directory()]),
                ),
                set_working_directory,
            ))
            .with_route(ToolRoute::new(
                tool::<WorksIn>(
                    "get_working_directory",
                    "Tells which directory this session works in; null if none was set.",
                    Effect::Reads,
                    arguments([], []),
                ),
                get_working_directory,
            ))
            .with_route(ToolRoute::new(
                tool::<Information>(
                    "session_info",
                    "Tells what this session is: its project, the names of its state values, when it was created and \
                     last used, and when it ends.",
                    Effect::Reads,
                    arguments([], []),
                ),
                session_info,
            ))
            .with_route(ToolRoute::new(
                tool::<StateChanged>(
                    "set_state",
                    "Keeps a small JSON value in this session under a name, in the place of the one before.",
                    Effect::Replaces { idempotent: true },
                    arguments([], [name(), value]),
                ),
                set_state,
            ))
            .with_route(ToolRoute::new(
                tool::<StateRead>(
                    "get_state",
                    "Reads the value that this session keeps under a name.",
                    Effect::Reads,
                    arguments([], [name()]),
                ),
                get_state,
            ))
            .with_route(ToolRoute::new(
                tool::<StateChanged>(
                    "delete_state",
                    "Removes the value that this session keeps under a name; one that is not there is no error.",
                    Effect::Replaces { idempotent: true },
                    arguments([], [name()]),
                ),
                delete_state,
            ))
            .with_route(ToolRoute::new(
                tool::<Ended>(
                    "end_session",
                    "Ends this session with everything it keeps, under all of its handles.",
                    Effect::Replaces { idempotent: true },
                    arguments([], []),
                ),
                end_session,
            ));
        accept_handles(&mut router);
        router
    }

    fn durable(&self) -> String {
        let kept = match self.durability {
            Durability::Process => "It is kept in the server's memory and lost when the server ends",
            Durability::Store => "It is kept in a store and outlives the server's process",
        };
        format!(
            "Opens a session, which keeps a working directory and small values, and returns its handle as `session`: \
             pass the handle on with every later call. Where the connection has a session already, returns a handle \
             of that one. {kept}. It ends after {} without use, and after {} in any case.",
            words(self.lifetimes.idle()),
            words(self.lifetimes.absolute()),
        )
    }
}

/// A duration as people say it: `24h`, `7days`.
fn words(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[derive(Deserialize)]
struct Open {
    directory: Option<String>,
}

async fn open_session(session: Session, arguments: Parameters<Open>) -> Result<Json<OpenedSession>, SessionError> {
    let mut change = Change::new();
    if let Some(path) = &arguments.0.directory {
        change = change.working_directory(existing(path).await?);
    }
    if matches!(session.source(), Err(SessionError::NoSession)) {
        let Opened { name, session: snapshot, .. } = session.open(change).await?;
        return Ok(Json(OpenedSession::new(&name, &snapshot, Source::Opened)));
    }
    let source = session.source()?;
    let promoted = match session.promote(change.clone()).await {
        Err(SessionError::NotFound) if source == Source::Connection => {
            session.reopen_connection().await?;
            session.promote(change).await?
        }
        promoted => promoted?,
    };
    Ok(Json(OpenedSession::new(&promoted.0, &session.load().await?, source)))
}

#[derive(Deserialize)]
struct InDirectory {
    directory: String,
}

async fn set_working_directory(
    session: Session,
    arguments: Parameters<InDirectory>,
) -> Result<Json<SetDirectory>, SessionError> {
    let change = Change::new().working_directory(existing(&arguments.0.directory).await?);
    let (name, snapshot, source) = match session.source() {
        Err(SessionError::NoSession) => {
            let Opened { name, session: snapshot, .. } = session.open(change).await?;
            (Some(name), snapshot, Source::Opened)
        }
        source => {
            session.update(change).await?;
            (None, session.load().await?, source?)
        }
    };
    Ok(Json(SetDirectory {
        working_directory: arguments.0.directory,
        set_at: snapshot.set_at.map(Time::from),
        session: name.map(|name| name.expose()),
        source,
        expires_at: snapshot.expires_at().into(),
    }))
}

async fn get_working_directory(session: Session) -> Result<Json<WorksIn>, SessionError> {
    let snapshot = session.load().await?;
    Ok(Json(WorksIn {
        working_directory: directory(&snapshot),
        source: session.source()?,
        expires_at: snapshot.expires_at().into(),
    }))
}

async fn session_info(session: Session) -> Result<Json<Information>, SessionError> {
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
struct NameAndValue {
    name: String,
    value: Value,
}

#[derive(Deserialize)]
struct NameOnly {
    name: String,
}

async fn set_state(session: Session, arguments: Parameters<NameAndValue>) -> Result<Json<StateChanged>, SessionError> {
    let NameAndValue { name, value } = arguments.0;
    let updated = session.set(&name, &value).await?;
    Ok(Json(StateChanged::new(name, updated, session.source()?)))
}

async fn get_state(session: Session, arguments: Parameters<NameOnly>) -> Result<Json<StateRead>, SessionError> {
    let name = arguments.0.name;
    let key: StateName = name.parse().map_err(session_core::Error::from)?;
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

async fn delete_state(session: Session, arguments: Parameters<NameOnly>) -> Result<Json<StateChanged>, SessionError> {
    let updated = session.remove(&arguments.0.name).await?;
    Ok(Json(StateChanged::new(arguments.0.name, updated, session.source()?)))
}

async fn end_session(session: Session) -> Result<Json<Ended>, SessionError> {
    session.end().await?;
    Ok(Json(Ended { ended: true, source: session.source()? }))
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
