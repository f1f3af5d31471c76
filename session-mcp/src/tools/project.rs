//! The project that a session works in.

use std::path::Path;

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::{Json, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::SessionError;
use crate::project::{KnownProject, Projects, Resolution, ResolvedBy, Switch, Target};
use crate::session::Session;
use crate::source::Source;

use super::answer::source;
use super::argument::Argument;
use super::directory::DIRECTORY;
use super::place::{Place, ProjectInfo, in_words};
use super::route::{Effect, route};

pub(super) fn get_project<S: Send + Sync + 'static>(projects: &Projects) -> ToolRoute<S> {
    let projects = projects.clone();
    route::<About, _, _>(
        "get_project",
        "Tells which project this call is about, who said so, and what was asked in vain: `project` if it is passed, \
         else the config file that the session's directory belongs to, else the configured tracker, else the configured \
         default. A session whose config file has changed is switched to what it says now, which `switched_from` tells.",
        Effect::Follows,
        const { &[PROJECT.optional()] },
        move |session: Session, arguments: Parameters<Asked>| {
            let projects = projects.clone();
            async move { get(&projects, session, arguments.0.project.as_deref()).await }
        },
    )
}

pub(super) fn auto_switch_project<S: Send + Sync + 'static>(projects: &Projects) -> ToolRoute<S> {
    let projects = projects.clone();
    route::<Destination, _, _>(
        "auto_switch_project",
        "Switches this session to another project: its directory, config file and id in one step. Pass the `project` by \
         name or id, or a `directory` of it; with neither, the project is the one of the session's own directory, as its \
         config file says now. With `dry_run` it tells what it would switch.",
        Effect::Replaces { idempotent: true },
        const { &[PROJECT.optional(), DIRECTORY.optional(), DRY_RUN.optional()] },
        move |session: Session, arguments: Parameters<Switching>| {
            let projects = projects.clone();
            async move { switch(&projects, session, arguments.0).await }
        },
    )
}

pub(super) fn list_projects<S: Send + Sync + 'static>(projects: &Projects) -> ToolRoute<S> {
    let projects = projects.clone();
    route::<Listed, _, _>(
        "list_projects",
        "Lists the projects that can be chosen by name or id: those that the server is configured with, those that were \
         worked in beneath its allowed roots, and this session's own.",
        Effect::Reads,
        const { &[CURSOR.optional()] },
        move |session: Session, arguments: Parameters<After>| {
            let projects = projects.clone();
            async move { list(&projects, session, arguments.0.cursor.as_deref()).await }
        },
    )
}

pub(super) const PROJECT: Argument = Argument::text(
    "project",
    "The name or the id of a project that `list_projects` returns.",
    "must be a string: the name or the id of a project",
);

/// What is to be said of a call that passes a project and a directory.
pub(super) fn both() -> SessionError {
    PROJECT.refuse("cannot go together with `directory`: leave one of them out")
}

const CURSOR: Argument = Argument::text(
    "cursor",
    "The `next_cursor` of the page before; without it, lists from the beginning.",
    "must be a string: the `next_cursor` that the page before returned",
);

/// How many projects a page has at most.
const PAGE_SIZE: usize = 50;

const DRY_RUN: Argument = Argument::flag(
    "dry_run",
    "Whether to tell only what would be switched. A project whose config file sets it is never switched to otherwise.",
    "must be true or false",
);

#[derive(Deserialize)]
struct Asked {
    project: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct About {
    /// The project.
    project: ProjectInfo,
    /// Who said so: the first of `argument`, `config`, `session`, `tracker` and `default` that could. With `_derived_id`
    /// behind it, the project has no id of its own, and the one here was derived from its directory.
    resolved_by: ResolvedBy,
    /// The directory that the session works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
    /// The id of the project that the session worked in before this call, if this call switched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    switched_from: Option<String>,
    /// Who was asked and could not tell, or what was passed over, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<String>,
    /// What to know about this before going on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// How the call reached its session, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "source")]
    source: Option<Source>,
}

async fn get(projects: &Projects, session: Session, project: Option<&str>) -> Result<Json<About>, SessionError> {
    let Resolution { project, resolved_by, working_directory, switched_from, skipped, warnings } =
        projects.resolve(&session, project).await?;
    Ok(Json(About {
        project: (&project).into(),
        resolved_by,
        working_directory: working_directory.as_deref().map(in_words),
        switched_from,
        skipped,
        warnings,
        source: session.source().ok(),
    }))
}

#[derive(Deserialize)]
struct Switching {
    project: Option<String>,
    directory: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct Destination {
    /// Whether the session was switched. False if `dry_run` says so, or if it was there already.
    switched: bool,
    /// Whether nothing was changed because the caller or the project's config file said so.
    dry_run: bool,
    /// The id of the project that the session worked in before, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    from: Option<String>,
    /// The directory that it worked in before, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    from_directory: Option<String>,
    /// The directory that the session works in now, or would. Left out for a project that has none here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
    /// Which project that is.
    #[serde(flatten)]
    place: Place,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
}

async fn switch(projects: &Projects, session: Session, asked: Switching) -> Result<Json<Destination>, SessionError> {
    let target = match (&asked.project, &asked.directory) {
        (Some(_), Some(_)) => return Err(both()),
        (Some(project), None) => Target::Project(project),
        (None, Some(directory)) => Target::Directory(Path::new(directory)),
        (None, None) => Target::Here,
    };
    let Switch { placement, from, from_directory, dry_run, updated } =
        projects.switch(&session, target, asked.dry_run.unwrap_or_default()).await?;
    Ok(Json(Destination {
        switched: updated.is_some(),
        dry_run,
        from,
        from_directory: from_directory.as_deref().map(in_words),
        working_directory: placement.working_directory.as_deref().map(in_words),
        place: placement.into(),
        source: session.source()?,
    }))
}

#[derive(Deserialize)]
struct After {
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// The projects of this page, by name.
    projects: Vec<Entry>,
    /// Where the next page begins: pass it as `cursor`. Left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Entry {
    #[serde(flatten)]
    project: ProjectInfo,
    /// True for the project that this session works in; left out for others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    current: bool,
}

async fn list(projects: &Projects, session: Session, after: Option<&str>) -> Result<Json<Listed>, SessionError> {
    let from = match after.map(str::parse::<usize>) {
        None => 0,
        Some(Ok(from)) => from,
        Some(Err(_)) => {
            return Err(CURSOR.refuse(
                "must be the `next_cursor` that `list_projects` returned; leave it out to list from the beginning",
            ));
        }
    };
    let known = projects.list(&session).await?;
    let next_cursor = (known.len() > from.saturating_add(PAGE_SIZE)).then(|| (from + PAGE_SIZE).to_string());
    let entry = |KnownProject { project, is_current }| Entry {
        project: ProjectInfo::without_description(&project),
        current: is_current,
    };
    Ok(Json(Listed { projects: known.into_iter().skip(from).take(PAGE_SIZE).map(entry).collect(), next_cursor }))
}
