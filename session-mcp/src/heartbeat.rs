//! What keeps a session from idling out while something goes on in it.

use std::time::Duration;

use session_core::{Error, SessionKey, SessionManager, StoreError};

/// Uses a session soon, and then again and again, often enough for it not to idle out. Completes when it has ended all
/// the same; a store that is away ends nothing.
pub(crate) async fn keep_in_use(sessions: &SessionManager, key: &SessionKey) {
    let mut pause = soon(sessions);
    loop {
        tokio::time::sleep(pause).await;
        pause = match sessions.load(key).await {
            Ok(session) => period(session.idle_timeout),
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
    (idle / 3).clamp(Duration::from_millis(1), MAX_PERIOD)
}

/// After how long without a use nothing goes on in a session: three heartbeats, of which two may be lost.
pub(crate) fn unused_after(idle: Duration) -> Duration {
    idle.min(3 * MAX_PERIOD)
}

const MAX_PERIOD: Duration = Duration::from_secs(10);
