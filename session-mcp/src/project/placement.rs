//! What a session's directory makes of the session.

use std::path::PathBuf;

use session_core::{Change, Edit, Session as Snapshot, Text};

use super::config::ProjectConfig;
use super::discovery::{Discovery, Sighting, Skipped};
use super::error::{DirectoryError, ProjectError};
use super::identity::{Project, ResolvedBy, Tier};
use super::shown::shown;

/// Where a session is to work: a directory, and the project that it belongs to. It is one change of the record, so that
/// no call ever sees the directory of one project and the id of another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Placement {
    /// The canonical directory; `None` for a project that has none here.
    pub working_directory: Option<PathBuf>,
    /// The config file, also one that cannot be used.
    pub config_path: Option<PathBuf>,
    /// The project, if there is one.
    pub project: Option<Project>,
    /// Who said so, if there is one.
    pub resolved_by: Option<ResolvedBy>,
    /// What was passed over, and where the search stopped.
    pub skipped: Vec<Skipped>,
    /// What the caller should know, in words.
    pub warnings: Vec<String>,
    /// How the project wants to be switched to.
    pub(super) rules: SwitchRules,
}

/// What a project's config file says of switching to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SwitchRules {
    pub(super) auto_switch: bool,
    pub(super) strict_mode: bool,
    pub(super) dry_run: bool,
}

impl SwitchRules {
    /// Those of a project that has none of its own.
    const FREE: Self = Self { auto_switch: true, strict_mode: false, dry_run: false };

    fn of(config: &ProjectConfig) -> Self {
        Self { auto_switch: config.auto_switch, strict_mode: config.strict_mode, dry_run: config.dry_run }
    }
}

impl Placement {
    /// Where a session comes to work that is given a directory. Without a usable config file it has no project: the one
    /// it had before belongs to another directory.
    pub(super) fn in_directory(discovery: Discovery) -> Self {
        let Discovery { directory, sighting, skipped, .. } = discovery;
        let mut placement = Self {
            working_directory: Some(directory),
            config_path: None,
            project: None,
            resolved_by: None,
            skipped,
            warnings: Vec::new(),
            rules: SwitchRules::FREE,
        };
        match sighting {
            Sighting::Nothing => {
                placement.warnings.push("there is no config file for this directory, so it has no project".to_owned());
            }
            Sighting::Config(found) => {
                placement.rules = SwitchRules::of(&found.config);
                placement.config_path = Some(found.path.clone());
                placement.warnings.extend_from_slice(&found.warnings);
                placement.take(Project::of(&found), Tier::Config);
            }
            Sighting::Invalid(invalid) => {
                placement.config_path = Some(invalid.path.clone());
                placement.warnings.push(format!("{invalid}; until it is corrected this directory has no project"));
            }
        }
        placement
    }

    /// Where a session comes to work that is given a project without a directory.
    pub(super) fn in_project(project: Project, tier: Tier) -> Self {
        let mut placement = Self {
            working_directory: None,
            config_path: None,
            project: None,
            resolved_by: None,
            skipped: Vec::new(),
            warnings: Vec::new(),
            rules: SwitchRules::FREE,
        };
        placement.take(project, tier);
        placement
    }

    pub(super) fn take(&mut self, project: Project, tier: Tier) {
        self.resolved_by = Some(ResolvedBy::new(tier, &project));
        self.project = Some(project);
    }

    /// Says that a session was not put here.
    pub(super) fn warn_of_dry_run(&mut self) {
        let config = self.config_in_words();
        self.warnings.push(format!("nothing was changed, because dry_run is set in {config}"));
    }

    /// The change that puts a session here, as a whole.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::NotText`] if a path is none that a record can keep.
    pub(super) fn change(&self) -> Result<Change, ProjectError> {
        let path = |path: &Option<PathBuf>| match path {
            None => Ok(Edit::Remove),
            Some(path) => Text::from_path(path).map(Edit::Set),
        };
        let id = |project: &Option<Project>| match project {
            None => Ok(Edit::Remove),
            Some(project) => Text::new(&project.id).map(Edit::Set),
        };
        let fields = || {
            Ok(Change {
                working_directory: path(&self.working_directory)?,
                config_path: path(&self.config_path)?,
                project_id: id(&self.project)?,
                ..Change::new()
            })
        };
        fields().map_err(|_: session_core::InvalidText| ProjectError::Argument(DirectoryError::NotText))
    }

    /// The change that puts a session here from where it is. A project that stays is not set anew, which would be told
    /// as a switch; so the change holds only for the session as it is.
    ///
    /// # Errors
    ///
    /// As [`change`](Self::change).
    pub(super) fn change_of(&self, session: &Snapshot) -> Result<Change, ProjectError> {
        let mut change = self.change()?;
        if project_of(session) == self.project.as_ref().map(|project| &*project.id) {
            change.project_id = Edit::Keep;
            change.expected = Some(session.version);
        }
        Ok(change)
    }

    /// Whether a session is here already.
    pub(super) fn is_of(&self, session: &Snapshot) -> bool {
        let is = |text: &Option<Text>, path: &Option<PathBuf>| text.as_ref().map(Text::as_path) == path.as_deref();
        is(&session.working_directory, &self.working_directory)
            && is(&session.config_path, &self.config_path)
            && project_of(session) == self.project.as_ref().map(|project| project.id.as_str())
    }

    /// Says that the directory's project is another than the session's, which was not switched because of this.
    pub(super) fn not_switched(&self, refusal: &str) -> String {
        let project = self.project.as_ref().map_or_else(String::new, Project::in_words);
        format!(
            "the directory belongs to {project}, and the session was not switched because {refusal} in {}; \
             `auto_switch_project` does it",
            self.config_in_words()
        )
    }

    /// What was passed over, in words.
    pub(crate) fn skipped_in_words(&self) -> impl Iterator<Item = String> {
        self.skipped.iter().map(ToString::to_string)
    }

    /// The config file's path in words.
    fn config_in_words(&self) -> String {
        self.config_path.as_ref().map_or_else(|| "the settings".to_owned(), |path| shown(path))
    }
}

/// The id of the project that a session works in.
pub(super) fn project_of(session: &Snapshot) -> Option<&str> {
    session.project_id.as_ref().map(Text::as_str)
}
