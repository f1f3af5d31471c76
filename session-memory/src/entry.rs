//! One session in the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use session_core::{Access, Change, Expired, Limits, Record, StoreError, Timestamp, Updated};

/// Set in `last_used` once somebody was told that the session has expired.
const SEEN_EXPIRED: u64 = 1 << 63;

/// One session in the table.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Replaced, never written to, by `update` under the shard's write guard.
    record: Arc<Record>,
    /// In milliseconds. Moved forward by readers under the shard's read guard, marked by whoever finds it expired.
    last_used: AtomicU64,
    /// The deadline it is queued under. Written by the sweep under the shard's write guard.
    queued: Timestamp,
}

impl Entry {
    pub(crate) fn new(record: Arc<Record>, now: Timestamp) -> Self {
        let queued = record.expires_at(now);
        Self { record, last_used: AtomicU64::new(now.as_millis()), queued }
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(crate) fn queued(&self) -> Timestamp {
        self.queued
    }

    /// When the session was last used, if it is live at `now`; else by which lifetime it ended.
    pub(crate) fn look(&self, now: Timestamp) -> Result<Timestamp, Expired> {
        self.visit(now, |last_used| last_used)
    }

    /// Begins the idle timeout anew at `now`, if the session is live.
    pub(crate) fn touch(&self, now: Timestamp) -> Result<Timestamp, Expired> {
        self.visit(now, |last_used| last_used.max(now.as_millis()))
    }

    /// Applies a change made at `now`, which is a use. The record before it is handed back, to be dropped where no
    /// lock is held.
    pub(crate) fn update(
        &mut self,
        access: Access,
        change: &Change,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(Updated, Arc<Record>), StoreError> {
        self.look(now).map_err(|_| StoreError::NotFound)?;
        let before = self.record.clone();
        let right = Record::apply(&mut self.record, access, change, now, limits)?;
        let last_used = self.touch(now).map_err(|_| StoreError::NotFound)?;
        let expires_at = self.record.expires_at(last_used).min(right.ends_at());
        Ok((Updated::new(self.record.version, now, expires_at), before))
    }

    /// Sets the deadline it is queued under to the one it has now, and returns both, the old one first.
    pub(crate) fn postpone(&mut self, last_used: Timestamp) -> (Timestamp, Timestamp) {
        let before = self.queued;
        self.queued = self.record.expires_at(last_used);
        (before, self.queued)
    }

    /// Expiry once seen is final. Whoever read the clock before the deadline and comes to write after another was told
    /// that the session is gone finds the mark, and does not bring it back.
    fn visit(&self, now: Timestamp, next: impl Fn(u64) -> u64) -> Result<Timestamp, Expired> {
        let mut seen = self.last_used.load(Ordering::Relaxed);
        loop {
            let last_used = Timestamp::from_millis(seen & !SEEN_EXPIRED);
            let now = if seen == last_used.as_millis() { now } else { now.max(self.record.expires_at(last_used)) };
            let expired = self.record.expired(last_used, now);
            let wanted = if expired.is_some() { seen | SEEN_EXPIRED } else { next(seen) };
            // A second touch in one millisecond writes nothing, so that readers of one session share its cache line.
            let written = wanted == seen
                || match self.last_used.compare_exchange_weak(seen, wanted, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => true,
                    Err(other) => {
                        seen = other;
                        false
                    }
                };
            if written {
                return expired.map_or(Ok(Timestamp::from_millis(wanted)), Err);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session_core::{Lifetimes, NewSession, Owner, SessionName};

    use super::*;

    fn entry(idle: u64, absolute: u64) -> Entry {
        let lifetimes = Lifetimes::new(Duration::from_millis(idle), Duration::from_millis(absolute));
        let new = NewSession::new(Owner::Anonymous, &SessionName::mint(), lifetimes.expect("valid lifetimes"));
        let record = Record::create(&new, at(0), &Limits::default()).expect("a small record");
        Entry::new(Arc::new(record), at(0))
    }

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn whoever_read_the_clock_too_early_does_not_bring_a_session_back() {
        let entry = entry(10, 100);
        assert_eq!(entry.look(at(9)), Ok(at(0)));
        assert_eq!(entry.look(at(10)), Err(Expired::Idle), "somebody is told that it has expired");
        assert_eq!(entry.touch(at(9)), Err(Expired::Idle), "and a late touch with an early clock comes too late");
        assert_eq!(entry.look(at(9)), Err(Expired::Idle));
    }

    #[test]
    fn a_touch_never_moves_the_last_use_back() {
        let entry = entry(10, 100);
        assert_eq!(entry.touch(at(8)), Ok(at(8)));
        assert_eq!(entry.touch(at(5)), Ok(at(8)));
        assert_eq!(entry.look(at(17)), Ok(at(8)));
    }

    #[test]
    fn an_expired_entry_keeps_its_reason() {
        let entry = entry(60, 100);
        assert_eq!(entry.touch(at(50)), Ok(at(50)));
        for now in [100, 200, 0] {
            assert_eq!(entry.look(at(now)), Err(Expired::Absolute(at(100))));
        }
    }
}
