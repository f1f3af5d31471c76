//! Which of a principal's sessions expired lately, and by which lifetime.

use std::collections::VecDeque;
use std::time::Duration;

use session_core::{Expired, Locator, Timestamp};

/// Which of a principal's sessions expired lately: the last 64 within a day.
#[derive(Debug, Default)]
pub(crate) struct Graves(VecDeque<Grave>);

#[derive(Debug)]
struct Grave {
    locator: Locator,
    expired: Expired,
    until: Timestamp,
}

impl Graves {
    const MAX: usize = 64;
    const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

    pub(crate) fn add(&mut self, locator: Locator, expired: Expired, now: Timestamp) {
        if self.0.len() == Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back(Grave { locator, expired, until: now.after(Self::LIFETIME) });
    }

    pub(crate) fn find(&self, locator: Locator, now: Timestamp) -> Option<Expired> {
        self.0.iter().find(|grave| grave.locator == locator && grave.until > now).map(|grave| grave.expired)
    }

    pub(crate) fn remove(&mut self, locator: Locator) {
        self.0.retain(|grave| grave.locator != locator);
    }

    pub(crate) fn forget(&mut self, now: Timestamp) {
        self.0.retain(|grave| grave.until > now);
    }

    /// When the first of them is to be forgotten.
    pub(crate) fn forgets_at(&self) -> Option<Timestamp> {
        self.0.front().map(|grave| grave.until)
    }
}

#[cfg(test)]
mod tests {
    use session_core::SessionName;

    use super::*;

    #[test]
    fn the_last_64_are_remembered_for_a_day() {
        let begin = Timestamp::from_millis(1_000_000);
        let locators: Vec<Locator> = (0..65).map(|_| SessionName::mint().locator()).collect();
        let mut graves = Graves::default();
        for &locator in &locators {
            graves.add(locator, Expired::Idle, begin);
        }
        assert_eq!(graves.find(locators[0], begin), None, "the oldest of 65");
        assert_eq!(graves.find(locators[1], begin), Some(Expired::Idle));
        let day_later = begin.after(Graves::LIFETIME);
        assert_eq!(graves.forgets_at(), Some(day_later));
        assert_eq!(graves.find(locators[1], day_later), None);
        graves.forget(day_later);
        assert_eq!(graves.forgets_at(), None);
    }
}
