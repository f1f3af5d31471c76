//! Whether a session may have changed since it was looked at.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::name::Locator;

/// Counts the changes of sessions that went through one manager, by a part of their locators: sessions that share a
/// count only look as if they had changed more often.
#[derive(Debug)]
pub(crate) struct Changes([AtomicU64; COUNTS]);

impl Changes {
    pub(crate) fn new() -> Self {
        Self([const { AtomicU64::new(0) }; COUNTS])
    }

    pub(crate) fn of(&self, locator: Locator) -> u64 {
        self.count(locator).load(Ordering::Acquire)
    }

    /// A change of this session is done, or may be. Called before whoever asked for it hears of that.
    pub(crate) fn note(&self, locator: Locator) {
        self.count(locator).fetch_add(1, Ordering::AcqRel);
    }

    /// So are changes of any number of sessions.
    pub(crate) fn note_all(&self) {
        for count in &self.0 {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn count(&self, locator: Locator) -> &AtomicU64 {
        // Locators are random.
        &self.0[usize::from(locator.as_bytes()[0]) % COUNTS]
    }
}

const COUNTS: usize = 64;
