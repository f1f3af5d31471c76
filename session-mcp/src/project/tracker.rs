//! Who else knows which project is being worked on.

#[cfg(feature = "tracker")]
mod dial;
#[cfg(feature = "tracker")]
mod http;
#[cfg(feature = "tracker")]
mod link;
#[cfg(feature = "tracker")]
mod mcp;
#[cfg(feature = "tracker")]
mod reading;
mod settings;
mod tracked;

use std::path::Path;

use async_trait::async_trait;
use session_core::BoxError;

#[cfg(feature = "tracker")]
pub use self::mcp::McpTracker;
pub use self::settings::{InvalidTracker, TrackerSettings};
pub(super) use self::tracked::{Answer, Tracked};

/// Something that knows which project is being worked on, such as a task tracker.
#[async_trait]
pub trait ProjectTracker: Send + Sync + std::fmt::Debug {
    /// The project that is being worked on, for a session that works in `directory`; `None` if there is none.
    ///
    /// It is asked when neither the call nor its session says more, and given up after a time that the caller sets.
    ///
    /// # Errors
    ///
    /// Why it cannot tell. That is logged, and told to nobody else.
    async fn current_project(&self, directory: Option<&Path>) -> Result<Option<TrackedProject>, BoxError>;

    /// Whether it looks at the directory. One that does not is asked once for all of them, and with none.
    fn looks_at_directory(&self) -> bool {
        true
    }
}

/// A project as a tracker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a tracker makes it")]
pub struct TrackedProject {
    /// Its id: 1 to 255 characters without control characters. A project with another is none that can be used.
    pub id: String,
    /// Its name, if the tracker has one.
    pub name: Option<String>,
}

/// Whether a text can be the id or the name of a project.
pub(super) fn is_usable(text: &str) -> bool {
    (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
