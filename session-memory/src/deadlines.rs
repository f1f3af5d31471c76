//! What is to be looked at, and when.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use session_core::Timestamp;

/// Keys in the order of the times at which to look at them.
///
/// A key is removed exactly when what it stands for goes, so that coming and going leaves nothing behind. Its mutex is
/// a leaf: nothing else is locked, and nobody else's code runs, while it is held.
#[derive(Debug)]
pub(crate) struct Deadlines<K>(Mutex<BTreeSet<(Timestamp, K)>>);

impl<K: Ord + Copy> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }

    /// Queues a key under a deadline.
    pub(crate) fn add(&self, at: Timestamp, key: K) {
        self.lock().insert((at, key));
    }

    /// Takes a key off the queue, if it is queued under this deadline.
    pub(crate) fn remove(&self, at: Timestamp, key: K) -> bool {
        self.lock().remove(&(at, key))
    }

    /// Queues a key under another deadline.
    pub(crate) fn postpone(&self, at: Timestamp, to: Timestamp, key: K) {
        let mut queue = self.lock();
        queue.remove(&(at, key));
        queue.insert((to, key));
    }

    /// The first `max` of what is due at `now`, which stays queued until whoever looks at it decides.
    pub(crate) fn due(&self, now: Timestamp, max: usize) -> Vec<(Timestamp, K)> {
        self.lock().iter().take_while(|(at, _)| *at <= now).take(max).copied().collect()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, K)>> {
        // A set whose holder panicked is still a set.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_is_due_comes_in_order_and_stays_until_removed() {
        let deadlines = Deadlines::new();
        for (millis, key) in [(30, 'c'), (10, 'a'), (20, 'b')] {
            deadlines.add(at(millis), key);
        }
        assert_eq!(deadlines.due(at(9), 9), []);
        assert_eq!(deadlines.due(at(20), 9), [(at(10), 'a'), (at(20), 'b')]);
        assert_eq!(deadlines.due(at(20), 1), [(at(10), 'a')]);
        deadlines.remove(at(10), 'a');
        assert_eq!(deadlines.due(at(20), 1), [(at(20), 'b')]);
    }

    #[test]
    fn a_postponed_key_is_queued_once() {
        let deadlines = Deadlines::new();
        deadlines.add(at(10), 'a');
        deadlines.postpone(at(10), at(30), 'a');
        assert_eq!(deadlines.due(at(20), 9), []);
        assert_eq!(deadlines.len(), 1);
    }
}
