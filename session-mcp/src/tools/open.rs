//! Opens a session, or gives another handle of one.

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session_core::{Change, Locator, Session as Snapshot, SessionName, Text};

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::answer::{Time, source, text};
use super::argument::Argument;
use super::directory::{DIRECTORY, existing};
use super::list::require_principal;
use super::route::{Effect, route};

/// `lasts` says how long a session does.
pub(super) fn open_session<S: Send + Sync + 'static>(lasts: &str) -> ToolRoute<S> {
    let description = format!(
        "Opens a session, which keeps a working directory and small values, and returns its handle as `session`: pass \
         the handle on with every later call. Where the connection has a session already, returns a handle of that \
         one, which ends when the client closes the connection; `directory` replaces the one it works in. {lasts}"
    );
    let arguments = const { &[DIRECTORY.optional(), RESUME.optional()] };
    route::<OpenedSession, _, _>("open_session", description, Effect::Adds, arguments, open)
}

const RESUME: Argument = Argument::text(
    "resume",
    "The locator of a session of yours, from `list_sessions`: gives a new handle of that one and opens none. Not \
     together with `session`.",
    "must be a string: a locator as `list_sessions` returned it",
);

#[derive(Deserialize)]
struct Open {
    directory: Option<String>,
    resume: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct OpenedSession {
    /// The session's handle. Whoever has it can use the session.
    session: String,
    /// When the session ends if it is not used.
    expires_at: Time,
    /// When it ends in any case.
    ends_at: Time,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// The directory the session works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
}

impl OpenedSession {
    fn new(name: &SessionName, snapshot: &Snapshot, source: Source) -> Self {
        Self {
            session: name.expose(),
            expires_at: snapshot.expires_at().into(),
            ends_at: snapshot.ends_at.into(),
            source,
            working_directory: text(snapshot.working_directory.as_ref()),
        }
    }
}

async fn open(session: Session, arguments: Parameters<Open>) -> Result<Json<OpenedSession>, SessionError> {
    let Open { directory, resume } = arguments.0;
    let resumed = resume.map(|locator| own(&session, &locator)).transpose()?;
    let directory = match &directory {
        Some(path) => Some(existing(path).await?),
        None => None,
    };
    if let Some(resumed) = resumed {
        return promote(&resumed, directory).await.map(Json);
    }
    match promote(&session, directory.clone()).await {
        Err(SessionError::NoSession) => {
            let opened = session.open(placed(directory)).await?;
            Ok(Json(OpenedSession::new(&opened.name, &opened.session, Source::Opened)))
        }
        Err(SessionError::NotFound | SessionError::Expired { .. }) if session.source()? == Source::Connection => {
            promote(&session.reopened().await?, directory).await.map(Json)
        }
        promoted => promoted.map(Json),
    }
}

/// Gives a session another handle. It is loaded before, so that a handle is given only if it can be answered with.
async fn promote(session: &Session, directory: Option<Text>) -> Result<OpenedSession, SessionError> {
    let snapshot = session.load().await?;
    let (name, updated) = session.promote(placed(directory.clone())).await?;
    let mut opened = OpenedSession::new(&name, &snapshot, session.source()?);
    opened.expires_at = updated.expires_at.into();
    if directory.is_some() {
        opened.working_directory = text(directory.as_ref());
    }
    Ok(opened)
}

/// The change that sets this directory, if there is one.
fn placed(directory: Option<Text>) -> Change {
    directory.into_iter().fold(Change::new(), Change::working_directory)
}

/// The caller's session with this locator, in the place of the one that the call belongs to.
fn own(session: &Session, locator: &str) -> Result<Session, SessionError> {
    require_principal(session)?;
    if matches!(session.source(), Ok(Source::Handle) | Err(SessionError::InvalidHandle)) {
        return Err(RESUME.refuse("cannot go together with `session`: leave one of them out"));
    }
    session.own(parse(locator)?)
}

/// Reads a locator. One that looks like a locator and is none is a session that never was.
fn parse(locator: &str) -> Result<Locator, SessionError> {
    locator.parse().map_err(|_| {
        let is_plausible = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if locator.len() == LOCATOR_LEN && locator.bytes().all(is_plausible) {
            SessionError::NotFound
        } else {
            RESUME.refuse("must be a locator as `list_sessions` returned it; a handle is passed as `session` instead")
        }
    })
}

/// The length of every locator in characters.
const LOCATOR_LEN: usize = 22;
