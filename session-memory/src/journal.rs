//! The journal, as its contract has it.

mod entries;
mod feeds;
mod follower;
mod owners;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use session_core::{
    Appended, Entry, Feed, Follower, Journal, JournalLimits, Owner, Position, SessionId, StoreError, Subject,
};

use crate::journal::feeds::Feeds;
use crate::journal::follower::MemoryFollower;
use crate::sweeper::{Expiring as _, Swept};

/// What is said in sessions, kept in this process and lost with it.
///
/// It is a handle: clones are the same journal. An append takes one shard's lock, for as long as it takes to put one
/// entry behind another. No operation awaits anything, so dropping a future leaves nothing half done. A follower
/// compares how often it was rung with how often it noticed, so that no ring can be lost.
///
/// Its time is the runtime's: a paused `tokio` clock pauses it. Positions begin with the time at which the journal was
/// made, so that those of a process that ended come before those of its successor.
///
/// # The sweep
///
/// What is over its time is not read, freed or not. Memory is freed by an append to the same feed, and by a task that
/// the first [`append`](Journal::append) inside a `tokio` runtime spawns; its timers must be enabled. Eight times in
/// [`keep`](JournalLimits::keep) it looks at the feeds of which an entry's time is over since, and at no other, so that
/// a feed in which nothing more is said takes no memory either. It ends with the last handle and the last follower, is
/// spawned again after its runtime has gone, and outlives a panic.
#[derive(Clone)]
pub struct MemoryJournal(Arc<Swept<Feeds>>);

impl MemoryJournal {
    /// An empty journal. Needs no runtime.
    ///
    /// Of a limit of no entries the newest entry is kept all the same.
    #[must_use]
    pub fn new(limits: JournalLimits) -> Self {
        let sweep_interval = limits.keep / 8;
        Self(Arc::new(Swept::new(Feeds::new(limits), sweep_interval)))
    }

    /// How many feeds are in memory: those with entries, also with such as are over their time and were not swept yet,
    /// and those that are followed.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.0.kept.held()
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new(JournalLimits::default())
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").field("held", &self.held()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
        self.0.ensure_swept();
        self.0.kept.append(feed, entry)
    }

    async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(self.0.kept.read(feed, after, max))
    }

    async fn end(&self, feed: &Feed) -> Result<Position, StoreError> {
        Ok(self.0.kept.end(feed))
    }

    fn follow(&self, feed: &Feed) -> Box<dyn Follower> {
        Box::new(MemoryFollower::new(self.0.clone(), *feed))
    }

    async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
        self.0.kept.ring(feed);
        Ok(())
    }

    async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError> {
        match (*subject, owner) {
            (Subject::One(locator), &owner) => self.0.kept.forget(SessionId { owner, locator }),
            (Subject::All { .. }, Owner::Principal(principal)) => self.0.kept.forget_all(principal),
            (Subject::All { .. }, Owner::Anonymous) => return Err(StoreError::OwnerRequired),
        }
        Ok(())
    }
}
