//! The directory that a session works in.

use std::path::Path;

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session_core::Session as Snapshot;

use crate::error::SessionError;
use crate::project::{DirectoryError, Outcome, Placed, ProjectError, Projects};
use crate::session::Session;
use crate::source::Source;

use super::answer::{Time, source, text};
use super::argument::Argument;
use super::place::{Place, in_words};
use super::route::{Effect, route};

pub(super) fn set_working_directory<S: Send + Sync + 'static>(projects: &Projects) -> ToolRoute<S> {
    let projects = projects.clone();
    route::<SetDirectory, _, _>(
        "set_working_directory",
        "Sets the directory that this session works in, and the project that the directory belongs to, in the place of \
         those before. The project is what a config file in the directory or above it says; look at `project_info` and \
         `warnings`. Where there is no session yet, opens one and returns its handle as `session`: pass it on with \
         every later call.",
        Effect::Replaces { idempotent: false },
        &[DIRECTORY],
        move |session: Session, arguments: Parameters<InDirectory>| {
            let projects = projects.clone();
            async move { set(&projects, session, &arguments.0.directory).await }
        },
    )
}

pub(super) fn get_working_directory<S: Send + Sync + 'static>(projects: &Projects) -> ToolRoute<S> {
    let projects = projects.clone();
    route::<WorksIn, _, _>(
        "get_working_directory",
        "Tells which directory this session works in; null if none was set.",
        Effect::Reads,
        &[],
        move |session: Session| {
            let projects = projects.clone();
            async move { get(&projects, session).await }
        },
    )
}

pub(super) const DIRECTORY: Argument = Argument::text(
    "directory",
    "An absolute path of an existing directory.",
    "must be a string: the absolute path of a directory, such as `/home/me/project`",
);

#[derive(Deserialize)]
struct InDirectory {
    directory: String,
}

#[derive(Serialize, JsonSchema)]
struct SetDirectory {
    /// The directory the session works in from now on: its canonical path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
    /// Which project that is.
    #[serde(flatten)]
    place: Place,
    /// False if nothing was changed, because the project's config file sets `dry_run`.
    changed: bool,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    set_at: Option<Time>,
    /// The session's handle: the one that the call brought, or that of the session that was opened for it. Left out for
    /// the connection's own session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    session: Option<String>,
    /// How the call reached the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "source")]
    source: Option<Source>,
    /// When the session ends if it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    expires_at: Option<Time>,
}

async fn set(projects: &Projects, session: Session, directory: &str) -> Result<Json<SetDirectory>, SessionError> {
    let Placed { placement, outcome } = projects.set_working_directory(&session, Path::new(directory)).await?;
    let (source, handle, times) = match &outcome {
        Outcome::Opened(opened) => {
            let times = (opened.session.created_at, opened.session.expires_at());
            (Some(Source::Opened), Some(opened.name.expose()), Some(times))
        }
        Outcome::Updated(updated) => {
            (Some(session.source()?), session.handle(), Some((updated.at, updated.expires_at)))
        }
        Outcome::Unchanged => (session.source().ok(), session.handle(), None),
    };
    Ok(Json(SetDirectory {
        working_directory: placement.working_directory.as_deref().map(in_words),
        place: placement.into(),
        changed: times.is_some(),
        set_at: times.map(|(at, _)| at.into()),
        session: handle,
        source,
        expires_at: times.map(|(_, expires_at)| expires_at.into()),
    }))
}

#[derive(Serialize, JsonSchema)]
struct WorksIn {
    /// The directory the session works in; null if none was set.
    working_directory: Option<String>,
    /// What is the matter with it, if it cannot be worked in at present.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// When the session ends if it is not used.
    expires_at: Time,
}

/// The directory that a session works in, for answers that say it beside other things. One outside of the allowed roots
/// is left out: `get_working_directory` says what is the matter.
pub(super) async fn allowed(projects: &Projects, session: &Snapshot) -> Option<String> {
    let directory = session.working_directory.as_ref()?;
    let is_outside = projects.is_confined()
        && matches!(projects.open(directory.as_path()).await, Err(DirectoryError::Outside { .. }));
    (!is_outside).then(|| directory.as_str().to_owned())
}

async fn get(projects: &Projects, session: Session) -> Result<Json<WorksIn>, SessionError> {
    let snapshot = session.load().await?;
    let mut warnings = Vec::new();
    if let Some(directory) = &snapshot.working_directory
        && let Err(error) = projects.open(directory.as_path()).await
    {
        let is_outside = matches!(error, DirectoryError::Outside { .. });
        let error = ProjectError::WorkingDirectory(error);
        if is_outside {
            return Err(error.into());
        }
        warnings.push(error.to_string());
    }
    Ok(Json(WorksIn {
        working_directory: text(snapshot.working_directory.as_ref()),
        warnings,
        source: session.source()?,
        expires_at: snapshot.expires_at().into(),
    }))
}
