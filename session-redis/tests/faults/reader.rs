//! Whoever waits for what is said, and reads it when it is rung.

use std::time::{Duration, Instant};

use session_core::{Feed, Follower, Journal, JournalLimits, Owner, Position, SessionId, SessionName};
use session_redis::{RedisJournal, RedisStore};
use tokio::time::timeout;

/// Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads on when it is rung, and at no other time.
pub(crate) struct Reader {
    journal: RedisJournal,
    feed: Feed,
    follower: Box<dyn Follower>,
    seen: Position,
    /// What it read.
    pub(crate) read: Vec<String>,
}

impl Reader {
    /// Follows a feed through a store.
    pub(crate) async fn of(feed: Feed, store: &RedisStore) -> Self {
        let journal = journal(store);
        let mut follower = journal.follow(&feed);
        timeout(PATIENCE, follower.rung()).await.expect("the feed can be followed");
        Self { journal, feed, follower, seen: Position::START, read: Vec::new() }
    }

    /// Waits for one ring, and reads on. Says how long it took.
    pub(crate) async fn rung(&mut self) -> Duration {
        let begun = Instant::now();
        timeout(PATIENCE, self.follower.rung()).await.expect("nobody waits for ever");
        let took = begun.elapsed();
        let Ok(entries) = self.journal.read(&self.feed, self.seen, usize::MAX).await else { return took };
        self.seen = entries.last().map_or(self.seen, |last| last.at);
        self.read.extend(entries.iter().map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned()));
        took
    }

    /// Waits until it has read this. Says how long it took.
    pub(crate) async fn reads(&mut self, entry: &str) -> Duration {
        let begun = Instant::now();
        while self.read.last().is_none_or(|last| last != entry) {
            self.rung().await;
        }
        begun.elapsed()
    }
}

/// A journal with the usual limits.
pub(crate) fn journal(store: &RedisStore) -> RedisJournal {
    store.journal(JournalLimits::default())
}

/// What the client of a session is told, in which nothing was said.
pub(crate) fn feed(owner: Owner) -> Feed {
    Feed::ToClient(SessionId { owner, locator: SessionName::mint().locator() })
}

/// Says something.
pub(crate) async fn say(store: &RedisStore, feed: &Feed, entry: impl ToString) {
    journal(store).append(feed, entry.to_string().as_bytes()).await.expect("it can be said");
}

/// All that is said in a feed.
pub(crate) async fn said(store: &RedisStore, feed: &Feed) -> Vec<String> {
    let entries = journal(store).read(feed, Position::START, usize::MAX).await.expect("the journal answers");
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned()).collect()
}
