//! The record, and the rules for making and changing it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::change::{Change, Edit};
use crate::error::StoreError;
use crate::grant::{Grants, Mode, NewGrant};
use crate::limits::{Limits, Quota};
use crate::name::{Access, Locator};
use crate::owner::Owner;
use crate::session::NewSession;
use crate::state::State;
use crate::text::Text;
use crate::time::{Expired, Timestamp};

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
        Self(self.0.saturating_add(1))
    }
}

/// What a store keeps of a session, but for when it was last used, which changes far more often.
///
/// The methods are the rules that every store has to follow. A store that holds records in this process calls them; a
/// store that merges elsewhere (in a script, say) says the same there, and the conformance suite compares.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores read records back field by field")]
// What every load looks at comes first and stays together: among a million records each cache line is a wait.
#[repr(C)]
pub struct Record {
    /// When its absolute lifetime ends.
    pub ends_at: Timestamp,
    /// The idle timeout it was created with.
    pub idle_timeout: Duration,
    /// Which names open it.
    pub grants: Grants,
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
    /// When it was created.
    pub created_at: Timestamp,
    /// How often it was changed.
    pub version: Version,
}

impl Record {
    /// The record of a session created at `now`.
    ///
    /// What it begins with is merged first and the grant of its first name last, so that nothing takes that away.
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`] if what it begins with is more than one session can keep.
    pub fn create(new: &NewSession, now: Timestamp, limits: &Limits) -> Result<Self, StoreError> {
        check_edits(new.initial())?;
        let lifetimes = new.lifetimes();
        let ends_at = now.after(lifetimes.absolute());
        let empty = Self {
            locator: new.id().locator,
            owner: new.id().owner,
            working_directory: None,
            set_at: None,
            config_path: None,
            project_id: None,
            state: State::default(),
            grants: Grants::default(),
            created_at: now,
            ends_at,
            idle_timeout: lifetimes.idle(),
            version: Version::FIRST,
        };
        let mut record = empty.clone();
        record.merge(new.initial(), now, ends_at);
        record.grants.insert(NewGrant::new(Mode::ReadWrite).begin(new.secret(), now, ends_at));
        record.check(&empty, new.initial(), limits)?;
        Ok(record)
    }

    /// What an access allows at `now`, or `None` if it opens nothing.
    #[must_use]
    pub fn right(&self, access: Access, now: Timestamp) -> Option<Right> {
        let right = match access {
            Access::Owner => self.owner.as_principal().map(|_| Right { mode: Mode::ReadWrite, ends_at: self.ends_at }),
            Access::Secret(secret) => {
                self.grants.get(secret).map(|grant| Right { mode: grant.mode, ends_at: grant.ends_at })
            }
        };
        right.filter(|right| right.ends_at > now)
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

    /// Applies a change made at `now` by this access, or leaves the record as it is. Returns the right it was made by.
    ///
    /// The record behind `this` is replaced and never written to, so that snapshots stay what they were. A record that
    /// is above a limit, because the limit was lowered since, may shrink and may not grow.
    ///
    /// # Errors
    ///
    /// In this order: [`StoreError::NotFound`] if the access opens nothing, [`StoreError::ReadOnly`] if it may only
    /// read, [`StoreError::Conflict`] if another version was expected, [`StoreError::Quota`] if the result is more than
    /// one session can keep.
    pub fn apply(
        this: &mut Arc<Self>,
        access: Access,
        change: &Change,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Right, StoreError> {
        let right = this.right(access, now).ok_or(StoreError::NotFound)?;
        if right.mode == Mode::ReadOnly {
            return Err(StoreError::ReadOnly);
        }
        if change.expected.is_some_and(|expected| expected != this.version) {
            return Err(StoreError::Conflict);
        }
        check_edits(change)?;
        let mut next = Self::clone(this);
        next.merge(change, now, right.ends_at);
        next.check(this, change, limits)?;
        next.version = this.version.next();
        *this = Arc::new(next);
        Ok(right)
    }

    /// How many bytes count against [`Limits::session_bytes`]: the texts, and names and values of the state but for the
    /// library's own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.working_directory, &self.config_path, &self.project_id];
        let texts: usize = texts.into_iter().flatten().map(|text| text.as_str().len()).sum();
        let state: usize = self.state.clients().map(|(name, value)| name.as_str().len() + value.len()).sum();
        texts + state
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
        // Ended grants go when others come, so that they take no place and need no clock of their own.
        if !change.grants.is_empty() {
            self.grants.drop_ended(now);
        }
        for (&secret, grant) in &change.grants {
            match grant {
                Some(grant) => self.grants.insert(grant.clone().begin(secret, now, latest)),
                None => self.grants.remove(secret),
            }
        }
    }

    /// Refuses what makes the record larger than its limits.
    fn check(&self, before: &Self, change: &Change, limits: &Limits) -> Result<(), Quota> {
        let exceeds = |size: usize, before: usize, max: usize| size > max && size > before;
        if exceeds(self.grants.len(), before.grants.len(), limits.grants) {
            return Err(Quota::Grants { max: limits.grants });
        }
        if exceeds(self.state.clients().count(), before.state.clients().count(), limits.state_names) {
            return Err(Quota::StateNames { max: limits.state_names });
        }
        if change.longest_value() > limits.value_bytes {
            return Err(Quota::ValueBytes { max: limits.value_bytes });
        }
        if exceeds(self.bytes(), before.bytes(), limits.session_bytes) {
            return Err(Quota::SessionBytes { max: limits.session_bytes });
        }
        Ok(())
    }
}

/// Looked at before a change is merged, so that a large one costs no more than its own reading.
fn check_edits(change: &Change) -> Result<(), Quota> {
    let max = Change::MAX_EDITS;
    if change.state.len() + change.grants.len() > max { Err(Quota::Edits { max }) } else { Ok(()) }
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

/// What an access allows, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    mode: Mode,
    ends_at: Timestamp,
}

impl Right {
    /// What it allows.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// When it ends; never after the session.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }
}
