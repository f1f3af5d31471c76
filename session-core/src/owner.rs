//! Whose a session is.

use std::fmt;

use crate::digest::{self, digest, write_short};

/// Whose a session is.
///
/// Owners isolate: a record is found only together with its owner, and a foreign session looks like one that never
/// was (`conformance::a_foreign_session_is_an_unknown_one`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a caller is authenticated or is not")]
pub enum Owner {
    /// Nobody in particular. The session's name is then a bearer capability, and whatever speaks of "all of mine" is
    /// refused: all anonymous callers would otherwise be one owner.
    Anonymous,
    /// An authenticated principal.
    Principal(PrincipalId),
}

impl Owner {
    /// The owner who is `subject` at `issuer`: the two claims that outlive a token's refresh.
    #[must_use]
    pub fn principal(issuer: &str, subject: &str) -> Self {
        Self::Principal(PrincipalId::new(issuer, subject))
    }

    /// The principal, unless the owner is anonymous.
    #[must_use]
    pub fn as_principal(&self) -> Option<&PrincipalId> {
        match self {
            Self::Anonymous => None,
            Self::Principal(id) => Some(id),
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Principal(id) => id.fmt(f),
        }
    }
}

/// A principal as stores know it: 128 bits of SHA-256 over issuer and subject, never a token's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalId([u8; digest::LEN]);

impl PrincipalId {
    /// The principal who is `subject` at `issuer`.
    #[must_use]
    pub fn new(issuer: &str, subject: &str) -> Self {
        Self(digest("principal", &[issuer.as_bytes(), subject.as_bytes()]))
    }

    /// The hash's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; digest::LEN] {
        &self.0
    }

    /// A principal a store reads back from where it kept [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; digest::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short(f, "Principal", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_and_subject_do_not_run_into_each_other() {
        assert_ne!(Owner::principal("ab", "c"), Owner::principal("a", "bc"));
        assert_eq!(Owner::principal("a", "b"), Owner::principal("a", "b"));
    }
}
