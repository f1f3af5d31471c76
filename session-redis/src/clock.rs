//! About what time it is at the server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use session_core::Timestamp;

/// A server's clock that runs so far apart from what was expected is worth a word.
const SKEW: Duration = Duration::from_secs(1);
/// How long to say nothing more of it.
const SILENCE: Duration = Duration::from_secs(60);

/// About what time it is at the server: what it said last, and how long ago that was.
///
/// Nothing is decided by it here. It only says how long a request may take to arrive, and the server compares that with
/// its own clock. The estimate is never ahead of a server whose clock runs evenly.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<(Instant, Timestamp)>,
    warned: Option<Instant>,
}

impl ServerClock {
    /// Takes note of a time that the server said just now, and warns where it is not what was expected.
    pub(crate) fn hear(&self, now: Timestamp) {
        let here = Instant::now();
        let mut heard = self.heard();
        let expected = heard.at(here);
        let apart = now.since(expected).max(expected.since(now));
        if heard.last.replace((here, now)).is_none() || apart < SKEW {
            return;
        }
        if heard.warned.is_none_or(|warned| here - warned > SILENCE) {
            heard.warned = Some(here);
            let millis = apart.as_millis();
            tracing::warn!(
                millis,
                "a Redis server's clock is not where it should be: sessions end as much sooner or later"
            );
        }
    }

    /// The time at the server, or long ago if it never said.
    pub(crate) fn about(&self) -> Timestamp {
        self.heard().at(Instant::now())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn at(&self, here: Instant) -> Timestamp {
        self.last.map_or(Timestamp::from_millis(0), |(when, now)| now.after(here.saturating_duration_since(when)))
    }
}
