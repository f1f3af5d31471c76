//! What follows for a session from what its directory's config file says now.

use std::path::Path;

use session_core::{Session as Snapshot, Text};

use super::discovery::{Discovery, Sighting};
use super::error::ProjectError;
use super::placement::{Placement, project_of};
use super::shown::shown;

/// What follows for a session.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It works where it should.
    Stays,
    /// It has to be switched to what the config file says now, which is this to somebody who did not know.
    Switches(Vec<String>),
    /// It keeps its project: the directory says none, or another that it is not switched to for this reason.
    Keeps(String, Option<String>),
    /// Neither it nor its directory says a project, for this reason.
    Nothing(String),
    /// The same, and nobody else is to be asked: the directory's project is strict.
    Refused(String),
}

/// Where a session's directory puts it now.
///
/// # Errors
///
/// [`ProjectError::Config`] if the config file cannot be used. [`ProjectError::Gone`] if the one that the session came
/// to its project by is not there, whatever is further up: `is_config_of` tells whether a directory can hold it.
pub(super) fn now(
    session: &Snapshot,
    discovery: Discovery,
    is_config_of: impl FnOnce(&Path, &Path) -> bool,
) -> Result<Placement, ProjectError> {
    let gone = session.config_path.as_ref().map(Text::as_path).filter(|_| project_of(session).is_some());
    let is_gone = |config_path: &Path| match &discovery.sighting {
        Sighting::Invalid(_) => false,
        Sighting::Nothing => true,
        Sighting::Config(found) => {
            found.path != config_path && config_path.starts_with(&found.root) && !is_config_of(&found.root, config_path)
        }
    };
    match (&discovery.sighting, gone) {
        (Sighting::Invalid(invalid), _) => Err(ProjectError::Config(invalid.clone())),
        (_, Some(config_path)) if is_gone(config_path) => {
            Err(ProjectError::Gone { config_path: config_path.to_owned() })
        }
        _ => Ok(Placement::in_directory(discovery)),
    }
}

/// # Errors
///
/// [`ProjectError::Mismatch`].
pub(super) fn verdict(session: &Snapshot, placement: &Placement) -> Result<Verdict, ProjectError> {
    let pinned = project_of(session);
    let Some(found) = &placement.project else {
        return Ok(match pinned {
            Some(id) => Verdict::Keeps(id.to_owned(), None),
            None => Verdict::Nothing("there is none in the working directory or above it".to_owned()),
        });
    };
    if placement.is_of(session) {
        return Ok(Verdict::Stays);
    }
    let rules = placement.rules;
    let other = pinned.filter(|id| **id != found.id);
    if let (Some(pinned), true, Some(config_path)) = (other, rules.strict_mode, &placement.config_path) {
        let (pinned, found) = (pinned.to_owned(), found.id.clone());
        return Err(ProjectError::Mismatch { pinned, found, config_path: config_path.clone() });
    }
    let refusal = match rules {
        rules if rules.dry_run => "dry_run is set",
        rules if !rules.auto_switch => "auto_switch is off",
        _ => return Ok(Verdict::Switches(moves(session, placement))),
    };
    let why = placement.not_switched(refusal);
    Ok(match pinned {
        Some(id) if id == found.id => Verdict::Stays,
        Some(id) => Verdict::Keeps(id.to_owned(), Some(why)),
        None if rules.strict_mode => Verdict::Refused(why),
        None => Verdict::Nothing(why),
    })
}

/// What moves besides the project's id, in words.
fn moves(session: &Snapshot, placement: &Placement) -> Vec<String> {
    let fields = [
        ("working directory", &session.working_directory, &placement.working_directory),
        ("config file", &session.config_path, &placement.config_path),
    ];
    let moved = fields.into_iter().filter_map(|(what, before, now)| {
        let (before, now) = (before.as_ref()?.as_path(), now.as_deref()?);
        (before != now).then(|| format!("the session's {what} was {} and is {} now", shown(before), shown(now)))
    });
    moved.collect()
}
