//! Where a session works, as several tools answer it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::project::{Placement, Project, ResolvedBy};

/// What was found for the directory in which a session works, or would.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Place {
    /// Whether the directory belongs to a config file. One that cannot be used is found, too; `warnings` says what is
    /// the matter with it.
    config_found: bool,
    /// The config file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    config_path: Option<String>,
    /// The project. Left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProjectInfo")]
    project_info: Option<ProjectInfo>,
    /// Who said which project it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ResolvedBy")]
    resolved_by: Option<ResolvedBy>,
    /// What was passed over in the search for a config file, and where it stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<String>,
    /// What to know about this before going on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl From<Placement> for Place {
    fn from(placement: Placement) -> Self {
        Self {
            config_found: placement.config_path.is_some(),
            config_path: placement.config_path.as_deref().map(in_words),
            project_info: placement.project.as_ref().map(ProjectInfo::from),
            resolved_by: placement.resolved_by,
            skipped: placement.skipped_in_words().collect(),
            warnings: placement.warnings,
        }
    }
}

/// A project.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct ProjectInfo {
    /// Its id.
    id: String,
    /// True if it has no id of its own, and this one was derived from its directory; left out otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    id_derived: bool,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    name: Option<String>,
    /// Its directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    root: Option<String>,
    /// Its config file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    config_path: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    description: Option<String>,
}

impl ProjectInfo {
    /// The project, for a list.
    pub(super) fn without_description(project: &Project) -> Self {
        Self { description: None, ..project.into() }
    }
}

impl From<&Project> for ProjectInfo {
    fn from(project: &Project) -> Self {
        let path = |path: &Option<PathBuf>| path.as_deref().map(in_words);
        Self {
            id: project.id.clone(),
            id_derived: project.is_id_derived,
            name: project.name.clone(),
            root: path(&project.root),
            config_path: path(&project.config_path),
            description: project.description.clone(),
        }
    }
}

pub(super) fn in_words(path: &Path) -> String {
    path.display().to_string()
}
