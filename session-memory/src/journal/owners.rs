//! Which feeds a principal has.

use std::collections::BTreeSet;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;
use session_core::{Feed, PrincipalId};

/// The feeds of each principal. Its locks are leaves: nothing else is locked while one is held.
#[derive(Debug)]
pub(crate) struct Owners(DashMap<PrincipalId, BTreeSet<Feed>>);

impl Owners {
    pub(crate) fn new() -> Self {
        Self(DashMap::new())
    }

    /// Counts a feed among its owner's, if a principal owns it.
    pub(crate) fn insert(&self, feed: Feed) {
        if let Some(principal) = principal_of(&feed) {
            self.0.entry(principal).or_default().insert(feed);
        }
    }

    pub(crate) fn remove(&self, feed: &Feed) {
        if let Some(principal) = principal_of(feed)
            && let Slot::Occupied(mut slot) = self.0.entry(principal)
        {
            slot.get_mut().remove(feed);
            if slot.get().is_empty() {
                slot.remove();
            }
        }
    }

    /// The feeds that a principal has now.
    pub(crate) fn feeds_of(&self, principal: &PrincipalId) -> BTreeSet<Feed> {
        self.0.get(principal).map(|feeds| feeds.clone()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn principal_of(feed: &Feed) -> Option<PrincipalId> {
    match feed {
        Feed::ToClient(session) | Feed::ToServers(session) => session.owner.as_principal().copied(),
        Feed::ToAll => None,
    }
}
