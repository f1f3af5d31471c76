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

    /// A change of this session is noted when what is returned is dropped: before whoever asks for it hears that it is
    /// done, and also if they do not wait for that.
    pub(crate) fn noting(&self, locator: Locator) -> Noting<'_> {
        Noting(std::slice::from_ref(self.count(locator)))
    }

    /// The same for changes of any number of sessions.
    pub(crate) fn noting_all(&self) -> Noting<'_> {
        Noting(&self.0)
    }

    fn count(&self, locator: Locator) -> &AtomicU64 {
        // Locators are random.
        &self.0[usize::from(locator.as_bytes()[0]) % COUNTS]
    }
}

/// What counts a change once it is dropped.
pub(crate) struct Noting<'a>(&'a [AtomicU64]);

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        for count in self.0 {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }
}

const COUNTS: usize = 64;
