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
    /// Live sessions in the whole store. Exact in memory, advisory where a store's documentation says so.
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
    /// Named values of one session.
    pub state_names: usize,
    /// Bytes of one value.
    pub value_bytes: usize,
    /// Bytes of one session: names and values of its state, texts and labels.
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

/// So many in so long: `count` at once, and then one more each `per / count`.
///
/// This is the generic cell rate algorithm: it needs one timestamp per principal, and no window has an edge at which
/// twice the rate could pass.
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
    /// `spent` is what the last admission returned, or `None` before the first. Until `spent` has passed, the
    /// principal must be remembered.
    ///
    /// # Errors
    ///
    /// [`Quota::CreationRate`].
    pub fn admit(&self, spent: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Quota> {
        let count = u64::from(self.count.max(1));
        let interval = millis(self.per).div_ceil(count).max(1);
        let spent = spent.map_or(now, |spent| spent.max(now)).as_millis();
        let earliest = spent.saturating_sub(interval * (count - 1));
        if self.count == 0 || earliest > now.as_millis() {
            let retry_after = Timestamp::from_millis(earliest).since(now).max(Duration::from_millis(interval));
            return Err(Quota::CreationRate { retry_after });
        }
        Ok(Timestamp::from_millis(spent.saturating_add(interval)))
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
    /// [`Limits::session_bytes`].
    #[error("a session can keep {max} bytes; remove a value first, or keep a smaller one")]
    SessionBytes {
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
        let mut spent = None;
        for _ in 0..3 {
            spent = Some(rate.admit(spent, now).expect("within the count"));
        }
        let refused = rate.admit(spent, now).expect_err("the count is spent");
        assert_eq!(refused, Quota::CreationRate { retry_after: Duration::from_millis(100) });
        now = now.after(Duration::from_millis(100));
        spent = Some(rate.admit(spent, now).expect("one has come back"));
        assert!(rate.admit(spent, now).is_err(), "and only one");
    }

    #[test]
    fn a_rate_of_nothing_admits_nothing() {
        let rate = Rate { count: 0, per: Duration::from_secs(1) };
        assert!(rate.admit(None, Timestamp::from_millis(5)).is_err());
    }
}
