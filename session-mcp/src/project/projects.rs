//! Finds projects, and switches sessions to them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::discovery::{Discovery, Finder, Freshness, Rules, Sighting};
use super::error::DirectoryError;
use super::known::registered_project;
use super::roots::Roots;
use super::settings::{InvalidProjects, ProjectSettings, RegisteredProject};
use super::tracker::{ProjectTracker, Tracked};
use super::workers::Workers;

/// Finds the project of a directory, and of a session, and switches sessions between projects.
///
/// What it finds it keeps, up to a limit, and looks each time whether it still holds: a config file that changes, goes,
/// or appears nearer to the directory counts from the next call on. Cloning it shares all of that.
///
/// ```
/// # use session_mcp::project::{ProjectSettings, Projects, Sighting};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let projects = Projects::new(&["/srv/checkouts".into()], &ProjectSettings::default())?;
/// let found = projects.find("/srv/checkouts/shop/src".as_ref()).await?;
/// match found.sighting {
///     Sighting::Config(found) => println!("{} in {}", found.config.name, found.root.display()),
///     Sighting::Invalid(why) => println!("{why}"),
///     Sighting::Nothing => println!("no project: {:?}", found.skipped),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Projects {
    finder: Finder,
    workers: Workers,
    registered: Arc<[RegisteredProject]>,
    /// What is said of the project of calls that nothing else says one of, and which of the registered it is.
    default: Option<(String, usize)>,
    tracker: Option<Arc<Tracked>>,
    /// Directories of projects that were found beneath the allowed roots.
    seen: Cache<PathBuf, ()>,
    /// Directories of projects that sessions left and kept, by the projects' ids.
    left: Cache<String, PathBuf>,
}

impl Projects {
    /// Finds projects beneath the allowed roots; with none, anywhere. Opens the roots and looks at the registered
    /// projects, on this thread.
    ///
    /// # Errors
    ///
    /// [`InvalidProjects`] says what to change.
    pub fn new(allowed_roots: &[PathBuf], settings: &ProjectSettings) -> Result<Self, InvalidProjects> {
        settings.check()?;
        let roots = Roots::open(allowed_roots).map_err(|(path, source)| InvalidProjects::Root { path, source })?;
        let tracker = settings.tracker.as_ref().map(Tracked::configured).transpose()?.map(Arc::new);
        let mut projects = Self::over(roots, settings, tracker);
        projects.default = settings.default.as_ref().map(|default| projects.default_of(default)).transpose()?;
        Ok(projects)
    }

    fn over(roots: Roots, settings: &ProjectSettings, tracker: Option<Arc<Tracked>>) -> Self {
        let rules = Rules {
            names: settings.config_names.clone(),
            levels: settings.max_levels,
            cross_mounts: settings.cross_mounts,
            home: settings.home().and_then(|home| home.canonicalize().ok()),
        };
        Self {
            finder: Finder::new(roots, rules),
            workers: Workers::new(),
            registered: settings.registered.clone().into(),
            default: None,
            tracker,
            seen: Cache::builder().max_capacity(MAX_SEEN).eviction_policy(EvictionPolicy::lru()).build(),
            left: Cache::builder().max_capacity(MAX_SEEN).eviction_policy(EvictionPolicy::lru()).build(),
        }
    }

    fn default_of(&self, default: &str) -> Result<(String, usize), InvalidProjects> {
        let is_meant = |registered: &RegisteredProject| {
            let project = registered_project(registered, |root| self.find_blocking(root));
            project.is_ok_and(|project| project.is_some_and(|project| project.is_meant_by(default)))
        };
        let mut meant = self.registered.iter().enumerate().filter(|(_, registered)| is_meant(registered));
        match (meant.next(), meant.next()) {
            (None, _) => Err(InvalidProjects::Default),
            (Some((index, _)), None) => Ok((default.to_owned(), index)),
            (Some(_), Some(_)) => Err(InvalidProjects::AmbiguousDefault),
        }
    }

