//! All feeds, found by what they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::{Entry as Slot, OccupiedEntry};
use session_core::{
    Appended, Entry, Feed, JournalLimits, Position, PrincipalId, Quota, SessionId, StoreError, Timestamp,
};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::deadlines::Deadlines;
use crate::hasher::BuildLocatorHasher;
use crate::journal::entries::Entries;
use crate::journal::owners::Owners;
use crate::sweeper::Expiring;
use crate::table::SHARDS;

/// All feeds that have entries or followers.
///
/// A feed is among its owner's exactly while it is here, and in the queue exactly while it has entries: these change
/// together under the shard's write guard. Bells are rung when that was released.
#[derive(Debug)]
pub(crate) struct Feeds {
    limits: JournalLimits,
    clock: Clock,
    places: DashMap<Feed, Place, BuildLocatorHasher>,
    owners: Owners,
    deadlines: Deadlines<Feed>,
    /// The first part of all positions: when the journal was made.
    made: u64,
    /// The second part of the last one. Counted up under the guard of the feed that it is for, and never set back, so
    /// that positions rise also in a feed that was gone meanwhile.
    last: AtomicU64,
}

/// What is kept of one feed.
#[derive(Debug, Default)]
struct Place {
    entries: Entries,
    /// The deadline under which the feed is queued: that of its first entry, or of one that went before.
    queued: Option<Timestamp>,
    /// Rung for whoever follows the feed; nothing before anybody did.
    bell: Option<Bell>,
}

/// Rings all who listen, and is rung for them until they notice.
type Bell = watch::Sender<()>;

impl Feeds {
    pub(crate) fn new(limits: JournalLimits) -> Self {
        let clock = Clock::new();
        Self {
            limits,
            places: DashMap::with_hasher_and_shard_amount(BuildLocatorHasher::default(), SHARDS),
            owners: Owners::new(),
            deadlines: Deadlines::new(),
            made: clock.now().as_millis(),
            last: AtomicU64::new(0),
            clock,
        }
    }

    pub(crate) fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
        let max = self.limits.bytes;
        if entry.len() > max {
            return Err(Quota::EntryBytes { max }.into());
        }
        let bytes = Arc::from(entry);
        let (appended, bell) = {
            let mut slot = self.slot(*feed);
            let place = slot.get_mut();
            let now = self.clock.now();
            let at = Position::new(self.made, self.last.fetch_add(1, Ordering::Relaxed) + 1);
            let after = place.entries.push(Entry { at, bytes }, now, &self.limits);
            if place.queued.is_none() {
                self.queue(feed, place);
            }
            (Appended { at, after }, place.bell.clone())
        };
        ring(bell);
        Ok(appended)
    }

    pub(crate) fn read(&self, feed: &Feed, after: Position, max: usize) -> Vec<Entry> {
        let place = self.places.get(feed);
        place.map(|place| place.entries.behind(after, self.clock.now(), max)).unwrap_or_default()
    }

    pub(crate) fn end(&self, feed: &Feed) -> Position {
        self.places.get(feed).map(|place| place.entries.end(self.clock.now())).unwrap_or_default()
    }

    /// Listens for what is appended to a feed from now on, and for its end. The feed must be [tidied](Self::tidy) when
    /// the listener has gone.
    pub(crate) fn listen(&self, feed: Feed) -> watch::Receiver<()> {
        self.slot(feed).get_mut().bell.get_or_insert_default().subscribe()
    }

    pub(crate) fn ring(&self, feed: &Feed) {
        ring(self.places.get(feed).and_then(|place| place.bell.clone()));
    }

    /// Forgets what is kept for listeners who have gone.
    pub(crate) fn tidy(&self, feed: &Feed) {
        if let Slot::Occupied(slot) = self.places.entry(*feed) {
            self.keep_if_needed(slot);
        }
    }

    pub(crate) fn forget(&self, session: SessionId) {
        for feed in [Feed::ToClient(session), Feed::ToServers(session)] {
            self.forget_feed(&feed);
        }
    }

    /// Forgets the feeds that a principal has now.
    pub(crate) fn forget_all(&self, principal: &PrincipalId) {
        for feed in self.owners.feeds_of(principal) {
            self.forget_feed(&feed);
        }
    }

    fn forget_feed(&self, feed: &Feed) {
        let Slot::Occupied(mut slot) = self.places.entry(*feed) else { return };
        let place = slot.get_mut();
        // Freed when no lock is held.
        let _entries = std::mem::take(&mut place.entries);
        self.queue(feed, place);
        let bell = place.bell.clone();
        self.keep_if_needed(slot);
        ring(bell);
    }

    /// A feed's place, made if there is none.
    fn slot(&self, feed: Feed) -> OccupiedEntry<'_, Feed, Place> {
        match self.places.entry(feed) {
            Slot::Occupied(slot) => slot,
            Slot::Vacant(slot) => {
                self.owners.insert(feed);
                slot.insert_entry(Place::default())
            }
        }
    }

    /// Queues a feed under the deadline of its first entry, and no longer if it has none.
    fn queue(&self, feed: &Feed, place: &mut Place) {
        let at = place.entries.goes_at();
        match (place.queued, at) {
            (Some(queued), Some(at)) => self.deadlines.postpone(queued, at, *feed),
            (Some(queued), None) => drop(self.deadlines.remove(queued, *feed)),
            (None, Some(at)) => self.deadlines.add(at, *feed),
            (None, None) => {}
        }
        place.queued = at;
    }

    /// Removes a place that has neither entries nor listeners, and the bell of one that has no listeners.
    fn keep_if_needed(&self, mut slot: OccupiedEntry<'_, Feed, Place>) {
        let place = slot.get_mut();
        if place.bell.as_ref().is_some_and(|bell| bell.receiver_count() == 0) {
            place.bell = None;
        }
        if place.queued.is_none() && place.bell.is_none() {
            self.owners.remove(slot.key());
            slot.remove();
        }
    }
}

