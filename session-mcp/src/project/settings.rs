//! What an operator can set of projects.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::shown::shown;
use super::tracker::{InvalidTracker, TrackerSettings, is_usable};

/// What an operator can set of projects. Every field has a default; an unknown key is refused by its name.
///
/// ```
/// # use session_mcp::Config;
/// let config: Config = serde_json::from_str(
///     r#"{ "allowed_roots": ["/srv"], "projects": { "registered": [{ "root": "/srv/shop" }], "default": "shop" } }"#,
/// )?;
/// assert_eq!(config.projects.max_levels, 20);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "settings are written as a literal over `..ProjectSettings::default()`")]
pub struct ProjectSettings {
    /// What config files are called, relative to a project's directory; the first that is there counts. Each ends in
    /// `.json` or `.toml`.
    pub config_names: Vec<PathBuf>,
    /// How many directories are looked at for a config file, upward, the first included.
    pub max_levels: usize,
    /// Whether the search goes on above the root of a mounted file system.
    pub cross_mounts: bool,
    /// The folder that is nobody's project, beside `/`: the home folder of whoever runs the server unless it is set.
    pub home: Option<PathBuf>,
    /// The project of calls that nothing else says one of: the id or the name of a registered one.
    pub default: Option<String>,
    /// Projects that can be chosen by their name or id before anybody worked in them.
    pub registered: Vec<RegisteredProject>,
    /// Another MCP server that knows which project is being worked on.
    pub tracker: Option<TrackerSettings>,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self {
            config_names: [".codebase-mcp/config.json", ".session-mcp.toml"].map(PathBuf::from).to_vec(),
            max_levels: 20,
            cross_mounts: false,
            home: None,
            default: None,
            registered: Vec::new(),
            tracker: None,
        }
    }
}

impl ProjectSettings {
    /// The first thing that cannot be meant.
    pub(super) fn check(&self) -> Result<(), InvalidProjects> {
        if let Some(name) = self.config_names.iter().find(|name| !is_config_name(name)) {
            return Err(InvalidProjects::ConfigName { name: name.clone() });
        }
        if self.config_names.is_empty() || self.max_levels == 0 {
            let key = if self.max_levels == 0 { "max_levels" } else { "config_names" };
            return Err(InvalidProjects::Nothing { key });
        }
        let is_odd = |project: &&RegisteredProject| match (&project.root, &project.id) {
            (Some(root), None) => project.name.is_some() || !root.is_absolute() || self.is_nobodys(root),
            (None, Some(id)) => !is_usable(id) || project.name.as_deref().is_some_and(|name| !is_usable(name)),
            _ => true,
        };
        match self.registered.iter().position(|project| is_odd(&project)) {
            Some(index) => Err(InvalidProjects::Registered { number: index + 1 }),
            None => Ok(()),
        }
    }
}

impl ProjectSettings {
    /// The folder that is nobody's project, beside `/`.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.clone().or_else(std::env::home_dir)
    }

    fn is_nobodys(&self, root: &Path) -> bool {
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = canonical(root);
        root.parent().is_none() || self.home().is_some_and(|home| canonical(&home) == root)
    }
}

/// A relative path without detours, of a format that is known.
fn is_config_name(name: &Path) -> bool {
    let is_plain = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    is_plain && name.extension().is_some_and(|format| format == "json" || format == "toml")
}

/// A project that can be chosen by its name or id: one in a directory, or one that has none here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "settings are written as literals")]
pub struct RegisteredProject {
    /// Its directory. Its config file says what it is called, else the directory's own name does.
    ///
    /// Without a config file of its own it is the project of those who choose it by its name or id, as long as they
    /// work in this very directory. To be in it, or to set it as the working directory, chooses nothing: what a config
    /// file further up says counts then.
    pub root: Option<PathBuf>,
    /// The id of a project without a directory.
    pub id: Option<String>,
    /// The name of a project without a directory.
    pub name: Option<String>,
}

/// Why projects cannot be found with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProjects {
    /// An allowed root is none.
    #[error("the allowed root {} cannot be opened: {source}; list directories that exist", shown(path))]
    Root {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A config file is called what it cannot be.
    #[error(
        "`projects.config_names` lists {}, which is no relative path that ends in .json or .toml, such as \
         .session-mcp.toml",
        shown(name)
    )]
    ConfigName {
        /// What.
        name: PathBuf,
    },
    /// Nothing could be found.
    #[error("`projects.{key}` is empty or 0, so that no project could be found; leave it out")]
    Nothing {
        /// The key.
        key: &'static str,
    },
    /// A registered project is two things or nothing.
    #[error(
        "number {number} of `projects.registered` must have a `root` alone, an absolute path other than `/` and the home \
         folder, or an `id` and perhaps a `name`, of 1 to 255 characters"
    )]
    Registered {
        /// Which, from 1.
        number: usize,
    },
    /// The default is not registered.
    #[error("`projects.default` is no project of `projects.registered`: register it, by its root or by id and name")]
    Default,
    /// The default could be several of those that are registered.
    #[error(
        "`projects.default` means several projects of `projects.registered`: use the id of one, and register that in one \
         directory"
    )]
    AmbiguousDefault,
    /// The tracker's settings cannot be used.
    #[error("`projects.tracker` cannot be used: {0}")]
    Tracker(#[from] InvalidTracker),
}