    /// Asks this one which project is being worked on, where neither a call nor its session says so. It has two seconds
    /// for an answer, which is kept for half a minute.
    #[must_use]
    pub fn with_tracker(self, tracker: impl ProjectTracker + 'static) -> Self {
        Self { tracker: Some(Arc::new(Tracked::new(Arc::new(tracker)))), ..self }
    }

    /// Finds the config file that a directory belongs to, and says what was passed over. Everything is looked at now,
    /// off the async threads.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if a session could not work in the directory.
    pub async fn find(&self, directory: &Path) -> Result<Discovery, DirectoryError> {
        self.look(directory, Freshness::Now).await
    }

    /// As [`find`](Self::find), on this thread, which waits for the file system as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn find_blocking(&self, directory: &Path) -> Result<Discovery, DirectoryError> {
        self.find_now_or_recently(directory, Freshness::Now)
    }

    /// Opens a directory as a capability: whoever has it reaches what is in it, and nothing outside of it. Also returns
    /// its canonical path.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if a session could not work in the directory.
    pub async fn open(&self, directory: &Path) -> Result<(PathBuf, Dir), DirectoryError> {
        let (finder, path) = (self.finder.clone(), directory.to_owned());
        self.workers.run(directory, move || finder.roots().directory(&path)).await
    }

    /// Whether directories have to be beneath allowed roots.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.finder.roots().is_confined()
    }

    pub(super) async fn look(&self, directory: &Path, freshness: Freshness) -> Result<Discovery, DirectoryError> {
        let (projects, path) = (self.clone(), directory.to_owned());
        self.workers.run(directory, move || projects.find_now_or_recently(&path, freshness)).await
    }

    fn find_now_or_recently(&self, directory: &Path, freshness: Freshness) -> Result<Discovery, DirectoryError> {
        let discovery = self.finder.find(directory, freshness)?;
        if let Sighting::Config(found) = &discovery.sighting
            && self.is_confined()
            && !self.seen.contains_key(&found.root)
        {
            self.seen.insert(found.root.clone(), ());
        }
        Ok(discovery)
    }

    /// The directories of projects that were found beneath the allowed roots, and may have gone since.
    pub(super) fn seen(&self) -> Vec<PathBuf> {
        self.seen.iter().map(|(root, ())| PathBuf::clone(&root)).collect()
    }

    /// Forgets a directory that has no project any more.
    pub(super) fn forget(&self, root: &Path) {
        self.seen.invalidate(root);
    }

    /// The directory of a project that a session left and kept.
    pub(super) fn left(&self, id: &str) -> Option<PathBuf> {
        self.left.get(id)
    }

    pub(super) fn remember_left(&self, id: &str, root: &Path) {
        self.left.insert(id.to_owned(), root.to_owned());
    }

    pub(super) fn registered(&self) -> &[RegisteredProject] {
        &self.registered
    }

    /// What is said of the project of calls that nothing else says one of, and where that is registered.
    pub(super) fn default_project(&self) -> Option<(&str, &RegisteredProject)> {
        let (said, index) = self.default.as_ref()?;
        Some((said, self.registered.get(*index)?))
    }

    pub(super) fn tracker(&self) -> Option<&Tracked> {
        self.tracker.as_deref()
    }

    /// Whether a path is what a config file in this directory would be called.
    pub(super) fn is_config_of(&self, directory: &Path, path: &Path) -> bool {
        path.strip_prefix(directory).is_ok_and(|name| self.finder.names().iter().any(|known| known == name))
    }
}

impl Default for Projects {
    /// Finds projects anywhere. If not even `/` can be opened, it finds none.
    fn default() -> Self {
        let settings = ProjectSettings::default();
        Self::new(&[], &settings).unwrap_or_else(|_| Self::over(Roots::nowhere(), &settings, None))
    }
}

impl fmt::Debug for Projects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projects").field("finder", &self.finder).finish_non_exhaustive()
    }
}

/// How many projects are remembered to have been seen.
const MAX_SEEN: u64 = 1000;
