//! The record, the rules for changing it, and the snapshot a reader gets.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::change::{Change, Edit};
use crate::error::StoreError;
use crate::grant::{Grants, Mode, NewGrant};
use crate::limits::{Limits, Quota};
use crate::name::{Access, Locator, SecretHash, SessionId, SessionName};
use crate::owner::Owner;
use crate::state::State;
use crate::text::Text;
use crate::time::{Expired, Lifetimes, Timestamp};

/// Counts the changes of one record, from 1. Two loads of one version are equal but for `last_used`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a record that was never changed.
    pub const FIRST: Self = Self(1);

    /// The version a store reads back from where it kept [`get`](Self::get).
    #[must_use]
    pub const fn from_store(version: u64) -> Self {
        Self(version)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a store keeps of a session, but for when it was last used, which changes far more often.
///
/// The methods are the rules that every store has to follow. A store that holds records in this process calls them; a
/// store that merges elsewhere (in a script, say) says the same there, and the conformance suite compares.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores read records back field by field")]
pub struct Record {
    /// Which of its owner's sessions it is.
    pub locator: Locator,
    /// Whose it is.
    pub owner: Owner,
    /// The directory it works in.
    pub working_directory: Option<Text>,
    /// When the working directory was set last.
    pub set_at: Option<Timestamp>,
    /// The project's config file.
    pub config_path: Option<Text>,
    /// The project.
    pub project_id: Option<Text>,
    /// What its tools keep.
    pub state: State,
    /// Which names open it.
    pub grants: Grants,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its absolute lifetime ends.
    pub ends_at: Timestamp,
    /// The idle timeout it was created with.
    pub idle_timeout: Duration,
    /// How often it was changed.
    pub version: Version,
}

impl Record {
    /// The record of a session created at `now`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`] if what it begins with is more than one session can keep.
    pub fn create(new: &NewSession, now: Timestamp, limits: &Limits) -> Result<Self, StoreError> {
        let ends_at = now.after(new.lifetimes.absolute());
        let mut record = Self {
            locator: new.id.locator,
            owner: new.id.owner,
            working_directory: None,
            set_at: None,
            config_path: None,
            project_id: None,
            state: State::default(),
            grants: [NewGrant::new(Mode::ReadWrite).begin(new.secret, now, ends_at)].into_iter().collect(),
            created_at: now,
            ends_at,
            idle_timeout: new.lifetimes.idle(),
            version: Version::FIRST,
        };
        record.merge(&new.initial, now, ends_at);
        record.check(&new.initial, limits)?;
        Ok(record)
    }

    /// When the session ends if it is not used again after `last_used`.
    #[must_use]
    pub fn expires_at(&self, last_used: Timestamp) -> Timestamp {
        last_used.after(self.idle_timeout).min(self.ends_at)
    }

    /// By which lifetime the session has ended at `now`, if it has. A session does not see its deadline itself.
    #[must_use]
    pub fn expired(&self, last_used: Timestamp, now: Timestamp) -> Option<Expired> {
        if self.expires_at(last_used) > now {
            None
        } else if last_used.after(self.idle_timeout) < self.ends_at {
            Some(Expired::Idle)
        } else {
            Some(Expired::Absolute(self.ends_at))
        }
    }

    /// What this right allows at `now`, or `None` if it opens nothing.
    #[must_use]
    pub fn mode(&self, access: Access, now: Timestamp) -> Option<Mode> {
        self.right(access, now).map(|(mode, _)| mode)
    }

    /// Applies a change made at `now` by this right, or leaves the record as it is.
    ///
    /// The record behind `this` is replaced and never written to, so that snapshots stay what they were.
    ///
    /// # Errors
    ///
    /// In this order: [`StoreError::NotFound`] if the right opens nothing, [`StoreError::ReadOnly`] if it may only
    /// read, [`StoreError::Conflict`] if another version was expected, [`StoreError::Quota`] if the result is more than
    /// one session can keep.
    pub fn apply(
        this: &mut Arc<Self>,
        access: Access,
        change: &Change,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Version, StoreError> {
        let latest = match this.right(access, now) {
            None => return Err(StoreError::NotFound),
            Some((Mode::ReadOnly, _)) => return Err(StoreError::ReadOnly),
            Some((Mode::ReadWrite, ends_at)) => ends_at,
        };
        if change.expected.is_some_and(|expected| expected != this.version) {
            return Err(StoreError::Conflict);
        }
        let mut next = Self::clone(this);
        next.merge(change, now, latest);
        next.check(change, limits)?;
        next.version = this.version.next();
        *this = Arc::new(next);
        Ok(this.version)
    }

    /// How many bytes count against [`Limits::session_bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.working_directory, &self.config_path, &self.project_id];
        let labels = self.grants.iter().map(|grant| &grant.label);
        let text_bytes = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.as_str().len());
        let state: usize = self.state.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        texts.into_iter().chain(labels).map(text_bytes).sum::<usize>() + state
    }

    /// What a right allows at `now`, and until when.
    fn right(&self, access: Access, now: Timestamp) -> Option<(Mode, Timestamp)> {
        match access {
            Access::Owner => self.owner.as_principal().map(|_| (Mode::ReadWrite, self.ends_at)),
            Access::Secret(secret) => {
                self.grants.get(secret).filter(|grant| grant.ends_at > now).map(|grant| (grant.mode, grant.ends_at))
            }
        }
    }

    fn merge(&mut self, change: &Change, now: Timestamp, latest: Timestamp) {
        change.working_directory.apply_to(&mut self.working_directory);
        match change.working_directory {
            Edit::Keep => {}
            Edit::Set(_) => self.set_at = Some(now),
            Edit::Remove => self.set_at = None,
        }
        change.config_path.apply_to(&mut self.config_path);
        change.project_id.apply_to(&mut self.project_id);
        for (name, value) in &change.state {
            self.state.put(name, value.as_ref());
        }
        if !change.grants.is_empty() {
            // Ended grants go when others come, so that they take no place and need no clock of their own.
            self.grants.drop_ended(now);
        }
        for (&secret, grant) in &change.grants {
            match grant {
                Some(grant) => self.grants.insert(grant.clone().begin(secret, now, latest)),
                None => self.grants.remove(secret),
            }
        }
    }

    fn check(&self, change: &Change, limits: &Limits) -> Result<(), Quota> {
        if self.grants.len() > limits.grants {
            return Err(Quota::Grants { max: limits.grants });
        }
        if self.state.len() > limits.state_names {
            return Err(Quota::StateNames { max: limits.state_names });
        }
        if change.state.values().flatten().any(|value| value.len() > limits.value_bytes) {
            return Err(Quota::ValueBytes { max: limits.value_bytes });
        }
        if self.bytes() > limits.session_bytes {
            return Err(Quota::SessionBytes { max: limits.session_bytes });
        }
        Ok(())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("locator", &self.locator)
            .field("owner", &self.owner)
            .field("ends_at", &self.ends_at)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A session as a store knew it at one moment: a shared snapshot that nobody's later change reaches.
///
/// It dereferences to its [`Record`]. Cloning it copies a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    record: Arc<Record>,
    last_used: Timestamp,
    mode: Mode,
}

impl Session {
    /// Puts a snapshot together; for stores.
    #[must_use]
    pub fn new(record: Arc<Record>, last_used: Timestamp, mode: Mode) -> Self {
        Self { record, last_used, mode }
    }

    /// When it was last used: for a load that touched, the moment of that load.
    #[must_use]
    pub fn last_used(&self) -> Timestamp {
        self.last_used
    }

    /// What the name it was loaded by may do.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// When it ends if it is not used again.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.record.expires_at(self.last_used)
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
            .field("last_used", &self.last_used)
            .field("mode", &self.mode)
            .finish()
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

    /// Lets the session begin with what this change sets.
    #[must_use]
    pub fn with(mut self, initial: Change) -> Self {
        self.initial = initial;
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
