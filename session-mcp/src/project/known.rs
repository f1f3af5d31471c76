//! The projects that can be chosen by name.

use std::path::Path;

use futures_util::future::join_all;
use session_core::Session as Snapshot;

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::discovery::{Discovery, Freshness, Sighting};
use super::error::{DirectoryError, ProjectError};
use super::identity::Project;
use super::placement::{Placement, project_of};
use super::projects::Projects;
use super::settings::RegisteredProject;

/// A project that can be chosen by name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KnownProject {
    /// The project.
    pub project: Project,
    /// Whether the session works in it.
    pub is_current: bool,
}

impl Projects {
    /// The projects that a call can choose by name or id: those that are registered, those that somebody worked in
    /// beneath the allowed roots since the server began, and the session's own. Where no roots are set, what others
    /// worked in is nobody else's affair.
    ///
    /// No folder is searched for projects. They are in the order of their names. One whose directory does not answer, or
    /// whose config file cannot be used, is left out until it does.
    ///
    /// # Errors
    ///
    /// What loading the session refuses, if there is one.
    pub async fn list(&self, session: &Session) -> Result<Vec<KnownProject>, SessionError> {
        let mut projects = self.known().await;
        let own = match own(session).await? {
            Some(snapshot) => self.project_of_session(&snapshot, &projects).await,
            None => None,
        };
        projects.extend(own.clone());
        projects.sort_by(|one, other| (&one.name, &one.root, &one.id).cmp(&(&other.name, &other.root, &other.id)));
        projects.dedup();
        let known = projects.into_iter().map(|project| {
            let is_current = own.as_ref() == Some(&project);
            KnownProject { project, is_current }
        });
        Ok(known.collect())
    }

    /// The project that a name or an id means. Where that is one project in several directories, none of them is chosen.
    pub(super) async fn meant(&self, session: &Session, said: &str) -> Result<Project, SessionError> {
        let meant = self.all_meant(session, said).await?;
        match &*meant {
            [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|other| other.id == first.id) => {
                Ok(Project { root: None, config_path: None, ..first.clone() })
            }
            _ => one(meant),
        }
    }

    /// The project, and the directory, that a name or an id means.
    pub(super) async fn one_meant(&self, session: &Session, said: &str) -> Result<Project, SessionError> {
        one(self.all_meant(session, said).await?)
    }

    /// All that a name or an id means. Of one project in several directories, that of the session's own is meant.
    async fn all_meant(&self, session: &Session, said: &str) -> Result<Vec<Project>, SessionError> {
        let mut known = self.list(session).await?;
        known.retain(|known| known.project.is_meant_by(said));
        let current = known.iter().find(|known| known.is_current).map(|known| known.project.clone());
        let projects = known.into_iter().map(|known| known.project);
        Ok(match current {
            Some(current) => projects.filter(|other| *other == current || other.id != current.id).collect(),
            None => projects.collect(),
        })
    }

    /// The project of an id that a session in this directory has: with all that is known of it, if that is one thing.
    pub(super) async fn by_id(&self, id: &str, directory: Option<&Path>) -> Project {
        among(&self.known().await, id, directory)
    }

    /// The project that a session works in, as its directory has it.
    async fn project_of_session(&self, session: &Snapshot, known: &[Project]) -> Option<Project> {
        let id = project_of(session)?;
        let directory = session.working_directory.as_ref().map(session_core::Text::as_path);
        if let Some(directory) = directory
            && let Ok(discovery) = self.look(directory, Freshness::Now).await
            && let Some(project) = Placement::in_directory(discovery).project
            && project.id == id
        {
            return Some(project);
        }
        Some(among(known, id, directory))
    }

    /// The registered project of calls that nothing else says one of, if there is such a project now.
    ///
    /// # Errors
    ///
    /// [`ProjectError::Root`], [`ProjectError::Config`].
    pub(super) async fn default_now(&self) -> Result<Option<Project>, ProjectError> {
        match self.default_project() {
            Some(default) => self.registered_now(default).await,
            None => Ok(None),
        }
    }

