//! A list, a page at a time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use crate::digest::write_short;
use crate::error::StoreError;
use crate::name::Locator;
use crate::session::Summary;

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a place and a size")]
pub struct Page {
    /// Where the last page ended; `None` for the first.
    pub after: Option<Cursor>,
    /// How many sessions at most. A store may return fewer, and none, before the end.
    pub size: NonZeroU32,
}

impl Page {
    /// The most sessions a store returns at once, whatever was asked.
    pub const MAX_SIZE: u32 = 500;

    /// The first `size` sessions.
    #[must_use]
    pub fn first(size: NonZeroU32) -> Self {
        Self { after: None, size }
    }

    /// How many sessions to return: what was asked, within [`MAX_SIZE`](Self::MAX_SIZE).
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.size.get().min(Self::MAX_SIZE) as usize
    }
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The sessions.
    pub sessions: Vec<Summary>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Listing {
    /// A page that ends at `next`, or with the list.
    #[must_use]
    pub fn new(sessions: Vec<Summary>, next: Option<Cursor>) -> Self {
        Self { sessions, next }
    }
}

/// A place in a list, to be handed back unread to the store it came from.
///
/// As a text it is 1 to 128 characters of visible ASCII, so that it may travel through a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(Arc<str>);

impl Cursor {
    /// The place as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=128).contains(&text.len()) { Ok(Self(text.into())) } else { Err(StoreError::InvalidCursor) }
    }
}

impl From<Locator> for Cursor {
    /// The place after a locator, for stores that list in the order of locators.
    fn from(locator: Locator) -> Self {
        Self(locator.to_string().into())
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short(f, "Cursor", self.0.as_bytes())
    }
}
