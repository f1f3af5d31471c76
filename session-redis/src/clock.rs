//! About what time it is at the server.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use session_core::Timestamp;

/// About what time it is at the server: what it said last, and how long ago that was.
///
/// Nothing is decided by it here. It only says how long a request may take to arrive, and the server compares that with
/// its own clock. The estimate is never ahead of a server whose clock runs evenly.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Option<(Instant, Timestamp)>>);

impl ServerClock {
    /// Takes note of a time that the server said just now.
    pub(crate) fn hear(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), now));
    }

    /// The time at the server, or long ago if it never said.
    pub(crate) fn about(&self) -> Timestamp {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or(Timestamp::from_millis(0), |(when, now)| now.after(when.elapsed()))
    }
}