    /// The projects that are registered or were seen, as far as they can be looked at.
    async fn known(&self) -> Vec<Project> {
        let registered = join_all(self.registered().iter().map(|registered| self.registered_now(registered)));
        let seen = self.seen();
        let seen = join_all(seen.iter().map(|root| self.seen_now(root)));
        let (registered, seen) = (registered.await, seen.await);
        let mut known: Vec<_> = registered.into_iter().filter_map(|project| project.ok().flatten()).collect();
        known.extend(seen.into_iter().flatten());
        known
    }

    async fn registered_now(&self, registered: &RegisteredProject) -> Result<Option<Project>, ProjectError> {
        let discovery = match &registered.root {
            Some(root) => Some(self.look(root, Freshness::Now).await.map_err(ProjectError::Root)?),
            None => None,
        };
        registered_project(registered, |_| discovery.ok_or(DirectoryError::Missing))
    }

    async fn seen_now(&self, root: &Path) -> Option<Project> {
        match self.look(root, Freshness::Now).await {
            Ok(Discovery { sighting: Sighting::Config(found), .. }) if found.root == root => Some(Project::of(&found)),
            // It may be corrected, or answer again, and is none until then.
            Ok(Discovery { sighting: Sighting::Invalid(_), .. }) | Err(DirectoryError::Slow) => None,
            Ok(_) | Err(_) => {
                self.forget(root);
                None
            }
        }
    }
}

/// The project that is registered, where `find` looks at its directory. A directory in somebody else's project is one of
/// its own.
///
/// # Errors
///
/// [`ProjectError::Root`], [`ProjectError::Config`].
pub(super) fn registered_project(
    registered: &RegisteredProject,
    find: impl FnOnce(&Path) -> Result<Discovery, DirectoryError>,
) -> Result<Option<Project>, ProjectError> {
    match (&registered.root, &registered.id) {
        (Some(root), _) => {
            let Discovery { directory, sighting, .. } = find(root).map_err(ProjectError::Root)?;
            match sighting {
                Sighting::Config(found) if found.root == directory => Ok(Some(Project::of(&found))),
                Sighting::Invalid(invalid) if invalid.path.starts_with(&directory) => {
                    Err(ProjectError::Config(invalid))
                }
                _ => Ok(Some(Project::of_directory(&directory))),
            }
        }
        (None, Some(id)) => Ok(Some(Project::elsewhere(id, registered.name.clone()))),
        (None, None) => Ok(None),
    }
}

/// The call's session, if it has one. A connection whose own session has ended has none.
pub(super) async fn own(session: &Session) -> Result<Option<Snapshot>, SessionError> {
    match session.load().await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(SessionError::NoSession) => Ok(None),
        Err(SessionError::NotFound | SessionError::Expired { .. })
            if matches!(session.source(), Ok(Source::Connection)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The project of an id: the one in this directory, else the only one.
fn among(known: &[Project], id: &str, directory: Option<&Path>) -> Project {
    let mut of_id: Vec<&Project> = known.iter().filter(|project| project.id == id).collect();
    of_id.dedup();
    let here = of_id.iter().find(|project| project.root.is_some() && project.root.as_deref() == directory);
    match (here, &*of_id) {
        (Some(here), _) => Project::clone(here),
        (None, [only]) => Project::clone(only),
        (None, []) => Project::elsewhere(id, None),
        (None, [first, ..]) => Project { root: None, config_path: None, ..Project::clone(first) },
    }
}

/// The one that is meant.
fn one(mut meant: Vec<Project>) -> Result<Project, SessionError> {
    match (meant.pop(), meant.is_empty()) {
        (None, _) => Err(ProjectError::Unknown.into()),
        (Some(project), true) => Ok(project),
        (Some(project), false) => {
            meant.push(project);
            let more = meant.len().saturating_sub(MAX_CANDIDATES);
            let mut candidates: Vec<_> = meant.iter().take(MAX_CANDIDATES).map(Project::in_words).collect();
            if more > 0 {
                candidates.push(format!("and {more} more"));
            }
            Err(ProjectError::Ambiguous { candidates }.into())
        }
    }
}

/// How many projects an error names.
const MAX_CANDIDATES: usize = 8;
