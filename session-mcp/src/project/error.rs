//! Why a directory or a project is refused.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::InvalidConfig;
use super::shown::{listed, shown};

/// Why a session cannot work in a directory. The words go on from "the argument `directory`" or the like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The path is none that a record can keep.
    #[error("must be a path of 1 to 4096 bytes of UTF-8 without NUL")]
    NotText,
    /// The path is relative, and nobody knows to what.
    #[error("must be an absolute path, such as `/home/me/project`")]
    Relative,
    /// There is nothing at the path, or nothing that this process may look into.
    #[error("must be a directory that exists where the server runs and that it may look into")]
    Missing,
    /// There is a file at the path.
    #[error("must be a directory, and this is a file; pass the directory it is in")]
    NotADirectory,
    /// The path leads out of where directories may be.
    #[error("must be beneath one of the allowed roots: {}", listed(roots))]
    Outside {
        /// The allowed roots.
        roots: Vec<PathBuf>,
    },
    /// The file system took longer than one can wait.
    #[error("is on a file system that does not answer; try again later, or work in another directory")]
    Slow,
}

/// Why a call has no project, or not the one it asks for. Nothing is guessed instead.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The directory that the call named cannot be used.
    #[error("the argument `directory` {0}")]
    Argument(DirectoryError),
    /// The directory that the session works in cannot be used any more.
    #[error("this session's working directory {0}; set another one with `set_working_directory`")]
    WorkingDirectory(DirectoryError),
    /// The directory of the project that is meant cannot be used.
    #[error("the directory of the project that is meant {0}")]
    Root(DirectoryError),
    /// The config file that the directory belongs to cannot be used.
    #[error("{0}; correct it there, and this goes on by itself")]
    Config(Arc<InvalidConfig>),
    /// The config file that the session's project came from is gone.
    #[error(
        "the config file {} that this session's project came from is gone: put it back, or choose a project anew with \
         `set_working_directory` or `auto_switch_project`",
        shown(config_path)
    )]
    Gone {
        /// Where it was.
        config_path: PathBuf,
    },
    /// There is nothing to switch to.
    #[error(
        "no project has its config file in {} or above it, as far as the search goes{}",
        shown(directory),
        because(skipped)
    )]
    NoConfig {
        /// Where the search began.
        directory: PathBuf,
        /// What was passed over, and where the search stopped.
        skipped: Vec<String>,
    },
    /// The project that was asked for is not known here.
    #[error(
        "no project of this name or id is known here{}: pass one that `list_projects` returns, or a `directory`",
        because(unseen)
    )]
    Unknown {
        /// The registered projects that cannot be looked at, one of which may be meant, and why.
        unseen: Vec<String>,
    },
    /// More than one project is what was asked for.
    #[error("several projects are meant by this: pass the id of one, or its directory, of {}", candidates.join("; "))]
    Ambiguous {
        /// They, in words.
        candidates: Vec<String>,
    },
    /// A project in strict mode is not the one that is worked in.
    #[error(
        "this session works in the project {pinned}, and its directory belongs to the project {found} of {}, which is \
         strict about that: switch with `auto_switch_project`, or work in another directory",
        shown(config_path)
    )]
    Mismatch {
        /// The id of the project that the session works in, or that was asked for.
        pinned: String,
        /// The id of the project that the directory belongs to.
        found: String,
        /// The config file that says so.
        config_path: PathBuf,
    },
    /// Nothing says which project it is.
    #[error(
        "this call has no project{}: choose one with `set_working_directory` or `auto_switch_project`",
        because(skipped)
    )]
    Unresolved {
        /// What was asked and did not tell, and why.
        skipped: Vec<String>,
    },
}

impl ProjectError {
    /// Names the kind of error, for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Argument(error) | Self::WorkingDirectory(error) | Self::Root(error) => match error {
                DirectoryError::Outside { .. } => "outside_allowed_roots",
                DirectoryError::Slow => "unavailable",
                _ if matches!(self, Self::Argument(_)) => "invalid_argument",
                _ => "directory_gone",
            },
            Self::Config(_) => "invalid_config",
            Self::Gone { .. } => "config_gone",
            Self::NoConfig { .. } | Self::Unresolved { .. } => "no_project",
            Self::Unknown { .. } => "unknown_project",
            Self::Ambiguous { .. } => "ambiguous_project",
            Self::Mismatch { .. } => "project_mismatch",
        }
    }
}

fn because(skipped: &[String]) -> String {
    if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join("; ")) }
}
