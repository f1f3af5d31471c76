//! The rules of a journal can fail: for each there is a journal that breaks that rule and keeps all others.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness as _, JOURNAL_RULES, JournalHarness, JournalRule};
use session_core::{
    Appended, Entry, Feed, Follower, Journal, JournalLimits, Owner, Position, Quota, SessionId, StoreError, Subject,
};
use session_memory::MemoryJournal;

use crate::ModelHarness;

/// Each fault, and the one rule it breaks.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::TakesEntriesForTexts, "entries_come_back_in_order"),
    (Fault::HasPlaceForEightSessions, "feeds_are_apart"),
    (Fault::ReadsOneEntryAtLeast, "reading_goes_on_where_it_was"),
    (Fault::NoticesTheSecondEntry, "reading_from_the_end_reads_what_is_new"),
    (Fault::BytesHideTheLimitOfEntries, "a_feed_is_bounded_in_entries_and_bytes"),
    (Fault::NamesWhatWasSaidForTheLimit, "an_entry_larger_than_a_feed_is_refused"),
    (Fault::KeepsTwiceAsLong, "entries_go_after_their_time"),
    (Fault::RingsTwoFollowers, "a_follower_is_rung_by_another_handle"),
    (Fault::RingsByAnEntry, "a_ring_adds_nothing"),
    (Fault::TakesTheRingBeforeItIsHeard, "a_ring_is_not_lost"),
    (Fault::ForgetsTheLocatorOfAllOwners, "an_ended_session_leaves_no_entries"),
    (Fault::TheAnonymousEndAll, "the_end_of_all_rings_all"),
];

/// What a journal can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TakesEntriesForTexts,
    HasPlaceForEightSessions,
    ReadsOneEntryAtLeast,
    NoticesTheSecondEntry,
    BytesHideTheLimitOfEntries,
    NamesWhatWasSaidForTheLimit,
    KeepsTwiceAsLong,
    RingsTwoFollowers,
    RingsByAnEntry,
    TakesTheRingBeforeItIsHeard,
    ForgetsTheLocatorOfAllOwners,
    TheAnonymousEndAll,
}

#[test]
fn a_journal_without_a_fault_keeps_every_rule() {
    for rule in JOURNAL_RULES {
        assert!(keeps(None, rule), "the model breaks {rule:?}");
    }
}

#[test]
fn every_rule_of_a_journal_is_broken_by_a_fault() {
    for rule in JOURNAL_RULES {
        let faults = FAULTS.iter().filter(|(_, broken)| *broken == rule.name).count();
        assert_eq!(faults, 1, "{rule:?} has {faults} faults");
    }
}

#[test]
fn each_fault_of_a_journal_breaks_its_own_rule_and_no_other() {
    let verdicts = FAULTS.iter().flat_map(|(fault, broken)| {
        JOURNAL_RULES.iter().filter_map(move |rule| match (keeps(Some(*fault), rule), rule.name == *broken) {
            (true, true) => Some(format!("{fault:?} is not noticed by {rule:?}")),
            (false, false) => Some(format!("{fault:?} also breaks {rule:?}")),
            _ => None,
        })
    });
    let wrong: Vec<String> = verdicts.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs one rule on a paused clock of its own.
fn keeps(fault: Option<Fault>, rule: &JournalRule) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can always be built");
    catch_unwind(AssertUnwindSafe(|| runtime.block_on((rule.run)(&FaultyHarness(fault))))).is_ok()
}

struct FaultyHarness(Option<Fault>);

#[async_trait]
impl JournalHarness for FaultyHarness {
    async fn handles(&self, limits: JournalLimits, count: usize) -> Vec<Arc<dyn Journal>> {
        let journal: Arc<dyn Journal> = Arc::new(Faulty::new(limits, self.0));
        vec![journal; count]
    }

    async fn elapse(&self, duration: Duration) {
        ModelHarness(None).elapse(duration).await;
    }

    fn tick(&self) -> Duration {
        ModelHarness(None).tick()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        ModelHarness(None).spawn(task)
    }
}

/// A journal in memory, with something wrong around it.
#[derive(Debug)]
struct Faulty {
    journal: MemoryJournal,
    fault: Option<Fault>,
    sessions: Mutex<Vec<SessionId>>,
    appended: Mutex<BTreeMap<Feed, usize>>,
    followers: Arc<Mutex<BTreeMap<Feed, usize>>>,
}

