//! Opens a session, or gives another handle of one.

use std::path::Path;

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session_core::{Change, Locator, Session as Snapshot, SessionName, StoreError};

use crate::error::SessionError;
use crate::project::{MAX_ATTEMPTS, Placement, Projects, lost_a_race};
use crate::session::Session;
use crate::source::Source;

use super::answer::{Time, source};
use super::argument::Argument;
use super::directory::{DIRECTORY, allowed};
use super::list::require_principal;
use super::place::{Place, in_words};
use super::project::{PROJECT, both};
use super::route::{Effect, route};

/// `lasts` says how long a session does.
pub(super) fn open_session<S: Send + Sync + 'static>(projects: &Projects, lasts: &str) -> ToolRoute<S> {
    let projects = projects.clone();
    let description = format!(
        "Opens a session, which keeps a working directory and small values, and returns its handle as `session`: pass \
         the handle on with every later call. Where the connection has a session already, returns a handle of that \
         one, which ends when the client closes the connection; `directory` or `project` replaces the one it works \
         in. {lasts}"
    );
    let arguments = const { &[DIRECTORY.optional(), PROJECT.optional(), RESUME.optional()] };
    let call = move |session: Session, arguments: Parameters<Open>| {
        let projects = projects.clone();
        async move { open(&projects, session, arguments.0).await }
    };
    route::<OpenedSession, _, _>("open_session", description, Effect::Adds, arguments, call)
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
    project: Option<String>,
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
    /// The directory the session works in. Left out if none was set, or if it is outside of the allowed roots by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
    /// False if the call names a directory or a project and nothing was changed, because that project's config file sets
    /// `dry_run`: what follows is where the session would work then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    changed: Option<bool>,
    /// What the call put the session into, if it did.
    #[serde(flatten)]
    place: Option<Place>,
}

impl OpenedSession {
    fn new(name: &SessionName, snapshot: &Snapshot, source: Source, working_directory: Option<String>) -> Self {
        Self {
            session: name.expose(),
            expires_at: snapshot.expires_at().into(),
            ends_at: snapshot.ends_at.into(),
            source,
            working_directory,
            changed: None,
            place: None,
        }
    }

    /// With where the session was put, or only would be.
    fn placed(self, placement: Placement, is_put: bool) -> Self {
        let there = placement.working_directory.as_deref().map(in_words);
        let working_directory = if is_put { there } else { self.working_directory };
        Self { working_directory, changed: Some(is_put), place: Some(placement.into()), ..self }
    }
}

async fn open(projects: &Projects, session: Session, asked: Open) -> Result<Json<OpenedSession>, SessionError> {
    let resumed = asked.resume.as_ref().map(|locator| own(&session, locator)).transpose()?;
    for attempt in 0..MAX_ATTEMPTS {
        let of = resumed.as_ref().unwrap_or(&session);
        let (placement, change) = placement(projects, of, &asked).await?.unzip();
        let change = change.flatten();
        let (is_put, change) = (change.is_some(), change.unwrap_or_default());
        let opened = match &resumed {
            Some(resumed) => promote(projects, resumed, change).await,
            None => open_or_promote(projects, &session, change).await,
        };
        match (opened, placement) {
            (Err(error), _) if lost_a_race(&error, attempt) => {}
            (Ok(opened), Some(placement)) => return Ok(Json(opened.placed(placement, is_put))),
            (opened, _) => return opened.map(Json),
        }
    }
    Err(StoreError::Conflict.into())
}

async fn open_or_promote(
    projects: &Projects,
    session: &Session,
    change: Change,
) -> Result<OpenedSession, SessionError> {
    match promote(projects, session, change.clone()).await {
        Err(SessionError::NoSession) => {
            let opened = session.open(change).await?;
            Ok(OpenedSession::new(&opened.name, &opened.session, Source::Opened, None))
        }
        Err(SessionError::NotFound | SessionError::Expired { .. }) if session.source()? == Source::Connection => {
            promote(projects, &session.reopened().await?, change).await
        }
        promoted => promoted,
    }
}

/// Gives a session another handle. It is loaded before, so that a handle is given only if it can be answered with.
async fn promote(projects: &Projects, session: &Session, change: Change) -> Result<OpenedSession, SessionError> {
    let snapshot = session.load().await?;
    let directory = allowed(projects, &snapshot).await;
    let (name, updated) = session.promote(change).await?;
    let mut opened = OpenedSession::new(&name, &snapshot, session.source()?, directory);
    opened.expires_at = updated.expires_at.into();
    Ok(opened)
}

/// Where the call puts the session, if it says so, and the change that does it, if it is to be done.
async fn placement(
    projects: &Projects,
    session: &Session,
    asked: &Open,
) -> Result<Option<(Placement, Option<Change>)>, SessionError> {
    match (&asked.directory, &asked.project) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(both()),
        (Some(directory), None) => projects.place(session, Path::new(directory)).await.map(Some),
        (None, Some(project)) => projects.place_in_project(session, project).await.map(Some),
    }
}

/// The caller's session with this locator, in the place of the one that the call belongs to.
fn own(session: &Session, locator: &str) -> Result<Session, SessionError> {
    require_principal(session)?;
    if matches!(session.source(), Ok(Source::Handle)) {
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
