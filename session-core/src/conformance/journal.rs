//! What a rule of a journal needs from whoever runs it, and the small things that rules share.

pub(super) mod bounds;
pub(super) mod ending;
pub(super) mod following;
pub(super) mod order;
pub(super) mod reading;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, poll_immediate, select};

use super::harness::BoxFuture;
use crate::journal::{Appended, Feed, Follower, Journal, JournalLimits, Position};
use crate::name::{SessionId, SessionName};
use crate::owner::Owner;

/// Makes journals of one kind, and owns their clock.
#[async_trait]
pub trait JournalHarness: Send + Sync {
    /// `count` handles on one new and empty backend that keeps these limits.
    async fn handles(&self, limits: JournalLimits, count: usize) -> Vec<Arc<dyn Journal>>;

    /// Lets at least `duration` pass on the journals' clock, and not much more.
    async fn elapse(&self, duration: Duration);

    /// A time that `elapse` measures well: rules keep entries for a few ticks, and rely on what they do in between
    /// taking less than one. Anything on a paused clock, some 100 ms on a real one.
    fn tick(&self) -> Duration;

    /// Starts a task beside the caller; the future that is returned ends with it, and panics if it did.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
}

/// Limits that are in nobody's way.
fn roomy(harness: &dyn JournalHarness) -> JournalLimits {
    JournalLimits { entries: 10_000, bytes: 1024 * 1024, keep: harness.tick() * 1_000 }
}

/// One handle on a new journal.
async fn journal(harness: &dyn JournalHarness, limits: JournalLimits) -> Arc<dyn Journal> {
    harness.handles(limits, 1).await.remove(0)
}

/// Two handles on a new journal that is in nobody's way.
async fn two_handles(harness: &dyn JournalHarness) -> [Arc<dyn Journal>; 2] {
    harness.handles(roomy(harness), 2).await.try_into().expect("there are as many handles as asked for")
}

/// A session that nothing was said in.
fn session(owner: Owner) -> SessionId {
    SessionId { owner, locator: SessionName::mint().locator() }
}

/// Both feeds of a session.
fn feeds(session: SessionId) -> [Feed; 2] {
    [Feed::ToClient(session), Feed::ToServers(session)]
}

async fn append(journal: &Arc<dyn Journal>, feed: &Feed, entry: impl AsRef<[u8]>) -> Appended {
    journal.append(feed, entry.as_ref()).await.expect("an entry within the limits is appended")
}

/// What all entries behind a position say.
async fn said(journal: &Arc<dyn Journal>, feed: &Feed, after: Position) -> Vec<String> {
    let entries = journal.read(feed, after, usize::MAX).await.expect("the journal answers");
    entries.iter().map(|entry| String::from_utf8(entry.bytes.to_vec()).expect("the rule wrote text")).collect()
}

async fn end(journal: &Arc<dyn Journal>, feed: &Feed) -> Position {
    journal.end(feed).await.expect("the journal answers")
}

/// A follower that was rung for the first time.
async fn follow(harness: &dyn JournalHarness, journal: &Arc<dyn Journal>, feed: &Feed) -> Box<dyn Follower> {
    let mut follower = journal.follow(feed);
    rung(harness, &mut follower, "the first ring says that the feed is followed").await;
    follower
}

/// Waits for a ring, for as long as one may take.
async fn rung(harness: &dyn JournalHarness, follower: &mut Box<dyn Follower>, promise: &str) {
    let mut ring = follower.rung();
    // A paused clock can pass before others have worked. They do so first.
    for _ in 0..100 {
        if poll_immediate(&mut ring).await.is_some() {
            return;
        }
        harness.spawn(Box::pin(async {})).await;
    }
    match select(ring, harness.elapse(harness.tick() * 10)).await {
        Either::Left(_) => {}
        Either::Right(_) => panic!("{promise}, but the follower was not rung"),
    }
}

/// Takes rings until none comes for a tick.
async fn quiet(harness: &dyn JournalHarness, follower: &mut Box<dyn Follower>) {
    for _ in 0..1_000 {
        if let Either::Right(_) = select(follower.rung(), harness.elapse(harness.tick())).await {
            return;
        }
    }
    panic!("a follower waits where nothing is said, but this one is rung again and again");
}
