//! The entries of one feed.

use std::collections::VecDeque;

use session_core::{Entry, JournalLimits, Position, Timestamp};

/// The entries of one feed, in the order of both their positions and their deadlines.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    kept: VecDeque<Kept>,
    /// The bytes of them all.
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    until: Timestamp,
}

impl Entries {
    /// Puts an entry behind all others and lets the oldest ones go that are too many then, or over their time. Says
    /// where the entry before it was.
    pub(crate) fn push(&mut self, entry: Entry, now: Timestamp, limits: &JournalLimits) -> Position {
        self.expire(now);
        let before = self.end(now);
        self.bytes += entry.bytes.len();
        self.kept.push_back(Kept { entry, until: now.after(limits.keep) });
        while self.kept.len() > 1 && (self.kept.len() > limits.entries || self.bytes > limits.bytes) {
            self.pop();
        }
        before
    }

    /// Lets those go that are over their time.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while self.goes_at().is_some_and(|at| at <= now) {
            self.pop();
        }
    }

    /// The first `max` behind a position that are not over their time.
    pub(crate) fn behind(&self, after: Position, now: Timestamp, max: usize) -> Vec<Entry> {
        let from = self.kept.partition_point(|kept| kept.entry.at <= after || kept.until <= now);
        self.kept.range(from..).take(max).map(|kept| kept.entry.clone()).collect()
    }

    /// Where the last one is that is not over its time.
    pub(crate) fn end(&self, now: Timestamp) -> Position {
        self.kept.back().filter(|kept| kept.until > now).map_or(Position::START, |kept| kept.entry.at)
    }

    /// When the first one is over its time; nothing if there is none.
    pub(crate) fn goes_at(&self) -> Option<Timestamp> {
        self.kept.front().map(|kept| kept.until)
    }

    fn pop(&mut self) {
        if let Some(Kept { entry, .. }) = self.kept.pop_front() {
            self.bytes -= entry.bytes.len();
        }
    }
}
