//! What a session's tools keep: small values, each under its own name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a state value: 1 to 128 characters out of letters, digits and `_ - . : /`, ASCII only.
///
/// Names that begin with a dot belong to the server and cannot be parsed, so that no client reaches them. See
/// [`reserved`](Self::reserved).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateName(Arc<str>);

impl StateName {
    /// The longest name in bytes.
    pub const MAX_BYTES: usize = 128;

    /// A name of the server's own, which no client can spell: what is kept under it is the server's alone to write and
    /// to read. It counts against no limit of the client's, so see to it that no client makes it large.
    ///
    /// This library has some. Those of a server begin with a dot, the server's name and another dot.
    ///
    /// # Panics
    ///
    /// If `name` does not begin with a dot followed by a valid name: it is a constant of the server's code.
    #[must_use]
    pub fn reserved(name: &'static str) -> Self {
        assert!(
            name.strip_prefix('.').is_some_and(Self::is_valid) && name.len() <= Self::MAX_BYTES,
            "a reserved state name is a dot and a valid name"
        );
        Self(name.into())
    }

    /// Whether the name belongs to the server.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with('.')
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a name back from where a store kept it, reserved names included.
    ///
    /// # Errors
    ///
    /// [`InvalidStateName`] if no store can have kept it.
    pub fn from_store(name: &str) -> Result<Self, InvalidStateName> {
        if name.len() > Self::MAX_BYTES || !Self::is_valid(name.strip_prefix('.').unwrap_or(name)) {
            return Err(InvalidStateName);
        }
        Ok(Self(name.into()))
    }

    fn is_valid(name: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
        (1..=Self::MAX_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
    }
}

impl FromStr for StateName {
    type Err = InvalidStateName;

    fn from_str(name: &str) -> Result<Self, InvalidStateName> {
        if Self::is_valid(name) { Ok(Self(name.into())) } else { Err(InvalidStateName) }
    }
}

impl fmt::Debug for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateName({} bytes)", self.0.len())
    }
}

/// A text that is not the name of a state value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state name is 1 to 128 ASCII letters, digits and `_-.:/`, and does not begin with a dot")]
pub struct InvalidStateName;

/// The bytes of a state value: opaque to stores, JSON by convention of the typed edge. Cloning shares them.
#[derive(Clone, PartialEq, Eq)]
pub struct StateValue(Arc<[u8]>);

impl StateValue {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for StateValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for StateValue {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for StateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateValue({} bytes)", self.0.len())
    }
}

/// The state of one session: its values in the order of their names.
///
/// Kept as a sorted list, since there are few: it costs no more than its values, and a copy for a writer is one
/// allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct State(Vec<(StateName, StateValue)>);

impl State {
    /// The value under a name.
    #[must_use]
    pub fn get(&self, name: &StateName) -> Option<&StateValue> {
        self.position(name).ok().map(|at| &self.0[at].1)
    }

    /// All values with their names, in the order of the names.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&StateName, &StateValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The values that clients can reach: all but those under reserved names, which count against no limit of theirs.
    pub fn clients(&self) -> impl Iterator<Item = (&StateName, &StateValue)> {
        self.iter().filter(|(name, _)| !name.is_reserved())
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the value under a name, or removes it.
    pub(crate) fn put(&mut self, name: &StateName, value: Option<&StateValue>) {
        match (self.position(name), value) {
            (Ok(at), Some(value)) => self.0[at].1 = value.clone(),
            (Err(at), Some(value)) => {
                // One at a time: most sessions have few values, and doubling would cost more than it saves.
                self.0.reserve_exact(1);
                self.0.insert(at, (name.clone(), value.clone()));
            }
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(_), None) => {}
        }
    }

    fn position(&self, name: &StateName) -> Result<usize, usize> {
        self.0.binary_search_by(|(kept, _)| kept.cmp(name))
    }
}

impl FromIterator<(StateName, StateValue)> for State {
    fn from_iter<I: IntoIterator<Item = (StateName, StateValue)>>(values: I) -> Self {
        let values = values.into_iter();
        let mut state = Self(Vec::with_capacity(values.size_hint().0));
        for (name, value) in values {
            state.put(&name, Some(&value));
        }
        state
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} values)", self.0.len())
    }
}
