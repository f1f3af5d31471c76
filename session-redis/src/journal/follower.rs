//! Who follows a feed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Feed, Follower};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::client::Listener;
use crate::keys::Keys;
use crate::sessions::Sessions;

/// Who follows a feed.
pub(super) enum RedisFollower {
    /// Is rung when something is published.
    Listening {
        listener: Listener,
        /// What looks for the servers ends with the last handle.
        _sessions: Arc<Sessions>,
    },
    /// Is rung again and again, where nothing that is published can be heard.
    Looking(Interval),
}

impl RedisFollower {
    /// How often one is rung that hears nothing.
    const EVERY: Duration = Duration::from_secs(1);

    /// Begins to follow a feed. Needs the runtime.
    pub(super) fn of(feed: &Feed, sessions: &Arc<Sessions>) -> Self {
        let key = sessions.keys.feed(feed);
        let forgotten = Keys::forgotten(&key);
        let of_a_principal = match feed {
            Feed::ToClient(id) | Feed::ToServers(id) => id.owner.as_principal().is_some(),
            Feed::ToAll => false,
        };
        // Nobody forgets all that others have.
        let channels: &[&str] = if of_a_principal { &[&key, &forgotten] } else { &[&key] };
        if let Some(listener) = sessions.client.listen(channels) {
            return Self::Listening { listener, _sessions: Arc::clone(sessions) };
        }
        let mut interval = interval(Self::EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Looking(interval)
    }
}

#[async_trait]
impl Follower for RedisFollower {
    async fn rung(&mut self) {
        match self {
            Self::Listening { listener, .. } => listener.rung().await,
            Self::Looking(interval) => {
                interval.tick().await;
            }
        }
    }
}
