//! The caller's own sessions.

use std::num::NonZeroU32;

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session_core::{Error, Locator, Owner, Page, StoreError, Summary};

use crate::error::SessionError;
use crate::session::Session;

use super::answer::{Time, count, text};
use super::argument::Argument;
use super::route::{Effect, route};

pub(super) fn list_sessions<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<Listed, _, _>(
        "list_sessions",
        "Lists your sessions, for authenticated callers. A handle for one of them is given by `open_session` with its \
         locator as `resume`.",
        Effect::Reads,
        const { &[CURSOR.optional()] },
        list,
    )
}

/// Refuses callers who have no sessions of their own: all anonymous ones would otherwise be one.
pub(super) fn require_principal(session: &Session) -> Result<(), SessionError> {
    match session.owner() {
        Owner::Anonymous => Err(StoreError::OwnerRequired.into()),
        Owner::Principal(_) => Ok(()),
    }
}

const CURSOR: Argument = Argument::text(
    "cursor",
    "The `next_cursor` of the page before; without it, lists from the beginning.",
    "must be a string: the `next_cursor` that the page before returned",
);

/// How many sessions a page has at most.
const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(50).expect("50 is not 0");

#[derive(Deserialize)]
struct After {
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// The sessions of this page, which can be none before the end.
    sessions: Vec<Entry>,
    /// Where the next page begins: pass it as `cursor`. Left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Entry {
    /// Which session it is. It is no handle.
    locator: String,
    /// True for the session that this call belongs to; left out for others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    current: bool,
    /// The directory the session works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
    /// The project's config file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    config_path: Option<String>,
    /// The project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    project_id: Option<String>,
    /// When the session was created.
    created_at: Time,
    /// When it was last used.
    last_used: Time,
    /// When it ends if it is not used.
    expires_at: Time,
    /// When it ends in any case.
    ends_at: Time,
    /// How often it was changed, from 1.
    #[schemars(schema_with = "count::<1>")]
    version: u64,
}

impl Entry {
    fn new(summary: &Summary, current: Option<Locator>) -> Self {
        Self {
            locator: summary.locator.to_string(),
            current: current == Some(summary.locator),
            working_directory: text(summary.working_directory.as_ref()),
            config_path: text(summary.config_path.as_ref()),
            project_id: text(summary.project_id.as_ref()),
            created_at: summary.created_at.into(),
            last_used: summary.last_used.into(),
            expires_at: summary.expires_at.into(),
            ends_at: summary.ends_at.into(),
            version: summary.version.get(),
        }
    }
}

async fn list(session: Session, arguments: Parameters<After>) -> Result<Json<Listed>, SessionError> {
    require_principal(&session)?;
    let after = arguments.0.cursor.map(|cursor| cursor.parse()).transpose().map_err(of_the_cursor)?;
    let current = current(&session).await?;
    let page = Page { after, size: PAGE_SIZE };
    let listing = session.list(page).await.map_err(of_the_cursor)?;
    Ok(Json(Listed {
        sessions: listing.sessions.iter().map(|summary| Entry::new(summary, current)).collect(),
        next_cursor: listing.next.map(|cursor| cursor.as_str().to_owned()),
    }))
}

/// The session that the call belongs to, if there is one. One that has ended takes nobody's list away.
async fn current(session: &Session) -> Result<Option<Locator>, SessionError> {
    match session.load().await {
        Ok(snapshot) => Ok(Some(snapshot.locator)),
        Err(SessionError::NoSession | SessionError::NotFound | SessionError::Expired { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says which argument it is that is no place in the list.
fn of_the_cursor(error: impl Into<SessionError>) -> SessionError {
    match error.into() {
        SessionError::Manager(Error::Store(StoreError::InvalidCursor)) => CURSOR
            .refuse("must be the `next_cursor` that `list_sessions` returned; leave it out to list from the beginning"),
        error => error,
    }
}
