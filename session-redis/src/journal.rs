//! The journal, as its contract has it.

mod feeds;
mod follower;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use session_core::{Appended, Entry, Feed, Follower, Journal, JournalLimits, Owner, Position, StoreError, Subject};

use crate::journal::follower::RedisFollower;
use crate::sessions::Sessions;

/// What is said in sessions, kept in Redis or Valkey for all processes that share them.
///
/// It is a handle of the store that it was made from: clones are the same journal. Each operation takes one round trip,
/// and answers within the store's deadline. While anything is followed, one more connection listens: see
/// [`follow`](Journal::follow).
#[derive(Clone)]
pub struct RedisJournal {
    sessions: Arc<Sessions>,
    limits: JournalLimits,
}

impl RedisJournal {
    pub(crate) fn new(sessions: Arc<Sessions>, limits: JournalLimits) -> Self {
        Self { sessions, limits }
    }
}

impl fmt::Debug for RedisJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisJournal").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for RedisJournal {
    async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
        self.sessions.append(feed, entry, &self.limits).await
    }

    async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.sessions.read(feed, after, max, &self.limits).await
    }

    async fn end(&self, feed: &Feed) -> Result<Position, StoreError> {
        self.sessions.last(feed, &self.limits).await
    }

    /// Follows a feed, until the follower is dropped. Needs the runtime of the store.
    ///
    /// All that follow anything through one store share a connection. It is made for the first of them and closed after
    /// the last; when it is lost it is made again, and everyone is rung. Over a
    /// [connection of the caller's](crate::RedisStore::from_connection) there is none, and followers are rung once a
    /// second instead.
    fn follow(&self, feed: &Feed) -> Box<dyn Follower> {
        Box::new(RedisFollower::of(feed, &self.sessions))
    }

    async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
        self.sessions.ring(feed).await
    }

    async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError> {
        self.sessions.forget(owner, subject, &self.limits).await
    }
}
