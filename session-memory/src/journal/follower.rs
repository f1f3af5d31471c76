//! One who follows a feed.

use std::sync::Arc;

use async_trait::async_trait;
use session_core::{Feed, Follower};
use tokio::sync::watch;

use crate::journal::feeds::Feeds;
use crate::sweeper::Swept;

/// Follows a feed: compares how often its bell was rung with how often that was noticed.
pub(crate) struct MemoryFollower {
    bell: watch::Receiver<()>,
    // After the bell, which must be gone when the place is looked at.
    _place: Place,
}

impl MemoryFollower {
    pub(crate) fn new(feeds: Arc<Swept<Feeds>>, feed: Feed) -> Self {
        let mut bell = feeds.kept.listen(feed);
        // The first ring says that the feed is followed, as it is now.
        bell.mark_changed();
        Self { bell, _place: Place { feeds, feed } }
    }
}

#[async_trait]
impl Follower for MemoryFollower {
    async fn rung(&mut self) {
        // The feed keeps its bell while somebody listens, so there is always an answer.
        let _ = self.bell.changed().await;
    }
}

/// A follower's place at a feed, which is given up when this is dropped.
struct Place {
    feeds: Arc<Swept<Feeds>>,
    feed: Feed,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.feeds.kept.tidy(&self.feed);
    }
}
