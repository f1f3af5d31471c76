//! How a call reached its session.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a call reached its session. The answers of the session tools that are about one say which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// By the handle in the call's `session` argument.
    Handle,
    /// By the validated `Mcp-Session-Id` of a protocol version before 2026-07-28.
    HttpSession,
    /// By the connection, which was initialized over stdio by a protocol version before 2026-07-28.
    Connection,
    /// It was opened by this very call.
    Opened,
    /// By its locator, which its authenticated owner named to take it up again.
    Resumed,
}

impl Source {
    /// Every way there is.
    pub const ALL: [Self; 5] = [Self::Handle, Self::HttpSession, Self::Connection, Self::Opened, Self::Resumed];

    /// The word that answers carry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::HttpSession => "http_session",
            Self::Connection => "connection",
            Self::Opened => "opened",
            Self::Resumed => "resumed",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
