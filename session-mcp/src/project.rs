//! Which project a directory belongs to, and which a session works in.
//!
//! A *project* is what a config file says it is. [`Projects`] finds the file that a directory belongs to, switches a
//! session to its project in one change of the record, and says of every answer how it came about.
//!
//! Whatever cannot be told is an error or a warning in words, never a silent guess: a config file that is invalid hides
//! those above it, a worktree is not the checkout it is in, and an id that was derived from a path is said to be.

mod config;
mod discovery;
mod files;
mod roots;

mod error;
mod identity;
mod settings;
mod shown;
mod tracker;

mod projects;
mod workers;

mod known;
mod placement;
mod resolution;
mod switch;
mod verdict;

pub(crate) use self::switch::{MAX_ATTEMPTS, lost_a_race};

pub use self::config::{ConfigVersion, InvalidConfig, Position, ProjectConfig};
pub use self::discovery::{Discovery, FoundConfig, Sighting, SkipReason, Skipped};
pub use self::error::{DirectoryError, ProjectError};
pub use self::identity::{Project, ResolvedBy, Tier};
pub use self::known::KnownProject;
pub use self::placement::Placement;
pub use self::projects::Projects;
pub use self::resolution::Resolution;
pub use self::settings::{InvalidProjects, ProjectSettings, RegisteredProject};
pub use self::switch::{Outcome, Placed, Switch, Target};
#[cfg(feature = "tracker")]
pub use self::tracker::McpTracker;
pub use self::tracker::{InvalidTracker, ProjectTracker, TrackedProject, TrackerSettings};
