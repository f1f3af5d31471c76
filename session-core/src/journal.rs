//! What is said in sessions, for whoever was elsewhere when it was said.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::StoreError;
use crate::name::SessionId;
use crate::observer::Subject;
use crate::owner::Owner;

/// Keeps what is said in sessions for a while, in order, for every process that has the same backend.
///
/// A session has two [feeds](Feed). Whoever has something for it appends an entry, whoever waits for something follows
/// the feed and reads on from where they were. That is all that processes need to speak for one another: what one of
/// them has to tell a client, another can deliver, also later.
///
/// Entries are bytes. A journal knows nothing of what they say, and nothing of the sessions: who may read a feed was
/// decided by whoever loaded the session.
///
/// # Promises that hold for every method
///
/// - **Order.** Positions rise in the order of appending, whoever appends. *`entries_come_back_in_order`*
/// - **Two handles on one backend are one journal.** *`a_follower_is_rung_by_another_handle`*
/// - **Bounded.** A feed holds no more than its [`JournalLimits`]: the oldest entries go first, the newest stays, and
///   an entry goes when it has been there for [`keep`](JournalLimits::keep).
///   *`a_feed_is_bounded_in_entries_and_bytes`*, *`entries_go_after_their_time`*
/// - **Feeds are apart**: those of two sessions, of two owners of one locator, and the two of one session.
///   *`feeds_are_apart`*
/// - **Dropping a future** leaves an entry appended or not.
/// - **A backend that is away is [`Unavailable`](StoreError::Unavailable)**, never an empty feed.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Adds an entry to the end of a feed and rings whoever follows it, in every process.
    ///
    /// An entry is there once or, where the answer is [`Unavailable`](StoreError::Unavailable) that may have been
    /// applied, perhaps.
    ///
    /// # Errors
    ///
    /// [`Quota::EntryBytes`](crate::Quota::EntryBytes) for an entry that is more than a whole feed may hold
    /// (*`an_entry_larger_than_a_feed_is_refused`*), [`Full`](StoreError::Full),
    /// [`Unavailable`](StoreError::Unavailable).
    async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError>;

    /// Reads on: the first `max` entries behind a position, oldest first. Entries that have gone are passed over.
    /// *`reading_goes_on_where_it_was`*
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable).
    async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError>;

    /// The position of the last entry, [`Position::START`] if there is none: reading from there on reads what is new.
    /// *`reading_from_the_end_reads_what_is_new`*
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable).
    async fn end(&self, feed: &Feed) -> Result<Position, StoreError>;

    /// Follows a feed, until the follower is dropped. Needs the runtime of the backend.
    fn follow(&self, feed: &Feed) -> Box<dyn Follower>;

    /// Rings whoever follows a feed, in every process, and adds nothing to it: there is something to look at besides
    /// entries. *`a_ring_adds_nothing`*
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable).
    async fn ring(&self, feed: &Feed) -> Result<(), StoreError>;

    /// Forgets both feeds of sessions that have ended, and rings whoever follows them, so that they look.
    /// *`an_ended_session_leaves_no_entries`*, *`the_end_of_all_rings_all`*
    ///
    /// What is appended afterwards, by a call that was not over, is kept like anything else.
    ///
    /// # Errors
    ///
    /// [`OwnerRequired`](StoreError::OwnerRequired) for all sessions of the anonymous owner,
    /// [`Unavailable`](StoreError::Unavailable).
    async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError>;
}

/// One who follows a feed.
#[async_trait]
pub trait Follower: Send {
    /// Waits until there may be something new: an entry, the end of the session, or what somebody rang for.
    ///
    /// The first call completes once the feed is being followed, so that whoever reads then, and again each time that
    /// this completes, misses nothing. Rings that come together are one. It can complete without cause, after a backend
    /// was away for example. Dropping the future loses no ring. *`a_ring_is_not_lost`*
    async fn rung(&mut self);
}

/// Something that is said in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a journal has to have a place for each")]
pub enum Feed {
    /// What a session's client is told.
    ToClient(SessionId),
    /// What whoever serves a session is told, by the processes that the client spoke to instead.
    ToServers(SessionId),
    /// What all processes are told.
    ToAll,
}

/// Where an entry is in its feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Compared first.
    high: u64,
    low: u64,
}

impl Position {
    /// Before the first entry.
    pub const START: Self = Self { high: 0, low: 0 };

    /// A position, for backends: the numbers are compared in this order.
    #[must_use]
    pub const fn new(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// Its numbers, for backends.
    #[must_use]
    pub const fn parts(self) -> (u64, u64) {
        (self.high, self.low)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.high, self.low)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        let (high, low) = text.split_once('-').ok_or(InvalidPosition)?;
        Ok(Self { high: number(high).ok_or(InvalidPosition)?, low: number(low).ok_or(InvalidPosition)? })
    }
}

/// A text that is no [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position is two numbers with a hyphen between")]
pub struct InvalidPosition;

/// One entry of a feed. Cloning shares its bytes.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an entry is bytes at a position")]
pub struct Entry {
    /// Where it is.
    pub at: Position,
    /// What it says.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}, {} bytes)", self.at, self.bytes.len())
    }
}

/// Where an entry was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an entry comes after another")]
pub struct Appended {
    /// Where it is.
    pub at: Position,
    /// Where the entry before it is, [`Position::START`] if there is none: whoever has read that far needs not read
    /// this one.
    pub after: Position,
}

/// How much a journal keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "limits are written as a literal over `..JournalLimits::default()`")]
pub struct JournalLimits {
    /// Entries of one feed.
    pub entries: usize,
    /// Bytes of one feed's entries.
    pub bytes: usize,
    /// How long an entry is kept at most.
    pub keep: Duration,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { entries: 1000, bytes: 1024 * 1024, keep: Duration::from_secs(5 * 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_compare_by_their_numbers_and_read_what_they_write() {
        let positions = [Position::START, Position::new(0, 1), Position::new(1, 0), Position::new(u64::MAX, u64::MAX)];
        assert!(positions.is_sorted());
        for position in positions {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "1", "-", "1-", "-1", "+1-0", "1-0 ", "a-1", "1-0-1", "18446744073709551616-0"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text:?}");
        }
    }
}
