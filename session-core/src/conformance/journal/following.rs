//! Who follows a feed, and is rung.

use std::sync::Arc;

use futures_util::future::{Either, select};

use super::{JournalHarness, append, end, follow, quiet, rung, said, session, two_handles};
use crate::conformance::harness::{alice, interrupted, moment};
use crate::journal::{Feed, Follower, Journal, Position};
use crate::owner::Owner;

const ROUNDS: usize = 60;

/// Whichever handle appends, every follower is rung, until they are dropped; and where nothing is said they wait.
pub async fn a_follower_is_rung_by_another_handle(harness: &dyn JournalHarness) {
    let handles = two_handles(harness).await;
    for feed in [Feed::ToClient(session(Owner::Anonymous)), Feed::ToServers(session(alice())), Feed::ToAll] {
        let mut here = follow(harness, &handles[0], &feed).await;
        let mut there = follow(harness, &handles[1], &feed).await;
        let mut beside = follow(harness, &handles[1], &feed).await;
        for (number, handle) in handles.iter().enumerate() {
            for follower in [&mut here, &mut there, &mut beside] {
                quiet(harness, follower).await;
            }
            let appended = append(handle, &feed, number.to_string()).await;
            for (follower, reader) in [(&mut here, 0), (&mut there, 1), (&mut beside, 1)] {
                rung(harness, follower, "an append rings every follower").await;
                let read = said(&handles[reader], &feed, appended.after).await;
                assert_eq!(read, [number.to_string()], "whoever is rung reads what is new");
            }
        }
        drop(beside);
        append(&handles[0], &feed, "more").await;
        rung(harness, &mut there, "a follower that was dropped silences no other").await;
        for entry in 0..100 {
            append(&handles[entry % 2], &feed, "much more").await;
        }
        rung(harness, &mut here, "many appends ring at least once").await;
        quiet(harness, &mut here).await;
    }
}

/// Whoever follows the feed is rung, and nobody else, and there is nothing new to read.
pub async fn a_ring_adds_nothing(harness: &dyn JournalHarness) {
    let handles = two_handles(harness).await;
    let session = session(alice());
    let feed = Feed::ToServers(session);
    let mut here = follow(harness, &handles[0], &feed).await;
    let mut there = follow(harness, &handles[1], &feed).await;
    let mut elsewhere = follow(harness, &handles[1], &Feed::ToClient(session)).await;
    let entry = append(&handles[0], &feed, "an entry").await;
    for handle in &handles {
        for follower in [&mut here, &mut there, &mut elsewhere] {
            quiet(harness, follower).await;
        }
        handle.ring(&feed).await.expect("the journal answers");
        for follower in [&mut here, &mut there] {
            rung(harness, follower, "a ring is heard by every follower").await;
        }
        let ring = select(elsewhere.rung(), harness.elapse(harness.tick())).await;
        assert!(matches!(ring, Either::Right(_)), "a ring is heard by nobody who follows another feed");
        assert_eq!(said(handle, &feed, entry.at).await, [""; 0], "a ring adds nothing");
    }
    handles[0].ring(&Feed::ToAll).await.expect("a ring that nobody hears is no error");
}

/// However often a follower stops waiting before it is rung, it learns of every entry: while it waits, or when it waits
/// the next time.
pub async fn a_ring_is_not_lost(harness: &dyn JournalHarness) {
    let handles = two_handles(harness).await;
    let feed = Feed::ToServers(session(alice()));
    let mut old = Listener::new(&handles[0], feed, Position::START);
    for round in 1..=ROUNDS {
        let before = end(&handles[0], &feed).await;
        let mut new = Listener::new(&handles[0], feed, before);
        new.waits_in_vain(harness, round / 8 % 8).await;
        let (journal, entry) = (handles[1].clone(), round.to_string());
        let appending = harness.spawn(Box::pin(async move { drop(journal.append(&feed, entry.as_bytes()).await) }));
        old.waits_in_vain(harness, round % 8).await;
        appending.await;
        old.waits_in_vain(harness, round / 4 % 8).await;
        for listener in [&mut old, &mut new] {
            listener.waits_for(harness, &round.to_string()).await;
        }
    }
    let all: Vec<String> = (1..=ROUNDS).map(|round| round.to_string()).collect();
    assert_eq!(old.heard, all, "whoever reads when it is rung reads all");
}

/// Reads on when it is rung, and at no other time.
struct Listener {
    journal: Arc<dyn Journal>,
    feed: Feed,
    follower: Box<dyn Follower>,
    seen: Position,
    heard: Vec<String>,
}

impl Listener {
    fn new(journal: &Arc<dyn Journal>, feed: Feed, seen: Position) -> Self {
        let (journal, follower) = (journal.clone(), journal.follow(&feed));
        Self { journal, feed, follower, seen, heard: Vec::new() }
    }

    /// Waits until the ring was looked at so often, and then no longer.
    async fn waits_in_vain(&mut self, harness: &dyn JournalHarness, polls: usize) {
        let others = || harness.spawn(Box::pin(async {}));
        let moment = harness.elapse(moment(harness.tick()));
        if interrupted(polls, self.follower.rung(), others, moment).await.is_some() {
            self.read_on().await;
        }
    }

    async fn waits_for(&mut self, harness: &dyn JournalHarness, entry: &str) {
        while self.heard.last().is_none_or(|last| last != entry) {
            rung(harness, &mut self.follower, "a ring is not lost with the future that waited for it").await;
            self.read_on().await;
        }
    }

    async fn read_on(&mut self) {
        let entries = self.journal.read(&self.feed, self.seen, usize::MAX).await.expect("the journal answers");
        for entry in entries {
            self.seen = entry.at;
            self.heard.push(String::from_utf8_lossy(&entry.bytes).into_owned());
        }
    }
}
