//! The sessions themselves, found by their id, under the cap on all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;
use dashmap::mapref::one::{Ref, RefMut};
use session_core::{Quota, Record, SessionId, StoreError, Timestamp};

use crate::deadlines::Deadlines;
use crate::entry::Entry;
use crate::hasher::BuildLocatorHasher;

/// How many locks the keys are spread over. A shard that grows moves its entries while its readers wait, so there are
/// enough of them that at a million sessions this is some thousand entries; an empty one costs 128 bytes.
pub(crate) const SHARDS: usize = 256;

/// The sessions themselves.
///
/// An id is queued exactly while it is in the table, under the deadline that its entry says: both change together
/// under the shard's write guard.
#[derive(Debug)]
pub(crate) struct Table {
    entries: DashMap<SessionId, Entry, BuildLocatorHasher>,
    deadlines: Deadlines<SessionId>,
    /// How many places are taken. Raised before an entry comes, lowered before its deadline leaves the queue.
    held: AtomicU64,
    max: u64,
}

/// A place for one session under the cap, to be filled by [`Table::insert`].
#[derive(Debug)]
#[must_use = "a place that nobody fills is lost"]
pub(crate) struct Place(());

impl Table {
    pub(crate) fn new(max: u64) -> Self {
        let entries = DashMap::with_hasher_and_shard_amount(BuildLocatorHasher::default(), SHARDS);
        Self { entries, deadlines: Deadlines::new(), held: AtomicU64::new(0), max }
    }

    /// How many sessions are here, expired ones included.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    pub(crate) fn read(&self, id: &SessionId) -> Option<Ref<'_, SessionId, Entry>> {
        self.entries.get(id)
    }

    pub(crate) fn write(&self, id: &SessionId) -> Option<RefMut<'_, SessionId, Entry>> {
        self.entries.get_mut(id)
    }

    /// Puts a session where none is live, in the given place, the place of the expired one that it replaces, or a new
    /// one. What it replaced is handed back, to be dropped where no lock is held.
    pub(crate) fn insert(
        &self,
        id: SessionId,
        record: Arc<Record>,
        now: Timestamp,
        place: Option<Place>,
    ) -> Result<Option<Entry>, StoreError> {
        let entry = Entry::new(record, now);
        match self.entries.entry(id) {
            Slot::Occupied(slot) if slot.get().look(now).is_ok() => Err(StoreError::AlreadyExists),
            Slot::Occupied(mut slot) => {
                self.deadlines.postpone(slot.get().queued(), entry.queued(), id);
                Ok(Some(slot.insert(entry)))
            }
            Slot::Vacant(slot) => {
                let Place(()) = place.map_or_else(|| self.reserve(), Ok)?;
                self.deadlines.add(entry.queued(), id);
                slot.insert(entry);
                Ok(None)
            }
        }
    }

    /// Removes a session if `decide`, which sees it under the write guard, says so.
    pub(crate) fn remove(&self, id: &SessionId, decide: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let removed = self.entries.remove_if(id, |id, entry| {
            let goes = decide(entry);
            if goes {
                self.give_back();
                self.deadlines.remove(entry.queued(), *id);
            }
            goes
        });
        removed.map(|(_, entry)| entry)
    }

    /// Removes a session as [`remove`](Self::remove) does, and keeps its place for another.
    pub(crate) fn take(&self, id: &SessionId, decide: impl FnOnce(&Entry) -> bool) -> Option<(Entry, Place)> {
        let removed = self.entries.remove_if(id, |id, entry| {
            let goes = decide(entry);
            if goes {
                self.deadlines.remove(entry.queued(), *id);
            }
            goes
        });
        removed.map(|(_, entry)| (entry, Place(())))
    }

    /// The first `max` sessions whose deadline, as it was when they were queued, has come.
    pub(crate) fn due(&self, now: Timestamp, max: usize) -> Vec<SessionId> {
        self.deadlines.due(now, max).into_iter().map(|(_, id)| id).collect()
    }

    /// Looks at a session that was due: removes it if it has expired, and queues it again if it was used since.
    pub(crate) fn expire(&self, id: &SessionId, now: Timestamp) -> Option<Entry> {
        let removed = self.entries.remove_if_mut(id, |id, entry| {
            let last_used = entry.look(now);
            if let Ok(last_used) = last_used {
                let (before, after) = entry.postpone(last_used);
                self.deadlines.postpone(before, after, *id);
            } else {
                self.give_back();
                self.deadlines.remove(entry.queued(), *id);
            }
            last_used.is_err()
        });
        removed.map(|(_, entry)| entry)
    }

    fn reserve(&self) -> Result<Place, Quota> {
        let below_max = |held| (held < self.max).then_some(held + 1);
        let reserved = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, below_max);
        reserved.map(|_| Place(())).map_err(|_| Quota::Sessions { max: self.max })
    }

    /// Comes before the deadline is removed: whoever then finds nothing due finds the place free.
    fn give_back(&self) {
        self.held.fetch_sub(1, Ordering::AcqRel);
    }

    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.deadlines.len()
    }
}
