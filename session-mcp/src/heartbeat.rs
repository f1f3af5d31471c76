//! What keeps a session from idling out while something goes on in it.

use std::time::Duration;

use session_core::{Error, SessionKey, SessionManager, StoreError};

/// Uses a session soon, and then again and again, often enough for it neither to idle out nor to make room for another.
/// Completes when it has ended all the same; a store that is away ends nothing.
pub(crate) async fn keep_in_use(sessions: &SessionManager, key: &SessionKey) {
    beat(sessions, key, period).await;
}

/// The same, no more often than it takes for the session not to idle out: it makes room for another as if it was not
/// used.
#[cfg(feature = "http")]
pub(crate) async fn keep_from_idling(sessions: &SessionManager, key: &SessionKey) {
    beat(sessions, key, third).await;
}

async fn beat(sessions: &SessionManager, key: &SessionKey, period_of: fn(Duration) -> Duration) {
    let mut pause = soon(sessions);
    loop {
        tokio::time::sleep(pause).await;
        pause = match sessions.load(key).await {
            Ok(session) => period_of(session.idle_timeout),
            Err(Error::Store(StoreError::NotFound)) => return,
            Err(_) => period(sessions.lifetimes().idle()),
        };
    }
}

/// How long something goes on before it counts as a use of its session by itself. What is over sooner uses the session,
/// if at all, by what it does with it.
pub(crate) fn soon(sessions: &SessionManager) -> Duration {
    SOON.min(period(sessions.lifetimes().idle()))
}

const SOON: Duration = Duration::from_millis(50);

/// How long a session that something goes on in is left alone: a third of its idle timeout, and 10 seconds at most.
fn period(idle: Duration) -> Duration {
    third(idle).min(MAX_PERIOD)
}

fn third(idle: Duration) -> Duration {
    (idle / 3).max(Duration::from_millis(1))
}

/// After how long without a use nothing goes on in a session: three heartbeats, of which two may be lost.
pub(crate) fn unused_after(idle: Duration) -> Duration {
    idle.min(3 * MAX_PERIOD)
}

const MAX_PERIOD: Duration = Duration::from_secs(10);
