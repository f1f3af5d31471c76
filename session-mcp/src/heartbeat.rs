//! What keeps a session from idling out while something goes on in it.

use std::time::Duration;

use session_core::{Error, SessionKey, SessionManager, StoreError};

/// Uses a session again and again, often enough for it not to idle out. Completes when it has ended all the same; a
/// store that is away ends nothing.
pub(crate) async fn keep_in_use(sessions: &SessionManager, key: &SessionKey) {
    let period = period(sessions.lifetimes().idle());
    loop {
        tokio::time::sleep(period).await;
        if let Err(Error::Store(StoreError::NotFound)) = sessions.load(key).await {
            return;
        }
    }
}

/// How long a session that something goes on in is left alone: a third of its idle timeout, and 10 seconds at most.
pub(crate) fn period(idle: Duration) -> Duration {
    (idle / 3).clamp(Duration::from_millis(1), MAX_PERIOD)
}

const MAX_PERIOD: Duration = Duration::from_secs(10);