impl Faulty {
    fn new(mut limits: JournalLimits, fault: Option<Fault>) -> Self {
        match fault {
            Some(Fault::KeepsTwiceAsLong) => limits.keep *= 2,
            Some(Fault::BytesHideTheLimitOfEntries) if limits.bytes < 1000 => limits.entries = usize::MAX,
            _ => {}
        }
        let journal = MemoryJournal::new(limits);
        Self { journal, fault, sessions: Mutex::default(), appended: Mutex::default(), followers: Arc::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The session that goes to make place for another.
    fn displaced(&self, feed: &Feed) -> Option<SessionId> {
        let (Feed::ToClient(session) | Feed::ToServers(session)) = feed else { return None };
        let mut sessions = self.sessions.lock().expect("nothing panics meanwhile");
        if !sessions.contains(session) {
            sessions.push(*session);
        }
        (sessions.len() > 8).then(|| sessions.remove(0))
    }
}

#[async_trait]
impl Journal for Faulty {
    async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
        if self.has(Fault::HasPlaceForEightSessions)
            && let Some(SessionId { owner, locator }) = self.displaced(feed)
        {
            self.journal.forget(&owner, &Subject::One(locator)).await?;
        }
        let text = String::from_utf8_lossy(entry);
        let entry = if self.has(Fault::TakesEntriesForTexts) { text.as_bytes() } else { entry };
        *self.appended.lock().expect("nothing panics meanwhile").entry(*feed).or_default() += 1;
        match self.journal.append(feed, entry).await {
            Err(StoreError::Quota(_)) if self.has(Fault::NamesWhatWasSaidForTheLimit) => {
                Err(Quota::EntryBytes { max: entry.len() }.into())
            }
            answer => answer,
        }
    }

    async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError> {
        let max = if self.has(Fault::ReadsOneEntryAtLeast) { max.max(1) } else { max };
        self.journal.read(feed, after, max).await
    }

    async fn end(&self, feed: &Feed) -> Result<Position, StoreError> {
        let appended = self.appended.lock().expect("nothing panics meanwhile").get(feed).copied();
        if self.has(Fault::NoticesTheSecondEntry) && appended == Some(1) {
            return Ok(Position::START);
        }
        self.journal.end(feed).await
    }

    fn follow(&self, feed: &Feed) -> Box<dyn Follower> {
        let mut followers = self.followers.lock().expect("nothing panics meanwhile");
        let number = followers.entry(*feed).or_default();
        *number += 1;
        Box::new(FaultyFollower {
            inner: self.journal.follow(feed),
            takes_rings: self.has(Fault::TakesTheRingBeforeItIsHeard),
            rings: if self.has(Fault::RingsTwoFollowers) && *number > 2 { 1 } else { usize::MAX },
            feed: *feed,
            followers: self.followers.clone(),
        })
    }

    async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
        if self.has(Fault::RingsByAnEntry) {
            self.journal.append(feed, b"").await?;
            return Ok(());
        }
        self.journal.ring(feed).await
    }

    async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError> {
        match subject {
            Subject::One(_) if self.has(Fault::ForgetsTheLocatorOfAllOwners) => {
                let bob = Owner::principal("https://issuer.example", "bob");
                self.journal.forget(&bob, subject).await?;
            }
            Subject::All { .. } if self.has(Fault::TheAnonymousEndAll) && *owner == Owner::Anonymous => return Ok(()),
            _ => {}
        }
        self.journal.forget(owner, subject).await
    }
}

struct FaultyFollower {
    inner: Box<dyn Follower>,
    takes_rings: bool,
    /// How many rings come through.
    rings: usize,
    feed: Feed,
    followers: Arc<Mutex<BTreeMap<Feed, usize>>>,
}

#[async_trait]
impl Follower for FaultyFollower {
    async fn rung(&mut self) {
        if self.rings == 0 {
            std::future::pending::<()>().await;
        }
        self.inner.rung().await;
        self.rings -= 1;
        if self.takes_rings {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for FaultyFollower {
    fn drop(&mut self) {
        if let Some(number) = self.followers.lock().expect("nothing panics meanwhile").get_mut(&self.feed) {
            *number -= 1;
        }
    }
}
