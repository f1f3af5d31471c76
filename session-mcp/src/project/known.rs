//! The projects that can be chosen by name.

use std::path::Path;

use futures_util::future::join_all;
use session_core::Session as Snapshot;

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::discovery::{Discovery, Freshness, Sighting};
use super::error::{DirectoryError, ProjectError};
use super::identity::{Project, is_derived};
use super::placement::{Placement, project_of};
use super::projects::Projects;
use super::settings::RegisteredProject;
use super::shown::shown;

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
    /// No folder is searched for projects. They are in the order of their names. One whose directory does not answer,
    /// or whose config file cannot be used, is left out until it does; whoever chooses by a name that it may have is
    /// told.
    ///
    /// # Errors
    ///
    /// What loading the session refuses, if there is one.
    pub async fn list(&self, session: &Session) -> Result<Vec<KnownProject>, SessionError> {
        Ok(self.choosable(session).await?.0)
    }

    /// Those that can be chosen, and what is registered and cannot be looked at, in words.
    async fn choosable(&self, session: &Session) -> Result<(Vec<KnownProject>, Vec<String>), SessionError> {
        let (mut projects, unseen) = self.known().await;
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
        Ok((known.collect(), unseen))
    }

    /// The project that a name or an id means, with what to know about that. Where it is one project in several
    /// directories, none of them is chosen.
    pub(super) async fn meant(&self, session: &Session, said: &str) -> Result<(Project, Vec<String>), SessionError> {
        let (mut meant, unseen) = self.all_meant(session, said).await?;
        if let [first, rest @ ..] = &mut *meant
            && !rest.is_empty()
            && rest.iter().all(|other| other.id == first.id)
        {
            (first.root, first.config_path) = (None, None);
            meant.truncate(1);
        }
        one(meant, unseen)
    }

    /// The project, and the directory, that a name or an id means, with what to know about that.
    pub(super) async fn one_meant(
        &self,
        session: &Session,
        said: &str,
    ) -> Result<(Project, Vec<String>), SessionError> {
        let (meant, unseen) = self.all_meant(session, said).await?;
        one(meant, unseen)
    }

    /// All that a name or an id means, of one project in several directories that of the session's own; and what might
    /// be meant, too, and cannot be looked at.
    async fn all_meant(&self, session: &Session, said: &str) -> Result<(Vec<Project>, Vec<String>), SessionError> {
        let (mut known, unseen) = self.choosable(session).await?;
        known.retain(|known| known.project.is_meant_by(said));
        let current = known.iter().find(|known| known.is_current).map(|known| known.project.clone());
        let projects = known.into_iter().map(|known| known.project);
        let meant = match current {
            Some(current) => projects.filter(|other| *other == current || other.id != current.id).collect(),
            None => projects.collect(),
        };
        Ok((meant, unseen))
    }

    /// The project of an id that a session in this directory has: with all that is known of it, if that is one thing.
    pub(super) async fn by_id(&self, id: &str, directory: Option<&Path>) -> Project {
        self.of_id(&self.known().await.0, id, directory).await
    }

    /// The project that a session keeps while it leaves the project's directory: where that is is remembered, since
    /// nothing else will say it.
    pub(super) async fn kept(&self, session: &Snapshot) -> Option<Project> {
        let project = self.project_of_session(session, &self.known().await.0).await?;
        if let Some(root) = &project.root {
            self.remember_left(&project.id, root);
        }
        Some(project)
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
        Some(self.of_id(known, id, directory).await)
    }

    /// The project of an id: one that is known, else what is where a session left it.
    async fn of_id(&self, known: &[Project], id: &str, directory: Option<&Path>) -> Project {
        if let Some(project) = among(known, id, directory) {
            return project;
        }
        let left = self.left(id);
        if let Some(root) = &left
            && let Some(project) = self.seen_now(root).await.filter(|project| project.id == id)
        {
            return project;
        }
        let mut roots = left.as_deref().into_iter().chain(directory.into_iter().flat_map(Path::ancestors));
        Project { is_id_derived: roots.any(|root| is_derived(id, root)), ..Project::elsewhere(id, None) }
    }

    /// The registered project of calls that nothing else says one of, as long as it is what the settings mean.
    ///
    /// # Errors
    ///
    /// [`NoDefault`].
    pub(super) async fn default_now(&self) -> Result<Project, NoDefault> {
        let (said, registered) = self.default_project().ok_or(NoDefault::Unset)?;
        let project = self.registered_now(registered).await.map_err(NoDefault::Unusable)?;
        project.filter(|project| project.is_meant_by(said)).ok_or(NoDefault::Renamed)
    }

    /// The projects that are registered or were seen, as far as they can be looked at, and the registered ones that
    /// cannot, in words.
    async fn known(&self) -> (Vec<Project>, Vec<String>) {
        let registered = join_all(self.registered().iter().map(|registered| self.registered_now(registered)));
        let seen = self.seen();
        let seen = join_all(seen.iter().map(|root| self.seen_now(root)));
        let (registered, seen) = (registered.await, seen.await);
        let (mut known, mut unseen) = (Vec::new(), Vec::new());
        for (project, registered) in registered.into_iter().zip(self.registered()) {
            match project {
                Ok(project) => known.extend(project),
                Err(error) => {
                    let root = registered.root.as_deref().map(shown).unwrap_or_default();
                    unseen.push(match error {
                        ProjectError::Root(error) => format!("the registered directory {root} {error}"),
                        error => format!("the registered project in {root} has no name that can be read: {error}"),
                    });
                }
            }
        }
        known.extend(seen.into_iter().flatten());
        (known, unseen)
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

/// Why there is no default.
#[derive(Debug)]
pub(super) enum NoDefault {
    /// None is configured.
    Unset,
    /// What is registered is not called what the settings say any more.
    Renamed,
    /// It cannot be looked at.
    Unusable(ProjectError),
}

/// The project that is registered, where `find` looks at its directory. A directory in somebody else's project is one
/// of its own.
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

/// The project of an id, if it is known: the one in this directory, else the only one.
fn among(known: &[Project], id: &str, directory: Option<&Path>) -> Option<Project> {
    let mut of_id: Vec<&Project> = known.iter().filter(|project| project.id == id).collect();
    of_id.dedup();
    let here = of_id.iter().find(|project| project.root.is_some() && project.root.as_deref() == directory);
    match (here, &*of_id) {
        (Some(here), _) => Some(Project::clone(here)),
        (None, [only]) => Some(Project::clone(only)),
        (None, []) => None,
        (None, [first, ..]) => Some(Project { root: None, config_path: None, ..Project::clone(first) }),
    }
}

/// The one that is meant, with a warning of each that might be, too.
fn one(mut meant: Vec<Project>, unseen: Vec<String>) -> Result<(Project, Vec<String>), SessionError> {
    match (meant.pop(), meant.is_empty()) {
        (None, _) => Err(ProjectError::Unknown { unseen }.into()),
        (Some(project), true) => {
            let warn = |unseen| format!("whether another project is called that, too, is not known: {unseen}");
            Ok((project, unseen.into_iter().map(warn).collect()))
        }
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
