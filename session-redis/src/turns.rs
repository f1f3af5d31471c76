//! One write at a time for each session.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use session_core::{SessionId, Version};

const SHARDS: usize = 16;
const SESSIONS_PER_SHARD: usize = 4096;

/// Who may write to which session, and which version of it was seen last.
///
/// A session remembers of each writer the last write. Therefore a store has at most one write to a session on its way,
/// or an answer that was lost could not be asked for again. What is forgotten here costs a round trip, never a write.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    shards: [Mutex<HashMap<SessionId, Arc<Turn>>>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Held while a write is on its way.
    pub(crate) writing: tokio::sync::Mutex<()>,
    seen: AtomicU64,
}

impl Turns {
    pub(crate) fn of(&self, id: &SessionId) -> Arc<Turn> {
        let mut turns = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(id) {
            return turn.clone();
        }
        if turns.len() >= SESSIONS_PER_SHARD {
            // What somebody holds stays: a session with two turns would have two writes on their way.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(*id).or_default().clone()
    }

    /// Takes note of a version that the session had.
    pub(crate) fn saw(&self, id: &SessionId, version: Version) {
        self.of(id).saw(version);
    }

    fn shard(&self, id: &SessionId) -> &Mutex<HashMap<SessionId, Arc<Turn>>> {
        let hash = self.hasher.hash_one(id.locator);
        &self.shards[usize::try_from(hash % SHARDS as u64).expect("less than the shards")]
    }
}

impl Turn {
    /// A version that the session had at this time at the latest, or 0.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    pub(crate) fn saw(&self, version: Version) {
        self.seen.store(version.get(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use session_core::{Owner, SessionName};

    use super::*;

    fn id() -> SessionId {
        SessionId { owner: Owner::Anonymous, locator: SessionName::mint().locator() }
    }

    #[test]
    fn a_session_that_is_being_written_to_keeps_its_one_turn() {
        let turns = Turns::default();
        let kept = id();
        let turn = turns.of(&kept);
        turns.saw(&kept, Version::from_store(7));
        for _ in 0..2 * SHARDS * SESSIONS_PER_SHARD {
            turns.of(&id());
        }
        assert!(Arc::ptr_eq(&turn, &turns.of(&kept)));
        assert_eq!(turns.of(&kept).seen(), 7);
        let held: usize = turns.shards.iter().map(|shard| shard.lock().expect("no one panics").len()).sum();
        assert!(held <= SHARDS * SESSIONS_PER_SHARD, "{held} turns are kept");
    }
}
