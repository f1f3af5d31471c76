//! What is said to everyone who listens.

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// A change that clients may want to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// The list of tools is another one.
    Tools,
    /// The list of prompts is another one.
    Prompts,
    /// A resource reads differently.
    Resource(String),
}

/// Where changes are announced. Clones are one place.
#[derive(Clone, Debug)]
pub(crate) struct Announcements(Sender<Announcement>);

impl Default for Announcements {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

/// How many announcements a subscriber may be behind before it misses some.
const BACKLOG: usize = 256;

impl Announcements {
    /// Announces a change to all who have subscribed by now.
    pub(crate) fn publish(&self, change: Announcement) {
        // An error says that nobody listens, which is fine.
        let _ = self.0.send(change);
    }

    /// Begins to hear what is announced from now on.
    pub(crate) fn subscribe(&self) -> Subscriber {
        Subscriber(self.0.subscribe())
    }
}

/// One who hears announcements.
#[derive(Debug)]
pub(crate) struct Subscriber(Receiver<Announcement>);

impl Subscriber {
    /// Waits for the next announcement; `None` if there will be no more. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Option<Announcement> {
        loop {
            match self.0.recv().await {
                Ok(change) => return Some(change),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "a listener is too slow"),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
