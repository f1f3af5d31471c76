//! Sessions and the accounts of those who own them, kept in step.

use session_core::{
    Change, Cursor, Expired, Limits, Listing, Load, Locator, Mode, Owner, Page, Session, SessionId, SessionKey,
    StoreError, Timestamp, Updated,
};

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::table::Table;

/// Sessions and the accounts of those who own them.
///
/// Locks are taken in one order and none is held over an await: first a principal's account, then one session's shard
/// of the table, then the mutex of a queue. All that makes a principal's session come or go runs under the account, so
/// what the account says is exact; loads and updates never look at it. Records are dropped where no lock is held.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) accounts: Accounts,
    pub(crate) table: Table,
}

impl Sessions {
    /// How many sessions are looked at without a pause: as many as nobody notices waiting for.
    pub(crate) const SLICE: usize = 256;

    pub(crate) fn new(limits: Limits) -> Self {
        let table = Table::new(limits.sessions);
        Self { limits, clock: Clock::new(), accounts: Accounts::new(), table }
    }

    pub(crate) fn held(&self) -> u64 {
        self.table.held()
    }

    pub(crate) fn load(&self, key: &SessionKey, load: Load) -> Option<Session> {
        let now = self.clock.now();
        let entry = self.table.read(key.id())?;
        let mode = entry.record().mode(key.access(), now)?;
        let last_used = match (load, mode) {
            (Load::Touch, Mode::ReadWrite) => entry.touch(now),
            (Load::Peek, _) | (_, Mode::ReadOnly) => entry.look(now),
        };
        Some(Session::new(entry.record().clone(), last_used.ok()?, mode))
    }

    pub(crate) fn update(&self, key: &SessionKey, change: &Change) -> Result<Updated, StoreError> {
        let now = self.clock.now();
        let mut entry = self.table.write(key.id()).ok_or(StoreError::NotFound)?;
        let updated = entry.update(key.access(), change, now, &self.limits);
        drop(entry);
        updated.map(|(updated, _before)| updated)
    }

    pub(crate) fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut mode = None;
        let end = |mode: &mut Option<Mode>| {
            self.table.remove(key.id(), |entry| {
                *mode = entry.record().mode(key.access(), now).filter(|_| entry.look(now).is_ok());
                *mode == Some(Mode::ReadWrite)
            })
        };
        let ended = match key.owner() {
            Owner::Anonymous => end(&mut mode),
            Owner::Principal(principal) => self
                .accounts
                .with(principal, now, |account| end(&mut mode).inspect(|_| account.sessions.remove(key.locator()))),
        };
        match mode {
            Some(Mode::ReadOnly) => Err(StoreError::ReadOnly),
            _ => Ok(ended.is_some()),
        }
    }

    pub(crate) fn list(&self, owner: &Owner, page: &Page) -> Result<Listing, StoreError> {
        let principal = owner.as_principal().ok_or(StoreError::OwnerRequired)?;
        let after = page.after.as_ref().map(place_of).transpose()?;
        let now = self.clock.now();
        let mut listing = Listing { sessions: Vec::new(), next: None };
        let Some(account) = self.accounts.read(principal) else { return Ok(listing) };
        for locator in account.sessions.after(after) {
            let Some(entry) = self.table.read(&SessionId { owner: *owner, locator }) else { continue };
            let Ok(last_used) = entry.look(now) else { continue };
            if listing.sessions.len() == page.capacity() {
                listing.next = listing.sessions.last().map(|last| last.locator.into());
                break;
            }
            listing.sessions.push(Session::new(entry.record().clone(), last_used, Mode::ReadWrite));
        }
        Ok(listing)
    }

    pub(crate) fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        let &principal = owner.as_principal().ok_or(StoreError::OwnerRequired)?;
        let now = self.clock.now();
        let gone = self.accounts.with(principal, now, |account| {
            let all: Vec<Locator> = account.sessions.after(None).collect();
            let ids = all.into_iter().map(|locator| SessionId { owner: *owner, locator });
            let gone = ids.filter_map(|id| self.table.remove(&id, |_| true));
            gone.map(|entry| (account.lose(&entry, now), entry)).collect::<Vec<_>>()
        });
        Ok(gone.iter().filter(|(gone, _)| gone.expired.is_none()).count() as u64)
    }

    pub(crate) fn why_absent(&self, key: &SessionKey) -> Option<Expired> {
        let principal = key.owner().as_principal().copied()?;
        let now = self.clock.now();
        let account = self.accounts.read(&principal)?;
        match self.table.read(key.id()) {
            Some(entry) => entry.look(now).err(),
            None => account.why_gone(key.locator(), now),
        }
    }

    /// Frees what has expired. Looks at no more than `max` sessions and accounts, and says at how many: fewer than
    /// `max` if nothing that is due is left.
    pub(crate) fn sweep(&self, max: usize) -> usize {
        let now = self.clock.now();
        let due = self.table.due(now, max);
        for id in &due {
            drop(self.expire(id, now));
        }
        due.len() + self.accounts.sweep(now, max - due.len())
    }

    fn expire(&self, id: &SessionId, now: Timestamp) -> Option<Entry> {
        match id.owner {
            Owner::Anonymous => self.table.expire(id, now),
            Owner::Principal(principal) => self.accounts.with(principal, now, |account| {
                let entry = self.table.expire(id, now)?;
                account.lose(&entry, now);
                Some(entry)
            }),
        }
    }
}

/// The locator after which a page begins.
fn place_of(cursor: &Cursor) -> Result<Locator, StoreError> {
    cursor.as_str().parse().map_err(|_| StoreError::InvalidCursor)
}
