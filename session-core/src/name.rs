//! What a session is called: the name a client holds, and the key a store looks up.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::{self, digest, write_short};
use crate::owner::Owner;

const PREFIX: &str = "ses_";
const PART_BYTES: usize = 16;
const PART_CHARS: usize = 22;

/// The name a client holds for a session: `ses_` and two parts of 22 base64url characters.
///
/// The first part is the [`Locator`], which finds the record; the second is a secret, of which the record keeps only
/// the hash. Each is 128 random bits, so a name cannot be guessed. One record can have several names, which share the
/// locator and differ in the secret (see [`Grant`](crate::Grant)).
///
/// For an anonymous caller the name is a bearer capability. It therefore has no `Display`: [`expose`](Self::expose)
/// is the one place where it leaves, and `Debug` shows a short hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionName {
    locator: Locator,
    secret: [u8; PART_BYTES],
}

impl SessionName {
    /// The length of every name in characters.
    pub const LEN: usize = PREFIX.len() + 2 * PART_CHARS;

    /// Mints a name that nobody has: a new locator and a new secret, from the operating system's random source.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give: no session could be kept apart from another.
    #[must_use]
    pub fn mint() -> Self {
        Self::mint_for(Locator(random()))
    }

    /// Mints another name of the same record: this locator and a new secret.
    ///
    /// The name opens nothing until its [`secret_hash`](Self::secret_hash) was granted.
    ///
    /// # Panics
    ///
    /// As [`mint`](Self::mint).
    #[must_use]
    pub fn mint_for(locator: Locator) -> Self {
        Self { locator, secret: random() }
    }

    /// The part that finds the record.
    #[must_use]
    pub fn locator(&self) -> Locator {
        self.locator
    }

    /// The hash under which a record keeps this name's secret.
    #[must_use]
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash(digest("secret", &[&self.secret]))
    }

    /// Writes the name out in full, for the client that holds it. Never log what this returns.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}{}", self.locator, URL_SAFE_NO_PAD.encode(self.secret))
    }
}

impl FromStr for SessionName {
    type Err = InvalidName;

    /// Reads a name as [`expose`](Self::expose) wrote it; every other spelling is refused.
    ///
    /// There is one spelling per name (spare bits must be zero), and the length is looked at first, so a megabyte of
    /// anything costs nothing. Proven by `conformance::hostile_names_are_refused_before_the_backend`.
    fn from_str(name: &str) -> Result<Self, InvalidName> {
        if name.len() != Self::LEN || !name.is_ascii() {
            return Err(InvalidName);
        }
        let parts = name.strip_prefix(PREFIX).ok_or(InvalidName)?;
        let (locator, secret) = parts.split_at(PART_CHARS);
        Ok(Self { locator: locator.parse()?, secret: decode(secret)? })
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short(f, "SessionName", &self.locator.0)
    }
}

/// The part of a name that finds the record: 128 random bits, in 22 base64url characters when displayed.
///
/// It may be shown to the session's owner, since by itself it opens nothing for anybody else. `Debug` shows a short
/// hash all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator([u8; PART_BYTES]);

impl Locator {
    /// The locator's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; PART_BYTES] {
        &self.0
    }

    /// A locator a store reads back from where it kept [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; PART_BYTES]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Locator {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() != PART_CHARS {
            return Err(InvalidName);
        }
        decode(text).map(Self)
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short(f, "Locator", &self.0)
    }
}

/// The hash of a name's secret: 128 bits of SHA-256.
///
/// A secret is itself 128 random bits, so its hash can neither be inverted nor met by chance, and comparing two hashes
/// in ordinary time tells nothing that helps to find a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretHash([u8; digest::LEN]);

impl SecretHash {
    /// The hash's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; digest::LEN] {
        &self.0
    }

    /// A hash a store reads back from where it kept [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn from_bytes(bytes: [u8; digest::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_short(f, "SecretHash", &self.0)
    }
}

/// Where a record is kept: its owner and its locator. Two owners never meet under one `SessionId`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId {
    /// Whose record it is.
    pub owner: Owner,
    /// Which of the owner's records it is.
    pub locator: Locator,
}

/// By what right a caller asks for a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a third right would change every store's access check")]
pub enum Access {
    /// As its authenticated owner, with no secret. Opens nothing for [`Owner::Anonymous`].
    Owner,
    /// With the secret of a name, which has to be granted on the record.
    Secret(SecretHash),
}

/// What a store is asked with: which record, and by what right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionKey {
    id: SessionId,
    access: Access,
}

impl SessionKey {
    /// The key of a caller who holds a name.
    #[must_use]
    pub fn by_name(owner: Owner, name: &SessionName) -> Self {
        let id = SessionId { owner, locator: name.locator() };
        Self { id, access: Access::Secret(name.secret_hash()) }
    }

    /// The key of an owner who points at one of their own sessions without its secret.
    ///
    /// It opens nothing for the anonymous owner: all anonymous callers would otherwise be one owner.
    #[must_use]
    pub fn by_locator(owner: Owner, locator: Locator) -> Self {
        Self { id: SessionId { owner, locator }, access: Access::Owner }
    }

    /// Which record is meant.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Who asks.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.id.owner
    }

    /// Which of the owner's records is meant.
    #[must_use]
    pub fn locator(&self) -> Locator {
        self.id.locator
    }

    /// By what right.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }
}

/// A text that is not a session name, and that no store was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session name is `ses_` and 44 base64url characters; pass it exactly as it was given to you")]
pub struct InvalidName;

fn random() -> [u8; PART_BYTES] {
    let mut bytes = [0; PART_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn decode(part: &str) -> Result<[u8; PART_BYTES], InvalidName> {
    let mut bytes = [0; PART_BYTES];
    match URL_SAFE_NO_PAD.decode_slice(part, &mut bytes) {
        Ok(PART_BYTES) => Ok(bytes),
        _ => Err(InvalidName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_itself() {
        let name = SessionName::mint();
        assert_eq!(name.expose().len(), SessionName::LEN);
        assert_eq!(name.expose().parse::<SessionName>(), Ok(name));
    }

    #[test]
    fn a_name_has_one_spelling() {
        let zeros = format!("ses_{}", "A".repeat(44));
        assert!(zeros.parse::<SessionName>().is_ok());
        for spelling in ["B", "=", "+", "/", " "] {
            let other = format!("ses_{}{spelling}", "A".repeat(43));
            assert_eq!(other.parse::<SessionName>(), Err(InvalidName), "{spelling:?} in the last place");
        }
    }

    #[test]
    fn debug_shows_no_part_of_a_name() {
        let name = SessionName::mint();
        let key = SessionKey::by_name(Owner::Anonymous, &name);
        let shown = format!("{name:?} {key:?}");
        let exposed = name.expose();
        assert!(!shown.contains(&exposed[4..26]) && !shown.contains(&exposed[26..]), "{shown}");
    }
}
