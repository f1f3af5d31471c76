//! What is kept of each principal.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;
use dashmap::mapref::one::Ref;
use session_core::{Expired, Gone, Locator, PrincipalId, Timestamp};

use crate::deadlines::Deadlines;
use crate::entry::Entry;
use crate::graves::Graves;
use crate::locators::Locators;
use crate::table::SHARDS;

/// What is kept of each principal. There is an account while there is something to keep.
#[derive(Debug)]
pub(crate) struct Accounts {
    accounts: DashMap<PrincipalId, Account>,
    /// Accounts that will have something to forget without a session of theirs coming or going.
    deadlines: Deadlines<PrincipalId>,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self { accounts: DashMap::with_shard_amount(SHARDS), deadlines: Deadlines::new() }
    }

    /// The account of a principal, to read.
    pub(crate) fn read(&self, principal: &PrincipalId) -> Option<Ref<'_, PrincipalId, Account>> {
        self.accounts.get(principal)
    }

    /// Works on the account of a principal while nobody else does, and keeps it only if there is something to keep.
    pub(crate) fn with<T>(&self, principal: PrincipalId, now: Timestamp, work: impl FnOnce(&mut Account) -> T) -> T {
        let mut slot = match self.accounts.entry(principal) {
            Slot::Occupied(slot) => slot,
            Slot::Vacant(slot) => slot.insert_entry(Account::default()),
        };
        let account = slot.get_mut();
        let answer = work(account);
        account.forget(now);
        if !account.queued {
            if let Some(at) = account.forgets_at() {
                account.queued = true;
                self.deadlines.add(at, principal);
            } else if account.sessions.is_empty() {
                slot.remove();
            }
        }
        answer
    }

    /// Looks at the first `max` accounts that have something to forget, and says how many there were.
    pub(crate) fn sweep(&self, now: Timestamp, max: usize) -> usize {
        let due = self.deadlines.due(now, max);
        for &(at, principal) in &due {
            // Another sweep may have looked meanwhile, and queued it again.
            self.with(principal, now, |account| account.queued &= !self.deadlines.remove(at, principal));
        }
        due.len()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.accounts.len(), self.deadlines.len())
    }
}

/// What is kept of one principal.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The principal's sessions in the table.
    pub(crate) sessions: Locators,
    /// Until when the creation rate is spent.
    pub(crate) spent: Option<Timestamp>,
    /// Boxed, since most accounts have none.
    graves: Option<Box<Graves>>,
    /// Whether the account is queued. Once it is, it stays so until it is looked at.
    queued: bool,
}

impl Account {
    /// Notes that a session is there, whatever became of an earlier one of the same locator.
    pub(crate) fn gain(&mut self, locator: Locator) {
        self.sessions.insert(locator);
        if let Some(graves) = &mut self.graves {
            graves.remove(locator);
        }
    }

    /// Notes that a session has gone from the table, and remembers it if that is because it expired.
    pub(crate) fn lose(&mut self, entry: &Entry, now: Timestamp) -> Gone {
        let gone = Gone::new(entry.record().locator, entry.look(now).err());
        self.sessions.remove(gone.locator);
        if let Some(expired) = gone.expired {
            self.graves.get_or_insert_default().add(gone.locator, expired, now);
        }
        gone
    }

    /// By which lifetime a session that has gone had expired, if it is remembered.
    pub(crate) fn why_gone(&self, locator: Locator, now: Timestamp) -> Option<Expired> {
        self.graves.as_ref()?.find(locator, now)
    }

    fn forget(&mut self, now: Timestamp) {
        self.spent = self.spent.filter(|&spent| spent > now);
        if let Some(graves) = &mut self.graves {
            graves.forget(now);
        }
        self.graves.take_if(|graves| graves.forgets_at().is_none());
    }

    /// When there is something to forget that takes memory. A spent rate takes none beside sessions.
    fn forgets_at(&self) -> Option<Timestamp> {
        let grave = self.graves.as_ref().and_then(|graves| graves.forgets_at());
        grave.or(self.spent.filter(|_| self.sessions.is_empty()))
    }
}
