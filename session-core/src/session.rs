//! What a reader gets of a session, and what a creator asks for.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::change::Change;
use crate::grant::Mode;
use crate::name::{Locator, SecretHash, SessionId, SessionName};
use crate::owner::Owner;
use crate::record::{Record, Right, Version};
use crate::text::Text;
use crate::time::{Lifetimes, Timestamp};

/// A session as a store knew it at one moment: a shared snapshot that nobody's later change reaches.
///
/// It dereferences to its [`Record`]. Cloning it copies a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    record: Arc<Record>,
    right: Right,
    last_used: Timestamp,
    loaded_at: Timestamp,
}

impl Session {
    /// Puts a snapshot together, as of `now`; for stores.
    #[must_use]
    pub fn new(record: Arc<Record>, right: Right, last_used: Timestamp, now: Timestamp) -> Self {
        Self { record, right, last_used, loaded_at: now }
    }

    /// When it was last used, to a millisecond: for a load that touched, the moment of that load.
    #[must_use]
    pub fn last_used(&self) -> Timestamp {
        self.last_used
    }

    /// When the snapshot was taken, on the store's clock.
    #[must_use]
    pub fn loaded_at(&self) -> Timestamp {
        self.loaded_at
    }

    /// What the name it was loaded by may do.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.right.mode()
    }

    /// When it ends for this caller if it is not used again: by its idle timeout, its absolute lifetime, or the
    /// deadline of the name it was loaded by.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.record.expires_at(self.last_used).min(self.right.ends_at())
    }

    /// How long that was from the moment of the snapshot, for those whose clock is not the store's.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.expires_at().since(self.loaded_at)
    }

    /// The record, to keep longer than the snapshot.
    #[must_use]
    pub fn into_record(self) -> Arc<Record> {
        self.record
    }
}

impl Deref for Session {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("record", &self.record)
            .field("right", &self.right)
            .field("last_used", &self.last_used)
            .finish_non_exhaustive()
    }
}

/// What a list shows of a session: everything but its state and its grants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores read summaries back field by field")]
pub struct Summary {
    /// Which of its owner's sessions it is.
    pub locator: Locator,
    /// The directory it works in.
    pub working_directory: Option<Text>,
    /// The project's config file.
    pub config_path: Option<Text>,
    /// The project.
    pub project_id: Option<Text>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used: Timestamp,
    /// When it ends if it is not used again.
    pub expires_at: Timestamp,
    /// When its absolute lifetime ends.
    pub ends_at: Timestamp,
    /// How often it was changed.
    pub version: Version,
}

impl Summary {
    /// The summary of a record that was last used then.
    #[must_use]
    pub fn new(record: &Record, last_used: Timestamp) -> Self {
        Self {
            locator: record.locator,
            working_directory: record.working_directory.clone(),
            config_path: record.config_path.clone(),
            project_id: record.project_id.clone(),
            created_at: record.created_at,
            last_used,
            expires_at: record.expires_at(last_used),
            ends_at: record.ends_at,
            version: record.version,
        }
    }
}

/// A session to be created: its name's hash, its owner, its lifetimes, and what it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    id: SessionId,
    secret: SecretHash,
    lifetimes: Lifetimes,
    initial: Change,
}

impl NewSession {
    /// A session under a name that was minted for it.
    #[must_use]
    pub fn new(owner: Owner, name: &SessionName, lifetimes: Lifetimes) -> Self {
        let id = SessionId { owner, locator: name.locator() };
        Self { id, secret: name.secret_hash(), lifetimes, initial: Change::new() }
    }

    /// Lets the session begin with what this change sets. A version it expects means nothing here.
    #[must_use]
    pub fn with(mut self, initial: Change) -> Self {
        self.initial = Change { expected: None, ..initial };
        self
    }

    /// Where the record will be kept.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// The hash of the first name's secret.
    #[must_use]
    pub fn secret(&self) -> SecretHash {
        self.secret
    }

    /// How long the session will live.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// What the session begins with.
    #[must_use]
    pub fn initial(&self) -> &Change {
        &self.initial
    }
}