impl Expiring for Feeds {
    fn sweep(&self, max: usize) -> usize {
        let now = self.clock.now();
        let due = self.deadlines.due(now, max);
        for &(at, feed) in &due {
            if let Slot::Occupied(mut slot) = self.places.entry(feed)
                && slot.get().queued == Some(at)
            {
                let place = slot.get_mut();
                place.entries.expire(now);
                self.queue(&feed, place);
                if place.queued.is_none() {
                    // Also gives back the room that many entries took.
                    place.entries = Entries::default();
                }
                self.keep_if_needed(slot);
            }
        }
        due.len()
    }

    fn held(&self) -> u64 {
        self.places.len() as u64
    }
}

/// To be called where no lock is held: it wakes whoever listens.
fn ring(bell: Option<Bell>) {
    if let Some(bell) = bell {
        bell.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session_core::{Owner, SessionName};

    use super::*;
    use crate::sweeper::SLICE;

    const KEEP: Duration = Duration::from_secs(60);

    fn feeds() -> Feeds {
        Feeds::new(JournalLimits { keep: KEEP, ..JournalLimits::default() })
    }

    fn session(owner: Owner) -> SessionId {
        SessionId { owner, locator: SessionName::mint().locator() }
    }

    fn say(feeds: &Feeds, feed: Feed) {
        feeds.append(&feed, b"said").expect("a small entry");
    }

    /// How many feeds, owners and deadlines are kept.
    fn kept(feeds: &Feeds) -> (usize, usize, usize) {
        (feeds.places.len(), feeds.owners.len(), feeds.deadlines.len())
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_a_feed_that_has_gone_quiet() {
        let feeds = feeds();
        for owner in [Owner::principal("issuer", "alice"), Owner::principal("issuer", "bob"), Owner::Anonymous] {
            let session = session(owner);
            say(&feeds, Feed::ToClient(session));
            say(&feeds, Feed::ToServers(session));
        }
        say(&feeds, Feed::ToAll);
        assert_eq!(kept(&feeds), (7, 2, 7));
        tokio::time::advance(KEEP / 2).await;
        assert_eq!(feeds.sweep(SLICE), 0, "nothing is due");
        say(&feeds, Feed::ToAll);
        tokio::time::advance(KEEP / 2).await;
        assert_eq!(feeds.sweep(SLICE), 7);
        assert_eq!(kept(&feeds), (1, 0, 1), "one is queued for the entry that came later");
        tokio::time::advance(KEEP / 2).await;
        assert_eq!(feeds.sweep(SLICE), 1);
        assert_eq!(kept(&feeds), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_a_feed_that_is_followed_no_more() {
        let feeds = feeds();
        let feed = Feed::ToClient(session(Owner::principal("issuer", "alice")));
        for said in [false, true] {
            let bells = [(); 3].map(|()| feeds.listen(feed));
            if said {
                say(&feeds, feed);
                tokio::time::advance(KEEP).await;
                feeds.sweep(SLICE);
            }
            for bell in bells {
                assert_eq!(kept(&feeds), (1, 1, 0), "somebody listens, and has nothing to hear");
                drop(bell);
                feeds.tidy(&feed);
            }
            assert_eq!(kept(&feeds), (0, 0, 0));
        }
        say(&feeds, feed);
        drop(feeds.listen(feed));
        feeds.tidy(&feed);
        assert_eq!(kept(&feeds), (1, 1, 1), "an entry stays for whoever comes later");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_left_of_sessions_that_are_forgotten() {
        let feeds = feeds();
        let alice = Owner::principal("issuer", "alice");
        let sessions = [(); 3].map(|()| session(alice));
        for session in sessions {
            say(&feeds, Feed::ToClient(session));
            say(&feeds, Feed::ToServers(session));
        }
        feeds.forget(sessions[0]);
        assert_eq!(kept(&feeds), (4, 1, 4));
        let bell = feeds.listen(Feed::ToClient(sessions[1]));
        feeds.forget_all(alice.as_principal().expect("alice is a principal"));
        assert_eq!(kept(&feeds), (1, 1, 0), "one is followed");
        drop(bell);
        feeds.tidy(&Feed::ToClient(sessions[1]));
        assert_eq!(kept(&feeds), (0, 0, 0));
    }
}
