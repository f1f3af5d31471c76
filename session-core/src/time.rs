//! When a session ends: points in a store's time, and the two lifetimes that hold together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in the store's own time, in milliseconds since the Unix epoch.
///
/// Only the store that keeps a record reads a clock. Compare timestamps of one store with each other, never with the
/// clock of the machine that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, or nothing if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` later, in whole milliseconds.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The point `duration` earlier, in whole milliseconds.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

/// How long a session lives: the idle timeout, which every use begins anew, and the absolute lifetime, which nothing
/// prolongs. Whichever ends first ends the session.
///
/// Kept in milliseconds: `Lifetimes::new` rounds up, so that a short lifetime never becomes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    idle: Duration,
    absolute: Duration,
}

impl Lifetimes {
    /// The idle timeout that sessions have unless told otherwise: 24 hours. For public servers 30 minutes are better.
    pub const DEFAULT_IDLE: Duration = Duration::from_secs(24 * 60 * 60);
    /// The absolute lifetime that sessions have unless told otherwise: 7 days.
    pub const DEFAULT_ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// The longest lifetime of either kind: 100 years of 365 days.
    pub const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    /// Sets both lifetimes.
    ///
    /// # Errors
    ///
    /// [`InvalidLifetime`] names the one that is zero or longer than [`MAX`](Self::MAX).
    pub fn new(idle: Duration, absolute: Duration) -> Result<Self, InvalidLifetime> {
        let checked = |which, duration: Duration| {
            if duration.is_zero() || duration > Self::MAX {
                return Err(InvalidLifetime { which });
            }
            Ok(Duration::from_millis(millis(duration)))
        };
        Ok(Self { idle: checked("idle timeout", idle)?, absolute: checked("absolute lifetime", absolute)? })
    }

    /// How long a session lives without being used.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// How long a session lives at all.
    #[must_use]
    pub fn absolute(&self) -> Duration {
        self.absolute
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { idle: Self::DEFAULT_IDLE, absolute: Self::DEFAULT_ABSOLUTE }
    }
}

/// A lifetime that no session can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {which} must be longer than nothing and at most 100 years")]
pub struct InvalidLifetime {
    which: &'static str,
}

/// By which of its two lifetimes a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a session has two lifetimes")]
pub enum Expired {
    /// It was not used for its idle timeout.
    Idle,
    /// It reached its absolute lifetime at this point.
    Absolute(Timestamp),
}

/// Whole milliseconds, rounded up.
pub(crate) fn millis(duration: Duration) -> u64 {
    // Not by way of nanoseconds: every load asks for this, and they would be a division of 128 bits.
    let begun = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    duration.as_secs().saturating_mul(1_000).saturating_add(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_rounded_up_to_milliseconds() {
        let lifetimes = Lifetimes::new(Duration::from_nanos(1), Duration::from_micros(1_500)).expect("both are valid");
        assert_eq!(lifetimes.idle(), Duration::from_millis(1));
        assert_eq!(lifetimes.absolute(), Duration::from_millis(2));
    }

    #[test]
    fn milliseconds_are_whole_and_end_with_the_range() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(999), 999),
            (Duration::new(1, 999_000_001), 2_000),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(millis(duration), expected, "{duration:?}");
        }
    }

    #[test]
    fn a_lifetime_of_nothing_or_for_ever_is_refused_by_name() {
        let error = Lifetimes::new(Duration::ZERO, Duration::MAX).expect_err("zero is no lifetime");
        assert!(error.to_string().contains("idle timeout"));
        let error = Lifetimes::new(Duration::from_secs(1), Duration::MAX).expect_err("too long");
        assert!(error.to_string().contains("absolute lifetime"));
    }
}
