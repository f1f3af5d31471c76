//! What things are called in Redis.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use session_core::{Feed, Owner, PrincipalId, SessionId};
use sha2::{Digest as _, Sha256};

use crate::config::KeyPrefix;
use crate::writer::Signature;

/// What things are called in Redis: nothing from outside is part of a key, only hashes of it.
///
/// All keys of a principal have one hash tag and are therefore in one slot of a cluster, so that whatever concerns
/// several of their sessions is atomic. Each anonymous session has a tag of its own, and so has what concerns all
/// processes.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: KeyPrefix,
}

impl Keys {
    pub(crate) fn new(prefix: KeyPrefix) -> Self {
        Self { prefix }
    }

    /// The hash that holds a session.
    pub(crate) fn session(&self, id: &SessionId) -> String {
        self.of(id, "s")
    }

    /// The sorted set of a principal's sessions.
    pub(crate) fn index(&self, principal: &PrincipalId) -> String {
        [self.prefix.as_str(), ":{o", &owner(principal), "}:x"].concat()
    }

    /// The stream that holds a feed, and the channel on which its followers are rung.
    pub(crate) fn feed(&self, feed: &Feed) -> String {
        match feed {
            Feed::ToClient(id) => self.of(id, "e"),
            Feed::ToServers(id) => self.of(id, "q"),
            Feed::ToAll => [self.prefix.as_str(), ":{all}:q"].concat(),
        }
    }

    /// What tells the entries that are forgotten, in all feeds with the hash tag of this key, and the channel on which
    /// they are told to be.
    pub(crate) fn forgotten(key: &str) -> String {
        beside(key, "f")
    }

    /// What is known of one writing to this key.
    pub(crate) fn writing(key: &str, signature: &Signature) -> String {
        beside(key, &format!("w:{signature}"))
    }

    /// The pattern that all sessions match, and nothing else.
    pub(crate) fn sessions(&self) -> String {
        format!("{}:{{*}}:s:*", self.prefix)
    }

    /// A key of one kind that belongs to a session.
    fn of(&self, id: &SessionId, kind: &str) -> String {
        let locator = hashed("locator", id.locator.as_bytes());
        match &id.owner {
            Owner::Anonymous => [self.prefix.as_str(), ":{a", &locator, "}:", kind, ":", &locator].concat(),
            Owner::Principal(principal) => {
                [self.prefix.as_str(), ":{o", &owner(principal), "}:", kind, ":", &locator].concat()
            }
        }
    }
}

/// Another key with the hash tag of this one.
fn beside(key: &str, name: &str) -> String {
    let tag = key.find('}').map_or(key, |end| &key[..=end]);
    [tag, ":", name].concat()
}

/// The slot of a key with a hash tag.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or(key, |(tag, _)| tag);
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16384
}

fn owner(principal: &PrincipalId) -> String {
    hashed("owner", principal.as_bytes())
}

/// 22 characters of base64url: half of a SHA-256.
fn hashed(domain: &str, bytes: &[u8]) -> String {
    let hash = Sha256::new().chain_update(domain).chain_update(bytes).finalize();
    URL_SAFE_NO_PAD.encode(&hash[..16])
}

#[cfg(test)]
mod tests {
    use session_core::SessionName;

    use super::*;

    fn id(owner: Owner) -> SessionId {
        SessionId { owner, locator: SessionName::mint().locator() }
    }

    #[test]
    fn what_one_principal_has_is_in_one_slot() {
        let keys = Keys::new(KeyPrefix::default());
        let alice = Owner::principal("https://issuer.example", "alice");
        let index = keys.index(alice.as_principal().expect("a principal"));
        for _ in 0..100 {
            let id = id(alice);
            let feeds = [Feed::ToClient(id), Feed::ToServers(id)].map(|feed| keys.feed(&feed));
            for key in [&keys.session(&id), &feeds[0], &feeds[1], &Keys::forgotten(&feeds[0])] {
                assert_eq!(slot(key), slot(&index));
            }
        }
        let slots: std::collections::BTreeSet<u16> =
            (0..100).map(|_| slot(&keys.session(&id(Owner::Anonymous)))).collect();
        assert!(slots.len() > 90, "anonymous sessions are spread: {} slots for a hundred", slots.len());
    }

    #[test]
    fn the_slot_is_that_of_the_tag() {
        // From the cluster specification: CRC16("123456789") is 0x31C3, and there are 0x4000 slots.
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("a:{123456789}:b"), 0x31C3);
    }

    #[test]
    fn no_part_of_a_name_is_part_of_a_key() {
        let keys = Keys::new("shop".parse().expect("a prefix"));
        let id = id(Owner::Anonymous);
        let key = keys.session(&id);
        assert!(key.starts_with("shop:{a") && !key.contains(&id.locator.to_string()), "{key}");
    }
}
