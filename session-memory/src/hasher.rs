//! Finds a session's place in the table by its locator's own bits.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes a [`SessionId`](session_core::SessionId) to the last eight bytes of its locator.
///
/// A locator is 128 random bits that this side mints, and a lookup never inserts. Nobody outside chooses which keys
/// meet in the table, so a keyed hash would protect nothing, and the bits are spread as well as any hash could spread
/// them: both the high ones, which select the shard and the tag, and the low ones, which select the bucket. Two owners'
/// ids of one locator share their hash and are told apart by equality.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LocatorHasher(u64);

/// Makes [`LocatorHasher`]s.
pub(crate) type BuildLocatorHasher = BuildHasherDefault<LocatorHasher>;

impl Hasher for LocatorHasher {
    /// Keeps the last bytes written: an id hashes its owner first and its locator after it.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    // The kind of the owner and the lengths of arrays.
    fn write_isize(&mut self, _: isize) {}
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    use dashmap::DashMap;
    use session_core::{Locator, Owner, SessionId, SessionName};

    use super::*;

    fn hash(owner: Owner, locator: Locator) -> u64 {
        BuildLocatorHasher::default().hash_one(SessionId { owner, locator })
    }

    #[test]
    fn the_hash_is_the_end_of_the_locator_whoever_owns_it() {
        let locator = Locator::from_bytes(*b"0123456789abcdef");
        for owner in [Owner::Anonymous, Owner::principal("issuer", "alice")] {
            assert_eq!(hash(owner, locator), u64::from_le_bytes(*b"89abcdef"));
        }
    }

    #[test]
    fn two_owners_of_one_locator_are_two_entries() {
        let locator = SessionName::mint().locator();
        let owners = [Owner::Anonymous, Owner::principal("issuer", "alice"), Owner::principal("issuer", "bob")];
        let map = DashMap::with_hasher(BuildLocatorHasher::default());
        for (at, owner) in owners.into_iter().enumerate() {
            assert_eq!(map.insert(SessionId { owner, locator }, at), None);
        }
        for (at, owner) in owners.into_iter().enumerate() {
            assert_eq!(map.get(&SessionId { owner, locator }).map(|found| *found), Some(at));
        }
    }

    #[test]
    fn shards_tags_and_buckets_are_all_in_use() {
        let hashes: Vec<u64> = (0..10_000).map(|_| hash(Owner::Anonymous, SessionName::mint().locator())).collect();
        let distinct = |part: fn(u64) -> u64| hashes.iter().map(|&hash| part(hash)).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|hash| hash >> 57), 128, "tags");
        assert_eq!(distinct(|hash| hash << 7 >> 57), 128, "shards");
        assert_eq!(distinct(|hash| hash & 127), 128, "buckets");
    }
}
