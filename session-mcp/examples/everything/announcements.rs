//! What is said to everyone who listens, at this replica or at another.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session_core::{Feed, Follower, Journal, Position, SessionManager, StoreError};

/// A change that clients may want to know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Announcement {
    /// The list of tools is another one.
    Tools,
    /// The list of prompts is another one.
    Prompts,
    /// A resource reads differently.
    Resource(String),
}

impl Announcement {
    /// Announces a change to all who have subscribed by now, at any replica that shares this manager's store.
    pub(crate) async fn publish(&self, sessions: &SessionManager) -> Result<(), StoreError> {
        if let Some(journal) = sessions.journal() {
            let announced = serde_json::to_vec(self).expect("words are JSON");
            journal.append(&Feed::ToAll, &announced).await?;
        }
        Ok(())
    }
}

/// One who hears announcements.
pub(crate) struct Subscriber {
    journal: Arc<dyn Journal>,
    follower: Box<dyn Follower>,
    /// What was read last, and what of it was not heard yet.
    at: Position,
    read: VecDeque<Announcement>,
}

impl Subscriber {
    /// Begins to hear what is announced from now on, where there is a journal.
    pub(crate) async fn begin(sessions: &SessionManager) -> Option<Self> {
        let journal = Arc::clone(sessions.journal()?);
        let at = journal.end(&Feed::ToAll).await.ok()?;
        let follower = journal.follow(&Feed::ToAll);
        Some(Self { journal, follower, at, read: VecDeque::new() })
    }

    /// Waits for the next announcement. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Announcement {
        loop {
            if let Some(announced) = self.read.pop_front() {
                return announced;
            }
            self.follower.rung().await;
            // A journal that is away rings when it is back.
            let entries = self.journal.read(&Feed::ToAll, self.at, usize::MAX).await.unwrap_or_default();
            self.at = entries.last().map_or(self.at, |entry| entry.at);
            self.read.extend(entries.iter().filter_map(|entry| serde_json::from_slice(&entry.bytes).ok()));
        }
    }
}
