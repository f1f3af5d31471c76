//! Who may open a record: one grant for each of its names.

use std::fmt;
use std::time::Duration;

use smallvec::SmallVec;

use crate::name::SecretHash;
use crate::text::Text;
use crate::time::Timestamp;

/// What a name may do with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a third mode would change every store's access check")]
pub enum Mode {
    /// Read it. The store itself refuses the rest, and such a reader does not prolong the idle timeout. It restrains
    /// who has nothing but the name: a principal can do everything with their own sessions.
    ReadOnly,
    /// Everything: read, prolong, change, add and revoke grants, end it. That includes the grants of others, so give
    /// it to whom you would give the session.
    ReadWrite,
}

/// A name's right to a session, as the record keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The hash of the name's secret.
    pub secret: SecretHash,
    /// What the name may do.
    pub mode: Mode,
    /// When the right ends; never after the session itself.
    pub ends_at: Timestamp,
    /// What its giver called it, for telling grants apart.
    pub label: Option<Text>,
}

/// A right to be given: what a [`Change`](crate::Change) or a [`NewSession`](crate::NewSession) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store that merges elsewhere must not overlook a field")]
pub struct NewGrant {
    /// What the name may do.
    pub mode: Mode,
    /// How long, counted on the store's clock; `None` is as long as its giver may.
    pub lifetime: Option<Duration>,
    /// What to call it.
    pub label: Option<Text>,
}

impl NewGrant {
    /// A right that lasts as long as its giver's.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, lifetime: None, label: None }
    }

    /// Ends the right after `lifetime`, unless the session or the giver's own right ends before.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Gives the right a label. Those that begin with a dot belong to this library.
    #[must_use]
    pub fn with_label(mut self, label: Text) -> Self {
        self.label = Some(label);
        self
    }

    /// The grant that a store keeps, begun at `now` and ended no later than `latest`.
    pub(crate) fn begin(self, secret: SecretHash, now: Timestamp, latest: Timestamp) -> Grant {
        let ends_at = self.lifetime.map_or(latest, |lifetime| now.after(lifetime).min(latest));
        Grant { secret, mode: self.mode, ends_at, label: self.label }
    }
}

/// The grants of one record, in the order of their hashes.
///
/// Most sessions have one, which is therefore kept inside the record: looking it up costs no further memory access.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grants(SmallVec<[Grant; 1]>);

impl Grants {
    /// The grant of this secret.
    #[must_use]
    pub fn get(&self, secret: SecretHash) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.secret == secret)
    }

    /// All grants.
    pub fn iter(&self) -> std::slice::Iter<'_, Grant> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a grant, in the place of the one with the same secret if there is one.
    pub(crate) fn insert(&mut self, grant: Grant) {
        match self.0.binary_search_by_key(&grant.secret, |kept| kept.secret) {
            Ok(at) => self.0[at] = grant,
            Err(at) => self.0.insert(at, grant),
        }
    }

    /// Removes the grant of this secret.
    pub(crate) fn remove(&mut self, secret: SecretHash) {
        self.0.retain(|grant| grant.secret != secret);
    }

    /// Removes the grants that have ended.
    pub(crate) fn drop_ended(&mut self, now: Timestamp) {
        self.0.retain(|grant| grant.ends_at > now);
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        let mut all = Self::default();
        grants.into_iter().for_each(|grant| all.insert(grant));
        all
    }
}

impl<'a> IntoIterator for &'a Grants {
    type Item = &'a Grant;
    type IntoIter = std::slice::Iter<'a, Grant>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
