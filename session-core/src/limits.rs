//! How much a client can make a store keep.

use std::time::Duration;

use crate::time::{Timestamp, millis};

/// How much a client can make a store keep; each limit has its own [`Quota`] error.
///
/// A store is made with its limits and keeps them itself, so that two writers who reach one together cannot both pass
/// it (`conformance::writers_who_reach_a_limit_together_stay_within_it`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "limits are written as a literal over `..Limits::default()`")]
pub struct Limits {
    /// Live sessions in the whole store. Exact in memory, advisory where a store's documentation says so. It is all
    /// that limits anonymous callers here: how fast they may come is for the layer that sees their addresses.
    pub sessions: u64,
    /// Live sessions of one principal. Does not concern the anonymous owner.
    ///
    /// At this limit the principal's own session that was idle longest is ended to make room, if it has been idle for
    /// [`evict_after`](Self::evict_after); nobody else's ever is.
    pub sessions_per_principal: u64,
    /// How long a session must have been idle before its own principal's next one may take its place: three
    /// heartbeats by default, so that a session with a call in flight is safe.
    pub evict_after: Duration,
    /// How fast one principal may create sessions; `None` is as fast as they like.
    pub creation_rate: Option<Rate>,
    /// Grants of one session, its first name included.
    pub grants: usize,
    /// Named values of one session, but for those under reserved names.
    pub state_names: usize,
    /// Bytes of one value, but for those under reserved names.
    pub value_bytes: usize,
    /// Bytes of one session: its texts, and names and values of its state, but for those under reserved names.
    pub session_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            sessions_per_principal: 100,
            evict_after: Duration::from_secs(30),
            creation_rate: Some(Rate { count: 60, per: Duration::from_secs(60) }),
            grants: 16,
            state_names: 128,
            value_bytes: 64 * 1024,
            session_bytes: 256 * 1024,
        }
    }
}

/// So many in so long: `count` at once, and then one more each `per / count`, to a millisecond.
///
/// This is the generic cell rate algorithm. It needs one timestamp per principal, which it calls the theoretical
/// arrival time. After a pause a burst of `count` passes; in the long run no more than `count` in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a rate is a count and a time")]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// Admits one more at `now`, or says after how long to try again.
    ///
    /// `arrival` is what the last admission returned, or `None` before the first. Until it has passed, the principal
    /// must be remembered. A rate of no `count` admits nobody.
    ///
    /// # Errors
    ///
    /// [`Quota::CreationRate`].
    pub fn admit(&self, arrival: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Quota> {
        if self.count == 0 {
            return Err(Quota::CreationRate { retry_after: self.per });
        }
        let arrival = arrival.map_or(now, |arrival| arrival.max(now));
        let earliest = arrival.before(self.tolerance());
        if earliest > now {
            return Err(Quota::CreationRate { retry_after: earliest.since(now) });
        }
        Ok(arrival.after(self.interval()))
    }

    /// How far an admission puts off the theoretical arrival time, for stores that admit elsewhere.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let count = u64::from(self.count.max(1));
        Duration::from_millis(millis(self.per).div_ceil(count).max(1))
    }

    /// How far the theoretical arrival time may lie ahead of an admission, for stores that admit elsewhere.
    #[must_use]
    pub fn tolerance(&self) -> Duration {
        self.interval().saturating_mul(self.count.saturating_sub(1))
    }
}

/// Which limit was met, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Quota {
    /// [`Limits::sessions`].
    #[error("this server holds its limit of {max} sessions; try again later, or raise `limits.sessions`")]
    Sessions {
        /// The limit.
        max: u64,
    },
    /// [`Limits::sessions_per_principal`].
    #[error("you have your limit of {max} sessions and all are in use; end one of them first")]
    SessionsPerPrincipal {
        /// The limit.
        max: u64,
    },
    /// [`Limits::creation_rate`].
    #[error("you are opening sessions too fast; try again in {} ms", retry_after.as_millis())]
    CreationRate {
        /// When one more will be admitted.
        retry_after: Duration,
    },
    /// [`Limits::grants`].
    #[error("a session can have {max} names; revoke one of them first")]
    Grants {
        /// The limit.
        max: usize,
    },
    /// [`Limits::state_names`].
    #[error("a session can keep {max} values; remove one of them first")]
    StateNames {
        /// The limit.
        max: usize,
    },
    /// [`Limits::value_bytes`].
    #[error("a value can have {max} bytes; keep a smaller one, or its place instead of itself")]
    ValueBytes {
        /// The limit.
        max: usize,
    },
    /// [`Change::MAX_EDITS`](crate::Change::MAX_EDITS).
    #[error("one change can edit {max} values and names of a session; make several changes")]
    Edits {
        /// The limit.
        max: usize,
    },
    /// [`Limits::session_bytes`].
    #[error("a session can keep {max} bytes; remove a value first, or keep a smaller one")]
    SessionBytes {
        /// The limit.
        max: usize,
    },
    /// [`JournalLimits::bytes`](crate::JournalLimits::bytes).
    #[error("what is said in a session can have {max} bytes; say less at once")]
    EntryBytes {
        /// The limit.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_admits_its_count_at_once_and_then_one_at_a_time() {
        let rate = Rate { count: 3, per: Duration::from_millis(300) };
        let mut now = Timestamp::from_millis(1_000_000);
        let mut arrival = None;
        for _ in 0..3 {
            arrival = Some(rate.admit(arrival, now).expect("within the count"));
        }
        for waited in [0, 60, 99] {
            let later = now.after(Duration::from_millis(waited));
            let refused = rate.admit(arrival, later).expect_err("the count is spent");
            assert_eq!(refused, Quota::CreationRate { retry_after: Duration::from_millis(100 - waited) });
        }
        now = now.after(Duration::from_millis(100));
        arrival = Some(rate.admit(arrival, now).expect("one has come back"));
        assert!(rate.admit(arrival, now).is_err(), "and only one");
    }

    #[test]
    fn a_rate_of_nothing_admits_nothing() {
        let rate = Rate { count: 0, per: Duration::from_secs(1) };
        assert!(rate.admit(None, Timestamp::from_millis(5)).is_err());
    }

    #[test]
    fn an_endless_rate_overflows_nothing() {
        let rate = Rate { count: u32::MAX, per: Duration::MAX };
        let arrival = rate.admit(None, Timestamp::from_millis(u64::MAX)).expect("the first of many");
        assert!(rate.admit(Some(arrival), Timestamp::from_millis(0)).is_err());
    }
}
