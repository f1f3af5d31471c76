//! Sessions and the accounts of those who own them, kept in step.

use std::sync::Arc;

use session_core::{
    Change, Cursor, Event, Expired, Limits, Listing, Load, Locator, Mode, Observer, Owner, Page, Reason, Record,
    Session, SessionId, SessionKey, StoreError, Subject, Summary, Timestamp, Updated,
};

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::sweeper::Expiring;
use crate::table::Table;

/// Sessions and the accounts of those who own them.
///
/// Locks are taken in one order and none is held over an await: first a principal's account, then one session's shard
/// of the table, then the mutex of a queue. All that makes a principal's session come or go runs under the account, so
/// what the account says is exact; loads and updates never look at it. Records are dropped, and the observer is told,
/// where no lock is held.
pub(crate) struct Sessions {
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) accounts: Accounts,
    pub(crate) table: Table,
    observer: Option<Arc<dyn Observer>>,
}

impl Sessions {
    pub(crate) fn new(limits: Limits) -> Self {
        let table = Table::new(limits.sessions);
        Self { limits, clock: Clock::new(), accounts: Accounts::new(), table, observer: None }
    }

    pub(crate) fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    pub(crate) fn load(&self, key: &SessionKey, load: Load) -> Option<Session> {
        let now = self.clock.now();
        let entry = self.table.read(key.id())?;
        // Fetches the count that is raised below together with what is read before: among a million sessions each of
        // them is a wait for memory, and raising a count does not begin to wait before all else is done.
        let _ = Arc::strong_count(entry.record());
        let right = entry.record().right(key.access(), now)?;
        let last_used = match (load, right.mode()) {
            (Load::Touch, Mode::ReadWrite) => entry.touch(now),
            (Load::Peek, _) | (_, Mode::ReadOnly) => entry.look(now),
        };
        Some(Session::new(entry.record().clone(), right, last_used.ok()?, now))
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
                let right = entry.record().right(key.access(), now).filter(|_| entry.look(now).is_ok());
                *mode = right.map(|right| right.mode());
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
        let mut listing = Listing::default();
        let Some(account) = self.accounts.read(principal) else { return Ok(listing) };
        for locator in account.sessions.after(after) {
            let Some(entry) = self.table.read(&SessionId { owner: *owner, locator }) else { continue };
            let Ok(last_used) = entry.look(now) else { continue };
            if listing.sessions.len() == page.capacity() {
                listing.next = listing.sessions.last().map(|last| last.locator.into());
                break;
            }
            listing.sessions.push(Summary::new(entry.record(), last_used));
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
        for (_, entry) in &gone {
            self.report(entry, now);
        }
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

    /// Tells the observer of a session that has gone from the table, if it had expired.
    pub(crate) fn report(&self, entry: &Entry, now: Timestamp) {
        if let Some(observer) = &self.observer
            && let Err(expired) = entry.look(now)
        {
            let Record { owner, locator, .. } = **entry.record();
            Event::new(owner, Subject::One(locator), Reason::Expired(expired)).report_to(&**observer);
        }
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

impl Expiring for Sessions {
    /// The things are sessions and accounts.
    fn sweep(&self, max: usize) -> usize {
        let now = self.clock.now();
        let due = self.table.due(now, max);
        for id in &due {
            if let Some(entry) = self.expire(id, now) {
                self.report(&entry, now);
            }
        }
        due.len() + self.accounts.sweep(now, max - due.len())
    }

    fn held(&self) -> u64 {
        self.table.held()
    }
}

/// The locator after which a page begins.
fn place_of(cursor: &Cursor) -> Result<Locator, StoreError> {
    cursor.as_str().parse().map_err(|_| StoreError::InvalidCursor)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session_core::{Lifetimes, NewSession, Rate, SessionName};

    use super::*;
    use crate::sweeper::SLICE;

    fn sessions(creation_rate: Option<Rate>) -> Sessions {
        Sessions::new(Limits {
            creation_rate,
            sessions_per_principal: 8,
            evict_after: Duration::ZERO,
            ..Limits::default()
        })
    }

    fn open(sessions: &Sessions, owner: Owner) -> SessionKey {
        let name = SessionName::mint();
        let lifetimes = Lifetimes::new(Duration::from_secs(60), Duration::from_secs(600)).expect("valid lifetimes");
        sessions.create(&NewSession::new(owner, &name, lifetimes)).expect("there is room");
        SessionKey::by_name(owner, &name)
    }

    fn principal(number: usize) -> Owner {
        Owner::principal("https://issuer.example", &number.to_string())
    }

    /// Entries, their deadlines, accounts, their deadlines.
    fn kept(sessions: &Sessions) -> (u64, usize, usize, usize) {
        let (accounts, deadlines) = sessions.accounts.len();
        (sessions.held(), sessions.table.queued(), accounts, deadlines)
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_and_goes_leaves_nothing_behind() {
        let sessions = sessions(None);
        for round in 0..1_000 {
            for owner in [Owner::Anonymous, principal(round % 10)] {
                let key = open(&sessions, owner);
                tokio::time::advance(Duration::from_millis(1)).await;
                sessions.load(&key, Load::Touch).expect("it is live");
                assert!(sessions.delete(&key).expect("its name may end it"));
            }
        }
        assert_eq!(kept(&sessions), (0, 0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn making_room_and_ending_all_leave_nothing_behind() {
        let sessions = sessions(None);
        for _ in 0..100 {
            open(&sessions, principal(1));
        }
        assert_eq!(kept(&sessions), (8, 8, 1, 0));
        assert_eq!(sessions.end_all(&principal(1)).expect("a principal has a list"), 8);
        assert_eq!(kept(&sessions), (0, 0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_touched_session_stays_queued_once() {
        let sessions = sessions(None);
        let key = open(&sessions, Owner::Anonymous);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(50)).await;
            sessions.load(&key, Load::Touch).expect("it is live");
            sessions.sweep(SLICE);
            assert_eq!(kept(&sessions), (1, 1, 0, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_rate_is_remembered_until_it_has_come_back() {
        let sessions = sessions(Some(Rate { count: 2, per: Duration::from_secs(20) }));
        let key = open(&sessions, principal(1));
        assert!(sessions.delete(&key).expect("its name may end it"));
        assert_eq!(kept(&sessions), (0, 0, 1, 1));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(sessions.sweep(SLICE), 0, "nothing is due");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(sessions.sweep(SLICE), 1);
        assert_eq!(kept(&sessions), (0, 0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_session_is_remembered_for_a_day() {
        let sessions = sessions(None);
        let key = open(&sessions, principal(1));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(sessions.sweep(SLICE), 1);
        assert_eq!(kept(&sessions), (0, 0, 1, 1));
        tokio::time::advance(Duration::from_secs(24 * 60 * 60 - 1)).await;
        assert_eq!(sessions.sweep(SLICE), 0, "nothing is due");
        assert_eq!(sessions.why_absent(&key), Some(Expired::Idle));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(sessions.sweep(SLICE), 1);
        assert_eq!(kept(&sessions), (0, 0, 0, 0));
        assert_eq!(sessions.why_absent(&key), None);
    }
}
