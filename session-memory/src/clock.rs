//! The store's own time.

use std::time::{SystemTime, UNIX_EPOCH};

use session_core::Timestamp;
use tokio::time::Instant;

/// Reads the wall clock once, and from then on time as it elapses: a step of the wall clock neither ends a session nor
/// prolongs one, and a paused runtime's clock is the store's too.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    origin_millis: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let origin_millis = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        Self { origin: Instant::now(), origin_millis }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = self.origin.elapsed();
        Timestamp::from_millis(self.origin_millis + elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis()))
    }
}
