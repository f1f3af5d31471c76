//! What can be answered instead of doing as asked.

use crate::limits::Quota;
use crate::name::InvalidName;
use crate::state::InvalidStateName;
use crate::text::InvalidText;

/// What a store can answer instead of doing as asked.
///
/// Three kinds that callers must keep apart: an answer (the first group), a backend that is not there
/// ([`Unavailable`](Self::Unavailable), which passes), and a defect ([`Defect`](Self::Defect), which does not).
/// Messages say what to do and hold no name, no value and no backend's text; a backend's own error is the
/// [`source`](std::error::Error::source), for an operator's log and never for a client. Even there it holds no
/// password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A live session has this name already. Mint another.
    #[error("a session of this name is live already; mint another name")]
    AlreadyExists,
    /// There is no such session for this caller: ended, expired, foreign or never there are one case.
    #[error("there is no such session: it has ended, expired, or never was; open a new one")]
    NotFound,
    /// The session changed since the version that was expected. Load it and try again.
    #[error("the session was changed by someone else meanwhile; read it again and repeat the change")]
    Conflict,
    /// A limit was met; nothing was changed.
    #[error(transparent)]
    Quota(#[from] Quota),
    /// The name may only read.
    #[error("this name of the session may only read; use the name it was opened under")]
    ReadOnly,
    /// The anonymous owner asked for what only a principal has.
    #[error("only an authenticated caller has sessions of their own; authenticate, or use a session's name")]
    OwnerRequired,
    /// The cursor is not one that this store gave.
    #[error("the cursor is not one that a listing returned; list again from the beginning")]
    InvalidCursor,
    /// The backend did not answer in time or refuses to work now. This is never "not found".
    #[error("the session store `{store}` does not answer; try again shortly")]
    Unavailable {
        /// Which kind of store.
        store: &'static str,
        /// Whether what was asked may have been done all the same.
        maybe_applied: bool,
        /// What the backend said.
        source: Option<BoxError>,
    },
    /// The backend has no memory left for what was asked. Nothing was changed; reading and ending work.
    #[error("the session store `{store}` is full; end a session, or ask its operator to give it more memory")]
    Full {
        /// Which kind of store.
        store: &'static str,
    },
    /// A record or an answer that should not exist. Trying again does not help.
    #[error("the session store `{store}` holds something it should not; its operator finds the cause in the log")]
    Defect {
        /// Which kind of store.
        store: &'static str,
        /// What was found.
        source: BoxError,
    },
}

/// What a manager can answer instead of doing as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The manager was not started, or is stopped.
    #[error("the session manager is not running; it serves between `start` and `stop`")]
    NotRunning,
    /// What was passed as a session is no session name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// What was passed as a state name is none.
    #[error(transparent)]
    StateName(#[from] InvalidStateName),
    /// What was passed as a path, id or label is no text.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// The state value is of another type than asked for. What it is instead is not said.
    #[error(
        "the state value `{name}` is not of the type asked for, from line {line}, column {column} of its JSON on; read \
         it as what was written, or remove it"
    )]
    Decode {
        /// The value's name.
        name: String,
        /// The line in its JSON where it differs, from 1.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// The value cannot be written as JSON.
    #[error("the state value `{name}` cannot be written as JSON")]
    Encode {
        /// The value's name.
        name: String,
    },
    /// A newer version of its [`StateKey`](crate::StateKey) kept the state value. It is neither read nor replaced.
    #[error(
        "the state value `{name}` was kept in version {found}, and this server knows no version after {known}; the value \
         is left as it is, and a server of that version reads it"
    )]
    NewerVersion {
        /// The value's name.
        name: String,
        /// The version that kept it.
        found: u32,
        /// The version known here.
        known: u32,
    },
    /// [`StateKey::upgrade`](crate::StateKey::upgrade) refused what an earlier version kept. Why is not said.
    #[error(
        "the state value `{name}` was kept in version {found} and cannot be upgraded to version {known}; the value is \
         left as it is, and can be removed or replaced"
    )]
    Upgrade {
        /// The value's name.
        name: String,
        /// The version that kept it; 0 if it was kept without a typed key.
        found: u32,
        /// The version known here.
        known: u32,
    },
    /// The store's own answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error of any kind, as a cause.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
